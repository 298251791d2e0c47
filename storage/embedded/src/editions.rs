//! Editions of one chain, in the same database as its rows.
//!
//! Key: partition, step, slot. Value: the offset at which the part was known, and the part.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use fjall::{Keyspace, OwnedWriteBatch, PersistMode, Readable, Snapshot};
use parking_lot::Mutex;
use tandem_model::{EditionPart, LogId, PartitionId, Step};
use tandem_storage::{Editions, Result, codec};

use crate::blocking::blocking;
use crate::chain::Tables;

const BUFFER_BYTES: u64 = 8 << 20;
/// Parts that are of no use any more go this many at a time.
const PRUNED_AT_ONCE: usize = 1_000;

/// [`Editions`] in a folder. Cheap to clone; clones are the same store.
#[derive(Clone)]
pub struct EditionParts(Arc<Store>);

struct Store {
    tables: Tables,
    parts: Keyspace,
    /// By partition and step: below this slot nothing stands, as far as we know. Removed entries stay as marks
    /// for long, and who looks for others from the beginning goes over all of them.
    pruned: Mutex<Pruned>,
}

type Pruned = BTreeMap<[u8; 5], u64>;

impl EditionParts {
    /// Opens or creates the store in `folder`, for editions of `log`.
    pub fn open(folder: &Path, log: LogId) -> Result<Self> {
        Self::new(&Tables::open(folder, log)?)
    }

    pub(crate) fn new(tables: &Tables) -> Result<Self> {
        let parts = tables.keyspace("editions", BUFFER_BYTES)?;
        Ok(Self(Arc::new(Store { parts, tables: tables.clone(), pruned: Mutex::default() })))
    }
}

#[async_trait]
impl Editions for EditionParts {
    async fn keep(&self, parts: &[EditionPart], at: u64) -> Result<()> {
        if parts.is_empty() {
            return Ok(());
        }
        let store = self.0.clone();
        let parts: Vec<_> = parts.iter().map(|part| (Place::of(part), codec::encode_edition(part))).collect();
        blocking(move || store.keep(&parts, at)).await
    }

    async fn parts(
        &self,
        partition: PartitionId,
        step: Step,
        from: u64,
        limit: usize,
    ) -> Result<Vec<EditionPart>> {
        let store = self.0.clone();
        blocking(move || store.parts(partition, step, from, limit)).await
    }

    async fn last_part(&self, partition: PartitionId, step: Step, to: u64) -> Result<Option<EditionPart>> {
        let store = self.0.clone();
        blocking(move || store.last_part(partition, step, to)).await
    }
}

/// Where a part stands.
#[derive(Clone, Copy)]
struct Place {
    partition: PartitionId,
    step: Step,
    slot: u64,
}

impl Place {
    const fn of(part: &EditionPart) -> Self {
        Self { partition: part.partition, step: part.step, slot: part.slot }
    }

    /// What the keys of this partition and step begin with.
    fn prefix(self) -> [u8; 5] {
        let mut prefix = [0; 5];
        prefix[..4].copy_from_slice(&self.partition.0.to_be_bytes());
        prefix[4] = match self.step {
            Step::Sessions => 0,
            Step::FiveSeconds => 1,
            Step::Minute => 2,
            Step::Judged => 3,
            Step::Defined => 4,
        };
        prefix
    }

    fn key(self) -> [u8; 13] {
        let mut key = [0; 13];
        key[..5].copy_from_slice(&self.prefix());
        key[5..].copy_from_slice(&self.slot.to_be_bytes());
        key
    }
}

impl Store {
    fn keep(&self, parts: &[(Place, Vec<u8>)], at: u64) -> Result<()> {
        let snapshot = self.tables.database.snapshot();
        let mut batch = self.tables.database.batch().durability(Some(PersistMode::Buffer));
        let mut known_pruned = self.pruned.lock();
        // Only true once the batch is written.
        let mut pruned = known_pruned.clone();
        for (place, bytes) in parts {
            let key = place.key();
            let known = snapshot.get(&self.parts, key).map_err(|error| self.tables.error(&error))?;
            let known = known.and_then(|value| value.first_chunk().map(|at| u64::from_be_bytes(*at)));
            if known.is_none_or(|known| known <= at) {
                let value = [&at.to_be_bytes()[..], bytes].concat();
                batch.insert(&self.parts, key, value.as_slice());
            }
            // Once a minute is often enough.
            if place.step == Step::Minute {
                self.prune(&snapshot, &mut batch, &mut pruned, *place)?;
            }
        }
        // Parts that are computed again may stand below what is gone; the snapshot does not have them.
        for (place, _) in parts {
            pruned.entry(place.prefix()).and_modify(|to| *to = (*to).min(place.slot));
        }
        batch.commit().map_err(|error| self.tables.error(&error))?;
        *known_pruned = pruned;
        Ok(())
    }

