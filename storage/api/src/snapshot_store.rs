//! Snapshots of the fold's state.

use async_trait::async_trait;
use bytes::Bytes;
use tandem_model::PartitionId;

use crate::Result;

/// Keeps snapshots of one chain.
///
/// A snapshot is there whole or not at all; a damaged one is reported as
/// [`crate::StoreError::Damaged`], and the caller goes on to an older one.
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// Keeps a snapshot; one at the same place is replaced.
    async fn put(&self, partition: PartitionId, snapshot: Snapshot) -> Result<()>;

    /// The places of the kept snapshots of `partition`, newest first.
    async fn list(&self, partition: PartitionId) -> Result<Vec<u64>>;

    /// The snapshot of `partition` at place `next`.
    async fn load(&self, partition: PartitionId, next: u64) -> Result<Option<Snapshot>>;

    /// Forgets all but the newest `keep` and the newest one at or before the place `pinned`:
    /// whoever has come that far only needs it to go on from there. See [`superfluous`].
    async fn prune(&self, partition: PartitionId, keep: usize, pinned: Option<u64>) -> Result<()>;
}

/// Which of the snapshots at these places, newest first, [`SnapshotStore::prune`] forgets.
pub fn superfluous(places: Vec<u64>, keep: usize, pinned: Option<u64>) -> impl Iterator<Item = u64> {
    let kept = pinned.and_then(|pinned| places.iter().copied().find(|next| *next <= pinned));
    places.into_iter().skip(keep).filter(move |next| Some(*next) != kept)
}

/// The fold's state after a prefix of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The offset of the first record that is not part of it.
    pub next: u64,
    /// The state, as the fold wrote it.
    pub bytes: Bytes,
}
