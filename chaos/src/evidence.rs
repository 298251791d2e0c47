//! Everything that was gathered during a run, before anybody judges it.

use serde::{Deserialize, Serialize};
use tandem_model::route::Chain;

use crate::drill::{Drill, ErrorBudget, LoadPlan, Timing};
use crate::history::History;
use crate::oracle::Final;

/// One look at `/v1/status`, from outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When the answer was there, in microseconds since the run began.
    pub at_us: u64,
    /// Which of the gateways was asked.
    pub gateway: usize,
    /// The epoch it follows.
    pub epoch: u64,
    /// The chain it lets serve.
    pub active: Option<Chain>,
    /// What it has counted since its start.
    pub counts: Counts,
    /// Chains a and b.
    pub chains: [ChainSample; 2],
    /// `equal`, `different` or `indeterminate`.
    pub verdict: String,
    /// Up to which beat all was compared, in milliseconds of event time.
    pub beat_ms: Option<u64>,
}

/// What a gateway has counted about reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Reads that came in.
    pub requests: u64,
    /// Asked of a second chain because the first was slow.
    pub hedges: u64,
    /// Asked of a second chain because the first failed.
    pub failovers: u64,
    /// Had to wait for a chain to reach the token.
    pub waited: u64,
    /// Answered with something older, saying so.
    pub stale: u64,
    /// Answered with 503.
    pub unavailable: u64,
}

/// How a chain stood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainSample {
    /// Whether it says that it may be asked.
    pub ready: bool,
    /// Stores it can't use.
    pub degraded: Vec<String>,
    /// Per partition the first offset it has not read; empty where it does not answer.
    pub next: Vec<u64>,
    /// The log's records it has still to read.
    pub lag_records: u64,
    /// The moment of event time up to which everything is in, in milliseconds.
    pub as_of_ms: Option<u64>,
    /// Questions to it that failed, as the gateway counts them.
    pub errors: u64,
    /// Questions to it that were slow, as the gateway counts them.
    pub slow: u64,
}

/// When what was done, in microseconds since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// The steady load begins.
    pub steady_us: u64,
    /// The first step begins: the fault, or the operator's call.
    pub began_us: u64,
    /// The first step is in force.
    pub in_force_us: u64,
    /// The last fault has ended.
    pub healed_us: Option<u64>,
    /// Both chains are well, caught up, and agree.
    pub settled_us: Option<u64>,
    /// The load ends.
    pub ended_us: u64,
}

/// A fault that was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// Which.
    pub fault: crate::fault::Fault,
    /// In which chain.
    pub chain: Option<Chain>,
    /// From when, in microseconds since the run began.
    pub from_us: u64,
    /// Until when; absent where it did not end in order.
    pub to_us: Option<u64>,
    /// How many calls it disturbed, where that can be told.
    pub struck: Option<u64>,
}

/// A decision, on the clock of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionMark {
    /// The epoch.
    pub epoch: u64,
    /// The chain that serves from then on.
    pub active: Chain,
    /// Why.
    pub reason: String,
    /// When, in microseconds since the run began, to the millisecond.
    pub at_us: u64,
}

/// How a run came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how", content = "why")]
pub enum Ending {
    /// In order.
    Done,
    /// It could not begin.
    Blocked(String),
    /// The error budget was spent.
    BudgetSpent(u64),
    /// Somebody broke it off, or something broke.
    Interrupted(String),
}

/// Everything about a run.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// What was to be done.
    pub drill: Drill,
    /// To which chain.
    pub struck: Chain,
    /// The seed of load and phase.
    pub seed: u64,
    /// Where.
    pub stand: String,
    /// How long each part was to take.
    pub timing: Timing,
    /// The load.
    pub load: LoadPlan,
    /// The stop condition.
    pub budget: ErrorBudget,
    /// When the run began, by the wall clock, in milliseconds since the epoch.
    pub began_wall_ms: u64,
    /// When what was done.
    pub marks: Marks,
    /// The faults.
    pub strikes: Vec<Strike>,
    /// How it ended.
    pub ending: Ending,
    /// What every client saw.
    pub history: History,
    /// Reports at the end.
    pub finals: Vec<Final>,
    /// Looks at the status, in order.
    pub samples: Vec<Sample>,
    /// What was decided during the run, oldest first.
    pub decisions: Vec<DecisionMark>,
    /// What the safety rules said.
    pub rules: Vec<String>,
}
