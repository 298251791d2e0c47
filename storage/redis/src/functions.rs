//! The function library: its text, its name, the names in it.
//!
//! The name holds a hash of the text, so two builds of Tandem that differ in it live side by side
//! on one server, and a name that is there is the text that is meant. What older builds left
//! behind can be dropped (`FUNCTION DELETE`) once none of them runs.

use std::sync::LazyLock;

use redis::Cmd;
use xxhash_rust::xxh3::xxh3_64;

/// As in the file, with the place of the hash.
const TEXT: &str = include_str!("functions.lua");
const PLACE: &str = "BUILD";

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let build = format!("{:016x}", xxh3_64(TEXT.as_bytes()));
    let name = |function: &str| format!("tandem_1_{build}_{function}");
    Library {
        text: TEXT.replace(PLACE, &build),
        begin: name("begin"),
        apply: name("apply"),
        advance: name("advance"),
        stage: name("stage"),
        put: name("put"),
        take: name("take"),
        present: name("present"),
    }
});

/// The library of this build.
pub(crate) struct Library {
    text: String,
    pub(crate) begin: String,
    pub(crate) apply: String,
    pub(crate) advance: String,
    pub(crate) stage: String,
    pub(crate) put: String,
    pub(crate) take: String,
    pub(crate) present: String,
}

/// The library of this build.
pub(crate) fn library() -> &'static Library {
    &LIBRARY
}

impl Library {
    /// Loads it. That it is there already is an error of the server's, and a good one.
    pub(crate) fn load(&self) -> Cmd {
        let mut command = redis::cmd("FUNCTION");
        command.arg("LOAD").arg(&self.text);
        command
    }
}

/// A call of `function`.
pub(crate) fn call<'a>(function: &str, keys: impl ExactSizeIterator<Item = &'a str>) -> Cmd {
    let mut command = redis::cmd("FCALL");
    command.arg(function).arg(keys.len());
    for key in keys {
        command.arg(key);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_this_build() {
        let library = library();
        assert!(!library.text.contains(PLACE));
        for name in [
            &library.begin,
            &library.apply,
            &library.advance,
            &library.stage,
            &library.put,
            &library.take,
            &library.present,
        ] {
            assert!(library.text.contains(&format!("register_function('{name}'")), "{name}");
        }
        let first = library.text.lines().next().expect("it has lines");
        assert!(first.starts_with("#!lua name=tandem_1_") && library.begin.starts_with(&first[11..]));
    }
}
