//! The samples for partners, run with what they need from PyPI.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::virtualenv::python;

const PACKAGES: [&str; 2] = ["confluent-kafka==2.16.1", "cassandra-driver==3.30.1"];

/// Runs a program of `deploy/samples`; none, with a word why, where Python or a package can't be
/// had. Blocks.
pub(super) fn run_sample(name: &str, arguments: &[&str]) -> Option<Output> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| match python("partners-1", &PACKAGES) {
        Ok(python) => Some(python),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    });
    let Some(python) = python else {
        println!("skipped: no Python with {PACKAGES:?}");
        return None;
    };
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples").join(name);
    let output = Command::new(python).arg("-B").arg(program).args(arguments).output();
    Some(output.expect("Python runs"))
}
