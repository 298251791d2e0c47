//! An event log in memory.
//!
//! Optionally it leaves holes in the offsets, as Kafka's transaction markers do: code that counts
//! on `offset + 1` being the next record fails against it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tandem_model::{LogId, PartitionId, Record};
use tokio::sync::watch;

use crate::{Append, Appended, EventLog, Result, StoreError, StoredReceipt};

/// An [`EventLog`] for tests.
pub struct MemoryEventLog {
    id: LogId,
    /// Offsets left out after each append.
    hole: u64,
    /// Whether its ends lie after them.
    ends_after_holes: bool,
    inner: Mutex<Inner>,
    ends: watch::Sender<Arc<[u64]>>,
}

struct Inner {
    partitions: Vec<Partition>,
    receipts: BTreeMap<(String, String), StoredReceipt>,
}

#[derive(Clone, Default)]
struct Partition {
    records: Vec<(u64, Record)>,
    /// The offset that the next record gets.
    next: u64,
}

impl MemoryEventLog {
    /// An empty log with contiguous offsets and a random identity.
    pub fn new(partitions: u32) -> Self {
        Self::with_holes(partitions, 0)
    }

    /// An empty log that leaves out `hole` offsets after each append.
    pub fn with_holes(partitions: u32, hole: u64) -> Self {
        assert!(partitions > 0, "a log has at least one partition");
        let inner =
            Inner { partitions: vec![Partition::default(); partitions as usize], receipts: BTreeMap::new() };
        let ends: Arc<[u64]> = vec![0; partitions as usize].into();
        Self {
            id: random_id(),
            hole,
            ends_after_holes: false,
            inner: Mutex::new(inner),
            ends: watch::Sender::new(ends),
        }
    }

    /// An empty log that leaves out `markers` offsets after each append, and whose ends lie after
    /// them, as those of Kafka's transactions do: nothing is there to be read just below its ends.
    pub fn with_markers(partitions: u32, markers: u64) -> Self {
        Self { ends_after_holes: true, ..Self::with_holes(partitions, markers) }
    }

    /// The same log under the identity `id`.
    #[must_use]
    pub fn with_id(self, id: LogId) -> Self {
        Self { id, ..self }
    }

    fn check(&self, partition: PartitionId) -> Result<usize> {
        let index = partition.0 as usize;
        if index < self.ends.borrow().len() {
            Ok(index)
        } else {
            Err(StoreError::Refused(format!("the log has no partition {partition}")))
        }
    }
}

#[async_trait]
impl EventLog for MemoryEventLog {
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
        let mut inner = self.inner.lock();
        if let Some(receipt) = &append.receipt
            && let Some(stored) = inner.receipts.get(&(receipt.scope.clone(), receipt.key.clone()))
            && stored.receipt == *receipt
        {
            return Ok(stored.appended.clone());
        }
        let mut ends = self.ends.borrow().to_vec();
        let mut next = BTreeMap::new();
        for (partition, record) in append.records {
            let index = partition.0 as usize;
            let kept = &mut inner.partitions[index];
            kept.records.push((kept.next, record));
            kept.next += 1;
            ends[index] = kept.next;
            next.insert(partition, kept.next);
        }
        for partition in next.keys() {
            let index = partition.0 as usize;
            inner.partitions[index].next += self.hole;
            if self.ends_after_holes {
                ends[index] += self.hole;
            }
        }
        let appended = Appended { next: next.into_iter().collect() };
        if let Some(receipt) = append.receipt {
            let key = (receipt.scope.clone(), receipt.key.clone());
            inner.receipts.insert(key, StoredReceipt { receipt, appended: appended.clone() });
        }
        if !appended.next.is_empty() {
            // Inside the lock, so that ends never go back.
            self.ends.send_replace(ends.into());
        }
        Ok(appended)
    }

    async fn read(&self, partition: PartitionId, from: u64, bytes_max: usize) -> Result<Vec<(u64, Record)>> {
        let index = self.check(partition)?;
        let inner = self.inner.lock();
        let records = &inner.partitions[index].records;
        let start = records.partition_point(|(offset, _)| *offset < from);
        let mut bytes = 0;
        let fitting = records[start..].iter().enumerate().take_while(|(index, (_, record))| {
            bytes += record.value.len();
            *index == 0 || bytes <= bytes_max
        });
        Ok(fitting.map(|(_, record)| record.clone()).collect())
    }

    fn ends(&self) -> watch::Receiver<Arc<[u64]>> {
        self.ends.subscribe()
    }

    async fn receipt(&self, scope: &str, key: &str) -> Result<Option<StoredReceipt>> {
        Ok(self.inner.lock().receipts.get(&(scope.to_owned(), key.to_owned())).cloned())
    }

    async fn forget_receipts(&self, written_before_ms: u64) -> Result<()> {
        self.inner.lock().receipts.retain(|_, stored| stored.receipt.written_ms >= written_before_ms);
        Ok(())
    }
}

/// Random enough for tests; the standard library seeds its hashers from the system.
fn random_id() -> LogId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&RandomState::new().hash_one(0_u8).to_le_bytes());
    id[8..].copy_from_slice(&RandomState::new().hash_one(1_u8).to_le_bytes());
    LogId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn passes_the_suite_with_and_without_holes() {
        crate::suite::event_log(Arc::new(MemoryEventLog::new(3))).await;
        crate::suite::event_log(Arc::new(MemoryEventLog::with_holes(2, 1))).await;
    }
}
