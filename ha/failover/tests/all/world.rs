//! A small world around judge and decided state: two chains, observers, faults, virtual time.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_failover::{
    Answers, Bounds, Chains, Decided, Decision, DigestVerdict, Entry, Judge, Latency, Observation, Probe,
    ProbeOutcome, Progress, Refusal, Settings, Symptoms,
};
use tandem_model::route::Chain;

/// What is wrong with a chain, as observers meet it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ill {
    NoAnswers,
    /// So many of 100 requests fail.
    Errors(u32),
    /// So many times slower.
    Slow(u64),
    /// Its beats in one partition stand still.
    Stuck,
    /// So far behind, in milliseconds.
    Behind(u64),
    HotLost,
    WrongAnswers,
    /// Who sees it sees nothing at all of this chain, and so reports nothing.
    Unseen,
}

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) chain: Chain,
    pub(crate) ill: Ill,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// The observers that meet it, from the first on.
    pub(crate) observers: std::ops::Range<usize>,
}

/// `gateways` come first among the observers, then `controls` that probe.
pub(crate) struct World {
    pub(crate) judge: Judge,
    pub(crate) decided: Decided,
    pub(crate) now_ms: u64,
    pub(crate) faults: Vec<Fault>,
    /// Decisions and refusals, in order.
    pub(crate) done: Vec<Result<Decision, Refusal>>,
    pub(crate) log: Vec<Entry>,
    pub(crate) rng: SmallRng,
    /// So many of 1,000 requests fail all the time.
    pub(crate) loss_permille: u32,
    gateways: usize,
    step_ms: u64,
    settings: Settings,
    failing: Vec<Chains<(u32, u64)>>,
    names: Vec<String>,
}

pub(crate) const START_MS: u64 = 1_790_000_000_000;
const USUAL_US: u64 = 2_000;

impl World {
    pub(crate) fn new(seed: u64, gateways: usize, controls: usize, step_ms: u64, settings: Settings) -> Self {
        let name =
            |index| if index < gateways { format!("gateway-{index}") } else { format!("node-{index}") };
        Self {
            judge: Judge::new(settings.clone()).expect("safe settings"),
            decided: Decided::new(Chain::A, Bounds::default()),
            now_ms: START_MS,
            faults: Vec::new(),
            done: Vec::new(),
            log: Vec::new(),
            rng: SmallRng::seed_from_u64(seed),
            loss_permille: 0,
            gateways,
            step_ms,
            settings,
            failing: vec![Chains::default(); gateways + controls],
            names: (0..gateways + controls).map(name).collect(),
        }
    }

    pub(crate) fn observers(&self) -> usize {
        self.names.len()
    }

    /// The leader changes: what the judge knew is gone.
    pub(crate) fn lose_judge(&mut self) {
        self.judge = Judge::new(self.settings.clone()).expect("safe settings");
    }

    pub(crate) fn ill(&mut self, chain: Chain, ill: Ill, for_ms: u64, observers: std::ops::Range<usize>) {
        let fault = Fault { chain, ill, from_ms: self.now_ms, to_ms: self.now_ms + for_ms, observers };
        self.faults.push(fault);
    }

    pub(crate) fn apply(&mut self, entry: Entry) {
        self.done.push(self.decided.apply(&entry));
        self.log.push(entry);
    }

    pub(crate) fn digest(&mut self, verdict: DigestVerdict) {
        self.judge.observe(self.now_ms, Observation::Digest(verdict));
    }

    pub(crate) fn run(&mut self, for_ms: u64) {
        let end_ms = self.now_ms + for_ms;
        while self.now_ms < end_ms {
            self.step();
        }
    }

    /// One step: everybody looks, the judge judges, what it proposes is committed.
    pub(crate) fn step(&mut self) {
        self.now_ms += self.step_ms;
        let now_ms = self.now_ms;
        self.faults.retain(|fault| fault.to_ms + 60_000 > now_ms);
        for observer in 0..self.observers() {
            for chain in Chain::ALL {
                self.look(observer, chain);
            }
        }
        for entry in self.judge.tick(now_ms, &self.decided) {
            self.apply(entry);
        }
    }

    fn look(&mut self, observer: usize, chain: Chain) {
        let now_ms = self.now_ms;
        let (mut fail_permille, mut slow, mut behind_ms) = (self.loss_permille, 1, 0);
        let (mut is_hot_degraded, mut outcome, mut stuck_ms) = (false, ProbeOutcome::Failed, None);
        for fault in &self.faults {
            let is_met = fault.chain == chain
                && fault.observers.contains(&observer)
                && (fault.from_ms + 1..=fault.to_ms).contains(&now_ms);
            match fault.ill {
                _ if !is_met => {}
                Ill::NoAnswers => fail_permille = 1_000,
                Ill::Errors(percent) => fail_permille = fail_permille.max(percent * 10),
                Ill::Slow(factor) => slow = factor,
                Ill::Stuck => stuck_ms = Some(fault.from_ms),
                Ill::Behind(ms) => behind_ms = ms,
                Ill::HotLost => is_hot_degraded = true,
                Ill::WrongAnswers => (fail_permille, outcome) = (1_000, ProbeOutcome::Wrong),
                Ill::Unseen => return,
            }
        }
        let id = self.names[observer].clone();
        let took_us = USUAL_US * slow * self.rng.random_range(90..110) / 100;
        let is_gateway = observer < self.gateways;
        let requests = if is_gateway { (self.step_ms / 5) as u32 } else { 1 };
        let mut failures = 0;
        let state = self.failing[observer].of_mut(chain);
        for _ in 0..requests {
            let is_failure = fail_permille >= 1_000
                || (fail_permille > 0 && self.rng.random_range(0..1_000) < fail_permille);
            if is_failure {
                failures += 1;
                *state = if state.0 == 0 { (1, now_ms - self.step_ms) } else { (state.0 + 1, state.1) };
            } else {
                *state = (0, 0);
            }
        }
        let (consecutive_failures, since_ms) = *state;
        if is_gateway {
            let latency = Latency {
                p50_us: took_us,
                p99_us: took_us * 3,
                usual_p50_us: USUAL_US,
                usual_p99_us: USUAL_US * 3,
            };
            let failing_ms = if consecutive_failures == 0 { 0 } else { now_ms - since_ms };
            let latency = (failures < requests).then_some(latency);
            let answers = Answers { requests, failures, consecutive_failures, failing_ms, latency };
            let is_breaker_open = false;
            let symptoms = Symptoms { observer: id.clone(), chain, answers, is_breaker_open };
            self.judge.observe(now_ms, Observation::Symptoms(symptoms));
        } else {
            let outcome = if failures == 0 { ProbeOutcome::Good } else { outcome };
            let took_us = if failures == 0 { took_us } else { self.step_ms * 1_000 };
            let probe = Probe { observer: id.clone(), chain, outcome, took_us, usual_us: Some(USUAL_US) };
            self.judge.observe(now_ms, Observation::Probe(probe));
        }
        let beat_ms = (now_ms - behind_ms) / 1_000 * 1_000;
        for partition in 0..2 {
            let beat_ms = match stuck_ms {
                Some(stuck_ms) if partition == 1 => stuck_ms / 1_000 * 1_000,
                _ => beat_ms,
            };
            let progress = Progress {
                observer: id.clone(),
                chain,
                partition,
                beat_ms,
                unread_records: behind_ms,
                is_hot_degraded,
                is_rows_degraded: false,
            };
            self.judge.observe(now_ms, Observation::Progress(progress));
        }
    }
}
