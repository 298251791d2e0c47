//! How publishing stands, for telemetry and tests.

use tandem_model::PartitionId;

/// How publishing of one partition stands in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which partition.
    pub partition: PartitionId,
    /// What its publisher is doing.
    pub state: State,
    /// The epoch it publishes, or last published, under; 0 before.
    pub epoch: u64,
    /// The last beat known to be published, by whichever chain, in milliseconds; 0 before.
    pub beat: u64,
    /// The offset after that beat.
    pub next: u64,
    /// Transactions committed by this process.
    pub transactions: u64,
    /// Messages in them, markers included.
    pub messages: u64,
    /// How often another writer took the partition over while this one was at work.
    pub fenced: u64,
    /// How often it was begun.
    pub begun: u64,
}

/// What the publisher of a partition is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Publishing is somebody else's: of the other chain, or of another process.
    Standby,
    /// It would publish, but can't or must not yet; says why. It tries again.
    Waiting(String),
    /// Folds what is published already.
    Recovering,
    /// Publishes at each beat.
    Publishing,
    /// Ended on purpose.
    Stopped,
    /// Ended by a bug of ours; says which.
    Failed(String),
}

impl State {
    /// Its name, for telemetry.
    pub const fn name(&self) -> &'static str {
        match self {
            State::Standby => "standby",
            State::Waiting(_) => "waiting",
            State::Recovering => "recovering",
            State::Publishing => "publishing",
            State::Stopped => "stopped",
            State::Failed(_) => "failed",
        }
    }
}

impl Status {
    pub(super) fn new(partition: PartitionId) -> Self {
        Self {
            partition,
            state: State::Standby,
            epoch: 0,
            beat: 0,
            next: 0,
            transactions: 0,
            messages: 0,
            fenced: 0,
            begun: 0,
        }
    }
}
