//! What can be set of a chain's compute.

use std::time::Duration;

use tandem_model::route::Chain;

use crate::poison::SeededFault;
use crate::publish::Pins;

/// Settings of one chain. The two chains run with different ones on purpose: rows and digests may
/// not depend on them, and a fault that shows with one batch size only would split the chains
/// instead of fooling both.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which chain.
    pub chain: Chain,
    /// How many bytes of the log are folded between two looks at the clock.
    pub batch_bytes: usize,
    /// Least time between two flushes: what changes in between is written once.
    pub flush_interval: Duration,
    /// Longest time between two snapshots. Longer: a longer replay after a restart.
    pub snapshot_interval: Duration,
    /// Most records between two snapshots: bounds the replay where the log is loaded fast.
    pub snapshot_records: u64,
    /// How many snapshots are kept per partition.
    pub snapshots_kept: usize,
    /// Which snapshots the publisher still needs beside them.
    pub pins: Pins,
    /// Longest time that one call to the hot store may take. One that takes longer counts as
    /// failed, and the chain goes on without the hot store until that can be begun anew: so a hot
    /// store that hangs costs readers of the row store this much, once in a while.
    pub hot_timeout: Duration,
    /// How many rows a repair gathers in one pass through the log, some 400 bytes each. More: fewer
    /// passes.
    pub repair_rows_max: usize,
    /// A fault that is put into the fold on purpose, for drills.
    pub seeded_fault: SeededFault,
}

impl Settings {
    /// The settings of `chain` where nothing else is said.
    pub const fn of(chain: Chain) -> Self {
        let (batch_bytes, flush_ms, snapshot_s, snapshot_records) = match chain {
            Chain::A => (512 * 1024, 10, 30, 150_000),
            Chain::B => (192 * 1024, 15, 45, 100_000),
        };
        Self {
            chain,
            batch_bytes,
            flush_interval: Duration::from_millis(flush_ms),
            snapshot_interval: Duration::from_secs(snapshot_s),
            snapshot_records,
            snapshots_kept: 2,
            pins: Pins::none(),
            hot_timeout: Duration::from_secs(1),
            repair_rows_max: 200_000,
            seeded_fault: SeededFault::NONE,
        }
    }
}
