//! From what a process left behind to a fold that may go on.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use tandem_fold::Fold;
use tandem_model::digest::Digests;
use tandem_model::row::BeatDigest;
use tandem_model::{Cut, PartitionId, Rules, Verdicts};
use tandem_storage::{BEATS_KEPT, Snapshot, StoreError};

use crate::partition::{Context, persistently};
use crate::poison::{self, Failed};
use crate::repair::{self, Repaired};
use crate::replay::{look_ahead, replay};
use crate::revise::{Revised, revise};

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
    loop {
        match try_recover(context).await? {
            Ok(recovered) => return Ok(recovered),
            Err((failed, known)) => {
                // Who was released and fails again is in quarantine again. Anything else was counted
                // before by a build that could.
                if known.get(failed.offset).is_none() {
                    return Err(StoreError::Damaged(format!(
                        "this build fails at offset {} of partition {}, which was counted before: {failed:?}; go \
                         back to the build before",
                        failed.offset, context.partition
                    )));
                }
                judge(context, &failed, &known).await?;
            }
        }
    }
}

/// See [`poison::quarantine`].
pub(crate) async fn judge(context: &Context, failed: &Failed, known: &Verdicts) -> Result<(), StoreError> {
    let partition = context.partition;
    persistently(context, async || poison::quarantine(&*context.log, partition, failed, known).await).await
}

/// Where it failed at a record, that and what was known of records then.
async fn try_recover(context: &Context) -> Result<Result<Recovered, (Failed, Verdicts)>, StoreError> {
    let partition = context.partition;
    let stores = &context.stores;
    // An order that was not done comes before what it is about is trusted.
    if let Some(order) = persistently(context, async || stores.rows.repair_order(partition).await).await? {
        match repair::rebuild(context, &order).await? {
            Repaired::Done(fold) => return Ok(Ok(Recovered { fold, restored_from: 0 })),
            Repaired::Nothing => {}
            Repaired::Failed(failed, known) => return Ok(Err((failed, known))),
        }
    }
    let cut =
        persistently(context, async || stores.rows.progress(partition).await).await?.unwrap_or_default();
    let target = cut.next;
    let written: BTreeMap<u64, Digests> =
        persistently(context, async || stores.rows.beats(partition, BEATS_KEPT).await)
            .await?
            .into_iter()
            .map(|beat| (beat.offset, beat.digests))
            .collect();

    let places = persistently(context, async || stores.snapshots.list(partition).await).await?;
    for next in places.into_iter().filter(|next| *next <= target) {
        let Some(fold) = restore(context, next).await? else { continue };
        let fold = match knowing(context, fold, target).await? {
            Known::Fold(fold) => fold,
            Known::Otherwise(offset) => {
                tracing::warn!(%partition, next, offset, "snapshot left out: there is a verdict about what it counts");
                continue;
            }
            Known::Unheard => return compute_again(context, cut).await,
        };
        match compared(context, fold, target, &written).await? {
            Replayed::There(fold) => return Ok(Ok(Recovered { fold, restored_from: next })),
            Replayed::Failed(failed, known) => return Ok(Err((failed, known))),
            Replayed::Differs(beat) => {
                tracing::error!(%partition, next, ts = beat.ts, "snapshot disagrees with its digests")
            }
        }
    }
    let fold = Fold::new(partition, context.log.partitions(), context.rules.clone());
    let fold = match knowing(context, fold, target).await? {
        Known::Fold(fold) => fold,
        Known::Otherwise(_) | Known::Unheard => return compute_again(context, cut).await,
    };
    match compared(context, fold, target, &written).await? {
        Replayed::There(fold) => Ok(Ok(Recovered { fold, restored_from: 0 })),
        Replayed::Failed(failed, known) => Ok(Err((failed, known))),
        Replayed::Differs(beat) => Err(StoreError::Damaged(format!(
            "partition {partition}: the rows at the beat {} (offset {}) are not what the log gives",
            beat.ts, beat.offset
        ))),
    }
}

/// What a fold is worth once all verdicts are known.
#[allow(clippy::large_enum_variant, reason = "there is one of it at a time, and not for long")]
enum Known {
    /// It knows them.
    Fold(Fold),
    /// It has counted this record, and should not, or the other way round.
    Otherwise(u64),
    /// The rows hold what was counted before a verdict said otherwise.
    Unheard,
}

/// Looks ahead for verdicts. The rows reflect everything below `target`.
async fn knowing(context: &Context, fold: Fold, target: u64) -> Result<Known, StoreError> {
    let known = look_ahead(context, &fold).await?;
    if known.unheard(target).is_some() {
        return Ok(Known::Unheard);
    }
    Ok(match fold.knowing(&known) {
        Ok(fold) => Known::Fold(fold),
        Err(offset) => Known::Otherwise(offset),
    })
}

/// A verdict came about what the rows have counted.
async fn compute_again(
    context: &Context,
    cut: Cut,
) -> Result<Result<Recovered, (Failed, Verdicts)>, StoreError> {
    Ok(match revise(context, cut).await? {
        Revised::Done(recovered) => Ok(recovered),
        Revised::Failed(failed, known) => Err((failed, known)),
    })
}

/// The fold of the snapshot that ends at `next`, if it can be had.
pub(crate) async fn restore(context: &Context, next: u64) -> Result<Option<Fold>, StoreError> {
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
    Ok(unpack(&snapshot, partition, context.log.partitions(), context.rules.clone()))
}

/// The fold that wrote `snapshot`, if it can be had.
pub(crate) fn unpack(
    snapshot: &Snapshot,
    partition: PartitionId,
    partitions: u32,
    rules: Rules,
) -> Option<Fold> {
    let next = snapshot.next;
    match Fold::restore(&snapshot.bytes, partition, partitions, rules) {
        Ok(fold) if fold.cut().next == next => return Some(fold),
        Ok(_) => tracing::error!(%partition, next, "snapshot left out: it ends elsewhere"),
        Err(error) => tracing::warn!(%partition, next, %error, "snapshot left out"),
    }
    None
}

#[allow(clippy::large_enum_variant, reason = "there is one of it at a time, and not for long")]
enum Replayed {
    There(Fold),
    /// The first beat whose digests are not those written down before.
    Differs(BeatDigest),
    Failed(Failed, Verdicts),
}

/// Replays the log up to `target`, writing nothing: the stores have all of that.
async fn compared(
    context: &Context,
    mut fold: Fold,
    target: u64,
    written: &BTreeMap<u64, Digests>,
) -> Result<Replayed, StoreError> {
    let known = fold.verdicts().clone();
    let mut differs = None;
    let is_wrong =
        |beat: &BeatDigest| written.get(&beat.offset).is_some_and(|digests| *digests != beat.digests);
    let outcome = replay(context, &mut fold, target, |fold| {
        differs = fold.take_changes().beats.into_iter().find(is_wrong);
        if differs.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .await?;
    Ok(match (outcome, differs) {
        (Err(failed), _) => Replayed::Failed(failed, known),
        (Ok(()), Some(wrong)) => Replayed::Differs(wrong),
        (Ok(()), None) => Replayed::There(fold),
    })
}
