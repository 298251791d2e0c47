//! The guard knows no clock and no socket, and depends on nothing.

use tandem_purity::{check_source, dependencies};

const BANNED: [(&str, &str); 6] = [
    ("std::net::Tcp", "no sockets"),
    ("tokio", "no runtime"),
    ("async ", "no runtime"),
    ("Instant", "no clock"),
    ("SystemTime", "no clock"),
    ("HashMap", "no random order"),
];

#[test]
fn the_guard_is_pure() {
    check_source(env!("CARGO_MANIFEST_DIR"), 9, &BANNED);
}

#[test]
fn it_depends_on_nothing() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    // Its section of dependencies is empty, which `dependencies` would report as of the next one.
    assert!(manifest.contains("\n[dependencies]\n\n[dev-dependencies]\n"));
    assert_eq!(dependencies(env!("CARGO_MANIFEST_DIR")), Vec::<String>::new());
}
