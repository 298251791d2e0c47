//! Writing changes: encoded first, then checked against what is stored and committed under the
//! partition's lock, so that a second writer of the partition (a zombie) can't slip in between.

use std::collections::VecDeque;
use std::ops::Range;

use fjall::{OwnedWriteBatch, PersistMode, Snapshot, UserKey, UserValue};
use tandem_model::row::{BeatDigest, SessionState};
use tandem_model::{Changes, Cut, PartitionId, SessionChange, SessionId, SessionRow};
use tandem_storage::{BEATS_KEPT, Result, StoreError, codec};

use super::{Head, Partition, Store, WRITERS, Writers, anchor_key, beat_key, time_key};

/// Changes, encoded.
pub(super) struct Prepared {
    partition: PartitionId,
    progress: Cut,
    partition_value: Vec<u8>,
    sessions: Vec<PreparedSession>,
    beats: Vec<BeatDigest>,
    /// All rows' keys and values, one after the other: one allocation instead of thousands.
    bytes: Vec<u8>,
}

struct PreparedSession {
    id: SessionId,
    row: Option<SessionRow>,
    /// Keys and values, in [`Prepared::bytes`].
    rows: Vec<(Range<usize>, Range<usize>)>,
}

impl Prepared {
    pub(super) fn new(changes: &Changes) -> Self {
        let mut bytes = Vec::new();
        let partition = Partition { progress: changes.cut, row: changes.partition_row };
        let sessions =
            changes.sessions.iter().map(|change| PreparedSession::new(change, &mut bytes)).collect();
        Self {
            partition: changes.partition,
            progress: changes.cut,
            partition_value: codec::encode(&partition),
            sessions,
            beats: changes.beats.clone(),
            bytes,
        }
    }
}

impl PreparedSession {
    fn new(change: &SessionChange, bytes: &mut Vec<u8>) -> Self {
        let encode = |row: &tandem_model::Row| {
            let start = bytes.len();
            codec::encode_row_key(change.session_id.as_str(), &row.key, bytes);
            let middle = bytes.len();
            codec::encode_values(&row.values, row.offset, bytes);
            (start..middle, middle..bytes.len())
        };
        let rows = change.rows.iter().map(encode).collect();
        Self { id: change.session_id.clone(), row: change.session.clone(), rows }
    }
}

impl Store {
    /// Writes what is newer than what is stored, all at once.
    pub(super) fn commit(&self, prepared: Prepared) -> Result<()> {
        let mut writers = self.writers[prepared.partition.0 as usize % WRITERS].lock();
        let snapshot = self.tables.database.snapshot();
        let mut batch = self.tables.database.batch().durability(Some(PersistMode::Buffer));
        for session in &prepared.sessions {
            self.write_session(&snapshot, &mut batch, &prepared, session)?;
        }
        let key = prepared.partition.0.to_be_bytes();
        let stored: Option<Partition> = self.get(&snapshot, &self.partitions, &key)?;
        if stored.is_none_or(|stored| stored.progress.next < prepared.progress.next) {
            batch.insert(&self.partitions, key, prepared.partition_value.as_slice());
        }
        let known = self.known_beats(&snapshot, &mut writers, prepared.partition)?;
        self.write_beats(&mut batch, known, &prepared.beats);
        batch.commit().map_err(|error| {
            // What is stored now is not known; it is read again when needed.
            writers.remove(&prepared.partition);
            self.tables.error(&error)
        })
    }

