//! Repairs: an order that outlives us, and what is right in the place of what is there.
//!
//! Nothing here looks at versions: whoever replaces has computed everything anew. Each call is one
//! batch under the partition's lock, so a reader sees what was there or what is given.

use std::collections::BTreeSet;
use std::ops::Bound;

use fjall::{OwnedWriteBatch, PersistMode, Snapshot};
use tandem_model::row::BeatDigest;
use tandem_model::{PartitionId, SessionId};
use tandem_storage::{Repair, RepairOrder, RepairState, Replacement, Result, SessionRows, codec};

use super::{Head, Partition, Store, WRITERS, anchor_key, beat_key, time_key};

impl Store {
    pub(super) fn order_repair(&self, order: &RepairOrder) -> Result<()> {
        let mut batch = self.tables.database.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.repairs, order.partition.0.to_be_bytes(), codec::encode(order).as_slice());
        batch.commit().map_err(|error| self.tables.error(&error))
    }

    pub(super) fn repair(&self, partition: PartitionId) -> Result<Option<Repair>> {
        let snapshot = self.tables.database.snapshot();
        if let Some(order) = self.get(&snapshot, &self.repairs, &partition.0.to_be_bytes())? {
            return Ok(Some(Repair { order, state: RepairState::Ordered }));
        }
        let ended: Option<(RepairOrder, RepairState)> =
            self.get(&snapshot, &self.repairs, &ended_key(partition))?;
        Ok(ended.map(|(order, state)| Repair { order, state }))
    }

    pub(super) fn end_repair(&self, order: &RepairOrder, ending: &RepairState) -> Result<()> {
        let key = order.partition.0.to_be_bytes();
        let kept: Option<RepairOrder> = self.get(&self.tables.database.snapshot(), &self.repairs, &key)?;
        let Some(kept) = kept.filter(|kept| kept.ordered_ms == order.ordered_ms) else { return Ok(()) };
        // What the repair wrote must be there for good before the order is not.
        let mut batch = self.tables.database.batch().durability(Some(PersistMode::SyncAll));
        batch.remove(&self.repairs, key);
        let ended = codec::encode(&(kept, ending));
        batch.insert(&self.repairs, ended_key(order.partition), ended.as_slice());
        batch.commit().map_err(|error| self.tables.error(&error))
    }

    pub(super) fn replace(&self, replacement: &Replacement) -> Result<()> {
        let partition = replacement.partition;
        let mut writers = self.writers[partition.0 as usize % WRITERS].lock();
        let snapshot = self.tables.database.snapshot();
        let mut batch = self.tables.database.batch().durability(Some(PersistMode::Buffer));
        for (id, right) in &replacement.sessions {
            match right {
                Some(right) => self.replace_session(&snapshot, &mut batch, replacement, right)?,
                None => self.remove_session(&snapshot, &mut batch, id)?,
            }
        }
        if let Some((row, beats)) = &replacement.partition_row {
            let value = codec::encode(&Partition { progress: replacement.cut, row: *row });
            batch.insert(&self.partitions, partition.0.to_be_bytes(), value.as_slice());
            self.replace_beats(&snapshot, &mut batch, partition, beats)?;
        }
        // Which beats are kept is read again when needed.
        writers.remove(&partition);
        batch.commit().map_err(|error| self.tables.error(&error))
    }

    fn replace_session(
        &self,
        snapshot: &Snapshot,
        batch: &mut OwnedWriteBatch,
        replacement: &Replacement,
        right: &SessionRows,
    ) -> Result<()> {
        let id = right.session_id.as_str();
        let old: Option<Head> = self.get(snapshot, &self.sessions, id.as_bytes())?;
        self.write_lists(batch, id, old.as_ref().map(|old| &old.session), &right.session);
        let head =
            Head { cut: replacement.cut, partition: replacement.partition, session: right.session.clone() };
        batch.insert(&self.sessions, id, codec::encode(&head).as_slice());
        let mut kept = BTreeSet::new();
        for row in &right.rows {
            let (mut key, mut value) = (Vec::new(), Vec::new());
            codec::encode_row_key(id, &row.key, &mut key);
            codec::encode_values(&row.values, row.offset, &mut value);
            batch.insert(&self.rows, key.as_slice(), value.as_slice());
            kept.insert(key);
        }
        self.remove_rows(snapshot, batch, id, &kept)
    }

    fn remove_session(&self, snapshot: &Snapshot, batch: &mut OwnedWriteBatch, id: &SessionId) -> Result<()> {
        let id = id.as_str();
        let Some(old) = self.get::<Head>(snapshot, &self.sessions, id.as_bytes())? else { return Ok(()) };
        let key = time_key(old.session.sort_ts(), id);
        if let Some(attributes) = &old.session.attributes {
            batch.remove(&self.by_anchor, anchor_key(&attributes.anchor_id, &key));
        }
        batch.remove(&self.by_time, key);
        batch.remove(&self.sessions, id);
        self.remove_rows(snapshot, batch, id, &BTreeSet::new())
    }

    /// Removes all rows of a session but those `kept`. A key must not be removed and inserted in
    /// one batch.
    fn remove_rows(
        &self,
        snapshot: &Snapshot,
        batch: &mut OwnedWriteBatch,
        id: &str,
        kept: &BTreeSet<Vec<u8>>,
    ) -> Result<()> {
        let start = [id.as_bytes(), &[0]].concat();
        let end = [id.as_bytes(), &[1]].concat();
        self.scan(snapshot, &self.rows, (Bound::Included(start), Bound::Excluded(end)), |key, _| {
            if !kept.contains(key) {
                batch.remove(&self.rows, key);
            }
            Ok(true)
        })
    }

    fn replace_beats(
        &self,
        snapshot: &Snapshot,
        batch: &mut OwnedWriteBatch,
        partition: PartitionId,
        beats: &[BeatDigest],
    ) -> Result<()> {
        let kept: BTreeSet<u64> = beats.iter().map(|beat| beat.ts).collect();
        for beat in self.beats_of(snapshot, partition, usize::MAX)? {
            if !kept.contains(&beat.ts) {
                batch.remove(&self.beats, beat_key(partition, beat.ts));
            }
        }
        for beat in beats {
            batch.insert(&self.beats, beat_key(partition, beat.ts), codec::encode(beat).as_slice());
        }
        Ok(())
    }
}

/// Where the latest order that was ended stands: behind the one that is to be carried out.
fn ended_key(partition: PartitionId) -> [u8; 5] {
    let [a, b, c, d] = partition.0.to_be_bytes();
    [a, b, c, d, 1]
}
