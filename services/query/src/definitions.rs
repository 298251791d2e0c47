//! By which definitions an answer is computed: those of the catalogue, and those that the log holds
//! beside them.
//!
//! Which ones hold is decided by the clock of the answer's cut (`as_of`), see
//! [`tandem_model::definition`]. The log says so at least [`NOTICE_MS`] ahead, in one partition; so a node
//! that read what the chain's store has of that partition up to a clock knows it for all cuts until that
//! much later. It reads again beside the requests well before that runs out, and once more before an answer
//! that lies beyond: then that partition has been left behind. Where it stays so, the answer says that
//! (`degraded`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tandem_model::catalogue::{Computed, DEFINITIONS, Metric};
use tandem_model::definition::{Definition, NOTICE_MS, PARTITION};
use tandem_model::{Cut, Step};
use tandem_storage::{ChainStores, StoreError};
use tokio::time::{Instant, sleep};

use crate::Query;
use crate::figures::Selection;
use crate::health::ROWS_LOOK;

/// What an answer says where it is not known by which definitions it had to be computed.
pub(crate) const DEGRADED: &str = "definitions";
/// How many parts are read at a time.
const PARTS: usize = 100;
/// How long it is waited for a partition that is behind the others.
const BEHIND: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(5);
/// How long after a look there is no other one, unless it was of use and more is to be known.
const PAUSE: Duration = Duration::from_millis(500);

/// What a node knows of the definitions in the log.
#[derive(Default)]
pub(crate) struct Known {
    history: Mutex<Arc<History>>,
    /// [`History::until`], to be asked by every request.
    until: AtomicU64,
    /// One look at a time; when the last one was, and whether it was of use.
    last: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

/// All definitions beside the catalogue's, up to a point of the log.
#[derive(Default)]
pub(crate) struct History {
    changes: Vec<Change>,
    /// The clock up to which the log was known.
    clock: u64,
    /// At cuts from this clock on another definition may hold.
    until: u64,
}

/// A definition in the log, and the metric so defined.
pub(crate) struct Change {
    pub(crate) said: Definition,
    /// Kept for good, as the catalogue itself is: a log holds few, and they are read once.
    pub(crate) computed: &'static Computed,
}

/// The definitions that hold at a cut.
#[derive(Clone)]
pub(crate) struct InForce {
    history: Arc<History>,
    clock: u64,
}

impl Query {
    /// Sees to it that it is known, where it can be, which definitions hold at a cut of this clock.
    pub(crate) async fn know_definitions(&self, clock: u64) {
        let until = self.definitions.until.load(Ordering::Relaxed);
        if clock.saturating_add(NOTICE_MS / 2) < until {
            return;
        }
        let looking = Arc::clone(&self.definitions);
        let (stores, health) = (self.stores.clone(), Arc::clone(&self.health));
        let look = async move {
            let is_known = || looking.until.load(Ordering::Relaxed) > clock;
            let mut last = looking.last.lock().await;
            // Somebody else looked meanwhile, or it was of no use just now.
            if looking.until.load(Ordering::Relaxed) > until && is_known()
                || last.is_some_and(|(at, was_of_use)| at.elapsed() < PAUSE && (is_known() || !was_of_use))
            {
                return;
            }
            let begin = Instant::now();
            while let Ok(history) = health.rows.call(ROWS_LOOK, read(&stores, &looking.history())).await {
                looking.note(history);
                // Where time leaps, as in replays, the partition is there a moment later.
                if is_known() || begin.elapsed() >= BEHIND {
                    break;
                }
                sleep(POLL).await;
            }
            *last = Some((Instant::now(), is_known()));
        };
        // It goes on where the caller goes away: others wait for the same.
        let look = tokio::spawn(look);
        if clock >= until {
            let _ = look.await;
        }
    }

    /// The definitions that hold at a cut of this clock, as far as is known.
    pub(crate) fn in_force(&self, clock: u64) -> InForce {
        InForce { history: self.definitions.history(), clock }
    }

