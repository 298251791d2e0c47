//! From what a process left behind to a fold that may go on.

use std::collections::BTreeMap;

use tandem_fold::Fold;
use tandem_model::digest::Digests;
use tandem_model::row::BeatDigest;
use tandem_model::{PartitionId, PseudonymKey};
use tandem_storage::{BEATS_KEPT, Snapshot, StoreError};

use crate::partition::{Context, is_over, persistently};
use crate::repair;

/// A fold that stands where the row store stands.
pub(crate) struct Recovered {
    pub(crate) fold: Fold,
    /// Where the snapshot it came from ended; 0 without one.
    pub(crate) restored_from: u64,
}

/// Brings a fold to what the row store holds: from the newest snapshot that agrees with the
/// digests written down before, else from the beginning of the log.
///
/// # Errors
///
/// When a store says what trying again can't mend, or when the row store does not hold what the
/// whole log gives: then no state can be trusted, and `tandem verify` names the difference.
pub(crate) async fn recover(context: &Context) -> Result<Recovered, StoreError> {
    let partition = context.partition;
    let stores = &context.stores;
    // An order that was not done comes before what it is about is trusted.
    if let Some(order) = persistently(context, async || stores.rows.repair_order(partition).await).await?
        && let Some(fold) = repair::rebuild(context, &order).await?
    {
        return Ok(Recovered { fold, restored_from: 0 });
    }
    let target = persistently(context, async || stores.rows.progress(partition).await)
        .await?
        .map_or(0, |cut| cut.next);
    let written: BTreeMap<u64, Digests> =
        persistently(context, async || stores.rows.beats(partition, 0, BEATS_KEPT).await)
            .await?
            .into_iter()
            .map(|beat| (beat.offset, beat.digests))
            .collect();

    let places = persistently(context, async || stores.snapshots.list(partition).await).await?;
    for next in places.into_iter().filter(|next| *next <= target) {
        let Some(fold) = restore(context, next).await? else { continue };
        match replay(context, fold, target, &written).await? {
            Ok(fold) => return Ok(Recovered { fold, restored_from: next }),
            Err(beat) => {
                tracing::error!(%partition, next, ts = beat.ts, "snapshot disagrees with its digests")
            }
        }
    }
    let fold = Fold::new(partition, context.log.partitions(), context.key);
    match replay(context, fold, target, &written).await? {
        Ok(fold) => Ok(Recovered { fold, restored_from: 0 }),
        Err(beat) => Err(StoreError::Damaged(format!(
            "partition {partition}: the rows at the beat {} (offset {}) are not what the log gives",
            beat.ts, beat.offset
        ))),
    }
}

async fn restore(context: &Context, next: u64) -> Result<Option<Fold>, StoreError> {
    let partition = context.partition;
    let loaded = persistently(context, async || context.stores.snapshots.load(partition, next).await).await;
    let snapshot = match loaded {
        Ok(Some(snapshot)) => snapshot,
        Ok(None) => return Ok(None),
        Err(StoreError::Damaged(reason)) => {
            tracing::error!(%partition, next, reason, "snapshot left out");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    Ok(unpack(&snapshot, partition, context.log.partitions(), context.key))
}

/// The fold that wrote `snapshot`, if it can be had.
pub(crate) fn unpack(
    snapshot: &Snapshot,
    partition: PartitionId,
    partitions: u32,
    key: PseudonymKey,
) -> Option<Fold> {
    let next = snapshot.next;
    match Fold::restore(&snapshot.bytes, partition, partitions, key) {
        Ok(fold) if fold.cut().next == next => return Some(fold),
        Ok(_) => tracing::error!(%partition, next, "snapshot left out: it ends elsewhere"),
        Err(error) => tracing::warn!(%partition, next, %error, "snapshot left out"),
    }
    None
}

/// Replays the log up to `target`, writing nothing: the stores have all of that. Answers the
/// first beat whose digests are not those written down before.
async fn replay(
    context: &Context,
    mut fold: Fold,
    target: u64,
    written: &BTreeMap<u64, Digests>,
) -> Result<Result<Fold, BeatDigest>, StoreError> {
    while fold.cut().next < target {
        if is_over(&context.stopped) {
            return Err(StoreError::Unavailable("told to stop before it had recovered".to_owned()));
        }
        let records = persistently(context, async || {
            context.log.read(context.partition, fold.cut().next, context.settings.batch_bytes).await
        })
        .await?;
        let before = fold.cut().next;
        for (offset, record) in records.iter().take_while(|(offset, _)| *offset < target) {
            fold.apply(*offset, record);
        }
        let passed = fold.take_changes().beats;
        if let Some(wrong) = passed
            .into_iter()
            .find(|beat| written.get(&beat.offset).is_some_and(|digests| *digests != beat.digests))
        {
            return Ok(Err(wrong));
        }
        if fold.cut().next == before {
            return Err(StoreError::Damaged(format!(
                "partition {}: the log ends at {before}, before the rows that came of it ({target})",
                context.partition
            )));
        }
    }
    Ok(Ok(fold))
}
