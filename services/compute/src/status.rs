//! How far a partition has come, for status pages and tests.

use std::time::SystemTime;

use tandem_fold::Usage;
use tandem_model::{Cut, PartitionId};

/// How far the compute of one partition has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which partition.
    pub partition: PartitionId,
    /// What it is doing.
    pub phase: Phase,
    /// The prefix of the log that the row store reflects.
    pub cut: Cut,
    /// Every record below this offset is in the row store. Lies beyond `cut.next` where offsets
    /// hold no records: the end of a log that was read to its end. What the log's end is ahead of
    /// this is the lag, in offsets.
    pub reached: u64,
    /// How the hot store stands.
    pub hot: Hot,
    /// Records folded since this process started.
    pub records: u64,
    /// Rows written since this process started.
    pub rows: u64,
    /// Where the snapshot it started from ended; 0 without one.
    pub restored_from: u64,
    /// Records that are in quarantine: their events made the fold fail.
    pub quarantined: usize,
    /// What the fold kept in memory at the last snapshot.
    pub usage: Usage,
    /// Orders to compute it again that were carried out since this process started.
    pub repairs_done: u64,
    /// Those that failed.
    pub repairs_failed: u64,
}

/// What the compute of a partition is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing: another process works on the partition.
    Elsewhere,
    /// Replays what its row store already has.
    Recovering,
    /// Follows the log.
    Following,
    /// Can't go on for now and tries again; says why.
    Stalled(String),
    /// Ended with what may go away, and starts anew before long; says why.
    Restarting(String),
    /// Ended on purpose.
    Stopped,
    /// Ended with what does not go away by trying again; says why. Somebody must look; it starts
    /// again with the process, or when the partition is handed to this process anew.
    Failed(String),
}

/// How the hot store stands in one partition. While it is away, readers are answered from the row
/// store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hot {
    /// It is written.
    Following {
        /// The prefix of the log that its sessions reflect.
        cut: Cut,
        /// Sessions that are still to be put in, since it began.
        missing: usize,
    },
    /// It is not written, and tried again.
    Away {
        /// Why; of the last try.
        reason: String,
        /// Since when, by the wall clock.
        since: SystemTime,
    },
}

impl Status {
    pub(crate) fn new(partition: PartitionId, phase: Phase) -> Self {
        Self {
            partition,
            phase,
            cut: Cut::default(),
            reached: 0,
            hot: Hot::away("not begun yet"),
            records: 0,
            rows: 0,
            restored_from: 0,
            quarantined: 0,
            usage: Usage::default(),
            repairs_done: 0,
            repairs_failed: 0,
        }
    }
}

impl Hot {
    /// Away from now on.
    pub(crate) fn away(reason: &str) -> Self {
        Hot::Away { reason: reason.to_owned(), since: SystemTime::now() }
    }
}
