//! Where a member keeps its log: a port, and one in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// Keeps a member's log. It knows nothing of what the bytes mean.
pub trait Disk {
    /// What is kept.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is not what was written. A damaged log must not be used: a member
    /// that forgot its vote can help elect two leaders.
    fn load(&mut self) -> Result<Stored, DiskError>;

    /// Makes all of `write` durable, or nothing of it. In the order of its fields.
    ///
    /// # Errors
    ///
    /// When that is not certain. The member must stop then.
    fn write(&mut self, write: &Write) -> Result<(), DiskError>;
}

/// What a disk holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Term, vote and commit index; absent before the first start.
    pub hard: Option<Vec<u8>>,
    /// What the log began from.
    pub state: Option<Vec<u8>>,
    /// The entries after it, ascending and without gaps.
    pub entries: Vec<(u64, Vec<u8>)>,
}

/// A change of what a disk holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// Entries before this place are removed.
    pub remove_below: Option<u64>,
    /// Entries from this place on are removed.
    pub remove_from: Option<u64>,
    /// Entries that come after the others.
    pub entries: Vec<(u64, Vec<u8>)>,
    /// Replaces the state that the log begins from.
    pub state: Option<Vec<u8>>,
    /// Replaces term, vote and commit index.
    pub hard: Option<Vec<u8>>,
}

impl Write {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a disk does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another process has it.
    #[error("{file} is held by another process")]
    Held {
        /// Which file.
        file: String,
    },
    /// What is there is not what was written.
    #[error("the control log in {file} is damaged: {why}")]
    Damaged {
        /// Which file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// Reading or writing failed.
    #[error("the control log in {file} can't be used: {why}")]
    Failed {
        /// Which file.
        file: String,
        /// What the system said.
        why: String,
    },
}

/// A disk in memory. Clones share what they hold, so that it outlives the member that uses it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    hard: Option<Vec<u8>>,
    state: Option<Vec<u8>>,
    entries: BTreeMap<u64, Vec<u8>>,
}

impl Disk for MemoryDisk {
    fn load(&mut self) -> Result<Stored, DiskError> {
        let held = self.0.lock();
        let entries = held.entries.iter().map(|(index, bytes)| (*index, bytes.clone())).collect();
        Ok(Stored { hard: held.hard.clone(), state: held.state.clone(), entries })
    }

    fn write(&mut self, write: &Write) -> Result<(), DiskError> {
        let mut held = self.0.lock();
        if let Some(below) = write.remove_below {
            held.entries.retain(|index, _| *index >= below);
        }
        if let Some(from) = write.remove_from {
            held.entries.retain(|index, _| *index < from);
        }
        held.entries.extend(write.entries.iter().cloned());
        if let Some(state) = &write.state {
            held.state = Some(state.clone());
        }
        if let Some(hard) = &write.hard {
            held.hard = Some(hard.clone());
        }
        Ok(())
    }
}
