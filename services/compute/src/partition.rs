//! The loop that owns one partition.

use std::sync::Arc;
use std::time::Duration;

use tandem_model::{PartitionId, Record, Rules};
use tandem_storage::{ChainStores, EventLog, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::flush::flush;
use crate::hot::HotWriter;
use crate::poison::{Interruption, fold_on};
use crate::recover::{Recovered, judge, recover};
use crate::repair;
use crate::settings::Settings;
use crate::snapshots::Keeper;
use crate::status::{Phase, Status};

/// First pause before a store is tried again, and the longest. Short: two chains that wait for the
/// same log must go on at nearly the same moment, or one of them is taken for stuck.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// How long an idle partition waits for a snapshot that is under way.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(250);

/// Everything the loop of a partition needs.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) stores: ChainStores,
    pub(crate) rules: Rules,
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
    loop {
        context.status.send_modify(|status| status.phase = Phase::Recovering);
        let recovered = recover(&context).await?;
        match follow(&context, recovered).await? {
            Ended::Stopped => return Ok(()),
            Ended::Again => {}
        }
    }
}

/// Why a partition is not followed any more.
enum Ended {
    Stopped,
    /// It has to begin again from what is stored.
    Again,
}

async fn follow(context: &Context, recovered: Recovered) -> Result<Ended, StoreError> {
    let mut fold = recovered.fold;
    context.status.send_modify(|status| {
        status.phase = Phase::Following;
        status.cut = fold.cut();
        status.reached = fold.cut().next;
        status.restored_from = recovered.restored_from;
        status.quarantined = fold.verdicts().quarantined();
        status.usage = fold.usage();
    });
    let mut ends = context.log.ends();
    let mut stopped = context.stopped.clone();
    let mut look_at = Instant::now() + repair::LOOK_EVERY;
    let mut hot = HotWriter::new();
    let mut snapshots = Keeper::default();
    let mut written = fold.cut();
    let mut last_flush = Instant::now();
    let mut last_snapshot = Instant::now();
    let mut snapshot_next = fold.cut().next;
    // The next restart need not begin at the beginning of the log.
    let mut is_snapshot_due = recovered.restored_from == 0 && written.next > 0;
    while !is_over(&stopped) {
        let end = ends.borrow_and_update().get(context.partition.0 as usize).copied().unwrap_or(0);
        let records = match read(context, fold.cut().next).await {
            // The log may be away for long: what was folded is written before it is tried again.
            Err(error) if error.is_retryable() => {
                if fold.has_changes() {
                    flush(context, &mut hot, fold.take_changes()).await?;
                    last_flush = Instant::now();
                    written = fold.cut();
                }
                persistently(context, async || read(context, fold.cut().next).await).await?
            }
            records => records?,
        };
        match fold_on(&mut fold, records.iter(), &context.settings.seeded_fault) {
            Ok(()) => {}
            // What was folded and not written is folded again.
            Err(Interruption::Failed(failed)) => {
                judge(context, &failed, fold.verdicts()).await?;
                return Ok(Ended::Again);
            }
            Err(Interruption::Revised) => return Ok(Ended::Again),
        }
        context.status.send_if_modified(|status| {
            status.records += records.len() as u64;
            false
        });
        let flush_at = last_flush + context.settings.flush_interval;
        if fold.has_changes() && Instant::now() >= flush_at {
            flush(context, &mut hot, fold.take_changes()).await?;
            last_flush = Instant::now();
            written = fold.cut();
        }
        if Instant::now() >= look_at {
            look_at = Instant::now() + repair::LOOK_EVERY;
            if repair::order(context).await.is_some() {
                if fold.has_changes() {
                    flush(context, &mut hot, fold.take_changes()).await?;
                }
                return Ok(Ended::Again);
            }
        }
        hot.tend(context, &fold, written).await;
        let is_due = is_snapshot_due
            || last_snapshot.elapsed() >= context.settings.snapshot_interval
            || fold.cut().next - snapshot_next >= context.settings.snapshot_records;
        if is_due && !fold.has_changes() && snapshots.is_free() {
            snapshots.begin(context, &fold).await;
            is_snapshot_due = false;
            last_snapshot = Instant::now();
            snapshot_next = fold.cut().next;
        }
        if records.is_empty() {
            if !fold.has_changes() {
                // Everything below that end was readable before we looked, and there was nothing.
                reach(context, end);
            }
            // What is folded but not written waits for its time; else there is time until the
            // log grows.
            let wait_until = if fold.has_changes() {
                flush_at
            } else if snapshots.is_free() {
                last_snapshot + context.settings.snapshot_interval
            } else {
                // A snapshot may be due while one is under way: no reason to spin.
                Instant::now() + SNAPSHOT_PAUSE
            };
            tokio::select! {
                _ = ends.changed() => {}
                _ = stopped.changed() => {}
                () = tokio::time::sleep_until(wait_until.min(look_at)) => {}
                () = hot.ripe() => {}
            }
        }
    }
    if fold.has_changes() {
        flush(context, &mut hot, fold.take_changes()).await?;
    }
    snapshots.finish(context, &fold).await;
    Ok(Ended::Stopped)
}

/// Notes that every record below `end` is in the row store.
fn reach(context: &Context, end: u64) {
    context.status.send_if_modified(|status| {
        let is_new = status.reached < end;
        status.reached = status.reached.max(end);
        is_new
    });
}

/// Whoever holds the other end either said so or is gone.
pub(crate) fn is_over(stopped: &watch::Receiver<bool>) -> bool {
    *stopped.borrow() || stopped.has_changed().is_err()
}

async fn read(context: &Context, from: u64) -> Result<Vec<(u64, Record)>, StoreError> {
    context.log.read(context.partition, from, context.settings.batch_bytes).await
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
            Err(error) if error.is_retryable() && !is_over(&stopped) => {
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
