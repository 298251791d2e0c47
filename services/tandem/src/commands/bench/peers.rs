//! The peers: DuckDB and ClickHouse as Python packages, measured by `bench/peers.py` beside this
//! crate. See `bench/README.md` there for what they compute and what they don't.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use super::sums::Sums;

/// The exit code of `peers.py` where a package is missing.
const NOT_INSTALLED: i32 = 77;

/// What `peers.py` found.
#[derive(Debug, Deserialize)]
pub(super) struct Peers {
    pub(super) duckdb: Peer,
    pub(super) chdb: Peer,
    pub(super) cells: u64,
    pub(super) sums: Sums,
}

/// One of them, in its better variant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Peer {
    pub(super) version: String,
    pub(super) variant: String,
    pub(super) events_per_second: u64,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) variants: BTreeMap<String, serde_json::Value>,
}

/// Measures them on `file`; `None`, and a word on stderr, where they are not installed.
pub(super) fn measure(file: &Path, runs: u32) -> anyhow::Result<Option<Peers>> {
    let folder = folder()?;
    let answer = std::env::temp_dir().join(format!("tandem-peers-{}.json", std::process::id()));
    let status = Command::new(python(&folder))
        .arg(folder.join("peers.py"))
        .arg("--file")
        .arg(file)
        .arg("--json")
        .arg(&answer)
        .args(["--runs", &runs.to_string()])
        .stdout(std::io::stderr())
        .status()
        .context("can't start Python for the peers")?;
    if status.code() == Some(NOT_INSTALLED) {
        return Ok(None);
    }
    ensure!(status.success(), "the peers were not measured: {status}");
    let text = std::fs::read(&answer).context("can't read what the peers found");
    let _ = std::fs::remove_file(&answer);
    Ok(Some(serde_json::from_slice(&text?).context("can't understand what the peers found")?))
}

/// The folder of the scripts. It belongs to the checkout this program was built from.
fn folder() -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench");
    if !folder.join("peers.py").is_file() {
        bail!("the peers need the source checkout this program was built from");
    }
    Ok(folder)
}

/// The Python of `setup_peers.sh`, or the one that is there.
fn python(folder: &Path) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder.join("../../../target"), PathBuf::from);
    let own = target.join("bench-peers/bin/python");
    if own.is_file() { own } else { PathBuf::from("python3") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cell of every variant against a plain recomputation: the test of `bench/README.md`.
    #[test]
    fn peers_agree_with_the_plain_method() {
        let folder = folder().unwrap();
        let run = Command::new(python(&folder)).arg(folder.join("peers.py")).arg("--check").output();
        let Ok(output) = run else {
            eprintln!("skipped: there is no Python here to run the peers with");
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(NOT_INSTALLED) {
            eprintln!("{said}");
            return;
        }
        assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
    }
}
