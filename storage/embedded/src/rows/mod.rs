//! The row store of one chain, on fjall.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `rows` | session, 0, table, breakdown, bucket, key | figures and their version |
//! | `sessions` | session | cut, partition, the session's own row |
//! | `by_time` | reversed `sort_ts`, session | state |
//! | `by_anchor` | anchor, 0, reversed `sort_ts`, session | state |
//! | `partitions` | partition | progress, the partition's own row |
//! | `beats` | partition, `ts` | digests |
//! | `repairs` | partition | the order to repair it |
//! | `repairs` | partition, 1 | the latest order that was ended, and how |
//!
//! A call of `apply` is one batch of fjall: readers, which all read from a snapshot, see all of it
//! or nothing, and so does whoever opens the store after the process was killed. fjall keeps a
//! batch in its own buffer unless told otherwise, so each commit asks for the journal to be handed
//! to the operating system (`PersistMode::Buffer`): it survives the process. `durable` asks for
//! an fsync: it survives the machine.
//!
//! fjall ends its recovery at the first batch that is not whole (fjall-rs/fjall#311), so a
//! damaged byte in the journal can take later batches with it. Progress stands in the same batch
//! as the rows, so they are simply computed again; whoever keeps a position elsewhere must not
//! trust it beyond `progress`.

mod apply;
mod read;
mod replace;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use async_trait::async_trait;
use fjall::{Keyspace, PersistMode, Readable, Snapshot};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tandem_model::retention::Retention;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Changes, Cut, LogId, PartitionId, SessionId, SessionRow};
use tandem_storage::{
    Repair, RepairOrder, RepairState, Replacement, Result, RowStore, Select, SessionQuery, SessionRows, codec,
};

use crate::blocking::blocking;
use crate::chain::Tables;

/// Figures held in memory before they are written to a table, in bytes. A buffer keeps every
/// version of a row, and a scan steps over all of them: with 32 MiB, reading a session that
/// changes all the time took 25 ms, with 8 MiB 7 ms, at the same speed of writing.
const ROWS_BUFFER_BYTES: u64 = 8 << 20;
/// The same for each of the smaller keyspaces, in bytes.
const OTHER_BUFFER_BYTES: u64 = 8 << 20;
/// Writers of partitions that differ modulo this do not wait for each other.
const WRITERS: usize = 16;

/// A [`RowStore`] in a folder. Cheap to clone; clones are the same store.
#[derive(Clone)]
pub struct Rows(std::sync::Arc<Store>);

struct Store {
    tables: Tables,
    rows: Keyspace,
    sessions: Keyspace,
    by_time: Keyspace,
    by_anchor: Keyspace,
    partitions: Keyspace,
    beats: Keyspace,
    repairs: Keyspace,
    /// Held while a change of the partition is checked and committed.
    writers: [Mutex<Writers>; WRITERS],
}

/// Per partition the `ts` of the beats that are kept, ascending; filled when first needed.
type Writers = BTreeMap<PartitionId, VecDeque<u64>>;

/// What stands in `sessions`.
#[derive(Serialize, Deserialize)]
struct Head {
    cut: Cut,
    partition: PartitionId,
    session: SessionRow,
}

/// What stands in `partitions`.
#[derive(Serialize, Deserialize)]
struct Partition {
    progress: Cut,
    row: PartitionRow,
}

impl Rows {
    /// Opens or creates the store in `folder`, for rows computed from `log`.
    pub fn open(folder: &Path, log: LogId) -> Result<Self> {
        Self::new(&Tables::open(folder, log)?)
    }

    pub(crate) fn new(tables: &Tables) -> Result<Self> {
        Ok(Self(std::sync::Arc::new(Store {
            rows: tables.keyspace("rows", ROWS_BUFFER_BYTES)?,
            sessions: tables.keyspace("sessions", OTHER_BUFFER_BYTES)?,
            by_time: tables.keyspace("by_time", OTHER_BUFFER_BYTES)?,
            by_anchor: tables.keyspace("by_anchor", OTHER_BUFFER_BYTES)?,
            partitions: tables.keyspace("partitions", OTHER_BUFFER_BYTES)?,
            beats: tables.keyspace("beats", OTHER_BUFFER_BYTES)?,
            repairs: tables.keyspace("repairs", OTHER_BUFFER_BYTES)?,
            writers: Default::default(),
            tables: tables.clone(),
        })))
    }

