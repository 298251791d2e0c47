//! The event log: the one thing both chains share, and the truth.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tandem_model::{LogId, PartitionId, Record};
use tokio::sync::watch;

use crate::Result;

/// The last generation of a log that rows have room for.
pub const GENERATION_MAX: u32 = 63;

/// A partitioned, append-only log of records.
///
/// - **Atomicity.** An [`append`](EventLog::append) becomes readable as a whole or not at all,
///   its receipt included. Not in all partitions at the same moment: whoever has read it in one may
///   have to wait a moment for the others.
/// - **Order.** Within a partition records stand in the order of their append, and within one
///   append in the order given. Offsets rise; they need not be contiguous (Kafka's transaction
///   markers take some), but none is ever reused.
/// - **Durability.** After `Ok`, records survive the death of any process. After a retryable
///   error they may or may not be there: only an append with a receipt can be repeated safely,
///   by asking for the receipt first. An append whose receipt is already kept, equal in every
///   field, is answered as it was then and not done again; another receipt under the same scope
///   and key replaces the one that is there.
/// - **Damage.** A damaged record is an error that names the place, never a gap.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// The identity of this log.
    fn id(&self) -> LogId;

    /// Which of the logs that stood under this name it is, from 0 to [`GENERATION_MAX`]: a log that
    /// was created anew counts one up, so that its rows win over those of the one before.
    fn generation(&self) -> u32 {
        0
    }

    /// How many partitions it has; never changes.
    fn partitions(&self) -> u32;

    /// Appends records, and a receipt with them.
    async fn append(&self, append: Append) -> Result<Appended>;

    /// The records of `partition` from offset `from` on, in order, at least one if there is one
    /// and about `bytes_max` at most; empty at the end.
    async fn read(&self, partition: PartitionId, from: u64, bytes_max: usize) -> Result<Vec<(u64, Record)>>;

    /// Per partition the offset after the last readable record known, or a little beyond (where
    /// markers stand that are no records): every record known lies below it. Changes wake whoever
    /// waits. What was appended from here is known at once, and so is what a reader was given.
    fn ends(&self) -> watch::Receiver<Arc<[u64]>>;

    /// The receipt kept under `scope` and `key`.
    async fn receipt(&self, scope: &str, key: &str) -> Result<Option<StoredReceipt>>;

    /// Forgets receipts written before `written_before_ms` (wall clock, milliseconds).
    async fn forget_receipts(&self, written_before_ms: u64) -> Result<()>;
}

/// What goes into the log at once.
#[derive(Clone, Debug, Default)]
pub struct Append {
    /// The records with their partitions, in order.
    pub records: Vec<(PartitionId, Record)>,
    /// Kept with them, if given.
    pub receipt: Option<Receipt>,
}

/// Proof that a body was appended, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whose key it is: the id of the API key.
    pub scope: String,
    /// The `Idempotency-Key`.
    pub key: String,
    /// A hash of the body.
    pub fingerprint: u128,
    /// What was answered, but for the positions.
    pub answer: Bytes,
    /// When, by the wall clock, in milliseconds.
    pub written_ms: u64,
}

/// Where an append ended: per partition it touched, the offset after its last record there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// In the order of the partitions.
    pub next: Vec<(PartitionId, u64)>,
}

/// A receipt as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReceipt {
    /// What was handed in.
    pub receipt: Receipt,
    /// Where its records ended.
    pub appended: Appended,
}
