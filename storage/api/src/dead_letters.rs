//! Dead letters: events that were not counted, kept so that people can look at them.

use async_trait::async_trait;
use tandem_model::PartitionId;
use tandem_model::rejected::Rejected;

use crate::Result;

/// Rejected events of one chain, by their place in the log.
///
/// Appending the same place twice keeps it once. What was appended is listed from then on.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Keeps rejected events.
    async fn append(&self, rejected: &[Rejected]) -> Result<()>;

    /// What stands at `place` is `letter` from now on, or nothing, whatever was kept there: the
    /// control record at offset `at` of the same partition says so, beyond `place`. Of two
    /// revisions that with the higher `at` holds; the same one again does no harm.
    async fn revise(&self, place: Place, letter: Option<&Rejected>, at: u64) -> Result<()>;

    /// Lists them in the order of their places.
    async fn list(&self, query: &DeadLetterQuery) -> Result<Vec<Rejected>>;
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The partition.
    pub partition: PartitionId,
    /// The offset.
    pub offset: u64,
}

/// Which dead letters to list.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterQuery {
    /// Only those that count for this session.
    pub session_id: Option<String>,
    /// Only for this reason: one of [`tandem_model::rejected::Reason::NAMES`].
    pub reason: Option<&'static str>,
    /// Only after this place.
    pub after: Option<Place>,
    /// How many at most.
    pub limit: usize,
}

impl Place {
    /// Where `rejected` stands.
    pub fn of(rejected: &Rejected) -> Self {
        Self { partition: rejected.partition, offset: rejected.offset }
    }
}

impl DeadLetterQuery {
    /// Whether `rejected` belongs into the list, its `limit` aside.
    pub fn matches(&self, rejected: &Rejected) -> bool {
        self.after.is_none_or(|after| Place::of(rejected) > after)
            && self.reason.is_none_or(|reason| rejected.reason.name() == reason)
            && self
                .session_id
                .as_deref()
                .is_none_or(|wanted| rejected.session_id.as_ref().is_some_and(|id| id.as_str() == wanted))
    }
}
