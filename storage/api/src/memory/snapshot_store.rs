//! Snapshots in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tandem_model::PartitionId;

use crate::{Result, Snapshot, SnapshotStore, superfluous};

/// A [`SnapshotStore`] for tests.
#[derive(Default)]
pub struct MemorySnapshotStore {
    snapshots: Mutex<BTreeMap<(PartitionId, u64), Bytes>>,
}

impl MemorySnapshotStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn places(&self, partition: PartitionId) -> Vec<u64> {
        let snapshots = self.snapshots.lock();
        snapshots.range((partition, 0)..=(partition, u64::MAX)).rev().map(|((_, next), _)| *next).collect()
    }
}

#[async_trait]
impl SnapshotStore for MemorySnapshotStore {
    async fn put(&self, partition: PartitionId, snapshot: Snapshot) -> Result<()> {
        self.snapshots.lock().insert((partition, snapshot.next), snapshot.bytes);
        Ok(())
    }

    async fn list(&self, partition: PartitionId) -> Result<Vec<u64>> {
        Ok(self.places(partition))
    }

    async fn load(&self, partition: PartitionId, next: u64) -> Result<Option<Snapshot>> {
        let bytes = self.snapshots.lock().get(&(partition, next)).cloned();
        Ok(bytes.map(|bytes| Snapshot { next, bytes }))
    }

    async fn prune(&self, partition: PartitionId, keep: usize, pinned: Option<u64>) -> Result<()> {
        for next in superfluous(self.places(partition), keep, pinned) {
            self.snapshots.lock().remove(&(partition, next));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_suite() {
        crate::suite::snapshot_store(&MemorySnapshotStore::new()).await;
    }
}
