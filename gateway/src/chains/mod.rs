//! Reads go to the chains: the request layer of failover (L0).
//!
//! # A plain read
//! Ask the active chain. If it fails, or is behind the token, or has not answered within the hedge
//! delay, ask the other one as well; the first good answer wins and the loser is dropped. A hedge
//! costs from a budget of 10 %, so a slow day does not double the load; asking after a failure is
//! bounded by what the other chain can take, since when a chain dies every read needs it.
//!
//! # A chain in trouble
//! What questions meet goes into what is known of each chain ([`health`]). Where that says trouble
//! ([`breaker`], L1), reads go to the other chain, and those that wait on the troubled one do, too,
//! at once. An open breaker beats the route; where both are open, the route is followed.
//!
//! # A read with a token
//! A chain that has not read as far as the token says so, and is not used. When no chain has, those
//! that are only behind are asked again, with leave to wait 300 ms for their log; the first that
//! gets there wins. If none does: 503 to clients that prefer fresh answers, else an older answer,
//! marked as such, from the active chain.
//!
//! # An export
//! Large, and nobody looks at it while it comes: no hedges, no copies, more patience, and how long it takes
//! says nothing of how the chain is. Where its chain fails, the other one is asked all the same.
//!
//! # A read of one chain
//! An operator may name the chain. Then the same steps go to that chain alone, without hedges and
//! whatever its breaker says, and its answer is passed on, good or bad.
//!
//! Answers below 500 are final: the other chain would say the same.

mod ask;
mod breaker;
mod budget;
mod copies;
mod health;
mod link;
mod newest;
mod pending;
mod round;
mod symptoms;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use tandem_failover::{Chains, Symptoms};
use tandem_identity::Caller;
use tandem_limits::RouteClass;
use tandem_model::problem::Problem;
use tandem_model::route::{Chain, Route};
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use self::ask::{Ask, Leave};
use self::budget::Budget;
use self::copies::Copies;
use self::health::{Bounds, TICK_US};
use self::link::{Link, Purpose};
use self::newest::Newest;
use self::round::Round;
use crate::ChainService;
use crate::admission::{Gate, priority_of, shed};
use crate::answer::{Answer, problem};
use crate::counters::Counters;
use crate::headers::{CHAIN, TOKEN, prefers_fresh};
use crate::limits::class_of;

pub use self::link::{BreakerState, ChainView};
pub use self::newest::RouteSource;

/// How long a chain may wait for the token.
const TOKEN_WAIT: Duration = Duration::from_millis(tandem_model::headers::WAIT_MS_MAX);

/// How many times the usual timeout a chain gets that was asked for by name.
const FORCED_PATIENCE: u32 = 5;
/// How many times the usual timeout a part of an export gets.
const BULK_PATIENCE: u32 = 5;

/// Asks the chains.
pub(crate) struct ChainRouter {
    links: [Link; 2],
    changes: Arc<Notify>,
    newest: Newest,
    /// Whom reads are not to be sent to.
    shunned: watch::Receiver<Chains<bool>>,
    counters: Arc<Counters>,
    hedge_budget: Budget,
    copies: Copies,
    gate: Arc<Gate>,
    upstream_timeout_us: AtomicU64,
}

/// How the router behaves.
pub(crate) struct RouterConfig {
    pub(crate) hedge_delay_min: Duration,
    pub(crate) hedge_delay: Duration,
    pub(crate) upstream_timeout: Duration,
    /// Lets reads through to the chains.
    pub(crate) gate: Arc<Gate>,
    pub(crate) standby_percent: u8,
}

impl RouterConfig {
    fn bounds(&self) -> Bounds {
        Bounds {
            hedge_delay_us_min: self.hedge_delay_min.as_micros() as u64,
            hedge_delay_us_max: self.hedge_delay.as_micros() as u64,
            timeout_us: self.upstream_timeout.as_micros() as u64,
        }
    }
}

/// What decides who may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// The newest route's.
    pub(crate) epoch: u64,
    /// The one chain that may be, where the other is known to be wrong.
    pub(crate) only: Option<Chain>,
}

/// Which chains a read may ask, in which order, and how long each may take.
#[derive(Clone, Copy)]
struct Order {
    first: Chain,
    second: Option<Chain>,
    timeout: Duration,
    /// An operator named the chain.
    is_named: bool,
    /// It is an export.
    is_bulk: bool,
}

