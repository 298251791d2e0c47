//! What a repair asks of a row store.

use serde::{Deserialize, Serialize};
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Cut, PartitionId, SessionId};

use crate::SessionRows;

/// An operator's order to compute rows of a partition again, from the beginning of the log. It is
/// kept with the rows until it is done, so that a repair survives whoever carries it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairOrder {
    /// The partition.
    pub partition: PartitionId,
    /// Only this session's rows; all of the partition's where absent.
    pub session_id: Option<SessionId>,
    /// Why, for people.
    pub reason: String,
    /// When, by the wall clock, in milliseconds since the epoch. Names the order, too: an order is
    /// ended only where no other one was given meanwhile.
    pub ordered_ms: u64,
}

/// What is right, in the place of what is there. See [`crate::RowStore::replace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The partition.
    pub partition: PartitionId,
    /// What the rows reflect: the store's own progress.
    pub cut: Cut,
    /// Sessions with all their rows; those without are to go.
    pub sessions: Vec<(SessionId, Option<SessionRows>)>,
    /// The partition's own row and its latest beats, in order; as they are where absent.
    pub partition_row: Option<(PartitionRow, Vec<BeatDigest>)>,
}
