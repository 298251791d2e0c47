//! The topic of summaries: rows for partner teams, each change once, whoever publishes.

use async_trait::async_trait;
use tandem_model::PartitionId;
use tandem_model::summary::{Marker, Message};

use crate::Result;

/// A partitioned topic that one writer per partition fills, one transaction at a time.
///
/// It has (at least) the partitions of the event log, and a partition's rows go to the partition of
/// the same number.
///
/// - **One writer.** Whoever [`begin`](SummaryTopic::begin)s a partition is its writer from then
///   on; the one before is *fenced*: what it has under way is dropped or, where it was being
///   committed, done, before `begin` answers. Nothing of it appears later. It may be of another
///   process or of the other chain: both share one name per partition.
/// - **Transactions.** What is published at once becomes visible to readers of committed messages
///   as a whole, or never.
/// - **Order.** Transactions stand in the order in which they were committed.
/// - **The marker** of the last committed transaction is found again, also when the topic was
///   compacted or aborted transactions follow it.
#[async_trait]
pub trait SummaryTopic: Send + Sync {
    /// Takes `partition` over. Answers the writer, and the last committed marker, to go on from.
    async fn begin(&self, partition: PartitionId) -> Result<(Box<dyn SummaryWriter>, Option<Marker>)>;

    /// The last committed marker of `partition`, disturbing nobody. It may be older than the newest
    /// one if somebody is just committing.
    async fn last(&self, partition: PartitionId) -> Result<Option<Marker>>;
}

/// The writer of one partition.
#[async_trait]
pub trait SummaryWriter: Send {
    /// Publishes `messages` and then the marker, in one transaction.
    ///
    /// After an error, and after a dropped future, the writer is over: begin again, and look at the
    /// marker there to see how it ended.
    ///
    /// # Errors
    ///
    /// See [`PublishError`].
    async fn publish(
        &mut self,
        marker: &Marker,
        messages: Vec<Message>,
    ) -> std::result::Result<(), PublishError>;
}

/// Why a transaction was not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Somebody else has begun the partition: this writer publishes nothing any more. What it was
    /// just committing may be there; the marker tells.
    #[error("another writer has taken the partition over")]
    Fenced,
    /// The topic can't be reached or refuses for now; nothing was published.
    #[error("the topic is unavailable: {0}")]
    Unavailable(String),
    /// It may have been published or not.
    #[error("no word on whether it was published: {0}")]
    Unknown(String),
    /// The topic does not take such messages, now or later; nothing was published.
    #[error("the topic refused: {0}")]
    Refused(String),
}
