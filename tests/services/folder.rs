//! The one folder that holds all data, and goes with the servers.
//!
//! Whoever uses a folder holds a lock on a file in it. A folder without that lock is what a
//! SIGKILL left behind; the next start sweeps it away.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

const PREFIX: &str = "tandem-services-";
const LOCK: &str = "lock";

/// A folder of our own; removed when dropped.
pub(crate) struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir().context("a temporary folder")?;
        // Renamed when locked: nobody ever sees a lock file that its owner does not hold yet.
        let new = folder.path().join("lock.new");
        let lock = File::create(&new)?;
        lock.lock()?;
        std::fs::rename(&new, folder.path().join(LOCK))?;
        Ok(Self { folder, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes what killed predecessors left, after `undo` has had a look at it.
    pub(crate) fn sweep(undo: impl Fn(&Path)) {
        for folder in abandoned() {
            undo(&folder);
            // Another process may sweep at the same time; what stays is swept next time.
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}

fn abandoned() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return Vec::new() };
    let ours = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().starts_with(PREFIX));
        name == Some(true) && path.is_dir()
    };
    let is_free = |path: &PathBuf| File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
    entries.flatten().map(|entry| entry.path()).filter(ours).filter(is_free).collect()
}
