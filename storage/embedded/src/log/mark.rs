//! The mark: how far the log had come, outside the log.
//!
//! redb keeps the last two commits. Finding the newest one damaged when it opens a file, it takes
//! that for a crash in the middle of the commit and goes back to the one before; likewise a
//! flipped bit in its head chooses the older one. Either would cut off an acknowledged append
//! without a word. So after each commit its number is written here, and a database that is behind
//! its mark is damaged.
//!
//! The mark is not fsynced: it survives the process, and when the machine dies an older mark
//! promises less, never too much. Two slots are written in turn, so a torn one leaves the other.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tandem_model::LogId;

/// The mark's file in the log's folder.
pub(super) const FILE: &str = "log.mark";

const MAGIC: &[u8; 8] = b"TNDMMARK";
const SLOT_BYTES: usize = 8 + 16 + 8 + 4;
/// In different sectors, and in different pages.
const SLOT_POSITIONS: [u64; 2] = [0, 4096];

/// The open mark of a log.
pub(super) struct Mark {
    file: File,
    id: LogId,
}

impl Mark {
    /// Opens a mark that was read and found whole.
    pub(super) fn open(folder: &Path, id: LogId) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().write(true).open(folder.join(FILE))?, id })
    }

    /// Creates the mark of a log, durably; what is there is overwritten.
    pub(super) fn create(folder: &Path, id: LogId, sequence: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(folder.join(FILE))?;
        let mark = Self { file, id };
        for position in SLOT_POSITIONS {
            mark.file.write_all_at(&mark.slot(sequence), position)?;
        }
        mark.file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(mark)
    }

    /// Notes that commit number `sequence` was acknowledged.
    pub(super) fn set(&self, sequence: u64) -> io::Result<()> {
        self.file.write_all_at(&self.slot(sequence), SLOT_POSITIONS[(sequence % 2) as usize])
    }

    fn slot(&self, sequence: u64) -> [u8; SLOT_BYTES] {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(MAGIC);
        slot[8..24].copy_from_slice(&self.id.0);
        slot[24..32].copy_from_slice(&sequence.to_le_bytes());
        let crc = crc32fast::hash(&slot[..32]);
        slot[32..].copy_from_slice(&crc.to_le_bytes());
        slot
    }
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is no such file.
    Nothing,
    /// There is, but no slot of it is whole.
    Damaged,
    /// The log has come this far at least.
    Reached(LogId, u64),
}

/// Reads the mark in `folder`.
pub(super) fn read(folder: &Path) -> io::Result<Found> {
    let bytes = match std::fs::read(folder.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let slots = SLOT_POSITIONS.iter().filter_map(|position| slot(&bytes, *position as usize));
    let newest = slots.max_by_key(|(_, sequence)| *sequence);
    Ok(newest.map_or(Found::Damaged, |(id, sequence)| Found::Reached(id, sequence)))
}

fn slot(bytes: &[u8], position: usize) -> Option<(LogId, u64)> {
    let slot = bytes.get(position..position + SLOT_BYTES)?;
    let (content, crc) = slot.split_last_chunk()?;
    if !content.starts_with(MAGIC) || crc32fast::hash(content) != u32::from_le_bytes(*crc) {
        return None;
    }
    let id = LogId(content[8..24].try_into().ok()?);
    Some((id, u64::from_le_bytes(content[24..32].try_into().ok()?)))
}
