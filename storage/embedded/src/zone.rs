//! Which calendar the data in a folder is of.

use std::fs;
use std::io;
use std::path::Path;

use tandem_model::calendar::Calendar;
use tandem_storage::{Result, StoreError};

use crate::data::{io_error, write_whole};

/// Holds the name of the zone; absent where it is the default one.
pub(crate) const FILE: &str = "time.zone";

/// The calendar that the folder says, or the default one.
pub(crate) fn read(folder: &Path) -> Result<Calendar> {
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Ok(name) => Calendar::new(name.trim())
            .map_err(|error| StoreError::Damaged(format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Calendar::default()),
        Err(error) => Err(io_error(&path)(error)),
    }
}

/// Makes `wanted` the calendar of the folder, which is in `known` so far: as long as nothing is there (`is_new`).
pub(crate) fn settle(folder: &Path, known: &Calendar, wanted: &Calendar, is_new: bool) -> Result<()> {
    if known.zone() == wanted.zone() {
        return Ok(());
    }
    if !is_new {
        return Err(StoreError::Refused(format!(
            "{} is in the time zone {}, not {}: leave it at that, or load the events into a new folder",
            folder.display(),
            known.zone(),
            wanted.zone()
        )));
    }
    let path = folder.join(FILE);
    write_whole(folder, &path, wanted.zone().as_bytes()).map_err(io_error(&path))
}
