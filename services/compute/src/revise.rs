//! Going back for a verdict: an event that the rows have counted is not to be counted, or the other
//! way round.
//!
//! The partition is folded again from the newest snapshot before that event, or from the beginning of
//! the log, with the verdict known. An event can change rows of its own session only, and of those
//! only the ones that were still open when it came; what its session has beside them stays. No order
//! is kept: the row store's own position tells that it has not heard of the verdict
//! ([`Verdicts::unheard`]), also after a crash. And readers stay: what they see is the log as it was
//! before the verdict, and both chains do this at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use tandem_fold::Fold;
use tandem_model::rejected::Rejected;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Cut, EditionPart, Row, RowKey, SessionChange, SessionId, SessionRow, Values, Verdicts};
use tandem_storage::{BEATS_KEPT, Place, Replacement, Select, SessionRows, StoreError};

use crate::partition::{Context, persistently};
use crate::poison::{Failed, session_of};
use crate::recover::{Recovered, restore};
use crate::repair::{Failures, empty_hot, is_here, replace};
use crate::replay::{look_ahead, replay};

/// What came of it.
#[allow(clippy::large_enum_variant, reason = "there is one of it at a time, and not for long")]
pub(crate) enum Revised {
    /// The rows are as if the verdict had always been known.
    Done(Recovered),
    /// The fold failed at a record, knowing these verdicts: nothing was touched.
    Failed(Failed, Verdicts),
}

/// Puts right what the rows, which reflect the log up to `cut`, hold of events that were judged later.
///
/// # Errors
///
/// [`StoreError::Damaged`] where no snapshot is old enough and the log can't be read from its beginning;
/// those of the stores; when the chain is stopped meanwhile.
pub(crate) async fn revise(context: &Context, cut: Cut) -> Result<Revised, StoreError> {
    let (partition, stores) = (context.partition, &context.stores);
    let (mut fold, known) = base(context, cut).await?;
    let from = fold.cut().next;
    tracing::warn!(%partition, from, next = cut.next, "a verdict came about what is counted: computing again");
    let sessions = sessions(context, &known, cut).await?;
    sessions.iter().for_each(|id| fold.mark(id));
    let mut anew = Anew::default();
    let outcome = replay(context, &mut fold, cut.next, |fold| {
        anew.take(fold, &sessions);
        ControlFlow::Continue(())
    })
    .await?;
    if let Err(failed) = outcome {
        return Ok(Revised::Failed(failed, known));
    }
    empty_hot(context, cut).await;
    let mut failures = Failures::default();
    let mut whole = Vec::new();
    // What is over was not changed by anything in question.
    let has_rows = |id: &&SessionId| anew.sessions.contains_key(*id) || !fold.is_over(id.as_str());
    for id in sessions.iter().filter(has_rows) {
        whole.push((id.clone(), anew.session(context, id, from, cut).await?));
    }
    replace(context, cut, whole, &mut failures).await?;
    for (offset, one) in known.iter().filter(|(offset, _)| (from..cut.next).contains(offset)) {
        let place = Place { partition, offset };
        let letter = anew.letters.get(&place);
        persistently(context, async || stores.dead_letters.revise(place, letter, one.at).await).await?;
    }
    // Known later than what was written on the way to the cut.
    persistently(context, async || stores.editions.keep(&anew.editions, cut.next + 1).await).await?;
    // Last: from here on the rows are what the digests say.
    let mut beats = persistently(context, async || stores.rows.beats(partition, BEATS_KEPT).await).await?;
    beats.retain(|beat| beat.offset < from);
    beats.extend(anew.beats);
    beats.drain(..beats.len().saturating_sub(BEATS_KEPT));
    let partition_row = anew.partition_row.map(|row| (row, beats));
    let last = Replacement { partition, cut, sessions: Vec::new(), partition_row };
    persistently(context, async || stores.rows.replace(&last).await).await?;
    failures.note(context);
    Ok(Revised::Done(Recovered { fold, restored_from: from }))
}

