//! All time is virtual and all chance is the seed's: the source holds nothing else.

use std::path::{Path, PathBuf};

/// What may not occur, and why.
const BANNED: [(&str, &str); 12] = [
    ("SystemTime", "time is virtual"),
    ("Instant", "time is virtual"),
    ("std::time", "time is virtual"),
    ("std::thread", "one thing at a time"),
    ("Mutex", "one thing at a time"),
    ("async ", "one thing at a time"),
    ("std::fs", "no I/O"),
    ("std::net", "no I/O"),
    ("std::env", "a run is its scenario"),
    ("HashMap", "its order is random"),
    ("HashSet", "its order is random"),
    ("rand::rng()", "chance is the seed's"),
];

#[test]
fn the_source_holds_neither_time_nor_chance_of_its_own() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 25, "only {} files were looked at", files.len());
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

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() { sources(&path, files) } else { files.push(path) }
    }
}
