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

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use async_trait::async_trait;
use fjall::{Keyspace, PersistMode, Readable, Snapshot};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Changes, Cut, LogId, PartitionId, SessionId, SessionRow};
use tandem_storage::{Result, RowStore, Select, SessionQuery, SessionRows};

use crate::blocking::blocking;
use crate::chain::Tables;
use crate::codec;

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

    async fn beats(&self, partition: PartitionId, from_ts: u64, limit: usize) -> Result<Vec<BeatDigest>> {
        self.read(move |store| store.beats(partition, from_ts, limit)).await
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
mod tests {
    use std::sync::Arc;

    use tandem_storage::suite::fixtures;
    use tandem_storage::{StoreError, suite};

    use super::*;

    const LOG: LogId = LogId([7; 16]);

    #[tokio::test(flavor = "multi_thread")]
    async fn passes_the_suite() {
        let folder = tempfile::tempdir().expect("folder");
        suite::row_store(Arc::new(Rows::open(folder.path(), LOG).expect("open"))).await;
    }

    #[tokio::test]
    async fn everything_is_there_after_reopening() {
        let folder = tempfile::tempdir().expect("folder");
        let mut changes = fixtures::changes(3, 50, 9_000);
        changes.sessions = vec![fixtures::change("s-1", 42, 30), fixtures::change("s-2", 43, 0)];
        changes.beats =
            (0..tandem_storage::BEATS_KEPT as u64 + 10).map(|second| fixtures::beat(3, second)).collect();
        {
            let rows = Rows::open(folder.path(), LOG).expect("open");
            rows.apply(&changes).await.expect("apply");
        }
        let rows = Rows::open(folder.path(), LOG).expect("open again");
        let read = rows.session("s-1", &Select::All).await.expect("session").expect("present");
        assert_eq!(read.rows, changes.sessions[0].rows);
        assert_eq!(rows.progress(PartitionId(3)).await.expect("progress"), Some(changes.cut));
        let beats = rows.beats(PartitionId(3), 0, usize::MAX).await.expect("beats");
        assert_eq!(beats, changes.beats[10..]);
        // The list of kept beats is read back, and goes on.
        let mut next = fixtures::changes(3, 51, 9_001);
        next.beats = vec![fixtures::beat(3, 10_000)];
        rows.apply(&next).await.expect("apply");
        let beats = rows.beats(PartitionId(3), 0, usize::MAX).await.expect("beats");
        assert_eq!((beats.len(), beats[0]), (tandem_storage::BEATS_KEPT, changes.beats[11]));
    }

    #[tokio::test]
    async fn rows_of_another_log_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        drop(Rows::open(folder.path(), LOG).expect("open"));
        let outcome = Rows::open(folder.path(), LogId([8; 16])).map(|_| ());
        let Err(StoreError::Refused(text)) = outcome else { panic!("{outcome:?}") };
        assert!(text.contains("belongs to another log"), "{text}");
    }

    /// A change of 5,000 rows in 100 sessions, many times; prints how long one takes.
    #[tokio::test]
    #[ignore = "a measurement"]
    async fn speed_of_apply() {
        let folder = tempfile::tempdir().expect("folder");
        let rows = Rows::open(folder.path(), LOG).expect("open");
        let mut times = Vec::new();
        for round in 1..=60 {
            let mut changes = fixtures::changes(0, round, round);
            for session in 0..100 {
                changes.sessions.push(fixtures::change(&format!("session-{session:03}"), round << 20, 25));
            }
            let start = std::time::Instant::now();
            rows.apply(&changes).await.expect("apply");
            times.push(start.elapsed());
        }
        times.sort();
        let start = std::time::Instant::now();
        for session in 0..100 {
            let id = format!("session-{session:03}");
            rows.session(&id, &Select::Totals).await.expect("session").expect("present");
        }
        eprintln!("apply: median {:?}, worst {:?}; read: {:?}", times[30], times[59], start.elapsed() / 100);
    }

    /// One session whose rows change all the time, as a live one's do; prints how long reading it
    /// takes while the old versions pile up.
    #[tokio::test]
    #[ignore = "a measurement"]
    async fn speed_of_reading_what_changes() {
        let folder = tempfile::tempdir().expect("folder");
        let rows = Rows::open(folder.path(), LOG).expect("open");
        let (mut reads, mut applies) = (Vec::new(), Vec::new());
        for round in 1..=4_000 {
            let mut changes = fixtures::changes(0, round, round);
            changes.sessions = vec![fixtures::change("hot", round << 20, 100)];
            let start = std::time::Instant::now();
            rows.apply(&changes).await.expect("apply");
            applies.push(start.elapsed());
            if round % 50 == 0 {
                let start = std::time::Instant::now();
                rows.session("hot", &Select::Totals).await.expect("session").expect("present");
                reads.push(start.elapsed());
            }
        }
        applies.sort();
        reads.sort();
        eprintln!(
            "apply: median {:?}, 99 % {:?}, worst {:?}",
            applies[2_000], applies[3_960], applies[3_999]
        );
        eprintln!("read: median {:?}, worst {:?}", reads[40], reads[79]);
    }
}