    /// Reads from the store on a thread for blocking calls.
    async fn read<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.0.clone();
        blocking(move || call(&store)).await
    }
}

#[async_trait]
impl RowStore for Rows {
    async fn apply(&self, changes: &Changes) -> Result<()> {
        // Encoded here, while the changes can be borrowed.
        let prepared = apply::Prepared::new(changes);
        self.read(move |store| store.commit(prepared)).await
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.read(move |store| Ok(store.partition(partition)?.map(|partition| partition.progress))).await
    }

    async fn durable(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.read(move |store| {
            // In this order: what is applied in between may or may not be part of it.
            let progress = store.partition(partition)?.map(|partition| partition.progress);
            store
                .tables
                .database
                .persist(PersistMode::SyncAll)
                .map_err(|error| store.tables.error(&error))?;
            Ok(progress)
        })
        .await
    }

    async fn session(&self, id: &str, select: &Select) -> Result<Option<SessionRows>> {
        let Some(id) = SessionId::new(id) else { return Ok(None) };
        let select = select.clone();
        self.read(move |store| store.session(id, &select)).await
    }

    async fn sessions(&self, query: &SessionQuery) -> Result<Vec<(SessionId, SessionRow)>> {
        let query = query.clone();
        self.read(move |store| store.sessions(&query)).await
    }

    async fn session_ids(&self, after: Option<&str>, limit: usize) -> Result<Vec<SessionId>> {
        let after = after.map(str::to_owned);
        self.read(move |store| store.session_ids(after.as_deref(), limit)).await
    }

    async fn partition_row(&self, partition: PartitionId) -> Result<Option<PartitionRow>> {
        self.read(move |store| Ok(store.partition(partition)?.map(|partition| partition.row))).await
    }

    async fn beats(&self, partition: PartitionId, limit: usize) -> Result<Vec<BeatDigest>> {
        self.read(move |store| store.beats(partition, limit)).await
    }

    fn retention(&self) -> Retention {
        Retention::Everything
    }

    async fn order_repair(&self, order: &RepairOrder) -> Result<()> {
        let order = order.clone();
        self.read(move |store| store.order_repair(&order)).await
    }

    async fn repair(&self, partition: PartitionId) -> Result<Option<Repair>> {
        self.read(move |store| store.repair(partition)).await
    }

    async fn end_repair(&self, order: &RepairOrder, ending: &RepairState) -> Result<()> {
        let (order, ending) = (order.clone(), ending.clone());
        self.read(move |store| store.end_repair(&order, &ending)).await
    }

    async fn replace(&self, replacement: &Replacement) -> Result<()> {
        let replacement = replacement.clone();
        self.read(move |store| store.replace(&replacement)).await
    }
}

impl Store {
    /// A value as of the snapshot.
    fn get<T: DeserializeOwned>(
        &self,
        snapshot: &Snapshot,
        keyspace: &Keyspace,
        key: &[u8],
    ) -> Result<Option<T>> {
        let bytes = snapshot.get(keyspace, key).map_err(|error| self.tables.error(&error))?;
        bytes.map(|bytes| self.decode(keyspace, key, codec::decode(&bytes))).transpose()
    }

    /// Turns bytes that make no sense into an error that names the place.
    fn decode<T>(
        &self,
        keyspace: &Keyspace,
        key: &[u8],
        decoded: std::result::Result<T, codec::Malformed>,
    ) -> Result<T> {
        decoded.map_err(|error| {
            let place = format!("{} of key {}: {error}", &**keyspace.name(), key.escape_ascii());
            self.tables.damaged(&place)
        })
    }

    fn partition(&self, partition: PartitionId) -> Result<Option<Partition>> {
        self.get(&self.tables.database.snapshot(), &self.partitions, &partition.0.to_be_bytes())
    }
}

/// The key of a beat.
fn beat_key(partition: PartitionId, ts: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&partition.0.to_be_bytes());
    key[4..].copy_from_slice(&ts.to_be_bytes());
    key
}

/// The key in `by_time`: the newest session first.
fn time_key(sort_ts: u64, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + id.len());
    key.extend((!sort_ts).to_be_bytes());
    key.extend_from_slice(id.as_bytes());
    key
}

/// The key in `by_anchor`.
fn anchor_key(anchor_id: &str, time_key: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(anchor_id.len() + 1 + time_key.len());
    key.extend_from_slice(anchor_id.as_bytes());
    key.push(0);
    key.extend_from_slice(time_key);
    key
}

#[cfg(test)]
mod tests;
