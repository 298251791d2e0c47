//! One chain, as the router uses it: its service, and what is known of it.
//!
//! A shell around [`Health`]: it brings the time, tells of each question's sending and end, and
//! makes a trip of the breaker known to the reads that wait on the chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tandem_failover::Symptoms;
use tandem_model::route::Chain;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::ask::{Answered, Ask, Leave, Outcome};
use super::breaker::State;
use super::health::{Bounds, End, Health, Ticket};
use crate::ChainService;
use crate::counters::Counters;

/// How many reads at one time may be asked of this chain after the other one failed.
const FAILOVERS_MAX: usize = 1_024;
/// The same while this chain is in trouble itself: enough to find out, no flood.
const LAST_RESORTS_MAX: usize = 16;

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A client waits for the answer.
    Read,
    /// A copy of a read, to see how the chain is.
    Copy,
    /// The same, for a breaker on probation.
    Trial,
    /// An operator named the chain. Says nothing of its health: they look at broken chains, with
    /// heavy questions and patience.
    Named,
    /// A part of an export. Says nothing of its health either: it takes as long as it takes.
    Bulk,
}

/// One chain.
pub(super) struct Link {
    pub(super) chain: Chain,
    service: ChainService,
    begin: Instant,
    health: Mutex<Health>,
    /// A copy of what the breaker says, to be read without the lock.
    is_open: AtomicBool,
    /// Whoever waits on a chain hears of any breaker that opens or closes.
    changes: Arc<Notify>,
    failovers: Semaphore,
    last_resorts: Semaphore,
    counters: Arc<Counters>,
}

impl Link {
    pub(super) fn new(
        chain: Chain,
        service: ChainService,
        bounds: Bounds,
        changes: Arc<Notify>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            chain,
            service,
            begin: Instant::now(),
            health: Mutex::new(Health::new(bounds)),
            is_open: AtomicBool::new(false),
            changes,
            failovers: Semaphore::new(FAILOVERS_MAX),
            last_resorts: Semaphore::new(LAST_RESORTS_MAX),
            counters,
        }
    }

    /// Keeps within these from now on.
    pub(super) fn set_bounds(&self, bounds: Bounds) {
        self.health.lock().set_bounds(bounds);
    }

    /// The chain's query nodes.
    pub(super) fn service(&self) -> ChainService {
        self.service.clone()
    }

    /// Puts a question. Dropped before its end, it counts as given up on. `is_hedged` says at the
    /// end whether the other chain was asked as well because this one was slow.
    pub(super) async fn ask(
        &self,
        ask: &Ask,
        leave: Leave,
        timeout: Duration,
        purpose: Purpose,
        is_hedged: &AtomicBool,
    ) -> Answered {
        let counts = self.counters.chain(self.chain);
        counts.asked.add_one();
        let question = Question::begin(self, leave, purpose);
        let answered = ask.of(self.service(), leave, timeout).await;
        let end = match &answered.outcome {
            Outcome::Good(_) => End::Good { is_hedged: is_hedged.load(Ordering::Relaxed) },
            Outcome::Behind(_) => {
                counts.behind.add_one();
                End::Behind
            }
            Outcome::TimedOut => {
                counts.timeouts.add_one();
                counts.errors.add_one();
                End::TimedOut
            }
            Outcome::Refused(_) | Outcome::Broken => {
                counts.errors.add_one();
                End::Failed
            }
        };
        question.end(end);
        answered
    }

    /// Whether its breaker keeps requests from it.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// How long to wait for it before the other chain is asked as well.
    pub(super) fn hedge_delay(&self) -> Duration {
        Duration::from_micros(self.health.lock().hedge_delay_us())
    }

    /// Leave to ask it after the other chain failed, if it can take one more.
    pub(super) fn failover(&self) -> Option<SemaphorePermit<'_>> {
        let is_in_trouble = self.is_open() || self.with(|health, now_us| health.is_struggling(now_us));
        let permits = if is_in_trouble { &self.last_resorts } else { &self.failovers };
        permits.try_acquire().ok()
    }

    /// Whether a trial is due; if so it must be sent. `is_urgent`: there is no better chain.
    pub(super) fn take_trial(&self, is_urgent: bool) -> bool {
        self.is_open() && self.with(|health, now_us| health.take_trial(now_us, is_urgent))
    }

    /// Looks at what has not come.
    pub(super) fn tick(&self) {
        self.with(Health::tick);
    }

    /// What happened since the last report, for the control group.
    pub(super) fn symptoms(&self, observer: &str) -> Symptoms {
        let (answers, is_breaker_open) = self.with(Health::take_symptoms);
        Symptoms { observer: observer.to_owned(), chain: self.chain, answers, is_breaker_open }
    }

    /// How the gateway sees it.
    pub(super) fn view(&self) -> ChainView {
        self.with(|health, now_us| ChainView {
            breaker: match health.state(now_us) {
                State::Closed => BreakerState::Closed,
                State::Open { .. } => BreakerState::Open,
                State::Probation { .. } => BreakerState::Probation,
            },
            hedge_delay_us: health.hedge_delay_us(),
            usual_p50_us: health.typical().map(|typical| typical.p50_us),
            usual_p99_us: health.typical().map(|typical| typical.p99_us),
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Health, u64) -> T) -> T {
        let mut health = self.health.lock();
        // Under the lock, so that time never goes back between two calls.
        let now_us = self.begin.elapsed().as_micros() as u64;
        let was_open = health.is_open();
        let outcome = act(&mut health, now_us);
        let is_open = health.is_open();
        self.is_open.store(is_open, Ordering::Relaxed);
        drop(health);
        if is_open != was_open {
            self.changes.notify_waiters();
            let chain = self.chain;
            if is_open {
                self.counters.chain(chain).trips.add_one();
                tracing::warn!(%chain, "the chain is in trouble: reads go to the other one");
            } else {
                tracing::info!(%chain, "the chain answers well again");
            }
        }
        outcome
    }
}

/// A question under way.
struct Question<'a> {
    link: &'a Link,
    ticket: Option<Ticket>,
}

impl<'a> Question<'a> {
    fn begin(link: &'a Link, leave: Leave, purpose: Purpose) -> Self {
        let wait_us = match leave {
            Leave::Wait(wait) => wait.as_micros() as u64,
            Leave::None | Leave::Stale => 0,
        };
        let ticket = (!matches!(purpose, Purpose::Named | Purpose::Bulk))
            .then(|| link.with(|health, now_us| health.sent(now_us, wait_us, purpose == Purpose::Trial)));
        Self { link, ticket }
    }

    fn end(mut self, end: End) {
        self.tell(end);
    }

    fn tell(&mut self, end: End) {
        if let Some(ticket) = self.ticket.take() {
            self.link.with(|health, now_us| health.ended(now_us, ticket, end));
        }
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.tell(End::Cancelled);
    }
}

/// What a breaker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BreakerState {
    /// The chain gets requests.
    Closed,
    /// It gets none.
    Open,
    /// It gets trials.
    Probation,
}

/// How a gateway sees one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ChainView {
    /// Whether it gets requests.
    pub breaker: BreakerState,
    /// How long a read waits for it before the other chain is asked as well, in microseconds.
    pub hedge_delay_us: u64,
    /// How long its answers usually take (median), in microseconds; absent while not known.
    pub usual_p50_us: Option<u64>,
    /// The 99th percentile of that.
    pub usual_p99_us: Option<u64>,
}
