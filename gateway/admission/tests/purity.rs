//! The core reads no clock and does no I/O.

use tandem_purity::{check_source, dependencies};

/// What may not occur in the source of this core, and why.
const BANNED: [(&str, &str); 7] = [
    ("SystemTime", "time is an argument"),
    ("Instant", "time is an argument"),
    ("std::fs", "no I/O"),
    ("std::io", "no I/O"),
    ("std::env", "no I/O"),
    ("println", "no I/O"),
    ("tokio", "no runtime"),
];

#[test]
fn the_source_holds_nothing_impure() {
    check_source(env!("CARGO_MANIFEST_DIR"), 7, &BANNED);
}

#[test]
fn the_dependencies_are_the_allowed_ones() {
    assert_eq!(dependencies(env!("CARGO_MANIFEST_DIR")), ["thiserror"]);
}
