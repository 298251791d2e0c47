//! Writing one partition into the hot store, which may fail, hang, or forget everything.
//!
//! The hot store is never waited for: a call that fails or takes too long ends its use, and the
//! partition goes on with the row store alone. After a pause that grows the store is begun anew,
//! beside the loop, since a store that hangs would hold the loop up each time. What was there
//! before counts as absent then; the sessions that are live are put in again bit by bit, and every
//! other one when it changes.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use futures::future::{join_all, pending};
use tandem_fold::Fold;
use tandem_model::row::PartitionRow;
use tandem_model::{Changes, Cut, PartitionId, SessionId};
use tandem_storage::{Applied, Incarnation, Result, Select, StoreError};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::partition::Context;
use crate::status::Hot;

/// First pause before the store is begun anew, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// Who followed for so long has no trouble that the pause should remember.
const STEADY: Duration = Duration::from_secs(10);
/// How many sessions are put in at once; the loop folds and flushes in between.
const FILLED_AT_ONCE: usize = 32;
/// Pause after the row store could not give a session that is to be put in.
const FILL_PAUSE: Duration = Duration::from_millis(100);

/// The writer of one partition.
pub(crate) struct HotWriter {
    state: State,
    /// The pause before the next beginning.
    pause: Duration,
    /// Sessions to be put in; no more than the fold has live, and what changed meanwhile.
    missing: BTreeSet<SessionId>,
    /// When to go on with them.
    fill_at: Instant,
}

enum State {
    Away { again_at: Instant },
    Beginning(Beginning),
    Following { incarnation: Incarnation, cut: Cut, since: Instant },
}

/// A call to begin that goes on beside the loop.
struct Beginning {
    cut: Cut,
    task: JoinHandle<Result<Option<Incarnation>>>,
    outcome: Option<Result<Option<Incarnation>>>,
}

impl Beginning {
    /// `cut` is what the row store reflects: the sessions put in afterwards reflect it, too.
    fn new(context: &Context, cut: Cut) -> Self {
        let (hot, partition) = (context.stores.hot.clone(), context.partition);
        let limit = context.settings.hot_timeout;
        let task = tokio::spawn(async move { within(limit, hot.begin(partition, cut)).await });
        Self { cut, task, outcome: None }
    }

