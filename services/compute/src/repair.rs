//! A repair: rows computed again from the beginning of the log, in the place of those that are
//! wrong.
//!
//! The order is kept with the rows until it is done ([`RepairOrder`]), so a repair that was cut
//! short begins again wherever the partition is started next. The partition's own thread carries it
//! out, while it writes nothing else:
//!
//! 1. Snapshots are forgotten, and the hot store begins anew: what it holds counts as absent, and
//!    readers go to the row store. Query nodes see the order and send readers of the partition to
//!    the other chain.
//! 2. The log is folded from its first record up to where the row store stands. What comes out for
//!    each session is gathered; what memory has no room for comes in another pass.
//! 3. Each session is replaced as a whole, at the place where the row store stands: so no reader
//!    goes back, and what is not among the rows is gone. What the log knows nothing of goes.
//! 4. The partition's own row and the digests of its beats are replaced, and the dead letters of
//!    records that verdicts are about; and the order is ended: it is done, or it has failed where a
//!    store refused some of that for good.
//!
//! The thread goes on with the fold that was computed anew. So a state that was wrong is gone, too.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use tandem_fold::Fold;
use tandem_model::partition::partition_of;
use tandem_model::rejected::Rejected;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{
    Changes, Cut, EditionPart, PartitionId, Row, RowKey, SessionChange, SessionId, SessionRow, Values,
    Verdicts,
};
use tandem_storage::{BEATS_KEPT, Place, RepairOrder, RepairState, Replacement, SessionRows, StoreError};

use crate::partition::{Context, persistently};
use crate::poison::Failed;
use crate::replay::replay;

/// How many sessions are replaced, or listed, by one call.
const SESSIONS_AT_ONCE: usize = 50;
/// After so many sessions that are refused the repair ends: the next ones would be, too.
const FAILURES_MAX: usize = 100;
/// How many failures are told, and how much of each, in characters.
const FAILURES_TOLD: usize = 3;
const FAILURE_CHARS_MAX: usize = 400;

/// Looks whether there is an order for a partition. A store that can't say so now is asked again
/// later.
pub(crate) async fn order(context: &Context) -> Option<RepairOrder> {
    match context.stores.rows.repair_order(context.partition).await {
        Ok(order) => order,
        Err(error) => {
            tracing::debug!(partition = %context.partition, %error, "whether there is an order to repair is not known");
            None
        }
    }
}

/// What came of an order.
#[allow(clippy::large_enum_variant, reason = "there is one of it at a time, and not for long")]
pub(crate) enum Repaired {
    /// The fold as it stands where the row store stands.
    Done(Fold),
    /// Nothing was touched: the log can't be read from its beginning, say. The order has failed.
    Nothing,
    /// The fold failed at a record, knowing these verdicts: nothing was touched, the order stays.
    Failed(Failed, Verdicts),
}

/// Carries out an order and notes how it ended.
///
/// What a store refuses for good fails the order, after everything else was put right: the
/// partition goes on, and an operator sees why. Trying again would never end.
///
/// # Errors
///
/// When the chain is stopped meanwhile, or the row store says of the partition or of the order
/// itself what trying again can't mend. The order stays.
pub(crate) async fn rebuild(context: &Context, order: &RepairOrder) -> Result<Repaired, StoreError> {
    let partition = context.partition;
    let RepairOrder { session_id, reason, .. } = order;
    tracing::warn!(%partition, session = ?session_id, reason, "computing again from the beginning of the log");
    let rows = &context.stores.rows;
    let cut = persistently(context, async || rows.progress(partition).await).await?.unwrap_or_default();
    let (mut fold, mut failures) = (None, Failures::default());
    match compute_again(context, order, cut, &mut fold, &mut failures).await {
        Ok(None) => {}
        Ok(Some((failed, known))) => return Ok(Repaired::Failed(failed, known)),
        Err(error) if error.is_retryable() => return Err(error),
        Err(error) => _ = failures.add(&error),
    }
    let ending = failures.note(context);
    persistently(context, async || rows.end_repair(order, &ending).await).await?;
    Ok(fold.map_or(Repaired::Nothing, Repaired::Done))
}

