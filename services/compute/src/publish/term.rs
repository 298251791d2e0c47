//! One term: from beginning a partition to the moment when its publisher must begin again, or may
//! not publish any more.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use tandem_fold::Fold;
use tandem_model::catalogue::DEFINITIONS;
use tandem_model::route::Route;
use tandem_model::summary::Marker;
use tandem_model::{Cut, Record, SessionId, Verdicts};
use tandem_storage::{PublishError, StoreError, SummaryWriter};
use tokio::time::Instant;

use super::Settings;
use super::follower::{Follower, Published, Transaction};
use super::partition::{Context, Turn};
use super::status::State;
use crate::poison::{self, Interruption, fold_on, session_of};
use crate::recover::unpack;

/// The log's end is looked at this often even if nobody says that it has moved.
const LOOK: Duration = Duration::from_secs(1);

/// How a term ended.
pub(super) enum End {
    /// It is not our turn any more, or we were told to stop.
    NotOurs,
    /// It has to be begun again, after a pause; says why.
    Again(String),
    /// The same, and what was folded is of no use any more.
    Spoiled(String),
}

/// What a publisher has folded; kept from term to term, so that a short failure costs no replay.
#[derive(Default)]
pub(super) struct Place {
    follower: Option<Follower>,
    /// Where what the follower gathers, or has handed over as `pending`, begins: everything before
    /// is published.
    base: Cut,
    /// Not known to be published.
    pending: Option<Transaction>,
}

/// Takes the partition over and publishes, beat by beat.
pub(super) async fn term(context: &Context, turn: &mut Turn, place: &mut Place) -> End {
    match begun(context, turn, place).await {
        Ok(never) => match never {},
        Err(End::Spoiled(reason)) => {
            *place = Place::default();
            End::Again(reason)
        }
        Err(end) => end,
    }
}

/// Never ends well: a term goes on until something ends it.
enum Never {}

async fn begun(context: &Context, turn: &mut Turn, place: &mut Place) -> Result<Never, End> {
    let (partition, parts) = (context.partition, &context.parts);
    // Before we fence anybody, and again: see the head of `publish`.
    active_route(context).await?;
    let (mut writer, last) = parts.topic.begin(partition).await.map_err(again)?;
    context.status.send_modify(|status| status.begun += 1);
    let route = active_route(context).await?;
    let base = match &last {
        None => Cut::default(),
        Some(last) => continues(context, last, &route)?,
    };
    context.reached(base);
    go_on_from(context, turn, place, base).await?;
    tracing::info!(%partition, epoch = route.epoch, beat = base.clock, next = base.next, "publishing");
    context.show(State::Publishing);
    publish_on(context, turn, place, &mut *writer, route.epoch).await
}

/// The route in force, if our chain is the active one.
async fn active_route(context: &Context) -> Result<Route, End> {
    let route = context
        .parts
        .routes
        .current()
        .await
        .map_err(|reason| End::Again(format!("whoever decides the route can't be asked: {reason}")))?;
    if route.active == context.parts.chain && route.epoch > 0 {
        return Ok(route);
    }
    // What is known here may still say otherwise for a moment: that is no reason to spin.
    Err(End::Again(format!("chain {} is active (epoch {})", route.active, route.epoch)))
}

/// Where to go on after the marker `last`, if we may.
fn continues(context: &Context, last: &Marker, route: &Route) -> Result<Cut, End> {
    let log = &context.parts.log;
    if last.epoch > route.epoch {
        return Err(End::Again(format!(
            "the topic was written under epoch {}, the route is of epoch {}: a newer route must come first",
            last.epoch, route.epoch
        )));
    }
    if last.log == log.id() {
        return Ok(last.cut);
    }
    if last.generation < log.generation() {
        // The log was created anew: its rows win over those of the one before.
        return Ok(Cut::default());
    }
    Err(End::Again(format!(
        "the topic was written from another log ({}, generation {}) than this one ({}, generation {}): \
         name another topic, or empty this one",
        last.log,
        last.generation,
        log.id(),
        log.generation()
    )))
}

/// Brings the follower to `base`: everything up to there is published, nothing beyond.
async fn go_on_from(context: &Context, turn: &mut Turn, place: &mut Place, base: Cut) -> Result<(), End> {
    if place.follower.is_some() && place.base == base {
        // What was pending, if anything was, did not get through: it comes again.
        return Ok(());
    }
    let pending = place.pending.take();
    if pending.is_some_and(|pending| pending.cut == base) {
        // It did get through, or somebody else published the same.
        place.base = base;
        return Ok(());
    }
    let follower = place.follower.take().filter(|follower| follower.cut().next <= base.next);
    context.show(State::Recovering);
    let mut follower = match follower {
        Some(follower) => follower,
        None => restore(context, base).await?,
    };
    let replayed = replay(context, turn, &mut follower, base).await;
    // Also where that failed: it goes on from there.
    follower.forget();
    place.base = follower.cut();
    place.follower = Some(follower);
    replayed
}

