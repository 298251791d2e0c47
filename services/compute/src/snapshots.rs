//! Snapshots, kept beside the fold: a snapshot store that hangs or is full holds up nothing. What
//! is lost without a snapshot is time at the next restart, never a figure.

use std::sync::Arc;
use std::time::Duration;

use tandem_fold::Fold;
use tandem_model::PartitionId;
use tandem_storage::{Snapshot, SnapshotStore, StoreError};
use tokio::task::JoinHandle;

use crate::partition::Context;
use crate::publish::Pin;

/// How many snapshots are kept while it is not known which of them the publisher needs. Where that
/// is not enough, it folds the log from its beginning.
const KEPT_UNKNOWN: usize = 50;

/// How long a stop waits for the store.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Keeps one snapshot of a partition at a time.
#[derive(Default)]
pub(crate) struct Keeper {
    under_way: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Whether the last snapshot is done with, in whatever way.
    pub(crate) fn is_free(&self) -> bool {
        self.under_way.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Begins to keep the state, but never beyond what the row store holds for good.
    pub(crate) async fn begin(&mut self, context: &Context, fold: &Fold) {
        let partition = context.partition;
        if fold.cut().next == 0 {
            // Nothing was ever read: there is no state to keep.
            return;
        }
        let durable = context.stores.rows.durable(partition).await;
        let reached = durable.as_ref().ok().copied().flatten();
        if reached.is_none_or(|cut| cut.next < fold.cut().next) {
            tracing::warn!(%partition, ?durable, "no snapshot: the row store is not that far");
            return;
        }
        let snapshot = Snapshot { next: fold.cut().next, bytes: fold.snapshot().into() };
        context.status.send_modify(|status| status.usage = fold.usage());
        let store = Arc::clone(&context.stores.snapshots);
        let pin = context.settings.pins.of(partition);
        let kept = context.settings.snapshots_kept;
        // A release of what is in quarantine goes back to before it.
        let quarantines = fold.verdicts().iter().filter(|(_, known)| known.quarantine.is_some());
        let held = quarantines.map(|(offset, _)| offset).next();
        self.under_way = Some(tokio::spawn(async move {
            if let Err(error) = keep(&*store, partition, snapshot, kept, pin, held).await {
                tracing::warn!(%partition, %error, "the snapshot was not kept; the next restart replays more");
            }
        }));
    }

    /// A last snapshot, and its end.
    pub(crate) async fn finish(mut self, context: &Context, fold: &Fold) {
        let last = async {
            self.wait().await;
            self.begin(context, fold).await;
            self.wait().await;
        };
        if tokio::time::timeout(STOP_PATIENCE, last).await.is_err() {
            tracing::warn!(partition = %context.partition, "the snapshot store is too slow to wait for");
        }
    }

    async fn wait(&mut self) {
        if let Some(under_way) = &mut self.under_way
            && let Err(error) = under_way.await
        {
            tracing::error!(%error, "keeping a snapshot broke down");
        }
        self.under_way = None;
    }
}

async fn keep(
    store: &dyn SnapshotStore,
    partition: PartitionId,
    snapshot: Snapshot,
    kept: usize,
    pin: Pin,
    held: Option<u64>,
) -> Result<(), StoreError> {
    store.put(partition, snapshot).await?;
    let (kept, pinned) = match pin {
        Pin::Nothing => (kept, held),
        Pin::At(next) => (kept, Some(held.map_or(next, |held| held.min(next)))),
        Pin::Unknown => (KEPT_UNKNOWN, held),
    };
    store.prune(partition, kept, pinned).await
}
