//! Who is asking is decided without a clock, a file, a socket or chance.

use tandem_purity::{check_source, dependencies};

const BANNED: [(&str, &str); 11] = [
    ("SystemTime", "the time is an argument"),
    ("Instant", "the time is an argument"),
    ("std::fs", "no I/O"),
    ("std::net", "no I/O"),
    ("std::io", "no I/O"),
    ("std::env", "no I/O"),
    ("println", "no I/O"),
    ("async ", "no async"),
    (".await", "no async"),
    ("Mutex", "no threads"),
    ("getrandom", "random bytes are an argument"),
];

const ALLOWED: [&str; 10] = [
    "tandem-model",
    "base64",
    "crc32fast",
    "http",
    "ring",
    "serde",
    "serde_json",
    "subtle",
    "thiserror",
    "toml",
];

#[test]
fn the_source_holds_nothing_impure() {
    check_source(env!("CARGO_MANIFEST_DIR"), 12, &BANNED);
}

#[test]
fn the_dependencies_are_the_allowed_ones() {
    let names = dependencies(env!("CARGO_MANIFEST_DIR"));
    assert!(names.iter().any(|name| name == "tandem-model"), "read: {names:?}");
    for name in names {
        assert!(ALLOWED.contains(&name.as_str()), "{name} is not among the allowed dependencies");
    }
}
