//! What a member needs of a consensus algorithm.

use crate::MemberId;
use crate::command::CommandId;
use crate::disk::DiskError;

/// A replicated log of opaque entries. Synchronous: nothing happens but in these calls.
pub trait Engine {
    /// Time goes on by one tick.
    fn tick(&mut self);

    /// Takes in what another member sent.
    ///
    /// # Errors
    ///
    /// When it is no message. Whoever sent it is at fault; nothing has changed.
    fn receive(&mut self, message: &[u8]) -> Result<(), EngineError>;

    /// Wants `data` appended. Whether it is shows in [`Work::committed`], here or at another
    /// member, or never.
    ///
    /// # Errors
    ///
    /// When this member does not lead, or can't take any more.
    fn propose(&mut self, data: Vec<u8>) -> Result<(), NotProposed>;

    /// Wants the members changed. `context` comes back with [`Committed::Members`].
    ///
    /// # Errors
    ///
    /// As [`Engine::propose`].
    fn change(&mut self, change: Change, context: Vec<u8>) -> Result<(), NotProposed>;

    /// Wants another member to lead.
    fn hand_over(&mut self, to: MemberId);

    /// Stands for election now rather than when the patience with the present leader ends.
    fn stand(&mut self);

    /// Asks how far the log was committed at this moment at least, by a round through a majority.
    /// The answer shows in [`Work::barriers`], or never. Each question has an id of its own, also
    /// when the same is asked again: else an answer to the first could pass for one to the second.
    fn barrier(&mut self, id: CommandId);

    /// Does what is due, durably, and says what came of it. To be called after each of the others.
    ///
    /// # Errors
    ///
    /// When the disk does not take it. Then this engine must not be used any more: what it believes
    /// is on disk may not be.
    fn work(&mut self) -> Result<Work, EngineError>;

    /// Replaces the log up to what was handed out last by `state`, which is what came of it.
    ///
    /// # Errors
    ///
    /// As [`Engine::work`].
    fn compact(&mut self, state: Vec<u8>) -> Result<(), EngineError>;

    /// How this member stands.
    fn standing(&self) -> Standing;
}

/// What came of working.
#[derive(Debug, Default)]
pub struct Work {
    /// To be sent. May get lost, come twice, or in another order.
    pub messages: Vec<Message>,
    /// The state at a later place of the log, from another member, which takes the place of
    /// everything before. Comes before `committed`.
    pub state: Option<Vec<u8>>,
    /// Entries, in order, each once since the start.
    pub committed: Vec<Committed>,
    /// Answers to [`Engine::barrier`].
    pub barriers: Vec<Barrier>,
}

/// A message to another member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// To whom.
    pub to: MemberId,
    /// What.
    pub bytes: Vec<u8>,
}

/// An entry of the log that a majority has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// An entry of the engine's own.
    Nothing {
        /// Its place.
        index: u64,
        /// The term of the leader that wrote it.
        term: u64,
    },
    /// An entry that was proposed.
    Data {
        /// Its place.
        index: u64,
        /// The term of the leader that wrote it.
        term: u64,
        /// What was proposed.
        data: Vec<u8>,
    },
    /// The members have changed.
    Members {
        /// Its place.
        index: u64,
        /// The term of the leader that wrote it.
        term: u64,
        /// What was done.
        change: Change,
        /// Who votes now, ascending.
        voters: Vec<MemberId>,
        /// Who only learns, ascending.
        learners: Vec<MemberId>,
        /// What came with [`Engine::change`].
        context: Vec<u8>,
    },
}

/// The answer to [`Engine::barrier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// Which question.
    pub id: CommandId,
    /// Everything up to here had been committed when it was asked; maybe more.
    pub index: u64,
}

/// A change of the members, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody new learns.
    Learn(MemberId),
    /// A learner votes from now on.
    Promote(MemberId),
    /// Somebody leaves.
    Remove(MemberId),
}

/// How a member stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its own number.
    pub id: MemberId,
    /// The present term.
    pub term: u64,
    /// Whom it follows, if anybody; itself where it leads.
    pub leader: Option<MemberId>,
    /// The place up to which it knows the log to be committed.
    pub committed: u64,
    /// The other members, where it leads; else empty.
    pub peers: Vec<Peer>,
}

impl Standing {
    /// Whether it holds itself for the leader.
    pub fn is_leader(&self) -> bool {
        self.leader == Some(self.id)
    }
}

/// Another member, as the leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub id: MemberId,
    /// It has the log up to here.
    pub matched: u64,
    /// It has answered within the last election timeout.
    pub is_active: bool,
}

/// Why something was not proposed: this member does not lead, or too much is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this member can't propose now")]
pub struct NotProposed;

/// What ends the use of an engine, or of a message.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not a message of this group's.
    #[error("not a message: {0}")]
    BadMessage(String),
    /// The disk does not hold, or does not take, what it should.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The algorithm itself refuses to go on.
    #[error("the log can't go on: {0}")]
    Broken(String),
}
