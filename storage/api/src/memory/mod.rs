//! All ports in memory.
//!
//! They keep to the letter of what the ports promise and to nothing beyond it, so that code tested
//! against them does not lean on an accident. Log, rows, snapshots, dead letters and editions are for tests:
//! they grow without bound and are gone with the process. [`MemoryHotStore`] is bounded and also
//! serves in production, where everything runs in one process.

mod dead_letters;
mod editions;
mod event_log;
mod hot_store;
mod row_store;
mod snapshot_store;
mod summaries;

use std::sync::Arc;

pub use dead_letters::MemoryDeadLetters;
pub use editions::MemoryEditions;
pub use event_log::MemoryEventLog;
pub use hot_store::MemoryHotStore;
pub use row_store::MemoryRowStore;
pub use snapshot_store::MemorySnapshotStore;
pub use summaries::MemorySummaryTopic;

use crate::ChainStores;

/// How many sessions the hot store of [`chain_stores`] holds.
const SESSIONS_MAX: usize = 10_000;

/// The stores of one chain, all in memory and empty.
pub fn chain_stores() -> ChainStores {
    ChainStores {
        rows: Arc::new(MemoryRowStore::new()),
        hot: Arc::new(MemoryHotStore::new(SESSIONS_MAX)),
        snapshots: Arc::new(MemorySnapshotStore::new()),
        dead_letters: Arc::new(MemoryDeadLetters::new()),
        editions: Arc::new(MemoryEditions::new()),
    }
}