/// Puts everything right that can be, and answers in `fold` the state to go on with: from the moment
/// on when anything is touched, whatever comes after. Where the fold failed, that, and nothing was
/// touched.
async fn compute_again(
    context: &Context,
    order: &RepairOrder,
    cut: Cut,
    fold: &mut Option<Fold>,
    failures: &mut Failures,
) -> Result<Option<(Failed, Verdicts)>, StoreError> {
    let partition = context.partition;
    let stores = &context.stores;
    let known = persistently(context, async || {
        tandem_storage::verdicts(&*context.log, partition, Verdicts::default(), 0).await
    })
    .await?;
    // Where rows reflect less than what is known now, those of one session are not enough.
    let is_whole = known.unheard(cut.next).is_some();
    let only = order.session_id.as_ref().filter(|_| !is_whole);
    let mut after = None;
    loop {
        // Where its beginning went with its retention, say, nothing is touched.
        let (pass, anew) = match Pass::read(context, cut, only, after.clone(), &known).await? {
            Ok(read) => read,
            Err(failed) => return Ok(Some((failed, known))),
        };
        if after.is_none() {
            // Only now that the log is known to be there from its beginning on.
            persistently(context, async || stores.snapshots.prune(partition, 0, None).await).await?;
            empty_hot(context, cut).await;
        }
        let reach = pass.reach();
        let written = write(context, cut, only, &pass, after.as_ref(), failures).await;
        let Pass { partition_row, beats, editions, judged, letters, .. } = pass;
        *fold = Some(anew);
        written?;
        if reach.is_some() {
            after = reach;
            continue;
        }
        for (place, at) in &judged {
            let letter = letters.get(place);
            persistently(context, async || stores.dead_letters.revise(*place, letter, *at).await).await?;
        }
        // Known later than whatever stands there.
        persistently(context, async || stores.editions.keep(&editions, cut.next + 1).await).await?;
        let partition_row = Some((partition_row, beats.into_iter().collect()));
        let last = Replacement { partition, cut, sessions: Vec::new(), partition_row };
        persistently(context, async || stores.rows.replace(&last).await).await?;
        return Ok(None);
    }
}

/// What could not be put right.
#[derive(Default)]
pub(crate) struct Failures {
    count: usize,
    first: Vec<String>,
}

impl Failures {
    /// Notes one. Says whether there were so many that the rest is not worth trying.
    fn add(&mut self, error: &StoreError) -> bool {
        self.count += 1;
        if self.first.len() < FAILURES_TOLD {
            self.first.push(error.to_string().chars().take(FAILURE_CHARS_MAX).collect());
        }
        self.count >= FAILURES_MAX
    }

    /// Counts and tells how it ended.
    pub(crate) fn note(self, context: &Context) -> RepairState {
        let (partition, ending) = (context.partition, self.ending());
        if let RepairState::Failed(why) = &ending {
            tracing::error!(%partition, why, "not all could be put right: somebody must look");
            context.status.send_modify(|status| status.repairs_failed += 1);
        } else {
            tracing::warn!(%partition, "computed again");
            context.status.send_modify(|status| status.repairs_done += 1);
        }
        ending
    }

    fn ending(self) -> RepairState {
        if self.count == 0 {
            return RepairState::Done;
        }
        let more = match self.count - self.first.len() {
            0 => String::new(),
            more => format!("; and {more} more like it"),
        };
        RepairState::Failed(format!("{}{more}", self.first.join("; ")))
    }
}

/// What the hot store holds of the partition counts as absent from here on. One that is away holds
/// nobody up: it is begun anew before it is written again.
pub(crate) async fn empty_hot(context: &Context, cut: Cut) {
    let limit = context.settings.hot_timeout;
    let begin = context.stores.hot.begin(context.partition, cut);
    match tokio::time::timeout(limit, begin).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::warn!(partition = %context.partition, %error, "the hot store is not emptied")
        }
        Err(_) => tracing::warn!(partition = %context.partition, "the hot store is not emptied: no answer"),
    }
}

/// One way through the log.
struct Pass {
    sessions: BTreeMap<SessionId, Gathered>,
    rows: usize,
    /// Sessions from this one on come in another pass.
    beyond: Option<SessionId>,
    partition_row: PartitionRow,
    beats: VecDeque<BeatDigest>,
    /// Those that are still of use.
    editions: Vec<EditionPart>,
    /// Records that verdicts are about, and where those stand.
    judged: Vec<(Place, u64)>,
    /// Dead letters there.
    letters: BTreeMap<Place, Rejected>,
}

/// A session as its changes leave it.
#[derive(Default)]
struct Gathered {
    session: SessionRow,
    rows: BTreeMap<RowKey, (Values, u64)>,
}

impl Pass {
    async fn read(
        context: &Context,
        cut: Cut,
        only: Option<&SessionId>,
        after: Option<SessionId>,
        known: &Verdicts,
    ) -> Result<Result<(Self, Fold), Failed>, StoreError> {
        let partition = context.partition;
        let fold = Fold::new(partition, context.log.partitions(), context.rules.clone());
        let mut fold = fold.knowing(known).expect("a fold that has applied nothing contradicts nothing");
        let mut pass = Self {
            judged: judged(partition, known, cut),
            letters: BTreeMap::new(),
            sessions: BTreeMap::new(),
            rows: 0,
            beyond: None,
            partition_row: PartitionRow::default(),
            beats: VecDeque::new(),
            editions: Vec::new(),
        };
        let outcome = replay(context, &mut fold, cut.next, |fold| {
            pass.gather(fold.take_changes(), only, after.as_ref(), context.settings.repair_rows_max);
            ControlFlow::Continue(())
        })
        .await?;
        Ok(outcome.map(|()| (pass, fold)))
    }

