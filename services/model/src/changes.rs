//! What the fold hands to the stores.

use crate::edition::EditionPart;
use crate::id::SessionId;
use crate::position::{Cut, PartitionId};
use crate::rejected::Rejected;
use crate::row::{BeatDigest, PartitionRow, Row, SessionRow};

/// Everything that changed in one partition since the last time, up to `cut`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The partition.
    pub partition: PartitionId,
    /// The prefix of the log they bring the rows to.
    pub cut: Cut,
    /// The partition's own row, as it is now.
    pub partition_row: PartitionRow,
    /// Sessions with changed rows, each once, in the order of their ids.
    pub sessions: Vec<SessionChange>,
    /// Events that were not counted, in log order.
    pub rejected: Vec<Rejected>,
    /// Digests at the beats that were passed, in log order.
    pub beats: Vec<BeatDigest>,
    /// What boards are made of, at the cuts that were passed, in log order.
    pub editions: Vec<EditionPart>,
}

/// The changed rows of one session; absolute, so applying them twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionChange {
    /// The session.
    pub session_id: SessionId,
    /// The session's own row, if it changed.
    pub session: Option<SessionRow>,
    /// Changed rows of figures, each key once.
    pub rows: Vec<Row>,
}