/// The newest usable snapshot at or before `base`, else an empty fold at the log's beginning.
///
/// Where nothing was published yet and the log no longer reaches back to its beginning, it is the
/// oldest snapshot there is: rows that have not changed since will not be in the topic, those that
/// are in it are right.
async fn restore(context: &Context, base: Cut) -> Result<Follower, End> {
    let (partition, parts) = (context.partition, &context.parts);
    let partitions = parts.log.partitions();
    let ahead = async |fold: &Fold| {
        let (known, next) = (fold.verdicts().clone(), fold.cut().next);
        tandem_storage::verdicts(&*parts.log, partition, known, next).await.map_err(again)
    };
    let mut places = parts.snapshots.list(partition).await.map_err(again)?;
    if base.next == 0 && is_beginning_gone(context).await? {
        places.reverse();
        tracing::warn!(%partition, "the log's beginning is gone: rows that no longer change are not published");
    } else {
        places.retain(|next| *next <= base.next);
    }
    for next in places {
        match parts.snapshots.load(partition, next).await {
            Ok(Some(snapshot)) => {
                let Some(fold) = unpack(&snapshot, partition, partitions, parts.rules.clone()) else {
                    continue;
                };
                let known = ahead(&fold).await?;
                let is_early = known.unheard(base.next).is_none_or(|first| first >= next);
                if is_early && let Some(follower) = follower(context, fold, &known, base).await? {
                    return Ok(follower);
                }
            }
            Ok(None) => {}
            Err(StoreError::Damaged(reason)) => {
                tracing::error!(%partition, next, reason, "snapshot left out");
            }
            Err(error) => return Err(again(error)),
        }
    }
    let fold = Fold::new(partition, partitions, parts.rules.clone());
    let known = ahead(&fold).await?;
    let follower = follower(context, fold, &known, base).await?;
    follower.ok_or_else(|| End::Again("a verdict came just now".to_owned()))
}

/// A follower that goes on from `fold`, which has not applied anything about which something was said
/// since `base`; nothing where it has.
async fn follower(
    context: &Context,
    fold: Fold,
    known: &Verdicts,
    base: Cut,
) -> Result<Option<Follower>, End> {
    let corrected = corrected(context, known, base).await?;
    let published = published(context, &fold, known, base, &corrected).await?;
    let Ok(mut fold) = fold.knowing(known) else { return Ok(None) };
    corrected.iter().for_each(|id| fold.mark(id));
    Ok(Some(Follower::correcting(fold, corrected, published)))
}

/// The keys under which something of these sessions is published since `from`: what is folded up to
/// `base` without what has been said since. A build that fails at that withdraws nothing.
async fn published(
    context: &Context,
    from: &Fold,
    known: &Verdicts,
    base: Cut,
    of: &BTreeSet<SessionId>,
) -> Result<Published, End> {
    let (partition, parts) = (context.partition, &context.parts);
    let mut published = Published::default();
    if of.is_empty() {
        return Ok(published);
    }
    let heard = known.heard(base.next);
    let copy = Fold::restore(&from.snapshot(), partition, parts.log.partitions(), parts.rules.clone());
    let Some(mut fold) = copy.ok().and_then(|copy| copy.knowing(&heard).ok()) else { return Ok(published) };
    while fold.cut().next < base.next {
        let records = read(context, fold.cut().next, context.settings.batch_bytes).await?;
        let next = fold.cut().next;
        let records = records.iter().take_while(|(offset, _)| *offset < base.next);
        if let Err(Interruption::Failed(failed)) = fold_on(&mut fold, records, &parts.seeded_fault) {
            tracing::warn!(%partition, ?failed, "rows that came of this event alone stay published");
            return Ok(published);
        }
        published.add(fold.take_changes(), of);
        if fold.cut().next == next {
            break;
        }
    }
    Ok(published)
}

/// The sessions of records that are published up to `base` and about which something was said since.
async fn corrected(context: &Context, known: &Verdicts, base: Cut) -> Result<BTreeSet<SessionId>, End> {
    let mut sessions = BTreeSet::new();
    for (offset, one) in known.in_question(base.next) {
        sessions.extend(one.quarantine.as_ref().and_then(|quarantine| quarantine.session_id.clone()));
        let records = read(context, offset, 1).await?;
        sessions
            .extend(records.iter().find(|(at, _)| *at == offset).and_then(|(_, record)| session_of(record)));
    }
    Ok(sessions)
}

async fn is_beginning_gone(context: &Context) -> Result<bool, End> {
    match context.parts.log.read(context.partition, 0, 1).await {
        Ok(_) => Ok(false),
        Err(StoreError::Damaged(_)) => Ok(true),
        Err(error) => Err(again(error)),
    }
}

