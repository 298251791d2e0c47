//! The drills: under load, at random moments, everything fails that can, and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tandem_model::Token;
use tandem_model::route::Chain;
use tandem_tests::api::Api;
use tandem_tests::cluster::{Cluster, TIME_ZONE, status};
use tandem_tests::program::run;
use tandem_tests::services::Services;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::alone;
use crate::faults::Fault;
use crate::readers::{Asks, Reader, Seen};
use crate::writers::{Figures, METRICS, Writer, Written, figures_of, report};

const WRITERS: usize = 3;
/// How long anything may take before the drill fails; far beyond what it does take.
const DEADLINE: Duration = Duration::from_secs(240);
const POLL: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_whatever_fails() {
    let _alone = alone().await;
    let seed = number("TANDEM_SEED").unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
    let rounds = number("TANDEM_DRILL_ROUNDS").unwrap_or(2);
    println!("TANDEM_SEED={seed} TANDEM_DRILL_ROUNDS={rounds}");
    let mut random = SmallRng::seed_from_u64(seed);

    let services =
        tokio::task::block_in_place(Services::start).unwrap_or_else(|error| panic!("the servers: {error}"));
    let mut cluster = Cluster::new("drills", services.addresses(), [2, 1]);
    cluster.start().await;
    let began = Instant::now();
    let mut load = Load::start(&cluster, seed);
    load.bodies(20).await;
    load.served().await;
    for round in 1..=rounds {
        let mut faults = Fault::ALL;
        faults.shuffle(&mut random);
        for fault in faults {
            load.bodies(random.random_range(1..40)).await;
            println!("{:>4} s, round {round}: {fault:?}", began.elapsed().as_secs());
            fault.happens(&mut cluster, &services, &mut load, &mut random).await;
            println!("{:>4} s: mended", began.elapsed().as_secs());
            load.served().await;
            cluster.ready().await;
            load.bodies(5).await;
        }
    }
    let written = load.stop().await;
    println!("{:>4} s: the load has stopped", began.elapsed().as_secs());
    check(&mut cluster, &written).await;
    println!("{:>4} s: all of it holds", began.elapsed().as_secs());
}

