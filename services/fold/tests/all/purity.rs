//! The fold reads no clock, does no I/O, knows no async, no randomness and no float.

use std::path::Path;

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("readable").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        let code = text.split("#[cfg(test)]").next().expect("split gives at least one part");
        for (number, line) in code.lines().enumerate() {
            let code = line.split("//").next().expect("split gives at least one part");
            for (word, reason) in BANNED {
                assert!(!code.contains(word), "{}:{}: `{word}`: {reason}", path.display(), number + 1);
            }
        }
        files += 1;
    }
    assert!(files > 5, "only {files} files were looked at");
}

#[test]
fn the_dependencies_are_the_allowed_ones() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let text = std::fs::read_to_string(manifest).expect("readable");
    let section = text.split("[dependencies]").nth(1).expect("a section of dependencies");
    let section = section.split("\n[").next().expect("split gives at least one part");
    let names: Vec<&str> = section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.contains(&"tandem-model"), "read: {names:?}");
    for name in names {
        assert!(ALLOWED.contains(&name), "{name} is not among the allowed dependencies of a pure core");
    }
}
