//! The compute of a chain.

use tandem_model::route::Chain;
use tandem_model::{Cut, PartitionId};

use super::{named, seconds, wall_ms};
use crate::{Telemetry, catalogue};

/// How the compute of one partition stands.
#[derive(Clone, Debug)]
pub struct ComputePartition {
    /// Which partition.
    pub partition: PartitionId,
    /// What it is doing.
    pub phase: ComputePhase,
    /// The prefix of the log that the row store reflects.
    pub cut: Cut,
    /// Every record below this offset is in the row store.
    pub reached: u64,
    /// The offset after the last record in the log.
    pub log_end: u64,
    /// Where the hot store is: nothing while it is away, else its progress and how many sessions
    /// are still to be put in.
    pub hot: Option<(Cut, usize)>,
    /// Records folded since the start.
    pub records: u64,
    /// Rows written since the start.
    pub rows: u64,
    /// Where the snapshot it started from ended; 0 without one.
    pub restored_from: u64,
    /// Repairs since the start: done, and failed.
    pub repairs: [u64; 2],
    /// Events in quarantine.
    pub quarantined: usize,
    /// What the fold keeps in memory.
    pub usage: Usage,
}

named! {
    /// What the compute of a partition is doing.
    ComputePhase {
        /// Another process works on it.
        Elsewhere = "elsewhere",
        /// Replays what its row store has.
        Recovering = "recovering",
        /// Follows the log.
        Following = "following",
        /// A store is away; it tries again.
        Stalled = "stalled",
        /// Starts anew before long.
        Restarting = "restarting",
        /// Ended on purpose.
        Stopped = "stopped",
        /// Ended; somebody must look.
        Failed = "failed",
    }
}

/// What the fold of a partition keeps in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Sessions that are not final.
    pub live_sessions: usize,
    /// Final sessions that still accept follow-ups.
    pub closed_sessions: usize,
    /// Sessions of which only the mark is left.
    pub over_sessions: usize,
    /// Viewers of live sessions.
    pub viewers: usize,
    /// Rows being counted.
    pub cells: usize,
    /// Remembered event ids.
    pub event_ids: usize,
}

/// Shows how the compute of `chain` stands. `is_live`: whether the log's clock is the wall clock,
/// which it is not in a replay.
pub fn compute(
    telemetry: &Telemetry,
    chain: Chain,
    is_live: bool,
    partitions: impl Fn() -> Vec<ComputePartition> + Send + Sync + 'static,
) {
    use catalogue::*;
    telemetry.source(move |samples| {
        for part in partitions() {
            let partition = part.partition.to_string();
            let labels = [chain.name(), partition.as_str()];
            samples.set_one_of(&COMPUTE_PHASE, &labels, ComputePhase::NAMES, part.phase.name());
            if part.phase == ComputePhase::Elsewhere {
                // The rest is what another process says.
                continue;
            }
            samples.set(&COMPUTE_NEXT, &labels, part.cut.next as f64);
            samples.set(&COMPUTE_END, &labels, part.log_end as f64);
            let lag = part.log_end.saturating_sub(part.reached);
            samples.set(&COMPUTE_LAG, &labels, lag as f64);
            if part.cut.clock > 0 {
                samples.set(&COMPUTE_CLOCK, &labels, seconds(part.cut.clock));
                if is_live {
                    let age_ms = wall_ms().saturating_sub(part.cut.clock);
                    samples.set(&COMPUTE_FRESHNESS, &labels, seconds(age_ms));
                }
            }
            samples.set(&COMPUTE_RECORDS, &labels, part.records as f64);
            samples.set(&COMPUTE_ROWS, &labels, part.rows as f64);
            samples.set(&COMPUTE_RESTORED, &labels, part.restored_from as f64);
            for (outcome, count) in ["done", "failed"].into_iter().zip(part.repairs) {
                samples.set(&COMPUTE_REPAIRS, &[labels[0], labels[1], outcome], count as f64);
            }
            samples.set(&COMPUTE_QUARANTINED, &labels, part.quarantined as f64);
            samples.set(&COMPUTE_HOT, &labels, f64::from(u8::from(part.hot.is_some())));
            if let Some((cut, missing)) = part.hot {
                samples.set(&COMPUTE_HOT_NEXT, &labels, cut.next as f64);
                samples.set(&COMPUTE_HOT_MISSING, &labels, missing as f64);
            }
            let Usage { live_sessions, closed_sessions, over_sessions, viewers, cells, event_ids } =
                part.usage;
            for (state, count) in
                [("live", live_sessions), ("closed", closed_sessions), ("over", over_sessions)]
            {
                samples.set(&FOLD_SESSIONS, &[labels[0], labels[1], state], count as f64);
            }
            samples.set(&FOLD_VIEWERS, &labels, viewers as f64);
            samples.set(&FOLD_CELLS, &labels, cells as f64);
            samples.set(&FOLD_EVENT_IDS, &labels, event_ids as f64);
        }
    });
}