    /// Ends when there is an outcome; may be dropped and called again.
    async fn finished(&mut self) {
        if self.outcome.is_none() {
            let joined = (&mut self.task).await;
            let broken = |error: tokio::task::JoinError| Err(StoreError::Unavailable(error.to_string()));
            self.outcome = Some(joined.unwrap_or_else(broken));
        }
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HotWriter {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { state: State::Away { again_at: now }, pause: PAUSES.0, missing: BTreeSet::new(), fill_at: now }
    }

    /// Writes changes, if the store is there; answers within the time that one call may take.
    pub(crate) async fn apply(&mut self, context: &Context, changes: &Changes) {
        let State::Following { incarnation, cut, .. } = &mut self.state else { return };
        let call = context.stores.hot.apply(*incarnation, *cut, changes);
        match within(context.settings.hot_timeout, call).await {
            Ok(Applied::Done { absent }) => {
                *cut = changes.cut;
                self.missing.extend(absent);
            }
            Ok(Applied::Lost) => {
                self.leave(context, "it lost what it held, or another process writes it", true);
            }
            Err(error) => self.leave(context, &error.to_string(), false),
        }
    }

    /// Does what is due: begins the store, or puts some sessions in. The row store reflects
    /// `written`, and so does every session that it gives from now on.
    pub(crate) async fn tend(&mut self, context: &Context, fold: &Fold, written: Cut) {
        match &mut self.state {
            State::Away { again_at } if *again_at <= Instant::now() => {
                self.state = State::Beginning(Beginning::new(context, written));
            }
            State::Beginning(beginning) if beginning.outcome.is_some() || beginning.task.is_finished() => {
                beginning.finished().await;
                let cut = beginning.cut;
                match beginning.outcome.take() {
                    Some(Ok(Some(incarnation))) => {
                        self.state = State::Following { incarnation, cut, since: Instant::now() };
                        self.missing = fold.live_sessions();
                        if cut.next < written.next {
                            // Nothing is there that could have missed what was written meanwhile.
                            self.apply(context, &nothing(context.partition, written)).await;
                        }
                    }
                    Some(Ok(None)) => {
                        self.leave(context, "another process is ahead of this one in it", false);
                    }
                    Some(Err(error)) => self.leave(context, &error.to_string(), false),
                    None => {}
                }
            }
            State::Following { incarnation, .. } if self.fill_at <= Instant::now() => {
                let incarnation = *incarnation;
                self.fill(context, incarnation).await;
            }
            _ => {}
        }
        self.report(context);
    }

    /// Ends when there is something to tend.
    pub(crate) async fn ripe(&mut self) {
        match &mut self.state {
            State::Away { again_at } => sleep_until(*again_at).await,
            State::Beginning(beginning) => beginning.finished().await,
            State::Following { .. } if self.missing.is_empty() => pending().await,
            State::Following { .. } => sleep_until(self.fill_at).await,
        }
    }

    /// Puts some of the missing sessions in, from the row store.
    async fn fill(&mut self, context: &Context, incarnation: Incarnation) {
        let chosen: Vec<SessionId> = self.missing.iter().take(FILLED_AT_ONCE).cloned().collect();
        let (rows, hot, limit) = (&context.stores.rows, &context.stores.hot, context.settings.hot_timeout);
        let put = async |id: &SessionId| match within(limit, rows.session(id.as_str(), &Select::Totals)).await
        {
            Ok(Some(session)) => Filled::of(within(limit, hot.put(incarnation, session)).await),
            // It was not written yet: it is put in when it is.
            Ok(None) => Filled::Done,
            Err(error) => Filled::NoRows(error),
        };
        let outcomes = join_all(chosen.iter().map(put)).await;
        for (id, outcome) in chosen.iter().zip(outcomes) {
            match outcome {
                Filled::Done => {
                    self.missing.remove(id);
                }
                Filled::NoRows(error) => {
                    // Not the hot store's fault. The row store's own trouble shows elsewhere.
                    tracing::debug!(partition = %context.partition, session = %id, %error, "not put in yet");
                    self.fill_at = Instant::now() + FILL_PAUSE;
                }
                Filled::NotPut(error) => return self.leave(context, &error.to_string(), false),
            }
        }
    }

    /// Stops using the store for a while; `at_once` where the first new try need not wait.
    fn leave(&mut self, context: &Context, reason: &str, at_once: bool) {
        let now = Instant::now();
        if let State::Following { since, .. } = self.state {
            if now - since >= STEADY {
                self.pause = PAUSES.0;
            }
            tracing::warn!(partition = %context.partition, reason, "the chain goes on without its hot store");
        }
        let again_at = if at_once && self.pause == PAUSES.0 { now } else { now + self.pause };
        self.pause = (self.pause * 2).min(PAUSES.1);
        self.state = State::Away { again_at };
        self.missing.clear();
        context.status.send_modify(|status| {
            let since = match status.hot {
                Hot::Away { since, .. } => since,
                Hot::Following { .. } => SystemTime::now(),
            };
            status.hot = Hot::Away { reason: reason.to_owned(), since };
        });
    }

    /// Shows how the store stands, once it follows.
    pub(crate) fn report(&self, context: &Context) {
        let State::Following { cut, .. } = self.state else { return };
        let hot = Hot::Following { cut, missing: self.missing.len() };
        context.status.send_if_modified(|status| {
            if matches!(status.hot, Hot::Away { .. }) {
                tracing::info!(partition = %context.partition, next = cut.next, "the hot store is written again");
            }
            let is_new = status.hot != hot;
            status.hot = hot;
            is_new
        });
    }
}

/// What became of a session that was to be put in.
enum Filled {
    Done,
    NoRows(StoreError),
    NotPut(StoreError),
}

impl Filled {
    fn of(put: Result<()>) -> Self {
        put.map_or_else(Filled::NotPut, |()| Filled::Done)
    }
}

/// A change of no session, up to `cut`.
fn nothing(partition: PartitionId, cut: Cut) -> Changes {
    Changes {
        partition,
        cut,
        partition_row: PartitionRow::default(),
        sessions: Vec::new(),
        rejected: Vec::new(),
        beats: Vec::new(),
        editions: Vec::new(),
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Err(StoreError::Timeout(format!("no answer within {} ms", limit.as_millis())));
    timeout(limit, call).await.unwrap_or_else(late)
}
