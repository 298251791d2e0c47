//! The core reads no clock and does no I/O.

use tandem_purity::{check_source, dependencies};

/// What may not occur in the source of this core, its tests included, and why. (That it has no
/// randomness of its own is seen from its dependencies.)
const BANNED: [(&str, &str); 8] = [
    ("SystemTime", "time is an argument"),
    ("Instant", "time is an argument"),
    ("std::fs", "no I/O"),
    ("std::io", "no I/O"),
    ("std::env", "no I/O"),
    ("println", "no I/O"),
    ("tokio", "no runtime"),
    ("f64", "no float in what is decided"),
];

#[test]
fn the_source_holds_nothing_impure() {
    check_source(env!("CARGO_MANIFEST_DIR"), 11, &BANNED);
}

#[test]
fn the_dependencies_are_the_allowed_ones() {
    let allowed = ["async-trait", "serde", "siphasher", "thiserror", "parking_lot", "toml"];
    assert_eq!(dependencies(env!("CARGO_MANIFEST_DIR")), allowed);
}
