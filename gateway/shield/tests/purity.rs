//! The core reads no clock and does no I/O.

use tandem_purity::{check_source, dependencies};

/// What may not occur in the source of this core, and why. (That it has no randomness of its own is
/// seen from its dependencies; `ring` has some, and what would hand it out is named here.)
const BANNED: [(&str, &str); 9] = [
    ("SystemTime", "time is an argument"),
    ("Instant::", "time is an argument"),
    ("std::fs", "no I/O"),
    ("std::io", "no I/O"),
    ("std::env", "no I/O"),
    ("println", "no I/O"),
    ("tokio", "no runtime"),
    ("SystemRandom", "randomness is an argument"),
    ("f64", "no float in what is decided"),
];

#[test]
fn the_source_holds_nothing_impure() {
    check_source(env!("CARGO_MANIFEST_DIR"), 25, &BANNED);
}

#[test]
fn the_dependencies_are_the_allowed_ones() {
    let allowed = ["aho-corasick", "http", "parking_lot", "ring", "serde", "siphasher", "thiserror", "toml"];
    assert_eq!(dependencies(env!("CARGO_MANIFEST_DIR")), allowed);
}
