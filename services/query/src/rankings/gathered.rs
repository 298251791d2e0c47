//! What boards are made of, brought from cut to cut.
//!
//! A node begins with the rows as its store holds them, leaving out what changed since a cut; from there on it
//! takes the parts of each cut. So an edition is the same wherever it is put together, at whatever
//! moment, on either chain.

use std::sync::Arc;
use std::time::Duration;

use tandem_boards::{Facts, Filter, Listed, Standing};
use tandem_model::calendar::{Calendar, Span};
use tandem_model::catalogue::Board;
use tandem_model::problem::Problem;
use tandem_model::time::MINUTE_MS;
use tandem_model::{Breakdown, Cut as Prefix, EditionPart, PartitionId, SessionId, Step, Table};
use tandem_storage::{ChainStores, Part, RepairState, Select, StoreError};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::ahead::Ahead;
use super::corrections::Corrections;
use super::edition::Cut;
use super::past::Pasts;
use super::standings::{Asked, KEPT_BYTES, Lists, Standings};
use crate::answer::Failure;

/// Sessions whose rows are read at once.
const AT_ONCE: usize = 8;
/// Ids of sessions that are listed at once.
const PAGE: usize = 1_000;
/// Parts that are read at once.
pub(super) const PARTS: usize = 60;
/// Farther behind than this, whole minutes come first.
const FAR_MS: u64 = 2 * MINUTE_MS;
/// How far back it is looked for how long somebody has been in the list, in periods.
pub(super) const LISTED_PERIODS_MAX: u32 = 10;
/// How long an answer waits for the rows of an edition.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a node knows of boards. Nothing until somebody asks.
pub(crate) struct Rankings {
    calendar: Calendar,
    /// How many bytes standings may take together.
    kept_bytes: usize,
    gathered: Mutex<Gathered>,
    pub(super) ahead: Ahead,
}

/// The newest edition that a node has come to.
pub(crate) struct Gathered {
    pub(crate) facts: Facts,
    /// The cut of each partition; nothing before the first.
    pub(super) cuts: Vec<CutOf>,
    phase: Phase,
    pub(super) standings: Standings,
    lists: Lists,
    pub(super) pasts: Pasts,
    pub(super) corrections: Corrections,
    /// Of each partition the last repair that had ended when its rows were read.
    repaired: Vec<Option<u64>>,
}

/// Where a partition is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CutOf {
    pub(super) slot: u64,
    /// `ts` of its beat.
    pub(super) ts: u64,
    /// Offset after its beat.
    pub(super) next: u64,
}

/// How far the beginning is.
enum Phase {
    Nothing,
    /// Reading all sessions: the rows before these cuts.
    Reading {
        bases: Vec<CutOf>,
        after: Option<SessionId>,
    },
    Whole,
}

impl CutOf {
    pub(super) const fn of(part: &EditionPart) -> Self {
        Self { slot: Step::FiveSeconds.slot(part.ts), ts: part.ts, next: part.next }
    }
}

impl Default for Rankings {
    fn default() -> Self {
        Self::new(Calendar::default(), KEPT_BYTES)
    }
}

impl Rankings {
    fn new(calendar: Calendar, kept_bytes: usize) -> Self {
        let gathered = Mutex::new(Gathered::new(&calendar, kept_bytes));
        Self { calendar, kept_bytes, gathered, ahead: Ahead::default() }
    }

    /// The same in this calendar, which must be that of the chain's fold.
    pub(crate) fn within(&self, calendar: Calendar) -> Self {
        Self::new(calendar, self.kept_bytes)
    }

    /// The same with standings of so many bytes.
    pub(crate) fn keeping(&self, kept_bytes: usize) -> Self {
        Self::new(self.calendar.clone(), kept_bytes)
    }