/// Folds the log up to `base`, publishing nothing.
async fn replay(context: &Context, turn: &mut Turn, follower: &mut Follower, base: Cut) -> Result<(), End> {
    while follower.cut().next < base.next {
        turn.epoch().ok_or(End::NotOurs)?;
        let records = read(context, follower.cut().next, context.settings.batch_bytes).await?;
        let before = follower.cut().next;
        let records = records.iter().take_while(|(offset, _)| *offset < base.next);
        follow(context, follower, records, Follower::skip)?;
        follower.forget();
        if follower.cut().next == before {
            break;
        }
    }
    if base.next > 0 && follower.cut() != base {
        // Waiting can help where the log is only behind for now; else it needs a person.
        return Err(End::Again(format!(
            "the topic reaches the beat {} at offset {}, the log gives {:?} there: \
             is it the log that the topic was written from, and whole?",
            base.clock,
            base.next,
            follower.cut()
        )));
    }
    Ok(())
}

async fn publish_on(
    context: &Context,
    turn: &mut Turn,
    place: &mut Place,
    writer: &mut dyn SummaryWriter,
    mut epoch: u64,
) -> Result<Never, End> {
    let Settings { beats_max, rows_max, .. } = context.settings;
    let mut ends = context.parts.log.ends();
    loop {
        // It may have risen with our chain still being the active one.
        epoch = turn.epoch().ok_or(End::NotOurs)?.max(epoch);
        publish_pending(context, place, writer, epoch).await?;
        let Place { follower: Some(follower), pending, .. } = place else {
            return Err(End::Again("nothing was restored: a bug of ours".to_owned()));
        };
        ends.mark_unchanged();
        let read_at = Instant::now();
        let records = read(context, follower.cut().next, context.settings.batch_bytes).await?;
        follow(context, follower, records.iter(), |follower, offset, record| {
            follower.apply(offset, record)?;
            // The rest of the records is read again: that is rare, and simpler than keeping it.
            if follower.is_full(beats_max, rows_max) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        *pending = follower.take();
        if pending.is_none() {
            if records.is_empty() {
                tokio::select! {
                    _ = ends.changed() => {}
                    () = turn.changed(LOOK) => {}
                }
            }
            tokio::time::sleep_until(read_at + context.settings.read_pause()).await;
        }
    }
}

/// Publishes what is pending, and notes where that ends.
async fn publish_pending(
    context: &Context,
    place: &mut Place,
    writer: &mut dyn SummaryWriter,
    epoch: u64,
) -> Result<(), End> {
    let Some(pending) = &place.pending else { return Ok(()) };
    let log = &context.parts.log;
    let marker = Marker {
        log: log.id(),
        generation: log.generation(),
        partition: context.partition,
        cut: pending.cut,
        chain: context.parts.chain,
        epoch,
        definitions: DEFINITIONS,
    };
    let messages = pending.messages(&marker);
    let count = messages.len() as u64 + 1;
    match writer.publish(&marker, messages).await {
        Ok(()) => {}
        Err(error) => {
            if error == PublishError::Fenced {
                context.status.send_modify(|status| status.fenced += 1);
            }
            return Err(End::Again(error.to_string()));
        }
    }
    place.base = pending.cut;
    place.pending = None;
    context.reached(place.base);
    context.status.send_modify(|status| {
        status.epoch = epoch;
        status.transactions += 1;
        status.messages += count;
    });
    Ok(())
}

/// Folds records, until the follower is of no use any more.
fn follow<'r>(
    context: &Context,
    follower: &mut Follower,
    records: impl Iterator<Item = &'r (u64, Record)>,
    mut step: impl FnMut(&mut Follower, u64, &Record) -> ControlFlow<()>,
) -> Result<(), End> {
    let known = follower.fold().verdicts().clone();
    let fault = &context.parts.seeded_fault;
    poison::each(records, &known, fault, |offset, record| step(follower, offset, record)).map_err(
        |failed| {
            // Compute meets it, too, and sees to a verdict.
            End::Spoiled(format!("the fold fails at offset {}: {failed:?}", failed.offset))
        },
    )?;
    match follower.fold().revised() {
        Some(_) => Err(End::Spoiled("a verdict came about an event that was counted".to_owned())),
        None => Ok(()),
    }
}

async fn read(context: &Context, from: u64, bytes: usize) -> Result<Vec<(u64, Record)>, End> {
    let log = &context.parts.log;
    match log.read(context.partition, from, bytes).await {
        Err(StoreError::Damaged(reason)) => Err(End::Again(format!(
            "{reason}. Where the log no longer reaches back to what is published, let the other chain publish, \
             whose snapshots may, or empty the topic: publishing then begins anew"
        ))),
        read => read.map_err(again),
    }
}

fn again(error: StoreError) -> End {
    End::Again(error.to_string())
}
