//! What the judge is told.
//!
//! No observation carries a time of day: only lengths of time, measured by the observer's steady
//! clock. When something was seen is when it reached the leader. So no observer's clock can be
//! wrong in a way that matters.

use serde::{Deserialize, Serialize};
use tandem_model::route::Chain;

/// Who saw something: a gateway or a control node, by a name that is its own.
pub type ObserverId = String;

/// Something that was seen, or is wished for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Observation {
    /// What a gateway's own requests met. Every [`crate::Settings::report_every_ms`].
    Symptoms(Symptoms),
    /// One probe by a control node. Every [`crate::Settings::probe_every_ms`].
    Probe(Probe),
    /// How far a chain is. At least four times per beat.
    Progress(Progress),
    /// What comparing both chains gave. Whenever there is a verdict.
    Digest(DigestVerdict),
    /// An operator wants another chain to serve.
    Wish(Wish),
}

/// What one observer's requests to one chain met since its report before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Requests that ended, well or not.
    pub requests: u32,
    /// Those that failed: 5xx, no answer, no answer in time. An answer "behind the token" did not.
    pub failures: u32,
    /// Failures since the last good answer, also from before this report.
    pub consecutive_failures: u32,
    /// How long ago the first of those was *sent*, in milliseconds; 0 when the last answer was
    /// good. Sent, not failed: so a timeout does not delay the judgement, and a quiet hour before
    /// does not hasten it.
    pub failing_ms: u64,
    /// Latency of the good answers; absent where there was none, or where the chain's past is not
    /// known yet.
    pub latency: Option<Latency>,
}

/// Latency, against the same observer's past with the same chain, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Median.
    pub p50_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// The median as it usually is: over the last hour or so, without times of symptoms. Kept by
    /// the observer, so that a new leader does not learn a sick chain as normal.
    pub usual_p50_us: u64,
    /// The 99th percentile as it usually is.
    pub usual_p99_us: u64,
}

/// A gateway's report about one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symptoms {
    /// The gateway.
    pub observer: ObserverId,
    /// The chain.
    pub chain: Chain,
    /// What its requests met.
    pub answers: Answers,
    /// Whether its breaker keeps requests from the chain.
    pub is_breaker_open: bool,
}

/// One real query that a control node put to a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The control node.
    pub observer: ObserverId,
    /// The chain.
    pub chain: Chain,
    /// What came of it. Slow is not among it: that follows from how long it took.
    pub outcome: ProbeOutcome,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// How long it usually takes (median), in microseconds; absent while not known.
    pub usual_us: Option<u64>,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeOutcome {
    /// The answer was right, as far as the prober can tell.
    Good,
    /// There was an answer, and it can't be right: older than one before, or no such figures.
    /// Counts as a failure, never as the chain being named wrong.
    Wrong,
    /// No answer, or an error.
    Failed,
}

/// How far one chain is in one partition, as one observer read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Who read it.
    pub observer: ObserverId,
    /// The chain.
    pub chain: Chain,
    /// The partition.
    pub partition: u32,
    /// `ts` of the last beat that its answers reflect, in milliseconds of event time.
    pub beat_ms: u64,
    /// Records of the log that it has still to read, at most.
    pub unread_records: u64,
    /// The hot store can't be used: answers come from the row store.
    pub is_hot_degraded: bool,
    /// The row store can't be used: only hot sessions are answered.
    pub is_rows_degraded: bool,
}

/// What comparing both chains gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigestVerdict {
    /// Every partition and table is equal at a beat that both have.
    Equal,
    /// They differ, or can't be compared, and nobody knows which one is wrong. Decides nothing.
    Indeterminate,
    /// The third vote, recomputed from the log, names this chain.
    Wrong(Chain),
}

/// An operator wants `to` to serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The chain that is to serve.
    pub to: Chain,
    /// Who.
    pub by: String,
    /// Why, for people.
    pub reason: String,
    /// The rules are to be overridden, at once.
    pub is_break_glass: bool,
    /// How long to wait until the rules allow it, in milliseconds. After that it is proposed all
    /// the same, so that the refusal says which rule stands against it.
    pub within_ms: u64,
}