    pub(crate) const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// What there is, as it is.
    pub(super) async fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().await
    }

    /// The newest edition of a chain whose rows are complete up to `prefixes`.
    ///
    /// # Errors
    ///
    /// When the store fails, or takes longer than an answer may wait; what was read until then is kept,
    /// and whoever asks next goes on from there.
    pub(crate) async fn newest(
        &self,
        stores: &ChainStores,
        prefixes: &[Prefix],
    ) -> Result<MutexGuard<'_, Gathered>, Failure> {
        patiently(async {
            let mut gathered = self.gathered.lock().await;
            if gathered.bring_to(stores, prefixes).await? == Come::There {
                return Ok(gathered);
            }
            *gathered = Gathered::new(&self.calendar, self.kept_bytes);
            match gathered.bring_to(stores, prefixes).await? {
                Come::There => Ok(gathered),
                Come::Anew => {
                    let why = "rows change while they are read: try again in a second";
                    Err(StoreError::Unavailable(why.to_owned()))
                }
            }
        })
        .await
    }
}

/// Waits as long as an answer may.
pub(super) async fn patiently<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, Failure> {
    match timeout(PATIENCE, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Problem::unavailable(
            "the boards are being put together from the rows of all sessions: try again in a second",
        )
        .into()),
    }
}

/// Where the way to an edition has led.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Come {
    There,
    /// To a new beginning: parts next to us are gone, or rows that we have were computed again since.
    Anew,
}

impl Gathered {
    fn new(calendar: &Calendar, kept_bytes: usize) -> Self {
        Self {
            facts: Facts::new(calendar.clone()),
            cuts: Vec::new(),
            phase: Phase::Nothing,
            standings: Standings::within(kept_bytes),
            lists: Lists::default(),
            pasts: Pasts::default(),
            corrections: Corrections::default(),
            repaired: Vec::new(),
        }
    }

    /// When the edition was cut, by the clock of the log, in milliseconds; 0 before the first.
    pub(crate) fn cut_at(&self) -> u64 {
        cut_at(&self.cuts)
    }

    pub(super) fn slot(&self) -> u64 {
        self.cuts.iter().map(|cut| cut.slot).min().unwrap_or(0)
    }

    async fn bring_to(&mut self, stores: &ChainStores, prefixes: &[Prefix]) -> Result<Come, StoreError> {
        // Beats reach every partition; before its first one none has a cut.
        let clock = prefixes.iter().map(|prefix| prefix.clock).min().unwrap_or(0);
        let slot = Step::FiveSeconds.slot(clock);
        if clock == 0 || (matches!(self.phase, Phase::Whole) && self.slot() >= slot) {
            return Ok(Come::There);
        }
        let partitions = prefixes.len() as u32;
        let judged = self.corrections.news(stores, partitions, slot).await?;
        let repaired = ended_repairs(stores, partitions, &self.repaired).await?;
        if !matches!(self.phase, Phase::Nothing) && (!judged.is_empty() || repaired != self.repaired) {
            return Ok(Come::Anew);
        }
        self.corrections.note(judged, slot);
        self.repaired = repaired;
        self.begin(stores, partitions, slot).await?;
        let from = match &self.phase {
            Phase::Reading { bases, .. } => bases.clone(),
            _ => self.cuts.clone(),
        };
        // Read first, then taken all at once: whoever stops waiting leaves nothing half done.
        let mut parts = Vec::new();
        let mut cuts = Vec::new();
        for (partition, cut) in (0..).map(PartitionId).zip(from) {
            let Some(cut) = follow(stores, partition, cut, slot, &mut parts).await? else {
                return Ok(Come::Anew);
            };
            cuts.push(cut);
        }
        let since = if matches!(self.phase, Phase::Whole) { self.slot() + 1 } else { 0 };
        for partition in (0..cuts.len() as u32).map(PartitionId) {
            said(stores, partition, since, slot, &mut parts).await?;
        }
        for part in &parts {
            for session in &part.sessions {
                if let Some(attributes) = &session.attributes {
                    self.facts.note(part.slot, session.session_id.as_str(), attributes);
                }
                self.facts.apply(session.session_id.as_str(), &session.rows);
            }
        }
        self.phase = Phase::Whole;
        self.cuts = cuts;
        Ok(Come::There)
    }

