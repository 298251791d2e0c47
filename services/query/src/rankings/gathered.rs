//! The rows that boards are made of, as of one edition, and the standings worked out from them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tandem_boards::{Facts, Filter, Standing};
use tandem_model::calendar::{Calendar, Span};
use tandem_model::catalogue::Board;
use tandem_model::problem::Problem;
use tandem_model::row::SessionState;
use tandem_model::{Breakdown, Cut as Prefix, PartitionId, SessionId, Table};
use tandem_storage::{Part, RowStore, Select, StoreError};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::edition::{Cut, EDITION_MS};
use crate::answer::Failure;

/// Sessions whose rows are read at once.
const AT_ONCE: usize = 8;
/// Ids of sessions that are listed at once.
const PAGE: usize = 1_000;
/// How long an answer waits for the rows of an edition.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many standings are kept for who asks next; all go with the edition.
const STANDINGS_MAX: usize = 512;

/// What a node knows of boards. Nothing until somebody asks.
pub(crate) struct Rankings {
    calendar: Calendar,
    gathered: Mutex<Gathered>,
}

/// The rows as of one edition.
pub(crate) struct Gathered {
    pub(crate) facts: Facts,
    /// When the edition was cut, by the clock of the log; 0 before the first.
    pub(crate) cut_at: u64,
    /// What of the log is in it.
    pub(crate) prefixes: Vec<Prefix>,
    /// Sessions whose rows of hours and days do not change any more.
    settled: BTreeSet<SessionId>,
    standings: HashMap<Asked, Arc<Standing>>,
}

/// Which standing.
#[derive(PartialEq, Eq, Hash)]
struct Asked {
    board: &'static str,
    period: &'static str,
    from: u64,
    moment: u64,
    filter: Filter,
}

impl Default for Rankings {
    fn default() -> Self {
        Self::within(Calendar::default())
    }
}

impl Rankings {
    /// In this calendar, which must be that of the chain's fold.
    pub(crate) fn within(calendar: Calendar) -> Self {
        let facts = Facts::new(calendar.clone());
        let gathered = Gathered {
            facts,
            cut_at: 0,
            prefixes: Vec::new(),
            settled: BTreeSet::new(),
            standings: HashMap::new(),
        };
        Self { calendar, gathered: Mutex::new(gathered) }
    }

    pub(crate) const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The newest edition of a chain whose rows are complete up to `prefixes`.
    ///
    /// # Errors
    ///
    /// When the store fails, or takes longer than an answer may wait; what was read until then is kept,
    /// and whoever asks next goes on from there.
    pub(crate) async fn newest(
        &self,
        rows: &dyn RowStore,
        prefixes: &[Prefix],
    ) -> Result<MutexGuard<'_, Gathered>, Failure> {
        let gather = async {
            let mut gathered = self.gathered.lock().await;
            gathered.bring_to(rows, prefixes).await?;
            Ok::<_, StoreError>(gathered)
        };
        match timeout(PATIENCE, gather).await {
            Ok(gathered) => Ok(gathered?),
            Err(_) => Err(Problem::unavailable(
                "the boards are being put together from the rows of all sessions: try again in a second",
            )
            .into()),
        }
    }
}

impl Gathered {
    async fn bring_to(&mut self, rows: &dyn RowStore, prefixes: &[Prefix]) -> Result<(), StoreError> {
        let clock = prefixes.iter().map(|prefix| prefix.clock).min().unwrap_or(0);
        if self.cut_at > 0 && clock / EDITION_MS <= self.cut_at / EDITION_MS {
            return Ok(());
        }
        let mut after: Option<SessionId> = None;
        loop {
            let page = rows.session_ids(after.as_ref().map(SessionId::as_str), PAGE).await?;
            let Some(last) = page.last().cloned() else { break };
            let changing: Vec<_> = page.into_iter().filter(|id| !self.settled.contains(id)).collect();
            for ids in changing.chunks(AT_ONCE) {
                let reads = ids.iter().map(|id| rows.session(id.as_str(), &CALENDAR_ROWS));
                let sessions = futures::future::try_join_all(reads).await?;
                for session in sessions.into_iter().flatten() {
                    let attributes = session.session.attributes.as_ref();
                    self.facts.apply(session.session_id.as_str(), attributes, &session.rows);
                    if session.session.state != SessionState::Live {
                        self.settled.insert(session.session_id);
                    }
                }
            }
            after = Some(last);
        }
        self.cut_at = first_beat(rows, clock).await?;
        self.prefixes = prefixes.to_vec();
        self.standings.clear();
        Ok(())
    }

    /// A board in an edition.
    pub(crate) fn standing(&mut self, board: &'static Board, cut: &Cut, filter: &Filter) -> Arc<Standing> {
        let asked = Asked {
            board: board.id,
            period: cut.period.name(),
            from: cut.from,
            moment: cut.moment(),
            filter: filter.clone(),
        };
        if let Some(known) = self.standings.get(&asked) {
            return Arc::clone(known);
        }
        if self.standings.len() >= STANDINGS_MAX {
            self.standings.clear();
        }
        let standing = Arc::new(self.facts.standing(board, cut.period, cut.from, cut.moment(), filter));
        self.standings.insert(asked, Arc::clone(&standing));
        standing
    }
}

/// The first beat at or after the multiple of five seconds that `clock` has reached. Where the log has
/// no beat for every second, as in a replay, that may be later than the multiple.
async fn first_beat(rows: &dyn RowStore, clock: u64) -> Result<u64, StoreError> {
    let from = clock - clock % EDITION_MS;
    // Beats reach every partition.
    let beats = rows.beats(PartitionId(0), from, 1).await?;
    Ok(beats.first().map_or(clock, |beat| beat.ts.min(clock)))
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
