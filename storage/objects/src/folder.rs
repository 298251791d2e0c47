//! A folder: of this machine, or one that all machines of a chain mount.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::settings::SettingsError;

/// A file that was begun this long ago is not finished any more: no call takes that long.
const ABANDONED_AFTER: Duration = Duration::from_secs(3_600);

/// Opens the folder, and creates it where it is not there.
pub(crate) fn open(folder: &Path) -> Result<Arc<dyn ObjectStore>, SettingsError> {
    let unusable = |why: String| SettingsError::Folder { folder: folder.display().to_string(), why };
    fs::create_dir_all(folder).map_err(|error| {
        unusable(format!("{error}; choose a folder in which this user may write, or change its rights"))
    })?;
    let opened = LocalFileSystem::new_with_prefix(folder).map_err(|error| unusable(error.to_string()))?;
    // Synced, so that what was answered with success is there after a power cut, whole.
    Ok(Arc::new(opened.with_fsync(true)))
}

/// Removes what killed processes left unfinished below `base` (`base/partition/NAME#NUMBER`). They
/// are never taken for snapshots, but they would fill the disk one by one.
pub(crate) fn clear_unfinished(base: &Path) {
    let files = fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|partition| fs::read_dir(partition.path()).ok())
        .flatten()
        .flatten();
    for file in files {
        let is_unfinished = file.file_name().to_str().is_some_and(|name| name.contains('#'));
        let age = file.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
        let is_old = matches!(age, Ok(Ok(age)) if age > ABANDONED_AFTER);
        if is_unfinished && is_old {
            let path = file.path();
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "removed what was left unfinished"),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "left unfinished, can't be removed")
                }
            }
        }
    }
}
