//! Holds the source of a pure core against what may not occur in it: a crate that says it knows no
//! clock is searched for clocks. Only tests use this.
//!
//! It is a search for words in lines, comments left out. Whoever wants to get around it can; it is
//! there for what slips in.

use std::fs;
use std::path::{Path, PathBuf};

/// Words that may not occur, each with the reason.
pub type Banned = [(&'static str, &'static str)];

/// Searches the sources of the crate at `manifest_folder` (`env!("CARGO_MANIFEST_DIR")`), all folders
/// below `src`; what comes after `#[cfg(test)]` in a file is left out.
///
/// # Panics
///
/// When a banned word occurs, naming the place; when there are fewer than `files_min` files, which
/// would mean that the search has lost its way; when the source can't be read.
pub fn check_source(manifest_folder: &str, files_min: usize, banned: &Banned) {
    let mut files = Vec::new();
    sources(&Path::new(manifest_folder).join("src"), &mut files);
    assert!(files.len() >= files_min, "only {} files were looked at", files.len());
    for path in files {
        let text = fs::read_to_string(&path).expect("the source is readable");
        if let Some((line, word, reason)) = first_banned(&text, banned) {
            panic!("{}:{line}: `{word}`: {reason}", path.display());
        }
    }
}

/// The first banned word of a source: the number of its line, the word, the reason.
fn first_banned(text: &str, banned: &Banned) -> Option<(usize, &'static str, &'static str)> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    (1..).zip(code.lines()).find_map(|(number, line)| {
        let code = line.split("//").next().unwrap_or_default();
        let (word, reason) = banned.iter().find(|(word, _)| code.contains(word))?;
        Some((number, *word, *reason))
    })
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("the source is readable").path();
        if path.is_dir() { sources(&path, files) } else { files.push(path) }
    }
}

/// The names of what the crate at `manifest_folder` depends on, tests aside, in the order in which
/// its manifest names them.
///
/// # Panics
///
/// When the manifest can't be read, or names no dependencies.
pub fn dependencies(manifest_folder: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(manifest_folder).join("Cargo.toml"));
    names(&text.expect("the manifest is readable"))
}

fn names(manifest: &str) -> Vec<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).expect("a section of dependencies");
    let lines = section.split("\n[").next().unwrap_or_default().lines();
    let names = lines.filter_map(|line| line.split(['.', ' ', '=', '#']).next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANNED: [(&str, &str); 2] = [("Instant", "no clock"), ("f64", "no float")];

    #[test]
    fn words_are_found_outside_of_comments_and_tests() {
        let cases = [
            ("fn a() {}\nlet now = Instant::now();", Some((2, "Instant", "no clock"))),
            ("let x: f64 = 1.0; // fine?", Some((1, "f64", "no float"))),
            ("//! Instant answers\n/// of f64\nlet x = 1; // Instant", None),
            ("let x = 1;\n#[cfg(test)]\nmod tests { use std::time::Instant; }", None),
        ];
        for (text, expected) in cases {
            assert_eq!(first_banned(text, &BANNED), expected, "{text}");
        }
    }

    #[test]
    #[should_panic(expected = "only 1 files")]
    fn a_search_that_finds_no_files_fails() {
        check_source(env!("CARGO_MANIFEST_DIR"), 2, &BANNED);
    }

    #[test]
    fn names_of_dependencies_are_read() {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nserde.workspace = true\n# why\n\
                        bytes = { version = \"1\" }\n\n[dev-dependencies]\nrand.workspace = true\n";
        assert_eq!(names(manifest), ["serde", "bytes"]);
    }
}