    /// Removes what is of no use any more at the cut of `newest`.
    fn prune(
        &self,
        snapshot: &Snapshot,
        batch: &mut OwnedWriteBatch,
        pruned: &mut Pruned,
        newest: Place,
    ) -> Result<()> {
        for step in Step::ALL {
            let Some(kept) = step.parts_kept_ms() else { continue };
            let newest = Place { step, ..newest };
            let to = newest.slot.saturating_sub(kept);
            let from = pruned.entry(newest.prefix()).or_default();
            if *from >= to {
                continue;
            }
            let keys = Place { slot: *from, ..newest }.key()..Place { slot: to, ..newest }.key();
            *from = to;
            for (index, entry) in snapshot.range(&self.parts, keys).enumerate() {
                let key = entry.key().map_err(|error| self.tables.error(&error))?;
                if index == PRUNED_AT_ONCE {
                    *from = slot_of(&key);
                    break;
                }
                batch.remove(&self.parts, key);
            }
        }
        Ok(())
    }

    fn parts(&self, partition: PartitionId, step: Step, from: u64, limit: usize) -> Result<Vec<EditionPart>> {
        let snapshot = self.tables.database.snapshot();
        let place = |slot| Place { partition, step, slot }.key();
        let entries = snapshot.range(&self.parts, place(from)..=place(u64::MAX)).take(limit);
        entries.map(|entry| self.part(partition, step, entry)).collect()
    }

    fn last_part(&self, partition: PartitionId, step: Step, to: u64) -> Result<Option<EditionPart>> {
        let snapshot = self.tables.database.snapshot();
        let place = |slot| Place { partition, step, slot }.key();
        let range = (Bound::Included(place(0)), Bound::Included(place(to)));
        let last = snapshot.range(&self.parts, range).next_back();
        last.map(|entry| self.part(partition, step, entry)).transpose()
    }

    fn part(&self, partition: PartitionId, step: Step, entry: fjall::Guard) -> Result<EditionPart> {
        let (key, value) = entry.into_inner().map_err(|error| self.tables.error(&error))?;
        let slot = slot_of(&key);
        let bytes = value.get(8..).unwrap_or_default();
        codec::decode_edition(bytes, partition, step, slot).map_err(|why| {
            self.tables
                .damaged(&format!("the part of an edition at {} can't be read: {why}", key.escape_ascii()))
        })
    }
}

/// The slot that a key ends with.
fn slot_of(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |slot| u64::from_be_bytes(*slot))
}

#[cfg(test)]
mod tests {
    use tandem_model::time::MINUTE_MS;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn passes_the_suite_and_survives_being_opened_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || EditionParts::open(folder.path(), LogId([1; 16])).expect("opened");
        let store = open();
        tandem_storage::suite::editions(&store).await;
        let before = store.parts(PartitionId(0), Step::Minute, 0, 10).await.expect("parts");
        drop(store);
        assert_eq!(open().parts(PartitionId(0), Step::Minute, 0, 10).await.expect("parts"), before);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_of_no_use_any_more_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = EditionParts::open(folder.path(), LogId([1; 16])).expect("opened");
        let minutes = 60 * 60;
        for minute in 1..=minutes {
            store.keep(&Step::ALL.map(|step| part(step, minute)), minute).await.expect("kept");
        }
        for step in Step::ALL {
            let parts = store.parts(PartitionId(0), step, 0, usize::MAX).await.expect("parts");
            let first = step.parts_kept_ms().map_or(1, |kept| minutes - kept / MINUTE_MS);
            assert_eq!(parts.first().map(|part| part.slot), Some(first * MINUTE_MS), "{step:?}");
            assert_eq!(parts.len() as u64, minutes - first + 1);
        }
        // What is computed again below goes with the next minute, too.
        let old = part(Step::FiveSeconds, 1);
        store.keep(&[old], minutes + 1).await.expect("kept");
        assert_eq!(first_slot(&store, Step::FiveSeconds).await, Some(MINUTE_MS));
        store.keep(&[part(Step::Minute, minutes + 1)], minutes + 1).await.expect("kept");
        assert!(first_slot(&store, Step::FiveSeconds).await.is_some_and(|slot| slot > MINUTE_MS));
    }

    async fn first_slot(store: &EditionParts, step: Step) -> Option<u64> {
        store.parts(PartitionId(0), step, 0, 1).await.expect("parts").first().map(|part| part.slot)
    }

    /// A part that is cut in this minute.
    fn part(step: Step, minute: u64) -> EditionPart {
        EditionPart {
            partition: PartitionId(0),
            step,
            slot: minute * MINUTE_MS,
            ts: minute * MINUTE_MS,
            from: minute - 1,
            next: minute,
            sessions: Vec::new(),
            definitions: Vec::new(),
        }
    }
}
