//! What a node knows of its stores' health, so that one that hangs does not cost every read its
//! full patience, and one that stands still does not pass for one that is up to date.
//!
//! - A store that failed, or took too long where the other one can answer, is not asked for a
//!   moment ([`AWAY`]).
//! - A hot store can be readable and no longer written (it is full, or the writer can't reach it).
//!   Its sessions are right as of its progress, but stay there. So now and then the row store's
//!   progress is noted beside the reads; a hot store that has not come as far as that was a while
//!   ago ([`BEHIND`]) counts as away.
//! - While a partition is computed again, what is there is known to be wrong: readers of it are sent
//!   to the other chain.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tandem_model::PartitionId;
use tandem_storage::{Result, StoreError};
use tokio::time::{Instant, timeout};

/// How long one look into the hot store may take. It is there to be fast: one that is not, is
/// better left out.
pub(crate) const HOT_LOOK: Duration = Duration::from_millis(50);
/// How long one look into the row store may take where the hot store has an answer, too.
pub(crate) const ROWS_LOOK: Duration = Duration::from_millis(100);
/// How long a store that failed is left alone.
const AWAY: Duration = Duration::from_millis(500);
/// How often it is looked up whether a partition is being repaired.
const REPAIR_LOOK: Duration = Duration::from_millis(500);
/// By how much the hot store may be behind the row store.
const BEHIND: Duration = Duration::from_millis(500);

/// The health of one chain's stores, as its readers see it.
pub(crate) struct Health {
    pub(crate) hot: Breaker,
    pub(crate) rows: Breaker,
    pub(crate) log: Breaker,
    marks: Vec<Mutex<Marks>>,
    tails: Vec<Mutex<Tail>>,
    repairs: Vec<Mutex<Repair>>,
}

impl Health {
    pub(crate) fn new(partitions: u32) -> Self {
        Self {
            hot: Breaker::new(),
            rows: Breaker::new(),
            log: Breaker::new(),
            marks: (0..partitions).map(|_| Mutex::default()).collect(),
            tails: (0..partitions).map(|_| Mutex::default()).collect(),
            repairs: (0..partitions).map(|_| Mutex::default()).collect(),
        }
    }

    /// Whether the row store's progress should be noted now. Whoever is told so does it.
    pub(crate) fn is_mark_due(&self, partition: PartitionId) -> bool {
        let Some(marks) = self.marks.get(partition.0 as usize) else { return false };
        let mut marks = marks.lock();
        let is_due = marks.asked_at.is_none_or(|at| at.elapsed() >= BEHIND);
        if is_due {
            marks.asked_at = Some(Instant::now());
        }
        is_due
    }

    /// Whether it should be looked up now if a partition is being repaired. Whoever is told so does
    /// it.
    pub(crate) fn is_repair_look_due(&self, partition: PartitionId) -> bool {
        let Some(repair) = self.repairs.get(partition.0 as usize) else { return false };
        let mut repair = repair.lock();
        let is_due = repair.asked_at.is_none_or(|at| at.elapsed() >= REPAIR_LOOK);
        if is_due {
            repair.asked_at = Some(Instant::now());
        }
        is_due
    }

    /// Notes whether a partition is being repaired.
    pub(crate) fn note_repair(&self, partition: PartitionId, is_under_way: bool) {
        if let Some(repair) = self.repairs.get(partition.0 as usize) {
            repair.lock().is_under_way = is_under_way;
        }
    }

    /// Whether a partition is being repaired, as far as is known.
    pub(crate) fn is_repairing(&self, partition: PartitionId) -> bool {
        self.repairs.get(partition.0 as usize).is_some_and(|repair| repair.lock().is_under_way)
    }

    /// Notes how far the row store is.
    pub(crate) fn note_rows(&self, partition: PartitionId, next: u64) {
        let Some(marks) = self.marks.get(partition.0 as usize) else { return };
        let mut marks = marks.lock();
        let now = Instant::now();
        match marks.latest {
            Some((at, _)) if now - at < BEHIND => {}
            latest => {
                marks.older = latest.map_or(0, |(_, next)| next);
                marks.latest = Some((now, next));
            }
        }
    }

    /// Whether a hot store that reflects the log up to `next` is too far behind the row store.
    pub(crate) fn is_behind(&self, partition: PartitionId, next: u64) -> bool {
        self.marks.get(partition.0 as usize).is_some_and(|marks| next < marks.lock().older)
    }

    /// Whether the log is known to hold no record from `next` up to `end`.
    pub(crate) fn is_empty(&self, partition: PartitionId, next: u64, end: u64) -> bool {
        self.tails.get(partition.0 as usize).is_some_and(|tail| *tail.lock() == Tail { next, end })
    }

    /// Notes that the log holds no record from `next` up to `end`.
    pub(crate) fn note_empty(&self, partition: PartitionId, next: u64, end: u64) {
        if let Some(tail) = self.tails.get(partition.0 as usize) {
            *tail.lock() = Tail { next, end };
        }
    }
}

/// Whether a partition is being repaired.
#[derive(Default)]
struct Repair {
    asked_at: Option<Instant>,
    is_under_way: bool,
}

/// How far the row store was.
#[derive(Default)]
struct Marks {
    asked_at: Option<Instant>,
    latest: Option<(Instant, u64)>,
    /// At least [`BEHIND`] before the latest.
    older: u64,
}

/// A stretch at the end of the log without records.
#[derive(Default, PartialEq, Eq)]
struct Tail {
    next: u64,
    end: u64,
}

/// Leaves a store alone for a moment after it failed.
pub(crate) struct Breaker {
    since: Instant,
    /// Open until then, in milliseconds after `since`.
    until_ms: AtomicU64,
}

impl Breaker {
    fn new() -> Self {
        Self { since: Instant::now(), until_ms: AtomicU64::new(0) }
    }

    /// Whether the store is better not asked.
    pub(crate) fn is_open(&self) -> bool {
        // Nearly always 0: then the time need not be known.
        let until_ms = self.until_ms.load(Ordering::Relaxed);
        until_ms > 0 && self.elapsed_ms() < until_ms
    }

    /// Makes a call that may take `limit`, unless the store is better not asked. What comes of it
    /// decides whether the next one is made.
    pub(crate) async fn call<T>(&self, limit: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.is_open() {
            return Err(StoreError::Unavailable("it failed a moment ago".to_owned()));
        }
        let late = |_| Err(StoreError::Timeout(format!("no answer within {} ms", limit.as_millis())));
        let outcome = timeout(limit, call).await.unwrap_or_else(late);
        let until_ms = match &outcome {
            Ok(_) => 0,
            Err(error) => {
                tracing::warn!(%error, "a store is left out for a moment");
                self.elapsed_ms() + AWAY.as_millis() as u64
            }
        };
        if self.until_ms.load(Ordering::Relaxed) != until_ms {
            self.until_ms.store(until_ms, Ordering::Relaxed);
        }
        outcome
    }

    fn elapsed_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }
}