    fn gather(
        &mut self,
        changes: Changes,
        only: Option<&SessionId>,
        after: Option<&SessionId>,
        rows_max: usize,
    ) {
        self.partition_row = changes.partition_row;
        let is_judged = |one: &Rejected| self.judged.iter().any(|(place, _)| *place == Place::of(one));
        self.letters.extend(changes.rejected.into_iter().filter(is_judged).map(|one| (Place::of(&one), one)));
        self.beats.extend(changes.beats);
        self.beats.drain(..self.beats.len().saturating_sub(BEATS_KEPT));
        let clock = changes.cut.clock;
        self.editions.extend(changes.editions);
        self.editions.retain(|part| part.is_kept(clock));
        for change in changes.sessions {
            let is_ours = only.is_none_or(|only| *only == change.session_id)
                && after.is_none_or(|after| *after < change.session_id)
                && self.beyond.as_ref().is_none_or(|beyond| change.session_id < *beyond);
            if is_ours {
                self.add(change);
            }
        }
        // One session has room, however large it is.
        while self.rows > rows_max && self.sessions.len() > 1 {
            let Some((id, gathered)) = self.sessions.pop_last() else { break };
            self.rows -= gathered.rows.len();
            self.beyond = Some(id);
        }
    }

    fn add(&mut self, change: SessionChange) {
        let gathered = self.sessions.entry(change.session_id).or_default();
        if let Some(session) = change.session {
            gathered.session = session;
        }
        let before = gathered.rows.len();
        gathered.rows.extend(change.rows.into_iter().map(|row| (row.key, (row.values, row.offset))));
        self.rows += gathered.rows.len() - before;
    }

    /// The last session that is whole in this pass, if more follow.
    fn reach(&self) -> Option<SessionId> {
        self.beyond.as_ref()?;
        self.sessions.last_key_value().map(|(id, _)| id.clone())
    }
}

/// Records before `cut` that verdicts are about, and where those stand.
fn judged(partition: PartitionId, known: &Verdicts, cut: Cut) -> Vec<(Place, u64)> {
    let before = known.iter().filter(|(offset, _)| *offset < cut.next);
    before.map(|(offset, known)| (Place { partition, offset }, known.at)).collect()
}

/// Replaces the sessions of a pass, and takes out those there that the log knows nothing of.
async fn write(
    context: &Context,
    cut: Cut,
    only: Option<&SessionId>,
    pass: &Pass,
    after: Option<&SessionId>,
    failures: &mut Failures,
) -> Result<(), StoreError> {
    let rows = &context.stores.rows;
    let retention = rows.retention();
    let sessions: Vec<(&SessionId, &Gathered)> = pass.sessions.iter().collect();
    for part in sessions.chunks(SESSIONS_AT_ONCE) {
        let whole = |(id, gathered): &(&SessionId, &Gathered)| {
            let kept = gathered.rows.iter().filter(|(key, _)| retention.keeps(key, cut.clock));
            let rows = kept.map(|(key, (values, offset))| Row {
                key: key.clone(),
                values: *values,
                offset: *offset,
            });
            let rows = SessionRows {
                session_id: (*id).clone(),
                partition: context.partition,
                cut,
                session: gathered.session.clone(),
                rows: rows.collect(),
            };
            ((*id).clone(), Some(rows))
        };
        replace(context, cut, part.iter().map(whole).collect(), failures).await?;
    }
    // Listed from before the first session of the pass up to its last, or to the end.
    let reach = pass.reach();
    let mut from = after.cloned();
    loop {
        let start = from.as_ref().map(SessionId::as_str);
        let ids = persistently(context, async || rows.session_ids(start, SESSIONS_AT_ONCE).await).await?;
        let Some(last) = ids.last().cloned() else { return Ok(()) };
        let strangers = ids.into_iter().filter(|id| {
            reach.as_ref().is_none_or(|reach| id <= reach)
                && only.is_none_or(|only| only == id)
                && is_here(context, id)
                && !pass.sessions.contains_key(id)
        });
        replace(context, cut, strangers.map(|id| (id, None)).collect(), failures).await?;
        if reach.as_ref().is_some_and(|reach| last >= *reach) {
            return Ok(());
        }
        from = Some(last);
    }
}

/// Whether a session belongs to the partition.
pub(crate) fn is_here(context: &Context, id: &SessionId) -> bool {
    partition_of(id.as_str().as_bytes(), context.log.partitions()) == context.partition
}

/// Replaces sessions; those that the store refuses for good are noted, and the others replaced all
/// the same.
pub(crate) async fn replace(
    context: &Context,
    cut: Cut,
    sessions: Vec<(SessionId, Option<SessionRows>)>,
    failures: &mut Failures,
) -> Result<(), StoreError> {
    if sessions.is_empty() {
        return Ok(());
    }
    let rows = &context.stores.rows;
    let replacement = Replacement { partition: context.partition, cut, sessions, partition_row: None };
    match persistently(context, async || rows.replace(&replacement).await).await {
        Err(error) if !error.is_retryable() => {}
        replaced => return replaced,
    }
    // One of them, or several.
    for one in replacement.sessions {
        let alone = Replacement { sessions: vec![one], partition_row: None, ..replacement };
        match persistently(context, async || rows.replace(&alone).await).await {
            Err(error) if error.is_retryable() || failures.add(&error) => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// How often it is looked for an order to repair a partition.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
