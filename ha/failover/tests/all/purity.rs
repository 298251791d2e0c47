//! The core reads no clock, does no I/O, knows no async, no randomness and no float.

use tandem_purity::{check_source, dependencies};

/// What may not occur in the source of this core, and why.
const BANNED: [(&str, &str); 16] = [
    ("f32", "no float in what is decided"),
    ("f64", "no float in what is decided"),
    ("SystemTime", "time is an argument"),
    ("Instant", "time is an argument"),
    ("std::fs", "no I/O"),
    ("std::net", "no I/O"),
    ("std::io", "no I/O"),
    ("std::env", "no I/O"),
    ("println", "no I/O"),
    ("async ", "no async"),
    (".await", "no async"),
    ("std::thread", "no threads"),
    ("Mutex", "no threads"),
    ("rand::", "no randomness"),
    ("HashMap", "its order is random"),
    ("HashSet", "its order is random"),
];

#[test]
fn the_source_holds_nothing_impure() {
    check_source(env!("CARGO_MANIFEST_DIR"), 11, &BANNED);
}

#[test]
fn the_dependencies_are_the_allowed_ones() {
    assert_eq!(dependencies(env!("CARGO_MANIFEST_DIR")), ["tandem-model", "serde", "thiserror"]);
}
