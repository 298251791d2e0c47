//! Python with packages from PyPI: a virtualenv that the first run makes and later ones use again.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The Python of the virtualenv `name`, which has `packages`; other packages need another name.
pub(crate) fn python(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = folder.join("bin/python");
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--timeout", "20"]).args(packages))?;
    std::fs::write(&complete, []).map_err(|error| error.to_string())?;
    Ok(python)
}

/// Runs a command to its end; its complaint where it fails.
pub(crate) fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
