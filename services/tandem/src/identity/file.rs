//! A file of keys on disk.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use tandem_identity::{FILE_BYTES_MAX, KeySet};

/// What nobody may do with the file but its owner, and its group, which may read: orchestrators hand
/// secrets to a group.
const FORBIDDEN_BITS: u32 = 0o027;

/// A file that is looked at again and again.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
    seen: Option<Result<Vec<u8>, String>>,
}

impl KeyFile {
    /// The file at `path`, which nobody has looked at.
    pub fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys in it, where it has changed since the last look; `now_ms` says which of them live.
    ///
    /// # Errors
    ///
    /// When it can't be read or is wrong; as long as that does not change, only the first time.
    pub fn look(&mut self, now_ms: u64) -> Result<Option<KeySet>, anyhow::Error> {
        let read = read_keys(&self.path);
        let seen = read.as_ref().map(Clone::clone).map_err(|error| format!("{error:#}"));
        if self.seen.as_ref() == Some(&seen) {
            return Ok(None);
        }
        self.seen = Some(seen);
        Ok(Some(KeySet::parse(&read?, now_ms)?))
    }
}

/// The content of a file of keys.
///
/// # Errors
///
/// When it can't be read, is too large, or stands open to others.
pub fn read_keys(path: &Path) -> Result<Vec<u8>, anyhow::Error> {
    let file = File::open(path).context("can't be opened")?;
    let mode = file.metadata().context("can't be looked at")?.permissions().mode();
    if mode & FORBIDDEN_BITS != 0 {
        return Err(anyhow!(
            "it is open to others (mode {:o}), and whoever reads a signing key can sign: `chmod 600` it",
            mode & 0o777
        ));
    }
    let mut content = Vec::new();
    // One byte more shows that there is more; the parser says so.
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut content).context("can't be read")?;
    Ok(content)
}