/// A fold that has not applied the first event in question, and knows all verdicts.
async fn base(context: &Context, cut: Cut) -> Result<(Fold, Verdicts), StoreError> {
    let (partition, stores) = (context.partition, &context.stores);
    for next in persistently(context, async || stores.snapshots.list(partition).await).await? {
        if next > cut.next {
            continue;
        }
        let Some(fold) = restore(context, next).await? else { continue };
        let known = look_ahead(context, &fold).await?;
        if known.unheard(cut.next).is_some_and(|first| first >= next)
            && let Ok(fold) = fold.knowing(&known)
        {
            return Ok((fold, known));
        }
    }
    let fold = Fold::new(partition, context.log.partitions(), context.rules.clone());
    let known = look_ahead(context, &fold).await?;
    let fold = fold.knowing(&known).expect("a fold that has applied nothing contradicts nothing");
    Ok((fold, known))
}

/// The sessions of the events in question.
async fn sessions(context: &Context, known: &Verdicts, cut: Cut) -> Result<BTreeSet<SessionId>, StoreError> {
    let mut sessions = BTreeSet::new();
    for (offset, one) in known.in_question(cut.next) {
        sessions.extend(one.quarantine.as_ref().and_then(|quarantine| quarantine.session_id.clone()));
        let records =
            persistently(context, async || context.log.read(context.partition, offset, 1).await).await?;
        sessions
            .extend(records.iter().find(|(at, _)| *at == offset).and_then(|(_, record)| session_of(record)));
    }
    sessions.retain(|id| is_here(context, id));
    Ok(sessions)
}

/// What came of folding again.
#[derive(Default)]
struct Anew {
    sessions: BTreeMap<SessionId, Session>,
    partition_row: Option<PartitionRow>,
    beats: Vec<BeatDigest>,
    editions: Vec<EditionPart>,
    letters: BTreeMap<Place, Rejected>,
}

/// What can have changed in a session.
#[derive(Default)]
struct Session {
    row: Option<SessionRow>,
    rows: BTreeMap<RowKey, (Values, u64)>,
}

impl Anew {
    fn take(&mut self, fold: &mut Fold, sessions: &BTreeSet<SessionId>) {
        let changes = fold.take_changes();
        self.partition_row = Some(changes.partition_row);
        let letters = changes.rejected.into_iter();
        let is_judged = |one: &Rejected| fold.verdicts().get(one.offset).is_some();
        self.letters.extend(letters.filter(is_judged).map(|one| (Place::of(&one), one)));
        self.beats.extend(changes.beats);
        self.beats.drain(..self.beats.len().saturating_sub(BEATS_KEPT));
        let clock = changes.cut.clock;
        self.editions.extend(changes.editions);
        self.editions.retain(|part| part.is_kept(clock));
        for SessionChange { session_id, session, rows } in changes.sessions {
            if sessions.contains(&session_id) {
                let one = self.sessions.entry(session_id).or_default();
                one.row = session.or(one.row.take());
                one.rows.extend(rows.into_iter().map(|row| (row.key, (row.values, row.offset))));
            }
        }
    }

    /// A session as it should be: what was computed anew from offset `from` on, and what was closed
    /// before. Nothing where it should not be.
    async fn session(
        &self,
        context: &Context,
        id: &SessionId,
        from: u64,
        cut: Cut,
    ) -> Result<Option<SessionRows>, StoreError> {
        let store = &context.stores.rows;
        let Some(Session { row: Some(row), rows }) = self.sessions.get(id) else { return Ok(None) };
        let standing = persistently(context, async || store.session(id.as_str(), &Select::All).await).await?;
        let standing = standing.map(|standing| standing.rows).unwrap_or_default();
        let stays = |row: &Row| row.offset < from && !rows.contains_key(&row.key);
        let retention = store.retention();
        let mut all: BTreeMap<RowKey, (Values, u64)> =
            standing.into_iter().filter(stays).map(|row| (row.key, (row.values, row.offset))).collect();
        all.extend(rows.iter().map(|(key, row)| (key.clone(), *row)));
        let kept = all.into_iter().filter(|(key, _)| retention.keeps(key, cut.clock));
        let rows = kept.map(|(key, (values, offset))| Row { key, values, offset }).collect();
        let (session_id, partition) = (id.clone(), context.partition);
        Ok(Some(SessionRows { session_id, partition, cut, session: row.clone(), rows }))
    }
}
