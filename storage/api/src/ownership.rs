//! Who works on which partition.

use std::collections::BTreeSet;
use std::sync::Arc;

use tandem_model::PartitionId;
use tokio::sync::watch;

/// Tells a chain's compute process which partitions it works on.
///
/// It promises that every partition is somebody's before long, not that it is nobody else's: a
/// process that was asleep may believe for a while that it still owns what another has taken
/// over. Stores are written so that this does no harm.
pub trait Ownership: Send + Sync {
    /// The partitions this process works on. Changes wake whoever waits.
    fn owned(&self) -> watch::Receiver<Arc<BTreeSet<PartitionId>>>;
}

/// One process works on all of them.
pub struct All(watch::Sender<Arc<BTreeSet<PartitionId>>>);

impl All {
    /// All partitions of a log with `partitions` of them.
    pub fn of(partitions: u32) -> Self {
        Self(watch::Sender::new(Arc::new((0..partitions).map(PartitionId).collect())))
    }
}

impl Ownership for All {
    fn owned(&self) -> watch::Receiver<Arc<BTreeSet<PartitionId>>> {
        self.0.subscribe()
    }
}
