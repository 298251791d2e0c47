//! The core reads no clock, does no I/O, knows no async, no randomness and no float.

use std::path::{Path, PathBuf};

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
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 10, "only {} files were looked at", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).expect("readable");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().expect("split gives at least one part");
            for (word, reason) in BANNED {
                assert!(!code.contains(word), "{}:{}: `{word}`: {reason}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn the_dependencies_are_the_allowed_ones() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let text = std::fs::read_to_string(manifest).expect("readable");
    let section = text.split("[dependencies]").nth(1).expect("a section of dependencies");
    let section = section.split("\n[").next().expect("split gives at least one part");
    let names: Vec<&str> =
        section.lines().filter_map(|line| line.split('.').next()).filter(|name| !name.is_empty()).collect();
    assert_eq!(names, ["tandem-model", "serde", "thiserror"]);
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() { sources(&path, files) } else { files.push(path) }
    }
}
