//! Events that were not counted, and why.

use serde::{Deserialize, Serialize};

use crate::catalogue::Stored;
use crate::id::SessionId;
use crate::malformed::Malformed;
use crate::position::PartitionId;

/// A record that was not folded into the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Where it stands.
    pub partition: PartitionId,
    /// Where it stands.
    pub offset: u64,
    /// The partition's clock when it came, 0 before the first beat.
    pub clock: u64,
    /// The session it counts for; none where it counts for the whole partition.
    pub session_id: Option<SessionId>,
    /// Why.
    pub reason: Reason,
    /// What is known of the event; nothing of a malformed one.
    pub event: Option<RejectedEvent>,
}

/// What is known of a rejected event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedEvent {
    /// Its id.
    pub event_id: String,
    /// The name of its type.
    pub event_type: String,
    /// When it happened.
    pub ts: u64,
    /// The pseudonym of its viewer, if it has one.
    pub user: Option<u128>,
    /// What it would have added to the session's sums, distinct users counted as 1.
    pub would_add: Vec<(Stored, u64)>,
}

/// Why a record was not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Older than the clock by more than ten minutes, or the session was final.
    Late,
    /// Ahead of the clock by more than five minutes.
    Future,
    /// An event of this id was accepted before.
    Duplicate,
    /// No event.
    Malformed(Malformed),
}

impl Reason {
    /// The names of all reasons, as in the API.
    pub const NAMES: [&'static str; 4] = ["late", "future", "duplicate", "malformed"];

    /// Its name in the API.
    pub const fn name(&self) -> &'static str {
        match self {
            Reason::Late => Self::NAMES[0],
            Reason::Future => Self::NAMES[1],
            Reason::Duplicate => Self::NAMES[2],
            Reason::Malformed(_) => Self::NAMES[3],
        }
    }
}
