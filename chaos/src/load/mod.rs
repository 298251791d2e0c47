//! Real clients over HTTP, the whole time: some read, some write, all write down every answer.
//!
//! Each client has a connection and a token of its own, and one request at a time, as a screen in
//! a studio has. Writers send a body with its idempotency key until it is acknowledged, and count
//! what the figures must count. So at the end everybody knows what must be there.

mod api;
mod reader;
mod writer;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tandem_model::route::Chain;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use api::{Answer, Api};

use crate::drill::LoadPlan;
use crate::history::{METRICS, Recorder};
use crate::oracle::Final;

/// The clock of a run: microseconds since it began.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
    /// When it began, by the wall clock, in milliseconds since the epoch.
    pub began_wall_ms: u64,
}

impl Clock {
    /// It begins now.
    pub fn start() -> Self {
        Self { began: Instant::now(), began_wall_ms: wall_ms() }
    }

    /// Microseconds since it began.
    pub fn us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// A moment of the wall clock on this one; 0 for what was before.
    pub fn us_of_wall_ms(&self, wall_ms: u64) -> u64 {
        wall_ms.saturating_sub(self.began_wall_ms) * 1_000
    }
}

/// The wall clock, in milliseconds since the epoch.
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// What all clients of a run share.
#[derive(Clone)]
struct Shared {
    sessions: Arc<[String]>,
    recorder: Recorder,
    clock: Clock,
    pause: Duration,
    stop: watch::Receiver<bool>,
}

/// Clients at work.
pub struct Load {
    shared: Shared,
    stop: watch::Sender<bool>,
    clients: JoinSet<Option<String>>,
    gateways: Vec<String>,
    key: String,
}

impl Load {
    /// Starts the clients of `plan` against `gateways` (`host:port`, in turns).
    pub fn start(
        gateways: &[String],
        key: &str,
        plan: LoadPlan,
        seed: u64,
        recorder: Recorder,
        clock: Clock,
    ) -> Self {
        let sessions: Arc<[String]> =
            (0..plan.writers * plan.sessions).map(|number| format!("drill-{seed}-{number}")).collect();
        let (stop, stopped) = watch::channel(false);
        let pause = Duration::from_millis(plan.pause_ms);
        let shared = Shared { sessions, recorder, clock, pause, stop: stopped };
        let mut clients = JoinSet::new();
        let gateway = |client: u32| gateways.get(client as usize % gateways.len().max(1)).cloned();
        for writer in 0..plan.writers {
            let Some(gateway) = gateway(writer) else { continue };
            let api = Api::new(&gateway, key);
            clients.spawn(writer::write(shared.clone(), api, writer, plan.sessions, seed));
        }
        for reader in plan.writers..plan.writers + plan.readers {
            let Some(gateway) = gateway(reader) else { continue };
            clients.spawn(reader::read(shared.clone(), Api::new(&gateway, key), reader, seed));
        }
        Self { shared, stop, clients, gateways: gateways.to_vec(), key: key.to_owned() }
    }

    /// Ends the load: readers at once, writers when what they have sent is acknowledged, or after
    /// `patience`. Then reads every session from each chain, as new as everything acknowledged.
    pub async fn end(mut self, patience: Duration) -> Vec<Final> {
        self.stop.send_replace(true);
        let mut token: Option<tandem_model::Token> = None;
        let joining = async {
            while let Some(ended) = self.clients.join_next().await {
                let last = ended.ok().flatten().and_then(|last| tandem_model::Token::decode(&last).ok());
                match (&mut token, last) {
                    (Some(token), Some(last)) => token.join(&last),
                    (token @ None, last) => *token = last,
                    (Some(_), None) => {}
                }
            }
        };
        if tokio::time::timeout(patience, joining).await.is_err() {
            tracing::warn!("not everything that was sent was acknowledged in time");
        }
        let token = token.map(|token| token.encode());
        let mut finals = Vec::new();
        let Some(gateway) = self.gateways.first() else { return finals };
        let api = Api::new(gateway, &self.key);
        let until = Instant::now() + patience;
        for chain in Chain::ALL {
            for session in 0..self.shared.sessions.len() {
                if let Some(end) = self.last_report(&api, chain, session, token.as_deref(), until).await {
                    finals.push(end);
                }
            }
        }
        finals
    }

    /// A report that is as new as `token`. `None` where there is none in time: nothing is known.
    async fn last_report(
        &self,
        api: &Api,
        chain: Chain,
        session: usize,
        token: Option<&str>,
        until: Instant,
    ) -> Option<Final> {
        let path = report(&self.shared.sessions[session]);
        let mut headers = vec![("tandem-chain", chain.name()), ("prefer", "fresh")];
        headers.extend(token.map(|token| ("tandem-token", token)));
        while Instant::now() < until {
            if let Some(answer) = api.get(&path, &headers).await {
                let session = session as u32;
                match answer.status {
                    200 if !answer.is_stale() => {
                        return Some(Final { chain, session, figures: answer.figures() });
                    }
                    404 => return Some(Final { chain, session, figures: None }),
                    _ => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }
}

/// Where a session's figures are read.
fn report(session: &str) -> String {
    format!("/v1/sessions/{session}/report?breakdowns=&metrics={}", METRICS.join(","))
}
