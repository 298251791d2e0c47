//! The fold reads no clock, does no I/O, knows no async, no randomness and no float.

use tandem_purity::{check_source, dependencies};

/// What may not occur in the source of a pure core, and why.
const BANNED: [(&str, &str); 16] = [
    ("f32", "floats differ between machines"),
    ("f64", "floats differ between machines"),
    ("SystemTime", "only beats move time"),
    ("Instant", "only beats move time"),
    ("chrono", "only beats move time"),
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
    ("std::collections::HashMap", "its order is random; use crate::Map"),
];

/// All the fold may depend on.
const ALLOWED: [&str; 7] =
    ["tandem-model", "serde", "postcard", "hashbrown", "xxhash-rust", "foldhash", "thiserror"];

#[test]
fn the_source_holds_nothing_impure() {
    check_source(env!("CARGO_MANIFEST_DIR"), 6, &BANNED);
}

#[test]
fn the_dependencies_are_the_allowed_ones() {
    let names = dependencies(env!("CARGO_MANIFEST_DIR"));
    assert!(names.iter().any(|name| name == "tandem-model"), "read: {names:?}");
    for name in names {
        assert!(
            ALLOWED.contains(&name.as_str()),
            "{name} is not among the allowed dependencies of a pure core"
        );
    }
}
