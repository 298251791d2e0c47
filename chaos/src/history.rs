//! What every client saw: one entry per request, good or bad.
//!
//! Times are microseconds since the run began, by the one clock of the process that drives the
//! load, so entries of different clients can be compared.

use std::sync::Arc;

use parking_lot::Mutex;
use tandem_model::route::Chain;

/// The figures every report is asked for. All of them only rise.
pub const METRICS: [&str; 6] = ["events", "views", "comments", "orders", "gmv_fen", "duplicate_events"];

/// Figures of a session, in the order of [`METRICS`].
pub type Figures = [u64; METRICS.len()];

/// Most entries of one run; beyond that they are counted, and the run can't be judged.
pub const ENTRIES_MAX: usize = 2_000_000;

/// One request and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who asked. A client has one request under way at a time.
    pub client: u32,
    /// What for.
    pub action: Action,
    /// When it was sent.
    pub sent_us: u64,
    /// When the answer was there, or was given up.
    pub answered_us: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The chain that answered, as the answer says.
    pub chain: Option<Chain>,
    /// The epoch the answer names.
    pub epoch: Option<u64>,
    /// The token the client sent.
    pub token_sent: Option<Arc<str>>,
    /// The token of the answer.
    pub token: Option<Arc<str>>,
}

/// What a request was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A session's report.
    Read {
        /// Which session, by its number in the load.
        session: u32,
        /// What the answer says, where it says something.
        figures: Option<Figures>,
        /// The moment of event time that the answer names, in milliseconds.
        as_of_ms: u64,
    },
    /// A body of events. Only this client writes to these sessions.
    Write {
        /// The body's number; repeats have the same.
        body: u64,
        /// What it adds to which sessions.
        adds: Vec<(u32, Figures)>,
    },
}

/// What came of a request, as far as its client is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A good answer: a fresh report, an acknowledgement.
    Good,
    /// A report older than the client's token, which says so.
    Stale,
    /// There is no such session yet. No error: it was written, and this client has not seen it.
    Unknown,
    /// 503: try again.
    Unavailable,
    /// Any other answer.
    Failed,
    /// No answer.
    NoAnswer,
}

impl Outcome {
    /// Whether the client got less than it may expect.
    pub const fn is_error(self) -> bool {
        matches!(self, Outcome::Unavailable | Outcome::Failed | Outcome::NoAnswer)
    }
}

impl Entry {
    /// Whether it is a read.
    pub const fn is_read(&self) -> bool {
        matches!(self.action, Action::Read { .. })
    }

    /// How long it took, in microseconds.
    pub const fn took_us(&self) -> u64 {
        self.answered_us.saturating_sub(self.sent_us)
    }
}

/// Everything that was seen, in the order in which the answers came.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The entries.
    pub entries: Vec<Entry>,
    /// How many had no room.
    pub dropped: u64,
}

/// Where clients write down what they see. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<History>>);

impl Recorder {
    /// Notes an entry.
    pub fn add(&self, entry: Entry) {
        let mut history = self.0.lock();
        if history.entries.len() < ENTRIES_MAX {
            history.entries.push(entry);
        } else {
            history.dropped += 1;
        }
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.0.lock().entries.len()
    }

    /// How many of the reads from entry `first` on are errors.
    pub fn errors_from(&self, first: usize) -> u64 {
        let history = self.0.lock();
        let is_error = |entry: &&Entry| entry.is_read() && entry.outcome.is_error();
        history.entries.iter().skip(first).filter(is_error).count() as u64
    }

    /// Takes everything out.
    pub fn take(&self) -> History {
        std::mem::take(&mut self.0.lock())
    }
}