    /// Those that hold now, as far as the chain has read; and whether the store could be asked.
    pub(crate) async fn newest_in_force(&self) -> (InForce, bool) {
        let known = self.definitions.history();
        let looked = self.health.rows.call(ROWS_LOOK, read(&self.stores, &known)).await;
        let is_fresh = looked.is_ok();
        if let Ok(history) = looked {
            self.definitions.note(history);
        }
        let history = self.definitions.history();
        (InForce { clock: history.clock, history }, is_fresh)
    }
}

impl Known {
    fn history(&self) -> Arc<History> {
        Arc::clone(&self.history.lock())
    }

    fn note(&self, history: History) {
        let mut known = self.history.lock();
        // Of two looks at once the later one holds.
        if history.clock >= known.clock {
            self.until.store(history.until, Ordering::Relaxed);
            *known = Arc::new(history);
        }
    }
}

/// What the store has; what is known already is kept.
async fn read(stores: &ChainStores, before: &History) -> Result<History, StoreError> {
    // First how far, then what: whoever sees a cut finds its parts.
    let Cut { clock, .. } = stores.rows.progress(PARTITION).await?.unwrap_or_default();
    let mut history = History { clock, until: Step::Defined.slot(clock) + NOTICE_MS, changes: Vec::new() };
    let mut from = 0;
    loop {
        let parts = stores.editions.parts(PARTITION, Step::Defined, from, PARTS).await?;
        let Some(last) = parts.last() else { return Ok(history) };
        from = last.slot + 1;
        for said in parts.into_iter().flat_map(|part| part.definitions) {
            history.add(said, before);
        }
    }
}

impl History {
    fn add(&mut self, said: Definition, before: &Self) {
        let known = before.changes.get(self.changes.len()).filter(|known| known.said == said);
        let computed = match (known, said.read()) {
            (Some(known), _) => known.computed,
            (None, Ok((computed, formula))) => {
                let definition = said.version;
                Box::leak(Box::new(Computed { formula, definition, ..*computed }))
            }
            (None, Err(error)) => {
                // A later release wrote it: this one can't say what it means.
                tracing::error!(error, metric = said.metric, "a definition in the log can't be read");
                self.until = self.until.min(said.from);
                return;
            }
        };
        self.changes.push(Change { said, computed });
    }
}

impl InForce {
    /// The version of the definitions as a whole: one more with each that holds.
    pub(crate) fn version(&self) -> u32 {
        DEFINITIONS + self.changes().count() as u32
    }

    /// Whether another one might hold that is not known yet.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.clock >= self.history.until
    }

    /// All of a metric that the log holds, in its order: those that held, the one that holds, and those
    /// that will.
    pub(crate) fn history<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Change> {
        self.history.changes.iter().filter(move |change| change.computed.id == id)
    }

    /// The metric as it is defined.
    pub(crate) fn computed(&self, computed: &'static Computed) -> &'static Computed {
        let newest = self.changes().filter(|change| change.computed.id == computed.id).last();
        newest.map_or(computed, |change| change.computed)
    }

    /// The metric as it is defined.
    pub(crate) fn metric(&self, metric: Metric) -> Metric {
        match metric {
            Metric::Computed(computed) => Metric::Computed(self.computed(computed)),
            stored @ Metric::Stored(_) => stored,
        }
    }

    /// The metrics as they are defined.
    pub(crate) fn metrics(&self, mut metrics: Vec<Metric>) -> Vec<Metric> {
        if self.changes().next().is_some() {
            metrics.iter_mut().for_each(|metric| *metric = self.metric(*metric));
        }
        metrics
    }

    /// The metrics as they are defined.
    pub(crate) fn selection(&self, Selection { room, keyed }: Selection) -> Selection {
        Selection { room: self.metrics(room), keyed: self.metrics(keyed) }
    }

    /// Those that hold, in the order of the log. Of one metric the later ones do not begin earlier.
    fn changes(&self) -> impl Iterator<Item = &Change> {
        self.history.changes.iter().filter(|change| change.said.from <= self.clock)
    }
}
