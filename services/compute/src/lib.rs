//! The shell around the fold: log → fold → stores, for one chain.
//!
//! One thread owns one partition ([`partition`]): it pulls a batch at its own pace, folds it,
//! flushes the changed rows to the stores, and only then pulls on. So nothing queues up: a slow
//! store slows the reading down (backpressure), and the log keeps what is still to come. Which
//! partitions have a thread follows from who owns what ([`crew`]).
//!
//! A flush goes dead letters → row store, the hot store beside it ([`flush`]); each step can be
//! repeated harmlessly, and is, until the store takes it. The hot store alone may be left behind:
//! while it is away the row store answers, and it is begun anew and filled again later ([`hot`]).
//! A snapshot never reaches beyond what the row store holds durably. A restart ([`recover`]) takes
//! the newest usable snapshot, replays the log up to what the row store already has without
//! writing anything, and compares the digests of the beats it passes with those it wrote down
//! before; only then is the partition ready.
//!
//! What turns out to be wrong is computed again from the log when an operator says so ([`repair`]).
//!
//! Beside it, [`publish`] gives rows to partner teams while the chain is the active one.

mod compute;
mod crew;
mod flush;
mod hot;
mod partition;
mod poison;
pub mod publish;
mod recover;
mod repair;
mod replay;
mod revise;
mod settings;
mod snapshots;
mod status;

pub use compute::Compute;
pub use poison::{QUARANTINED_MAX, SeededFault};
pub use settings::Settings;
pub use status::{Hot, Phase, Status};
