//! A virtualenv with what the samples need from PyPI, made by the first run and used by later ones.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const PACKAGES: [&str; 2] = ["confluent-kafka==2.16.1", "cassandra-driver==3.30.1"];

/// Runs a program of `deploy/samples`; none, with a word why, where Python or a package can't be
/// had. Blocks.
pub(super) fn run_sample(name: &str, arguments: &[&str]) -> Option<Output> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| match python() {
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

fn python() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("partners-1");
    let python = folder.join("bin/python");
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--timeout", "20"]).args(PACKAGES))?;
    std::fs::write(&complete, []).map_err(|error| error.to_string())?;
    Ok(python)
}

/// Runs a command to its end; its complaint where it fails.
pub(super) fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
