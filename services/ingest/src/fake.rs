//! The in-memory log with failures on demand, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::FutureExt;
use parking_lot::Mutex;
use tandem_model::{LogId, PartitionId, Record};
use tandem_storage::memory::MemoryEventLog;
use tandem_storage::{Append, Appended, EventLog, Result, StoreError, StoredReceipt};
use tokio::sync::{Semaphore, watch};

pub(crate) struct FakeLog {
    inner: MemoryEventLog,
    failure: Mutex<Option<Failure>>,
    appends: AtomicUsize,
    /// Appends wait for a permit.
    pub(crate) gate: Semaphore,
}

struct Failure {
    times: usize,
    error: StoreError,
    writes: bool,
}

impl FakeLog {
    pub(crate) fn new(partitions: u32) -> Self {
        Self {
            inner: MemoryEventLog::new(partitions),
            failure: Mutex::new(None),
            appends: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }

    pub(crate) fn fail_after_writing(&self, times: usize, error: StoreError) {
        *self.failure.lock() = Some(Failure { times, error, writes: true });
    }

    pub(crate) fn fail_before_writing(&self, times: usize, error: StoreError) {
        *self.failure.lock() = Some(Failure { times, error, writes: false });
    }

    pub(crate) fn appends(&self) -> usize {
        self.appends.load(Ordering::Relaxed)
    }

    pub(crate) fn records(&self, partition: u32) -> Vec<Record> {
        let read = self.inner.read(PartitionId(partition), 0, usize::MAX);
        let records = read.now_or_never().expect("memory does not wait").unwrap();
        records.into_iter().map(|(_, record)| record).collect()
    }

    pub(crate) fn lines(&self, partition: u32) -> Vec<String> {
        let text = |record: Record| String::from_utf8_lossy(&record.value).into_owned();
        self.records(partition).into_iter().map(text).collect()
    }

    /// The seconds of the beats in `partition`.
    pub(crate) fn beats(&self, partition: u32) -> Vec<u64> {
        let second = |record: Record| {
            let value: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
            value["beat"].as_u64()
        };
        let good = self.records(partition).into_iter().filter(|record| record.malformed.is_none());
        good.filter_map(second).collect()
    }

    fn next_failure(&self) -> Option<(StoreError, bool)> {
        let mut failure = self.failure.lock();
        let failing = failure.as_mut().filter(|failure| failure.times > 0)?;
        failing.times -= 1;
        Some((failing.error.clone(), failing.writes))
    }
}

#[async_trait]
impl EventLog for FakeLog {
    fn id(&self) -> LogId {
        self.inner.id()
    }

    fn partitions(&self) -> u32 {
        self.inner.partitions()
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        let _permit = self.gate.acquire().await.expect("never closed");
        self.appends.fetch_add(1, Ordering::Relaxed);
        match self.next_failure() {
            None => self.inner.append(append).await,
            Some((error, writes)) => {
                if writes {
                    self.inner.append(append).await?;
                }
                Err(error)
            }
        }
    }

    async fn read(&self, partition: PartitionId, from: u64, bytes_max: usize) -> Result<Vec<(u64, Record)>> {
        self.inner.read(partition, from, bytes_max).await
    }

    fn ends(&self) -> watch::Receiver<Arc<[u64]>> {
        self.inner.ends()
    }

    async fn receipt(&self, scope: &str, key: &str) -> Result<Option<StoredReceipt>> {
        self.inner.receipt(scope, key).await
    }

    async fn forget_receipts(&self, written_before_ms: u64) -> Result<()> {
        self.inner.forget_receipts(written_before_ms).await
    }
}