    /// Reads the rows of all sessions as they were before the last cuts, if that was not done yet.
    async fn begin(&mut self, stores: &ChainStores, partitions: u32, slot: u64) -> Result<(), StoreError> {
        if matches!(self.phase, Phase::Nothing) {
            let mut bases = Vec::new();
            for partition in (0..partitions).map(PartitionId) {
                let last = stores.editions.last_part(partition, Step::FiveSeconds, slot).await?;
                let last = last.ok_or_else(|| no_parts(partition))?;
                // What changed since then is in the part itself.
                bases.push(CutOf { slot: last.slot.saturating_sub(1), ts: 0, next: last.from });
            }
            self.phase = Phase::Reading { bases, after: None };
        }
        let Phase::Reading { bases, after } = &mut self.phase else { return Ok(()) };
        loop {
            let page = stores.rows.session_ids(after.as_ref().map(SessionId::as_str), PAGE).await?;
            let Some(last) = page.last().cloned() else { return Ok(()) };
            for ids in page.chunks(AT_ONCE) {
                let reads = ids.iter().map(|id| stores.rows.session(id.as_str(), &CALENDAR_ROWS));
                let sessions = futures::future::try_join_all(reads).await?;
                for mut session in sessions.into_iter().flatten() {
                    let base = bases.get(session.partition.0 as usize).map_or(0, |base| base.next);
                    session.rows.retain(|row| row.offset < base);
                    self.facts.apply(session.session_id.as_str(), &session.rows);
                }
            }
            *after = Some(last);
        }
    }

    /// A board in an edition of `slot`.
    pub(super) fn standing(&mut self, asked: Asked) -> Arc<Standing> {
        let Self { facts, standings, pasts, corrections, .. } = self;
        standings.get_or(asked, |asked| {
            let Cut { period, from, slot, is_past, .. } = asked.cut;
            let past = is_past.then(|| pasts.get(slot)).flatten();
            let then = asked.heard.and_then(|heard| corrections.then(slot, heard));
            let view = facts.at(slot, past).with(then);
            at_length(|| view.standing(asked.board, period, from, asked.cut.moment(), &asked.filter))
        })
    }
}

impl Gathered {
    /// Whom a board lists in an edition.
    fn listed(&mut self, asked: Asked) -> Arc<Listed> {
        let Self { facts, lists, pasts, .. } = self;
        lists.get_or(asked, |asked| {
            let Cut { period, from, slot, is_past, .. } = asked.cut;
            let view = facts.at(slot, is_past.then(|| pasts.get(slot)).flatten());
            at_length(|| view.listed(asked.board, period, from, asked.cut.moment(), &asked.filter))
        })
    }

    /// For how many periods in a row each of these, who are listed in the edition `cut`, has been listed, that
    /// one included; [`LISTED_PERIODS_MAX`] stands for more, too. Of nobody, it only sees to it that the period
    /// before is at hand.
    pub(super) fn listed_periods(
        &mut self,
        board: &'static Board,
        filter: &Filter,
        mut cut: Cut,
        ids: &[&str],
        calendar: &Calendar,
    ) -> Vec<u32> {
        let mut periods = vec![1; ids.len()];
        let mut unbroken: Vec<usize> = (0..ids.len()).collect();
        for _ in 1..LISTED_PERIODS_MAX {
            let Some(before) = cut.period_before(calendar) else { break };
            cut = before;
            let listed = self.listed(Asked { board, cut, filter: filter.clone(), heard: None });
            unbroken.retain(|index| listed.holds(&self.facts, ids[*index]));
            unbroken.iter().for_each(|index| periods[*index] += 1);
            if unbroken.is_empty() {
                break;
            }
        }
        periods
    }
}

