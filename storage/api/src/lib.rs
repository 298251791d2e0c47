//! The ports: what Tandem needs of a log and of stores, and nothing about who provides it.
//!
//! Each port says in its docs what callers may rely on. Beside the traits live strict in-memory
//! versions ([`memory`]), the suite that every adapter passes ([`suite`]), and wrappers that
//! slow down or fail ([`faulty`]).
//!
//! Common to all ports:
//!
//! - **Idempotence.** Doing the same thing twice is the same as doing it once. Whoever got an
//!   error or no answer simply does it again.
//! - **A timeout means nothing.** [`StoreError::Timeout`] and a dropped future may have taken
//!   effect or not, now or later.
//! - **Durability.** What was answered with `Ok` survives the death of any process, unless the
//!   port says otherwise ([`HotStore`] keeps no promise at all).

pub mod codec;
mod dead_letters;
mod editions;
mod error;
mod event_log;
pub mod faulty;
mod hot_store;
pub mod memory;
mod ownership;
mod repair;
mod row_store;
mod snapshot_store;
pub mod suite;
mod summaries;
mod verdicts;

pub use dead_letters::{DeadLetterQuery, DeadLetters, Place};
pub use editions::Editions;
pub use error::StoreError;
pub use event_log::{Append, Appended, EventLog, GENERATION_MAX, Receipt, StoredReceipt};
pub use hot_store::{Applied, HotSession, HotStore, Incarnation};
pub use ownership::{All, Ownership};
pub use repair::{OrderError, Repair, RepairOrder, RepairState, RepairWish, Replacement};
pub use row_store::{BEATS_KEPT, Part, RowStore, Select, SessionQuery, SessionRows};
pub use snapshot_store::{Snapshot, SnapshotStore, superfluous};
pub use summaries::{PublishError, SummaryTopic, SummaryWriter};
pub use verdicts::verdicts;

/// The outcome of a call to a port.
pub type Result<T> = std::result::Result<T, StoreError>;

/// All stores of one chain.
#[derive(Clone)]
pub struct ChainStores {
    /// Figures, durable.
    pub rows: std::sync::Arc<dyn RowStore>,
    /// Figures, fast.
    pub hot: std::sync::Arc<dyn HotStore>,
    /// The fold's state.
    pub snapshots: std::sync::Arc<dyn SnapshotStore>,
    /// What was not counted.
    pub dead_letters: std::sync::Arc<dyn DeadLetters>,
    /// What boards are made of, at cuts through the log.
    pub editions: std::sync::Arc<dyn Editions>,
}
