//! What the disk holds, in memory, as raft wants to read it. The log is short: decisions are rare,
//! and it is replaced by its outcome every thousand entries.

use protobuf::Message as _;
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError, util};

use super::Founding;
use crate::disk::{DiskError, Stored, Write};
use crate::engine::EngineError;

/// Index and term of what a group begins from: more than nothing, so that who joins later gets it
/// as a snapshot, with the members in it.
const FOUNDED: u64 = 1;

/// What the disk holds. Never changed without a [`Write`] that says the same.
#[derive(Debug, Default)]
pub(super) struct Image {
    hard: HardState,
    snapshot: Snapshot,
    /// The members as of the last entry that was handed out.
    members: ConfState,
    entries: Vec<Entry>,
}

impl Image {
    /// The beginning of a member, and how it is written down.
    pub(super) fn founded(founding: &Founding) -> (Self, Write) {
        let mut image = Self::default();
        if let Founding::Together { voters, state } = founding {
            let mut voters: Vec<u64> = voters.iter().map(|id| id.0).collect();
            voters.sort_unstable();
            image.members = ConfState::from((voters, Vec::new()));
            image.snapshot.data = state.clone().into();
            let metadata = image.snapshot.mut_metadata();
            (metadata.index, metadata.term) = (FOUNDED, FOUNDED);
            metadata.set_conf_state(image.members.clone());
            (image.hard.term, image.hard.commit) = (FOUNDED, FOUNDED);
        }
        let write =
            Write { state: Some(bytes(&image.snapshot)), hard: Some(bytes(&image.hard)), ..Write::default() };
        (image, write)
    }

    /// From the disk.
    pub(super) fn of(stored: Stored) -> Result<Self, EngineError> {
        let damaged =
            |why: String| EngineError::Disk(DiskError::Damaged { file: "the control log".to_owned(), why });
        let (Some(hard), Some(state)) = (stored.hard, stored.state) else {
            return Err(damaged("a part of it is missing".to_owned()));
        };
        let hard = HardState::parse_from_bytes(&hard).map_err(|error| damaged(error.to_string()))?;
        let snapshot = Snapshot::parse_from_bytes(&state).map_err(|error| damaged(error.to_string()))?;
        let members = snapshot.get_metadata().get_conf_state().clone();
        let mut image = Self { hard, snapshot, members, entries: Vec::new() };
        for (index, entry) in stored.entries {
            let entry = Entry::parse_from_bytes(&entry).map_err(|error| damaged(error.to_string()))?;
            let expected = image.last() + 1;
            if entry.index != index || index != expected {
                return Err(damaged(format!("entry {index} stands where {expected} belongs")));
            }
            image.entries.push(entry);
        }
        if image.hard.commit > image.last() {
            return Err(damaged(format!(
                "entries up to {} were committed, and it ends at {}",
                image.hard.commit,
                image.last()
            )));
        }
        Ok(image)
    }

    /// The state that the log begins from, if there is one.
    pub(super) fn state(&self) -> Option<Vec<u8>> {
        (!self.snapshot.data.is_empty()).then(|| self.snapshot.data.to_vec())
    }

    pub(super) fn hard(&self) -> &HardState {
        &self.hard
    }

    pub(super) fn set_hard(&mut self, hard: HardState, write: &mut Write) {
        write.hard = Some(bytes(&hard));
        self.hard = hard;
    }

    pub(super) fn set_members(&mut self, members: ConfState) {
        self.members = members;
    }

    /// Appends `entries`; those that stand in their place already are replaced.
    pub(super) fn append(&mut self, entries: &[Entry], write: &mut Write) {
        let Some(first) = entries.first() else { return };
        if first.index <= self.last() {
            write.remove_from = Some(first.index);
            self.entries.truncate(first.index.saturating_sub(self.first_index()) as usize);
        }
        write.entries = entries.iter().map(|entry| (entry.index, bytes(entry))).collect();
        self.entries.extend_from_slice(entries);
    }

    /// Another member's state takes the place of everything.
    pub(super) fn replace(&mut self, snapshot: Snapshot, write: &mut Write) {
        write.remove_below = Some(u64::MAX);
        write.state = Some(bytes(&snapshot));
        self.members = snapshot.get_metadata().get_conf_state().clone();
        self.snapshot = snapshot;
        self.entries.clear();
    }

    /// The log up to `index` is replaced by `state`.
    pub(super) fn compact(
        &mut self,
        index: u64,
        state: Vec<u8>,
        write: &mut Write,
    ) -> Result<(), EngineError> {
        if index < self.first_index() {
            return Ok(());
        }
        let term = self.term(index).map_err(|error| EngineError::Broken(error.to_string()))?;
        let mut snapshot = Snapshot { data: state.into(), ..Snapshot::default() };
        let metadata = snapshot.mut_metadata();
        (metadata.index, metadata.term) = (index, term);
        metadata.set_conf_state(self.members.clone());
        write.remove_below = Some(index + 1);
        write.state = Some(bytes(&snapshot));
        self.entries.drain(..(index + 1 - self.first_index()) as usize);
        self.snapshot = snapshot;
        Ok(())
    }

    /// The place after what the log begins from.
    pub(super) fn first_index(&self) -> u64 {
        self.snapshot.get_metadata().index + 1
    }

    fn last(&self) -> u64 {
        self.snapshot.get_metadata().index + self.entries.len() as u64
    }
}

impl Storage for Image {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.hard.clone(), self.members.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let first = self.snapshot.get_metadata().index + 1;
        if low < first {
            return Err(raft::Error::Store(StorageError::Compacted));
        }
        let range = (low - first) as usize..(high - first) as usize;
        let Some(entries) = self.entries.get(range) else {
            return Err(raft::Error::Store(StorageError::Unavailable));
        };
        let mut entries = entries.to_vec();
        util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let begin = self.snapshot.get_metadata();
        match index.checked_sub(begin.index) {
            None => Err(raft::Error::Store(StorageError::Compacted)),
            Some(0) => Ok(begin.term),
            Some(offset) => self
                .entries
                .get(offset as usize - 1)
                .map(|entry| entry.term)
                .ok_or(raft::Error::Store(StorageError::Unavailable)),
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.snapshot.get_metadata().index + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        if request_index > self.snapshot.get_metadata().index {
            return Err(raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        Ok(self.snapshot.clone())
    }
}

fn bytes(message: &impl protobuf::Message) -> Vec<u8> {
    message.write_to_bytes().expect("these messages have no required fields, and memory takes them")
}