/// Works something out that may take long (over a second for a million subjects), without holding up the other
/// tasks of this thread.
pub(super) fn at_length<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        // On a runtime of one thread nobody can take over.
        _ => work(),
    }
}

/// When an edition with these cuts was cut: at the beat that reached them all, which is the same one unless
/// a partition lacks it.
pub(super) fn cut_at(cuts: &[CutOf]) -> u64 {
    cuts.iter().map(|cut| cut.ts).min().unwrap_or(0)
}

/// What of the log an edition with these cuts reflects.
pub(super) fn prefixes(cuts: &[CutOf]) -> Vec<Prefix> {
    cuts.iter().map(|cut| Prefix { next: cut.next, clock: cut.ts }).collect()
}

/// The parts of a partition from a cut to the first at or after `slot`, and that cut; nothing where some
/// are gone.
async fn follow(
    stores: &ChainStores,
    partition: PartitionId,
    mut cut: CutOf,
    slot: u64,
    parts: &mut Vec<EditionPart>,
) -> Result<Option<CutOf>, StoreError> {
    let mut has_minutes = true;
    while cut.slot < slot {
        let is_far = has_minutes && slot - cut.slot > FAR_MS;
        let step = if is_far { Step::Minute } else { Step::FiveSeconds };
        let found = stores.editions.parts(partition, step, cut.slot + 1, PARTS).await?;
        let mut is_empty = true;
        for part in found {
            let is_beyond = cut.slot >= slot || (step == Step::Minute && part.slot > slot);
            if is_beyond {
                break;
            }
            if part.from > cut.next {
                return Ok(None);
            }
            (cut, is_empty) = (CutOf::of(&part), false);
            parts.push(part);
        }
        if is_empty && !is_far {
            return Err(no_parts(partition));
        }
        has_minutes = !is_empty;
    }
    Ok(Some(cut))
}

/// What sessions of a partition said of themselves at the cuts from `from` to `slot`.
async fn said(
    stores: &ChainStores,
    partition: PartitionId,
    mut from: u64,
    slot: u64,
    parts: &mut Vec<EditionPart>,
) -> Result<(), StoreError> {
    loop {
        let found = stores.editions.parts(partition, Step::Sessions, from, PARTS).await?;
        let Some(last) = found.last() else { return Ok(()) };
        from = last.slot + 1;
        let is_last = from > slot;
        parts.extend(found.into_iter().filter(|part| part.slot <= slot));
        if is_last {
            return Ok(());
        }
    }
}

/// Of each partition the last repair that has ended, by its name; what was known where one is under way.
async fn ended_repairs(
    stores: &ChainStores,
    partitions: u32,
    known: &[Option<u64>],
) -> Result<Vec<Option<u64>>, StoreError> {
    let mut ended = Vec::new();
    for partition in 0..partitions {
        let known = known.get(partition as usize).copied().flatten();
        let repair = stores.rows.repair(PartitionId(partition)).await?;
        ended.push(match repair {
            Some(repair) if repair.state != RepairState::Ordered => Some(repair.order.ordered_ms),
            _ => known,
        });
    }
    Ok(ended)
}

fn no_parts(partition: PartitionId) -> StoreError {
    StoreError::Unavailable(format!(
        "partition {partition} has no cut for an edition yet: try again in some seconds"
    ))
}

/// The rows that boards are made of.
static CALENDAR_ROWS: std::sync::LazyLock<Select> = std::sync::LazyLock::new(|| {
    let breakdowns = [Breakdown::Room, Breakdown::Item, Breakdown::Region];
    let part = |table, breakdown| Part { table, breakdown, buckets: 0..u64::MAX };
    let tables = Span::ALL.map(Table::Calendar);
    Select::Parts(
        tables.into_iter().flat_map(|table| breakdowns.map(|breakdown| part(table, breakdown))).collect(),
    )
});
