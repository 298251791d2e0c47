//! The loop that owns one partition.

use std::sync::Arc;
use std::time::Duration;

use tandem_fold::Fold;
use tandem_model::{PartitionId, PseudonymKey, Record};
use tandem_storage::{ChainStores, EventLog, Snapshot, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::flush::flush;
use crate::publish::Pin;
use crate::recover::recover;
use crate::settings::Settings;
use crate::status::{Phase, Status};

/// First pause before a store is tried again, and the longest.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Everything the loop of a partition needs.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) stores: ChainStores,
    pub(crate) key: PseudonymKey,
    pub(crate) partition: PartitionId,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// Follows the partition until told to stop.
///
/// # Errors
///
/// When the log or a store says what trying again can't mend.
pub(crate) async fn run(context: Context) -> Result<(), StoreError> {
    let recovered = recover(&context).await?;
    let mut fold = recovered.fold;
    context.status.send_modify(|status| {
        status.phase = Phase::Following;
        status.cut = fold.cut();
        status.restored_from = recovered.restored_from;
        status.usage = fold.usage();
    });
    let mut ends = context.log.ends();
    let mut stopped = context.stopped.clone();
    let mut hot = None;
    let mut last_flush = Instant::now();
    let mut last_snapshot = Instant::now();
    let mut snapshot_next = fold.cut().next;
    while !*stopped.borrow() {
        ends.mark_unchanged();
        let records = read(&context, fold.cut().next).await?;
        for (offset, record) in &records {
            fold.apply(*offset, record);
        }
        context.status.send_if_modified(|status| {
            status.records += records.len() as u64;
            false
        });
        let flush_at = last_flush + context.settings.flush_interval;
        if fold.has_changes() && Instant::now() >= flush_at {
            flush(&context, &mut hot, fold.take_changes()).await?;
            last_flush = Instant::now();
        }
        let is_due = last_snapshot.elapsed() >= context.settings.snapshot_interval
            || fold.cut().next - snapshot_next >= context.settings.snapshot_records;
        if is_due && !fold.has_changes() {
            snapshot(&context, &fold).await?;
            last_snapshot = Instant::now();
            snapshot_next = fold.cut().next;
        }
        if records.is_empty() {
            // What is folded but not written waits for its time; else there is time until the
            // log grows.
            let wait_until = if fold.has_changes() {
                flush_at
            } else {
                last_snapshot + context.settings.snapshot_interval
            };
            tokio::select! {
                _ = ends.changed() => {}
                _ = stopped.changed() => {}
                () = tokio::time::sleep_until(wait_until) => {}
            }
        }
    }
    if fold.has_changes() {
        flush(&context, &mut hot, fold.take_changes()).await?;
    }
    snapshot(&context, &fold).await
}

async fn read(context: &Context, from: u64) -> Result<Vec<(u64, Record)>, StoreError> {
    persistently(context, async || {
        context.log.read(context.partition, from, context.settings.batch_bytes).await
    })
    .await
}

/// Keeps the state, but never beyond what the row store holds for good.
async fn snapshot(context: &Context, fold: &Fold) -> Result<(), StoreError> {
    let partition = context.partition;
    if fold.cut().next == 0 {
        // Nothing was ever read: there is no state to keep.
        return Ok(());
    }
    let durable = context.stores.rows.durable(partition).await;
    let reached = durable.as_ref().ok().copied().flatten().is_some_and(|cut| cut.next >= fold.cut().next);
    if !reached {
        // Nothing is lost without a snapshot but time at the next restart.
        tracing::warn!(%partition, ?durable, "no snapshot: the row store is not that far");
        return Ok(());
    }
    let snapshot = Snapshot { next: fold.cut().next, bytes: fold.snapshot().into() };
    context.status.send_modify(|status| status.usage = fold.usage());
    let kept = async {
        context.stores.snapshots.put(partition, snapshot).await?;
        let pinned = match context.settings.pins.of(partition) {
            Pin::Nothing => None,
            Pin::At(next) => Some(next),
            // What the publisher needs is not known yet: nothing is forgotten meanwhile.
            Pin::Unknown => return Ok(()),
        };
        context.stores.snapshots.prune(partition, context.settings.snapshots_kept, pinned).await
    };
    if let Err(error) = kept.await {
        tracing::warn!(%partition, %error, "the snapshot was not kept; the next restart replays more");
    }
    Ok(())
}

/// Does `action` until it succeeds or can't; the partition shows as stalled meanwhile.
pub(crate) async fn persistently<T>(
    context: &Context,
    action: impl AsyncFn() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (mut pause, longest) = RETRY_PAUSES;
    let mut phase_before = None;
    let mut stopped = context.stopped.clone();
    loop {
        match action().await {
            Ok(value) => {
                if let Some(phase) = phase_before {
                    context.status.send_modify(|status| status.phase = phase);
                }
                return Ok(value);
            }
            Err(error) if error.is_retryable() && !*stopped.borrow() => {
                if phase_before.is_none() {
                    tracing::warn!(partition = %context.partition, %error, "stalled; trying again");
                    phase_before = Some(context.status.borrow().phase.clone());
                    let stalled = Phase::Stalled(error.to_string());
                    context.status.send_modify(|status| status.phase = stalled);
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stopped.changed() => {}
                }
                pause = (pause * 2).min(longest);
            }
            Err(error) => return Err(error),
        }
    }
}