/// Everything that was acknowledged is counted once on both chains, and both hold what an
/// independent computation makes of the log.
async fn check(cluster: &mut Cluster, written: &[Written]) {
    // Without beats the log ends somewhere.
    cluster.metronome.stop().await;
    let api = cluster.api();
    let token = read_to_the_end(&api, written).await;
    let figures: BTreeMap<&String, &Figures> = written.iter().flat_map(|written| &written.figures).collect();
    let mut total = 0;
    for (session, expected) in figures {
        total += expected[0];
        for chain in Chain::ALL {
            let report = api.read_from(chain, &report(session), &token).await;
            assert_eq!(&figures_of(&report), expected, "{session} on {chain}, of {METRICS:?}");
        }
    }
    println!("{total} events, each counted once on both chains");
    for chain in Chain::ALL {
        let boards = api.read_from(chain, "/v1/rankings", &token).await;
        assert_eq!(boards["time_zone"], TIME_ZONE, "on {chain}");
    }

    let verified = run(&["verify", "--to", &cluster.url()]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    cluster.stop().await;
    // The stores themselves, with what no server tells: digests, and events that were not counted.
    let verified = cluster.command(&["verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

/// Waits until both chains have read all there is; returns how far that is.
async fn read_to_the_end(api: &Api, written: &[Written]) -> String {
    let acknowledged = written.iter().map(|written| Token::decode(&written.token).expect("a token of ours"));
    let acknowledged = acknowledged.reduce(|mut all, one| {
        all.join(&one);
        all
    });
    let acknowledged = acknowledged.expect("there are writers");
    let began = Instant::now();
    loop {
        let status = status(api).await.unwrap_or_default();
        if is_read(&status, &acknowledged) && status["parity"]["verdict"] == "equal" {
            return api.newest_token().await;
        }
        assert!(began.elapsed() < DEADLINE, "the chains do not read to the end: {status:#}");
        tokio::time::sleep(POLL).await;
    }
}

/// Whether both chains have read what `token` stands for, and equally far.
fn is_read(status: &Value, token: &Token) -> bool {
    let nexts = |chain: usize| -> Vec<(u32, u64)> {
        let partitions =
            status["chains"][chain]["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let next = |partition: &Value| {
            let number = |name: &str| partition[name].as_u64().expect("a number");
            (number("partition") as u32, number("next"))
        };
        partitions.iter().map(next).collect()
    };
    let (a, b) = (nexts(0), nexts(1));
    let has = |id: u32, needed: u64| a.iter().any(|(known, next)| *known == id && *next >= needed);
    !a.is_empty() && a == b && token.next.iter().all(|(id, next)| has(id.0, *next))
}

/// Everybody who writes and reads while things fail.
pub(crate) struct Load {
    written: Vec<watch::Receiver<Written>>,
    seen: Vec<watch::Receiver<Seen>>,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Load {
    fn start(cluster: &Cluster, seed: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut load = Self { written: Vec::new(), seen: Vec::new(), tasks: JoinSet::new(), stop };
        for number in 0..WRITERS {
            let (written, known) = watch::channel(Written::default());
            let api = Arc::new(cluster.api());
            load.tasks.spawn(Writer { api, number, seed, written, stop: stopped.clone() }.write());
            load.written.push(known);
        }
        for asks in [Asks::Whichever, Asks::Alternately] {
            let (seen, known) = watch::channel(Seen::default());
            let (api, written) = (Arc::new(cluster.api()), load.written[load.seen.len()].clone());
            load.tasks.spawn(Reader { api, asks, written, seen, stop: stopped.clone() }.read());
            load.seen.push(known);
        }
        load
    }

    /// Waits until so many more bodies are acknowledged.
    pub(crate) async fn bodies(&mut self, count: u64) {
        let goal = self.bodies_so_far() + count;
        let written = self.written.clone();
        let bodies = move || written.iter().map(|written| written.borrow().bodies).sum::<u64>();
        self.until("more bodies are acknowledged", async || bodies() >= goal).await;
    }

    /// Waits until the first reader has so many more answers.
    pub(crate) async fn answers(&mut self, count: u64) {
        let seen = self.seen[0].clone();
        let goal = seen.borrow().answers + count;
        self.until("readers get answers", async || seen.borrow().answers >= goal).await;
    }

    /// Waits until every reader has new answers again, and from both chains; everybody who writes
    /// gets through.
    async fn served(&mut self) {
        self.answers(5).await;
        let seen = self.seen[1].clone();
        let before = seen.borrow().by_chain;
        let is_served =
            async || seen.borrow().by_chain.iter().zip(before).all(|(now, before)| *now > before + 2);
        self.until("both chains answer", is_served).await;
        let written = self.written.clone();
        let before: Vec<_> = written.iter().map(|written| written.borrow().bodies).collect();
        let is_written =
            async || written.iter().zip(&before).all(|(now, before)| now.borrow().bodies > *before);
        self.until("everybody writes", is_written).await;
    }

    /// Polls, while nobody of the load fails.
    pub(crate) async fn until(&mut self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let began = Instant::now();
        while !condition().await {
            self.check();
            assert!(began.elapsed() < DEADLINE, "waited in vain until {what}: {self:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Nobody ends before they are told to.
    fn check(&mut self) {
        if let Some(ended) = self.tasks.try_join_next() {
            match ended {
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                ended => panic!("somebody ended early: {ended:?}"),
            }
        }
    }

    /// Waits until everything that was sent is acknowledged.
    async fn stop(mut self) -> Vec<Written> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        println!("{self:?}");
        self.written.iter().map(|written| written.borrow().clone()).collect()
    }

    fn bodies_so_far(&self) -> u64 {
        self.written.iter().map(|written| written.borrow().bodies).sum()
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let repeats: u64 = self.written.iter().map(|written| written.borrow().repeats).sum();
        let seen: Vec<Seen> = self.seen.iter().map(|seen| seen.borrow().clone()).collect();
        write!(
            formatter,
            "{} bodies acknowledged, {repeats} sent again; readers {seen:?}",
            self.bodies_so_far()
        )
    }
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
