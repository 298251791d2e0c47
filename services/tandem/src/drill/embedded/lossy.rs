//! A log that misses events, for one chain, and does not say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tandem_model::{LogId, PartitionId, Record};
use tandem_storage::{Append, Appended, EventLog, Result, StoredReceipt};
use tokio::sync::watch;

/// How many events are still to be missed, and how many were.
#[derive(Default)]
pub(super) struct Loss {
    left: AtomicU64,
    struck: AtomicU64,
}

impl Loss {
    pub(super) fn begin(&self, events: u64) {
        self.struck.store(0, Ordering::Relaxed);
        self.left.store(events, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.left.store(0, Ordering::Relaxed);
    }

    pub(super) fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    fn takes(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        let is_taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        self.struck.fetch_add(u64::from(is_taken), Ordering::Relaxed);
        is_taken
    }
}

/// The log without what is missed.
pub(super) struct Lossy {
    inner: Arc<dyn EventLog>,
    loss: Arc<Loss>,
}

impl Lossy {
    pub(super) fn new(inner: Arc<dyn EventLog>, loss: Arc<Loss>) -> Self {
        Self { inner, loss }
    }
}

#[async_trait]
impl EventLog for Lossy {
    fn id(&self) -> LogId {
        self.inner.id()
    }

    fn generation(&self) -> u32 {
        self.inner.generation()
    }

    fn partitions(&self) -> u32 {
        self.inner.partitions()
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        self.inner.append(append).await
    }

    async fn read(&self, partition: PartitionId, from: u64, bytes_max: usize) -> Result<Vec<(u64, Record)>> {
        let mut records = self.inner.read(partition, from, bytes_max).await?;
        for (_, record) in &mut records {
            // A place in the log must stay a place: a beat of long ago stands there, which is ignored.
            if is_enter(record) && self.loss.takes() {
                *record = Record::beat(1);
            }
        }
        Ok(records)
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

/// Whether a viewer comes in: what every report counts.
fn is_enter(record: &Record) -> bool {
    let wanted: &[u8] = br#""type":"enter""#;
    record.value.windows(wanted.len()).any(|window| window == wanted)
}