    fn write_session(
        &self,
        snapshot: &Snapshot,
        batch: &mut OwnedWriteBatch,
        prepared: &Prepared,
        session: &PreparedSession,
    ) -> Result<()> {
        let id = session.id.as_str();
        let stored: Option<Head> = self.get(snapshot, &self.sessions, id.as_bytes())?;
        if stored.as_ref().is_some_and(|stored| stored.cut.next >= prepared.progress.next) {
            return Ok(());
        }
        let old = stored.as_ref().map(|stored| &stored.session);
        let row = session.row.as_ref().or(old).ok_or_else(|| {
            StoreError::Refused(format!("the first change of session {id} lacks its own row"))
        })?;
        self.write_lists(batch, id, old, row);
        // A session stays in its partition.
        let partition = stored.as_ref().map_or(prepared.partition, |stored| stored.partition);
        let head = Head { cut: prepared.progress, partition, session: row.clone() };
        batch.insert(&self.sessions, id, codec::encode(&head).as_slice());
        for (key, value) in &session.rows {
            let key = UserKey::from(&prepared.bytes[key.clone()]);
            batch.insert(&self.rows, key, UserValue::from(&prepared.bytes[value.clone()]));
        }
        Ok(())
    }

    /// Keeps the lists of sessions in step with the session's own row.
    pub(super) fn write_lists(
        &self,
        batch: &mut OwnedWriteBatch,
        id: &str,
        old: Option<&SessionRow>,
        new: &SessionRow,
    ) {
        let place = |row: &SessionRow| (row.sort_ts(), row.state, anchor_id(row).map(str::to_owned));
        if old.map(place) == Some(place(new)) {
            return;
        }
        let entries = |row: &SessionRow| {
            let key = time_key(row.sort_ts(), id);
            let by_anchor = anchor_id(row).map(|anchor_id| (&self.by_anchor, anchor_key(anchor_id, &key)));
            [Some((&self.by_time, key)), by_anchor]
        };
        // A key must not be removed and inserted in one batch: it would stand there twice with
        // one version.
        let new_entries = entries(new);
        for (old, new) in old.map(entries).into_iter().flatten().zip(&new_entries) {
            if let Some((keyspace, key)) = old
                && new.as_ref().is_none_or(|(_, new)| *new != key)
            {
                batch.remove(keyspace, key);
            }
        }
        for (keyspace, key) in new_entries.into_iter().flatten() {
            batch.insert(keyspace, key, [state_byte(new.state)]);
        }
    }

    fn known_beats<'a>(
        &self,
        snapshot: &Snapshot,
        writers: &'a mut Writers,
        partition: PartitionId,
    ) -> Result<&'a mut VecDeque<u64>> {
        use std::collections::btree_map::Entry;
        Ok(match writers.entry(partition) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let beats = self.beats_of(snapshot, partition, usize::MAX)?;
                entry.insert(beats.into_iter().map(|beat| beat.ts).collect())
            }
        })
    }

    /// Adds beats and forgets those that are too many.
    fn write_beats(&self, batch: &mut OwnedWriteBatch, known: &mut VecDeque<u64>, beats: &[BeatDigest]) {
        // Beats rise; one that does not is from a replay, and either stored or long forgotten.
        let last = known.back().copied();
        let new = || beats.iter().filter(|beat| last.is_none_or(|last| beat.ts > last));
        known.extend(new().map(|beat| beat.ts));
        let surplus = known.len().saturating_sub(BEATS_KEPT);
        let Some(first_new) = new().next() else { return };
        for ts in known.drain(..surplus).filter(|ts| *ts < first_new.ts) {
            batch.remove(&self.beats, beat_key(first_new.partition, ts));
        }
        for beat in new().filter(|beat| known.front().is_some_and(|first| beat.ts >= *first)) {
            batch.insert(&self.beats, beat_key(beat.partition, beat.ts), codec::encode(beat).as_slice());
        }
    }
}

/// The anchor, as far as it is an id; anything else is found under no anchor.
fn anchor_id(row: &SessionRow) -> Option<&str> {
    let anchor_id = row.attributes.as_ref().map(|attributes| attributes.anchor_id.as_str());
    anchor_id.filter(|anchor_id| tandem_model::id::is_id(anchor_id))
}

/// How a state stands in the lists.
pub(super) const fn state_byte(state: SessionState) -> u8 {
    match state {
        SessionState::Live => 0,
        SessionState::Final => 1,
        SessionState::Corrected => 2,
    }
}
