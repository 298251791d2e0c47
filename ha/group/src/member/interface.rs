//! What goes into a member and what comes out.

use std::collections::BTreeMap;

use tandem_failover::{Decision, Evidence, Refusal, Ruling, Wish};
use tandem_model::route::Route;

use crate::MemberId;
use crate::engine::EngineError;
use crate::machine::{MachineError, MemberInfo};

/// What time it is, where the member runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// By a clock that never steps, from any origin, in milliseconds.
    pub steady_ms: u64,
    /// By the wall clock, in milliseconds since the epoch. Looked at on taking office only.
    pub wall_ms: u64,
}

/// What somebody wants of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To know what has been decided by now. Any member can answer.
    Read,
    /// Something to be decided that needs no judgement: drain, freeze, quarantine and so on.
    Decide {
        /// Who wants it.
        by: String,
        /// Why.
        reason: String,
        /// What. A switch is asked for by [`Ask::Switch`].
        action: tandem_failover::Action,
    },
    /// Another chain to serve, once the rules allow it.
    Switch(Wish),
    /// Somebody new in the group, learning at first.
    Add {
        /// Its number, never used before.
        id: MemberId,
        /// Where it is reached.
        address: String,
    },
    /// A learner to vote.
    Promote(MemberId),
    /// Somebody to leave the group.
    Remove(MemberId),
    /// Another member to lead.
    HandOver(MemberId),
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The state of this member holds everything that had been decided when it was asked.
    Read,
    /// It was decided.
    Decided(Box<Decision>),
    /// It is so: the members have changed, or somebody else was asked to lead.
    Done,
}

/// Why it did not go well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Somebody else leads; ask there.
    #[error("this member does not lead")]
    NotLeader {
        /// Who leads, where that is known.
        leader: Option<MemberId>,
    },
    /// It changes nothing, with the reason.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A later wish took the place of this one.
    #[error("a later wish took the place of this one")]
    Superseded,
    /// The change of members can't be.
    #[error("{0}")]
    Unfit(String),
    /// No answer in time: it may have been decided, or will be, or not.
    #[error("the group gave no answer in time: it may have been decided or not, look at the history")]
    Late,
}

/// What a member wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A message to be sent; it may get lost.
    Send {
        /// To whom.
        to: MemberId,
        /// What.
        bytes: Vec<u8>,
    },
    /// The answer to [`super::Member::ask`].
    Answer {
        /// The ticket given there.
        ticket: u64,
        /// How it went.
        answer: Result<Answer, AskError>,
    },
    /// This route is in force.
    Route(Route),
    /// The members, or their addresses, have changed.
    Members(BTreeMap<MemberId, MemberInfo>),
}

/// Why a member can't go on.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The log can't be kept.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The log can't be understood.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The state from another member, or from the disk, can't be read.
    #[error("the state of the control group can't be read here ({0}): run the newest version on this node")]
    State(String),
    /// Its timings can't be safe.
    #[error("{0}")]
    Settings(String),
}

/// How the leader sees the chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// What is known of both chains.
    pub evidence: Evidence,
    /// How an automatic switch would be ruled on now.
    pub rulings: Vec<Ruling>,
}
