//! What can happen, and what is said.

use tandem_failover::Observation;
use tandem_group::{Answer as GroupAnswer, Ask, AskError};
use tandem_model::route::Chain;

use crate::faults::{Fault, Ill};
use crate::live::Marker;
use crate::log::{Cut, News};
use crate::place::Place;

/// Something that is planned.
pub(crate) struct Event {
    pub(crate) to: Place,
    pub(crate) what: What,
}

/// What is planned.
pub(crate) enum What {
    /// A message arrives.
    Message { from: Place, message: Message },
    /// A timer that was set in this start of the place.
    Timer { start: u64, timer: Timer },
    /// The place starts again.
    Start,
    /// The place goes on after a pause.
    Resume,
    /// The log grows.
    Log,
    /// Something breaks.
    Fault(Fault),
    /// An illness is over.
    IllEnds(Chain, Ill),
    /// The trouble with this number is over.
    TroubleEnds(u64),
    /// From now on nothing breaks any more, and all is mended.
    Calm,
    /// From now on nothing breaks any more, and what is broken stays so.
    NothingMore,
}

/// Why a place wakes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// What is done again and again: the tick of a control node, the flush of a chain, the report
    /// of a gateway, the next step of a client or an operator.
    Step,
    /// A control node probes both chains.
    Probe,
    /// A control node reads both chains' progress.
    Progress,
    /// A control node tells the route again.
    Tell,
    /// The third vote about a beat is ready.
    ThirdVote { beat: usize },
    /// A gateway looks after a request.
    Request { id: u64 },
    /// A gateway asks a chain again that was behind the token.
    Again { id: u64, chain: Chain },
}

/// What is said.
#[derive(Clone)]
pub(crate) enum Message {
    /// Between control nodes.
    Raft(Vec<u8>),
    /// What was seen.
    Observations(Vec<Observation>),
    /// The route.
    News(News),
    /// A client or a prober asks for a figure.
    Query { id: u64, session: u64, news: News },
    /// The answer to it; none when it failed.
    Figure { id: u64, answer: Option<Told>, news: Option<News> },
    /// A control node asks how far a chain is.
    ReadProgress,
    /// How far it is.
    Progress(Box<Standing>),
    /// A client asks a gateway.
    Read { request: u64, session: u64, token: Cut },
    /// The gateway's answer; none when there is none to be had.
    Told { request: u64, answer: Option<Told> },
    /// Somebody wants to know what has been decided by now.
    AskRoute { ticket: u64 },
    /// The answer; none when the group gave none.
    Route { ticket: u64, news: Option<News> },
    /// An operator wants something decided.
    Ask { ticket: u64, ask: Box<Ask> },
    /// How it went.
    Asked { ticket: u64, answer: Box<Result<GroupAnswer, AskError>> },
    /// A publisher takes over.
    Initialise { ticket: u64 },
    /// It has: its number, and what was published last.
    Initialised { ticket: u64, producer: u64, last: Option<Marker> },
    /// A publisher publishes.
    Publish { producer: u64, marker: Marker },
    /// It is published, or somebody else has taken over.
    Published { producer: u64, beat: u64, is_fenced: bool },
}

/// A figure, with the place of the log that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) chain: Chain,
    pub(crate) session: u64,
    pub(crate) cut: Cut,
    pub(crate) figure: u64,
    /// The chain was wrong on purpose when it said so: not part of the answer, only for the
    /// invariants.
    pub(crate) is_marred: bool,
}

/// How far a chain is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// Event time of the last beat that answers reflect, by partition.
    pub(crate) beat_ms: Cut,
    pub(crate) unread_records: Cut,
    pub(crate) is_hot_degraded: bool,
    /// The last beats with their digests by partition, ascending.
    pub(crate) digests: Vec<(usize, Cut)>,
}

impl Message {
    /// A number for the hash of everything.
    pub(crate) fn mark(&self) -> u64 {
        match self {
            Message::Raft(bytes) => 100 + bytes.len() as u64,
            Message::Observations(observations) => 2 + ((observations.len() as u64) << 32),
            Message::News(news) => 3 + (news.index << 8),
            Message::Query { id, .. } => 4 + (id << 8),
            Message::Figure { id, answer, .. } => 5 + (id << 8) + answer.map_or(0, |told| told.figure),
            Message::ReadProgress => 6,
            Message::Progress(standing) => 7 + (standing.unread_records[0] << 8),
            Message::Read { request, .. } => 8 + (request << 8),
            Message::Told { request, answer } => 9 + (request << 8) + answer.map_or(0, |told| told.figure),
            Message::AskRoute { ticket } => 10 + (ticket << 8),
            Message::Route { ticket, .. } => 11 + (ticket << 8),
            Message::Ask { ticket, .. } => 12 + (ticket << 8),
            Message::Asked { ticket, .. } => 13 + (ticket << 8),
            Message::Initialise { ticket } => 14 + (ticket << 8),
            Message::Initialised { producer, .. } => 15 + (producer << 8),
            Message::Publish { marker, .. } => 16 + (marker.beat << 8),
            Message::Published { producer, .. } => 17 + (producer << 8),
        }
    }
}