impl Order {
    fn purpose(&self) -> Purpose {
        match self {
            Self { is_named: true, .. } => Purpose::Named,
            Self { is_bulk: true, .. } => Purpose::Bulk,
            _ => Purpose::Read,
        }
    }
}

impl ChainRouter {
    pub(crate) fn new(
        config: &RouterConfig,
        chains: [ChainService; 2],
        route: watch::Receiver<Route>,
        shunned: watch::Receiver<Chains<bool>>,
        counters: Arc<Counters>,
    ) -> Self {
        let bounds = config.bounds();
        let [a, b] = chains;
        let changes = Arc::new(Notify::new());
        let link =
            |chain, service| Link::new(chain, service, bounds, Arc::clone(&changes), Arc::clone(&counters));
        Self {
            links: [link(Chain::A, a), link(Chain::B, b)],
            changes,
            newest: Newest::new(route),
            shunned,
            counters,
            hedge_budget: Budget::new(),
            copies: Copies::new(config.standby_percent),
            gate: Arc::clone(&config.gate),
            upstream_timeout_us: AtomicU64::new(bounds.timeout_us),
        }
    }

    /// Behaves like this from now on, but for the gate, which has settings of its own. What is known of the
    /// chains stays.
    pub(crate) fn configure(&self, config: &RouterConfig) {
        let bounds = config.bounds();
        self.links.iter().for_each(|link| link.set_bounds(bounds));
        self.copies.set_percent(config.standby_percent);
        self.upstream_timeout_us.store(bounds.timeout_us, Ordering::Relaxed);
    }

    fn upstream_timeout(&self) -> Duration {
        Duration::from_micros(self.upstream_timeout_us.load(Ordering::Relaxed))
    }

    /// The newest route. The control group may be gone: the last route stays.
    pub(crate) fn route(&self) -> Route {
        self.newest.route()
    }

    /// What decides who may be asked now.
    pub(crate) fn outlook(&self) -> Outlook {
        Outlook { epoch: self.newest.heading().epoch, only: self.only_trusted() }
    }

    /// Where that was heard of.
    pub(crate) fn route_source(&self) -> RouteSource {
        self.newest.heading().source
    }

    /// How the chains are, as seen from here: a, then b.
    pub(crate) fn views(&self) -> [ChainView; 2] {
        self.links.each_ref().map(Link::view)
    }

    /// What the reads met since the last report, for the control group: of chain a, then b.
    pub(crate) fn symptoms(&self, observer: &str) -> Vec<Symptoms> {
        self.links.iter().map(|link| link.symptoms(observer)).collect()
    }

