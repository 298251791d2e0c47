//! Replays under way, and those that are done.
//!
//! Every question is one task, however many ask it. It goes on when they have left, for
//! [`UNASKED`]; what it found is kept as long as there is room.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tandem_model::problem::Problem;
use tandem_model::{Calendar, PartitionId, SessionId};
use tandem_past::Explanation;
use tandem_storage::{EventLog, SessionRows};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::At;
use super::work::work;

/// How long a request waits: less than what a gateway takes for a failure.
pub(crate) const WAIT: Duration = Duration::from_millis(300);
/// How many replays read the log at one time.
const AT_ONCE: usize = 2;
/// How many questions may be open; further ones are told to come back.
const OPEN_MAX: usize = 64;
/// A replay that nobody has asked for so long ends.
const UNASKED: Duration = Duration::from_secs(60);
/// How many rows are kept of what is done: some 40 MB.
const ROWS_MAX: usize = 100_000;
/// What is kept for one question counts for so many rows at least.
const ROWS_MIN: usize = 100;

/// What can be asked about a session's past.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// The session.
    pub(crate) session_id: SessionId,
    /// Where it lives.
    pub(crate) partition: PartitionId,
    /// What of it.
    pub(crate) what: What,
}

/// What of a session's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum What {
    /// Its totals at a reading.
    Reading(At),
    /// Why two readings differ.
    Difference { from: At, to: At },
    /// Its hours and days at the edition of slot `at`, by what was heard of verdicts up to the one of slot
    /// `heard`, which is no earlier; both in milliseconds.
    Edition { at: u64, heard: u64 },
}

/// What the log says.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The session was not there yet.
    Unknown,
    /// The session with all its totals, or with its hours and days.
    Session(Arc<SessionRows>),
    /// Why two readings differ. `None` where the first one is farther than the second.
    Explained(Option<Arc<Explanation>>),
}

impl Answer {
    fn rows(&self) -> usize {
        let rows = match self {
            Self::Unknown | Self::Explained(None) => 0,
            Self::Session(rows) => rows.rows.len(),
            Self::Explained(Some(explained)) => {
                let samples: usize = explained.parts.values().map(|part| 1 + part.samples.len()).sum();
                explained.from.rows.len() + explained.to.rows.len() + samples
            }
        };
        rows + ROWS_MIN
    }
}

pub(super) type Outcome = Result<Answer, Problem>;

/// Where questions about the past are answered.
pub(crate) struct Desk {
    open: Arc<Mutex<Open>>,
    permits: Arc<Semaphore>,
    /// The chain's.
    calendar: Calendar,
}

#[derive(Default)]
struct Open {
    entries: HashMap<Question, Entry>,
    /// Rows of all that is done.
    rows: usize,
}

struct Entry {
    outcome: watch::Receiver<Option<Outcome>>,
    asked: Instant,
    /// 0 until it is done.
    rows: usize,
}

impl Desk {
    /// Nothing yet, of a chain with this calendar.
    pub(crate) fn within(calendar: Calendar) -> Self {
        Self { open: Arc::default(), permits: Arc::new(Semaphore::new(AT_ONCE)), calendar }
    }

    /// The answer, if it comes within [`WAIT`]. What the log holds below `limit` is enough for it.
    ///
    /// # Errors
    ///
    /// Whatever keeps the log from being read; `in-preparation` where it takes longer.
    pub(crate) async fn ask(
        &self,
        log: &Arc<dyn EventLog>,
        question: &Question,
        limit: u64,
    ) -> Result<Answer, Problem> {
        let mut outcome = self.outcome(log, question, limit)?;
        let waiting = outcome.wait_for(Option::is_some);
        match tokio::time::timeout(WAIT, waiting).await {
            Ok(Ok(outcome)) => outcome.clone().expect("it was waited for"),
            // It ended without a word.
            Ok(Err(_)) => Err(later()),
            Err(_) => Err(later()),
        }
    }

    fn outcome(
        &self,
        log: &Arc<dyn EventLog>,
        question: &Question,
        limit: u64,
    ) -> Result<watch::Receiver<Option<Outcome>>, Problem> {
        let mut open = self.open.lock();
        if let Some(entry) = open.entries.get_mut(question) {
            entry.asked = Instant::now();
            return Ok(entry.outcome.clone());
        }
        if open.entries.values().filter(|entry| entry.rows == 0).count() >= OPEN_MAX {
            return Err(later());
        }
        let (sender, receiver) = watch::channel(None);
        let entry = Entry { outcome: receiver.clone(), asked: Instant::now(), rows: 0 };
        open.entries.insert(question.clone(), entry);
        drop(open);
        let order = Order {
            log: Arc::clone(log),
            question: question.clone(),
            limit,
            calendar: self.calendar.clone(),
            open: Arc::clone(&self.open),
        };
        tokio::spawn(order.carry_out(Arc::clone(&self.permits), sender));
        Ok(receiver)
    }
}

fn later() -> Problem {
    Problem::in_preparation("the session is being computed again from the log: ask the same in a second")
}

/// One replay, and everything it needs.
pub(super) struct Order {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) question: Question,
    pub(super) limit: u64,
    pub(super) calendar: Calendar,
    open: Arc<Mutex<Open>>,
}

impl Order {
    async fn carry_out(self, permits: Arc<Semaphore>, sender: watch::Sender<Option<Outcome>>) {
        // Whatever happens, a panic too, nobody finds an entry behind which nobody works.
        let guard = Forget { order: self, is_done: false };
        let Ok(_permit) = permits.acquire_owned().await else { return };
        let Some(outcome) = work(&guard.order).await else { return };
        guard.finish(outcome, &sender);
    }

    /// Whether somebody still wants it.
    pub(super) fn is_wanted(&self) -> bool {
        let open = self.open.lock();
        open.entries.get(&self.question).is_some_and(|entry| entry.asked.elapsed() < UNASKED)
    }
}

struct Forget {
    order: Order,
    is_done: bool,
}

impl Forget {
    fn finish(mut self, outcome: Outcome, sender: &watch::Sender<Option<Outcome>>) {
        let mut open = self.order.open.lock();
        match &outcome {
            Ok(answer) => open.keep(&self.order.question, answer.rows()),
            // Whoever asks after this is a new try.
            Err(_) => _ = open.entries.remove(&self.order.question),
        }
        drop(open);
        self.is_done = true;
        sender.send_replace(Some(outcome));
    }
}

impl Drop for Forget {
    fn drop(&mut self) {
        if !self.is_done {
            self.order.open.lock().entries.remove(&self.order.question);
        }
    }
}

impl Open {
    /// Keeps an answer, and forgets those that were not asked for the longest time.
    fn keep(&mut self, question: &Question, rows: usize) {
        if let Some(entry) = self.entries.get_mut(question) {
            entry.rows = rows;
            self.rows += rows;
        }
        while self.rows > ROWS_MAX {
            let done = self.entries.iter().filter(|(_, entry)| entry.rows > 0);
            let Some(oldest) = done.min_by_key(|(_, entry)| entry.asked).map(|(one, _)| one.clone()) else {
                return;
            };
            self.rows -= self.entries.remove(&oldest).map_or(0, |entry| entry.rows);
        }
    }
}
