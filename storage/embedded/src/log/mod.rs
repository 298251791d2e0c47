//! The event log, on redb.
//!
//! The log is the one thing that can't be computed anew, so it is built for being right:
//!
//! - Records stand in **batches**: one value per append and partition (of 128 KiB at most, unless
//!   a single record is larger), under (partition, first offset), with a CRC-32 of our own over
//!   key, count and body. An append of 50,000 lines is a few dozen values.
//! - An append, its receipt and the partitions' ends are one transaction of redb, fsynced before
//!   anybody hears of it. **One thread writes**; whatever waits when it comes round goes into one
//!   transaction (group commit), so that many small appends share an fsync. What waits is bounded
//!   in bytes.
//! - **Opening checks everything**: redb its pages, we every batch's checksum and framing, that
//!   each partition's offsets have no gap and no overlap and end where the stored end says.
//! - redb, finding its newest commit damaged, goes back to the one before and says nothing. So the
//!   number of the last commit is also written to a small file beside it ([`mark`]); a database
//!   that is behind it is damaged.
//!
//! Readers use redb's snapshots and wait neither for each other nor for the writer.

mod batch;
mod mark;
mod open;
mod tables;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redb::{Database, ReadableDatabase};
use tandem_model::{LogId, PartitionId, Record};
use tandem_storage::{Append, Appended, EventLog, Result, StoreError, StoredReceipt};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::blocking::blocking;
use batch::Encoded;
use tables::Place;
use writer::{Command, Waiting};

/// The database's file in the log's folder.
pub(crate) const FILE: &str = "log.redb";

/// How many bytes of appends may wait at most.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// How many commands may wait at most.
const WAITING_MAX: usize = 1_024;
/// How long an append waits for its place among the waiting.
const PLACE_TIMEOUT: Duration = Duration::from_secs(10);
/// An append of more than this is encoded on a thread for blocking calls.
const ENCODED_INLINE_BYTES_MAX: usize = 128 << 10;

/// An [`EventLog`] in a folder.
pub struct Log {
    id: LogId,
    path: Arc<PathBuf>,
    database: Arc<Database>,
    ends: Arc<watch::Sender<Arc<[u64]>>>,
    /// Bytes of appends that may still come to wait.
    waiting_bytes: Arc<Semaphore>,
    commands: Option<mpsc::Sender<Command>>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl Log {
    /// Opens the log in `folder`, or creates one of `partitions` partitions there. Blocks until
    /// everything in it is checked.
    pub fn open(folder: &Path, partitions: u32) -> Result<Self> {
        open::open(folder, Some(partitions))
    }

    /// Opens the log in `folder`, which must be there. Blocks until everything in it is checked.
    pub fn open_existing(folder: &Path) -> Result<Self> {
        open::open(folder, None)
    }

    fn check(&self, partition: PartitionId) -> Result<()> {
        if partition.0 < self.partitions() {
            Ok(())
        } else {
            Err(StoreError::Refused(format!("the log has no partition {partition}")))
        }
    }

    async fn send(&self, command: Command) -> Result<()> {
        let commands = self.commands.as_ref().ok_or_else(stopped)?;
        match timeout(PLACE_TIMEOUT, commands.send(command)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(stopped()),
            Err(_) => Err(crowded()),
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // The writer finishes what waits and ends; after that the file is free.
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl EventLog for Log {
    fn id(&self) -> LogId {
        self.id
    }

    fn partitions(&self) -> u32 {
        self.ends.borrow().len() as u32
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        for (partition, _) in &append.records {
            self.check(*partition)?;
        }
        if append.records.is_empty() && append.receipt.is_none() {
            return Ok(Appended::default());
        }
        let bytes: usize = append.records.iter().map(|(_, record)| record.value.len() + 16).sum();
        // A single append may be larger than everything that may wait; then it waits alone.
        let permits = bytes.clamp(1, WAITING_BYTES_MAX) as u32;
        let permit =
            match timeout(PLACE_TIMEOUT, self.waiting_bytes.clone().acquire_many_owned(permits)).await {
                Ok(permit) => permit.map_err(|_| stopped())?,
                Err(_) => return Err(crowded()),
            };
        let Append { records, receipt } = append;
        let encoded = if bytes > ENCODED_INLINE_BYTES_MAX {
            blocking(move || Ok(Encoded::new(records))).await?
        } else {
            Encoded::new(records)
        };
        let (answer, answered) = oneshot::channel();
        self.send(Command::Append(Waiting { encoded, receipt, answer, _permit: permit })).await?;
        answered.await.map_err(|_| cut_off())?
    }

    async fn read(&self, partition: PartitionId, from: u64, bytes_max: usize) -> Result<Vec<(u64, Record)>> {
        self.check(partition)?;
        if self.ends.borrow()[partition.0 as usize] <= from {
            return Ok(Vec::new());
        }
        let (database, path) = (self.database.clone(), self.path.clone());
        blocking(move || read(&database, Place { path: &path, partition }, from, bytes_max)).await
    }

    fn ends(&self) -> watch::Receiver<Arc<[u64]>> {
        self.ends.subscribe()
    }

    async fn receipt(&self, scope: &str, key: &str) -> Result<Option<StoredReceipt>> {
        let (database, path) = (self.database.clone(), self.path.clone());
        let (scope, key) = (scope.to_owned(), key.to_owned());
        blocking(move || {
            let transaction = database.begin_read().map_err(tables::error(&path))?;
            let receipts = transaction.open_table(tables::RECEIPTS).map_err(tables::error(&path))?;
            tables::receipt(&receipts, &path, &scope, &key)
        })
        .await
    }

    async fn forget_receipts(&self, written_before_ms: u64) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Forget { written_before_ms, answer }).await?;
        answered.await.map_err(|_| cut_off())?
    }
}

/// The records from `from` on, about `bytes_max` of them.
fn read(database: &Database, place: Place<'_>, from: u64, bytes_max: usize) -> Result<Vec<(u64, Record)>> {
    let transaction = database.begin_read().map_err(tables::error(place.path))?;
    let batches = transaction.open_table(tables::BATCHES).map_err(tables::error(place.path))?;
    let partition = place.partition.0;
    // The batch that `from` lies in begins at or before it.
    let mut before = batches.range((partition, 0)..=(partition, from)).map_err(tables::error(place.path))?;
    let first = match before.next_back() {
        Some(entry) => entry.map_err(tables::error(place.path))?.0.value().1,
        None => from,
    };
    let mut records = Vec::new();
    let mut bytes = 0;
    for entry in
        batches.range((partition, first)..=(partition, u64::MAX)).map_err(tables::error(place.path))?
    {
        let (key, value) = entry.map_err(tables::error(place.path))?;
        let base = key.value().1;
        let batch =
            batch::open(partition, base, value.value()).map_err(|error| place.damaged(base, error))?;
        for (offset, record) in (base..).zip(batch.records()) {
            let record = record.map_err(|error| place.damaged(offset, error))?;
            if offset < from {
                continue;
            }
            bytes += record.value.len();
            if bytes > bytes_max && !records.is_empty() {
                return Ok(records);
            }
            records.push((offset, record));
        }
    }
    Ok(records)
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the log's writer has stopped".to_owned())
}

fn crowded() -> StoreError {
    StoreError::Unavailable("too many appends wait for the log".to_owned())
}

fn cut_off() -> StoreError {
    StoreError::Timeout("the log's writer stopped before it answered".to_owned())
}

#[cfg(test)]
mod tests;