    /// Looks at what has not come, for as long as it is polled.
    pub(crate) async fn watch(&self) -> Infallible {
        let mut ticks = tokio::time::interval(Duration::from_micros(TICK_US));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.links.iter().for_each(Link::tick);
        }
    }

    /// Answers a read.
    pub(crate) async fn answer(self: &Arc<Self>, parts: &Parts) -> Answer {
        let forced = match forced_chain(parts) {
            Ok(forced) => forced,
            Err(refused) => return problem(&refused),
        };
        if parts.headers.get_all(TOKEN).iter().count() > 1 {
            return problem(&Problem::bad_token("send one Tandem-Token header: that of your last answer"));
        }
        self.counters.reads.requests.add_one();
        let priority = priority_of(parts);
        let permit = match self.gate.enter(priority).await {
            Ok(permit) => permit,
            Err(reason) => {
                self.counters.reads.unavailable.add_one();
                return shed(reason);
            }
        };
        let heading = self.newest.heading();
        let is_bulk = class_of(&parts.method, parts.uri.path()) == Some(RouteClass::Export);
        let order = match forced {
            // There is nobody else to ask, so patience costs nothing.
            Some(first) => {
                let timeout = self.upstream_timeout() * FORCED_PATIENCE;
                Order { first, second: None, timeout, is_named: true, is_bulk }
            }
            None => self.order(heading.active, is_bulk),
        };
        if !is_bulk {
            self.hedge_budget.deposit();
        }
        let ask = Ask::new(parts, heading.signpost(), priority.deadline);
        if forced.is_none() && !is_bulk {
            self.copy(order, &ask);
        }
        let answer = match self.round(order, &ask, Leave::None).await {
            Round::Good(answer) => answer,
            Round::Failed(failures) if failures.behind().is_empty() => {
                self.failed(failures.into_answer(order))
            }
            Round::Failed(failures) => self.answer_behind(order, &ask, failures.behind(), parts).await,
        };
        // A chain that fails at once would pass for a quick one.
        if !answer.status().is_server_error() {
            permit.answered();
        }
        answer
    }

    /// Asks a chain what only the gateway may ask: its own state.
    pub(crate) async fn internal(
        &self,
        chain: Chain,
        path: &'static str,
        timeout: Duration,
    ) -> Option<Answer> {
        ask::internal(self.link(chain).service(), path, timeout).await
    }

    /// Puts an order to a chain that only the gateway may give; whatever it answers.
    pub(crate) async fn post_internal(
        &self,
        chain: Chain,
        path: &'static str,
        body: Bytes,
        timeout: Duration,
    ) -> Option<Answer> {
        ask::post_internal(self.link(chain).service(), path, body, timeout).await
    }

    /// The route's chain first, unless its breaker is open and the other one's is not.
    fn order(&self, active: Chain, is_bulk: bool) -> Order {
        let timeout = self.upstream_timeout() * if is_bulk { BULK_PATIENCE } else { 1 };
        // A wrong answer is worse than none: whom the group has named is not asked, not even where
        // the other one fails. Where that leaves nobody, the route is all there is.
        if let Some(first) = self.only_trusted() {
            return Order { first, second: None, timeout, is_named: false, is_bulk };
        }
        let is_rerouted = self.link(active).is_open() && !self.link(active.other()).is_open();
        if is_rerouted {
            self.counters.reads.rerouted.add_one();
        }
        let first = if is_rerouted { active.other() } else { active };
        Order { first, second: Some(first.other()), timeout, is_named: false, is_bulk }
    }

    /// The chain that may be asked, where exactly one may.
    fn only_trusted(&self) -> Option<Chain> {
        let Chains { a, b } = *self.shunned.borrow();
        match (a, b) {
            (true, false) => Some(Chain::B),
            (false, true) => Some(Chain::A),
            _ => None,
        }
    }

    fn link(&self, chain: Chain) -> &Link {
        &self.links[chain as usize]
    }

    /// No chain has reached the token; `behind` are those that answered so.
    async fn answer_behind(&self, order: Order, ask: &Ask, behind: Vec<Chain>, parts: &Parts) -> Answer {
        self.counters.reads.waited.add_one();
        if let Some(answer) = self.race(&behind, order, ask, Leave::Wait(TOKEN_WAIT)).await {
            return answer;
        }
        if prefers_fresh(&parts.headers) {
            self.counters.reads.unavailable.add_one();
            return problem(&Problem::behind_token(
                "no chain has read as far as your token: try again in a moment, \
                 or without `Prefer: fresh` for an older answer",
            ));
        }
        match self.round(order, ask, Leave::Stale).await {
            Round::Good(answer) => {
                self.counters.reads.stale.add_one();
                answer
            }
            Round::Failed(failures) => self.failed(failures.into_answer(order)),
        }
    }

    /// Passes on what the chains said, where that says it best.
    fn failed(&self, answer: Option<Answer>) -> Answer {
        answer
            .unwrap_or_else(|| self.unavailable("the figures can't be read right now: try again in a moment"))
    }

    fn unavailable(&self, detail: &str) -> Answer {
        self.counters.reads.unavailable.add_one();
        problem(&Problem::unavailable(detail))
    }
}

/// The chain an operator asks for.
fn forced_chain(parts: &Parts) -> Result<Option<Chain>, Problem> {
    let mut values = parts.headers.get_all(CHAIN).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let is_operator = parts.extensions.get::<Caller>().is_some_and(Caller::is_operator);
    if !is_operator {
        return Err(Problem::forbidden("only an operator's key may name a chain: leave out Tandem-Chain"));
    }
    let chain = value.to_str().ok().and_then(Chain::from_name).filter(|_| values.next().is_none());
    chain.map(Some).ok_or_else(|| Problem::bad_parameter("Tandem-Chain must be `a` or `b`"))
}

#[cfg(test)]
mod tests;
