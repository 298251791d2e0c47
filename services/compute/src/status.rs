//! How far a partition has come, for status pages and tests.

use tandem_fold::Usage;
use tandem_model::{Cut, PartitionId};

/// How far the compute of one partition has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which partition.
    pub partition: PartitionId,
    /// What it is doing.
    pub phase: Phase,
    /// The prefix of the log that both stores reflect.
    pub cut: Cut,
    /// Records folded since this process started.
    pub records: u64,
    /// Rows written since this process started.
    pub rows: u64,
    /// Where the snapshot it started from ended; 0 without one.
    pub restored_from: u64,
    /// What the fold kept in memory at the last snapshot.
    pub usage: Usage,
}

/// What the compute of a partition is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Replays what its row store already has.
    Recovering,
    /// Follows the log.
    Following,
    /// Can't go on for now and tries again; says why.
    Stalled(String),
    /// Ended on purpose.
    Stopped,
    /// Can't go on at all; says why.
    Failed(String),
}

impl Status {
    pub(crate) fn new(partition: PartitionId) -> Self {
        Self {
            partition,
            phase: Phase::Recovering,
            cut: Cut::default(),
            records: 0,
            rows: 0,
            restored_from: 0,
            usage: Usage::default(),
        }
    }
}
