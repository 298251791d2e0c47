//! A control node's own eyes: it puts real queries to both chains and reads how far they are.
//!
//! Every tenth of a second each chain gets the query that matters most, the report of a live
//! session, as a gateway would put it; several times per beat it is asked how far it is. What is
//! seen goes to the judges of all members; only the leader's listens.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Deserialize;
use tandem_failover::{DigestVerdict, Observation, Probe, ProbeOutcome, Progress, Usual};
use tandem_model::route::Chain;
use tandem_model::status::{ChainStatus, PATH};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often each chain is queried.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// How often each chain is asked how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// How long a query may take. Longer than the judge's patience with slow answers, and a quarter of
/// its patience with none: the failure that completes it must be known at once, not at the end of
/// another long wait.
const PROBE_TIMEOUT: Duration = Duration::from_millis(300);
/// How often the session that is queried is chosen anew.
const CHOOSE_EVERY: Duration = Duration::from_secs(5);
/// Event time may go back by so much between two answers of a chain, in milliseconds: they may come
/// from two stores, one a flush behind the other.
const BACK_MS_MAX: u64 = 5_000;

/// Asks the query nodes of a chain.
#[async_trait]
pub trait ChainReader: Send + Sync {
    /// The body of a good answer to `GET path`; why there is none, in words, otherwise.
    async fn get(&self, chain: Chain, path: &str) -> Result<Bytes, String>;
}

/// Looks at both chains until it is dropped.
pub struct Prober {
    _tasks: JoinSet<()>,
}

impl Prober {
    /// Begins to look, as `observer`. What is seen goes to `tell`. `verdicts` says how both chains
    /// compare, where somebody compares them. Must be called within a tokio runtime.
    pub fn start(
        observer: String,
        reader: Arc<dyn ChainReader>,
        verdicts: Option<watch::Receiver<DigestVerdict>>,
        tell: impl Fn(Vec<Observation>) + Send + Sync + 'static,
    ) -> Self {
        let tell: Arc<dyn Fn(Vec<Observation>) + Send + Sync> = Arc::new(tell);
        let mut tasks = JoinSet::new();
        for chain in Chain::ALL {
            let eye = Eye {
                observer: observer.clone(),
                chain,
                reader: Arc::clone(&reader),
                tell: Arc::clone(&tell),
            };
            let chosen = Arc::new(Mutex::new(None));
            tasks.spawn(eye.clone().choose(Arc::clone(&chosen)));
            tasks.spawn(eye.clone().probe(chosen));
            tasks.spawn(eye.read_progress());
        }
        if let Some(verdicts) = verdicts {
            tasks.spawn(pass_on(verdicts, tell));
        }
        Self { _tasks: tasks }
    }
}

/// Verdicts are told again all the time: a leader that is new has heard none.
async fn pass_on(
    verdicts: watch::Receiver<DigestVerdict>,
    tell: Arc<dyn Fn(Vec<Observation>) + Send + Sync>,
) {
    let mut ticks = every(PROGRESS_EVERY);
    loop {
        ticks.tick().await;
        tell(vec![Observation::Digest(*verdicts.borrow())]);
    }
}

#[derive(Clone)]
struct Eye {
    observer: String,
    chain: Chain,
    reader: Arc<dyn ChainReader>,
    tell: Arc<dyn Fn(Vec<Observation>) + Send + Sync>,
}

impl Eye {
    /// Chooses the session whose report is asked for: the newest.
    async fn choose(self, chosen: Arc<Mutex<Option<String>>>) {
        #[derive(Deserialize)]
        struct Sessions {
            sessions: Vec<Session>,
        }
        #[derive(Deserialize)]
        struct Session {
            id: String,
        }
        let mut ticks = every(CHOOSE_EVERY);
        loop {
            ticks.tick().await;
            let asked = tokio::time::timeout(PROBE_TIMEOUT, self.reader.get(self.chain, SESSIONS)).await;
            if let Ok(Ok(body)) = asked
                && let Ok(listed) = serde_json::from_slice::<Sessions>(&body)
            {
                *chosen.lock() = listed.sessions.into_iter().next().map(|session| session.id);
            }
        }
    }

    async fn probe(self, chosen: Arc<Mutex<Option<String>>>) {
        let mut ticks = every(PROBE_EVERY);
        let (mut usual, clock) = (Usual::default(), Instant::now());
        let mut newest_ms = 0;
        loop {
            ticks.tick().await;
            let path = match &*chosen.lock() {
                Some(session) => format!("/v1/sessions/{session}/report"),
                // Nothing to report on yet: that it is empty is an answer, too.
                None => SESSIONS.to_owned(),
            };
            let begun = Instant::now();
            let asked = tokio::time::timeout(PROBE_TIMEOUT, self.reader.get(self.chain, &path)).await;
            let took_us = begun.elapsed().as_micros() as u64;
            let outcome = match asked {
                Ok(Ok(body)) => judged(&body, &mut newest_ms),
                Ok(Err(_)) | Err(_) => ProbeOutcome::Failed,
            };
            let usual_us = usual.typical().map(|typical| typical.p50_us);
            match outcome {
                ProbeOutcome::Good => usual.answered(took_us),
                _ => usual.failed(),
            }
            usual.advance(clock.elapsed().as_micros() as u64, false);
            let (observer, chain) = (self.observer.clone(), self.chain);
            (self.tell)(vec![Observation::Probe(Probe { observer, chain, outcome, took_us, usual_us })]);
        }
    }

    async fn read_progress(self) {
        let mut ticks = every(PROGRESS_EVERY);
        loop {
            ticks.tick().await;
            let asked = tokio::time::timeout(PROBE_TIMEOUT, self.reader.get(self.chain, PATH)).await;
            let Ok(Ok(body)) = asked else { continue };
            match serde_json::from_slice::<ChainStatus>(&body) {
                Ok(status) => (self.tell)(self.progress(&status)),
                Err(error) => tracing::warn!(chain = %self.chain, %error, "a chain's status is unreadable"),
            }
        }
    }

    fn progress(&self, status: &ChainStatus) -> Vec<Observation> {
        let is_lost = |store: &str| status.degraded.iter().any(|degraded| degraded == store);
        let (is_hot_degraded, is_rows_degraded) = (is_lost("hot"), is_lost("rows"));
        let of = |partition: &tandem_model::status::PartitionStatus| {
            Observation::Progress(Progress {
                observer: self.observer.clone(),
                chain: self.chain,
                partition: partition.partition,
                beat_ms: partition.clock,
                unread_records: partition.lag_records,
                is_hot_degraded,
                is_rows_degraded,
            })
        };
        status.partitions.iter().map(of).collect()
    }
}

const SESSIONS: &str = "/v1/sessions?limit=1";

/// Whether an answer can be right: one that is older than one before is not.
fn judged(body: &[u8], newest_ms: &mut u64) -> ProbeOutcome {
    #[derive(Deserialize)]
    struct Answer {
        meta: Meta,
    }
    #[derive(Deserialize)]
    struct Meta {
        as_of: u64,
    }
    let Ok(Answer { meta }) = serde_json::from_slice(body) else { return ProbeOutcome::Wrong };
    if meta.as_of.saturating_add(BACK_MS_MAX) < *newest_ms {
        return ProbeOutcome::Wrong;
    }
    *newest_ms = meta.as_of.max(*newest_ms);
    ProbeOutcome::Good
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    // After a pause one look is as good as many.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
