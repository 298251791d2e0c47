//! The report of a drill: what was expected, what came of it, and the proof.
//!
//! [`Report`] is the JSON for machines; `html` makes a page for people of it, `junit` a file for
//! build servers. All three say the same, since both others are made from the first.

mod escape;
mod html;
mod junit;
mod picture;

use serde::{Deserialize, Serialize};
use tandem_model::route::Chain;

use crate::drill::{ErrorBudget, LoadPlan, Timing};
use crate::evidence::{DecisionMark, Ending, Marks, Strike};
use crate::oracle::{Counted, Gap, Latency, Totals, Violations};

pub use html::html;
pub use junit::junit;

/// The version of the JSON. A reader refuses what it does not know.
pub const FORMAT: u32 = 1;

/// What came of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Everything held.
    Pass,
    /// It could not begin: nothing was learned.
    Blocked,
    /// It was broken off: what was seen until then held.
    Interrupted,
    /// Nothing failed, but the fault did not bite, or there was too little to judge.
    Inconclusive,
    /// Something did not hold.
    Fail,
}

impl Verdict {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Blocked => "BLOCKED",
            Verdict::Interrupted => "INTERRUPTED",
            Verdict::Inconclusive => "INCONCLUSIVE",
            Verdict::Fail => "FAIL",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

/// What kind of promise a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Must hold, whatever happens.
    Safety,
    /// How well it went.
    Aim,
    /// Whether the drill shows anything.
    Coverage,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// What kind of promise.
    pub class: Class,
    /// What should be.
    pub expected: String,
    /// What was.
    pub observed: String,
    /// Whether it held.
    pub held: bool,
}

/// A moment of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When, in microseconds since the run began.
    pub at_us: u64,
    /// What.
    pub what: String,
}

/// What is told in figures. Times are counted from the moment the drill began to act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The first read that the other chain answered.
    pub hidden_us: Option<u64>,
    /// The first decision that lets the other chain serve.
    pub decided_us: Option<u64>,
    /// From then on no answer names an older epoch.
    pub adopted_us: Option<u64>,
    /// The chains are told to differ.
    pub difference_us: Option<u64>,
    /// The longest gap of any reader.
    pub gap: Option<Gap>,
    /// Errors per million reads in the minute after the fault.
    pub errors_ppm: u64,
    /// Hedges per million reads before the fault.
    pub hedges_ppm_before: Option<u64>,
    /// How long reads took before.
    pub latency_before: Option<Latency>,
    /// How long reads took while the drill acted.
    pub latency_during: Option<Latency>,
}

/// Requests, by part of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Steady load before the fault.
    pub before: Totals,
    /// While the drill acted.
    pub during: Totals,
    /// Afterwards.
    pub after: Totals,
}

/// What the gateways did so that clients did not notice, from the fault to the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    /// Reads asked of a second chain because the first was slow.
    pub hedged: u64,
    /// Reads asked of a second chain because the first failed or was behind.
    pub retried: u64,
    /// Reads that waited for a chain to reach their token.
    pub waited: u64,
}

/// Reads answered in a tenth of a second or, in long runs, in some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Fresh, from chain a.
    pub a: u32,
    /// Fresh, from chain b.
    pub b: u32,
    /// Older, and said so.
    pub stale: u32,
    /// Errors.
    pub errors: u32,
}

/// The whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// The drill.
    pub drill: String,
    /// What it does, in a sentence.
    pub does: String,
    /// What should come of it.
    pub hypothesis: String,
    /// The chain it is about.
    pub struck: Chain,
    /// The seed of load and phase.
    pub seed: u64,
    /// The stand.
    pub stand: String,
    /// The version of the program.
    pub version: String,
    /// The commit it was built from, as far as it is known.
    pub commit: String,
    /// When the run began, by the wall clock, in milliseconds since the epoch.
    pub began_wall_ms: u64,
    /// How long each part was to take.
    pub timing: Timing,
    /// The load.
    pub load: LoadPlan,
    /// The stop condition.
    pub budget: ErrorBudget,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, most important first.
    pub reasons: Vec<String>,
    /// How the run ended.
    pub ending: Ending,
    /// When what was done.
    pub marks: Marks,
    /// The faults, with their true times.
    pub strikes: Vec<Strike>,
    /// What happened, in order.
    pub timeline: Vec<Moment>,
    /// In figures.
    pub measured: Measured,
    /// Requests.
    pub totals: Parts,
    /// What the gateways did.
    pub hidden: Hidden,
    /// Decisions during the run.
    pub decisions: Vec<DecisionMark>,
    /// Records that chains a and b had still to read at the switch; absent where a chain did not say.
    pub lag_at_switch: Option<[Option<u64>; 2]>,
    /// The digest verdict before the fault.
    pub parity_before: String,
    /// The digest verdict at the end.
    pub parity_after: String,
    /// What the safety rules said.
    pub rules: Vec<String>,
    /// Answers older than their client had seen.
    pub backwards: Violations,
    /// What was counted.
    pub counted: Counted,
    /// Everything that was checked.
    pub checks: Vec<Check>,
    /// How long a bucket of the picture is, in microseconds.
    pub bucket_us: u64,
    /// The reads, bucket by bucket from the begin of the run.
    pub buckets: Vec<Bucket>,
}

/// Why a kept report can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no report.
    #[error("it is no report of a drill")]
    Json(#[from] serde_json::Error),
    /// It is of another version.
    #[error("its format is {0}, only {FORMAT} is known")]
    Format(u32),
}

impl Report {
    /// The report in `json`.
    ///
    /// # Errors
    ///
    /// When it is none, or of another version.
    pub fn read(json: &[u8]) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(json)?;
        if head.format != FORMAT {
            return Err(ReadError::Format(head.format));
        }
        Ok(serde_json::from_slice(json)?)
    }

    /// It as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data with text keys")
    }

    /// A name for its files: drill, chain and seed.
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.drill, self.struck, self.seed)
    }

    /// Whether every check of a class held.
    pub fn holds(&self, class: Class) -> bool {
        self.checks.iter().filter(|check| check.class == class).all(|check| check.held)
    }
}

#[cfg(test)]
mod tests;
