//! What every adapter has to pass: the ports' docs as checks.
//!
//! Each function takes a **fresh, empty** store and panics where a promise is not kept. Run them
//! on a multi-threaded runtime: some promises are about readers beside writers. What a store must
//! do over a restart can't be checked from here; adapters test that themselves.

mod dead_letters;
mod editions;
mod event_log;
pub mod fixtures;
mod hot_store;
mod row_store;
mod row_store_lists;
mod row_store_repairs;
mod snapshot_store;
mod summaries;

use std::time::Duration;

pub use dead_letters::dead_letters;
pub use editions::editions;
pub use event_log::event_log;
pub use hot_store::hot_store;
pub use row_store::row_store;
pub use snapshot_store::snapshot_store;
pub use summaries::summaries;

/// How long anything that must happen may take; far more than it needs.
const PATIENCE: Duration = Duration::from_secs(10);
