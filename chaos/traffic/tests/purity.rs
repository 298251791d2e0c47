//! The traffic knows no clock, no chance but its seed, and nothing outside of it.

#[test]
fn the_traffic_depends_on_its_options_alone() {
    tandem_purity::check_source(
        env!("CARGO_MANIFEST_DIR"),
        20,
        &[
            ("Instant", "time is virtual"),
            ("SystemTime", "time is virtual"),
            ("std::fs", "nothing is read"),
            ("std::net::Tcp", "nothing is sent"),
            ("thread_rng", "chance comes from the seed"),
            ("HashMap", "its order differs from run to run"),
            ("HashSet", "its order differs from run to run"),
        ],
    );
}
