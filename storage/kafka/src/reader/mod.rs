//! Reading the log, partition by partition, from wherever the caller wants.
//!
//! Positions are our own (they stand in snapshots and stores), so no consumer group takes part: one
//! client is told which partitions to fetch from where, and everything it fetches is taken over by
//! one thread ([`fetch`]), decoded, and kept in a bounded [`Window`] per partition. A caller who goes
//! on where it left off finds the next records there; one who goes elsewhere moves the window. A
//! partition that nobody reads any more is let go.
//!
//! **The end.** Kafka's end of a partition (the last stable offset) lies behind the markers of
//! transactions, so a reader who stands at the last record can't tell from it whether there is more
//! to come. Whoever reaches the end for the first time gets a certain answer: a look of its own
//! ([`Lookup::first_from`]), some milliseconds. Whoever was told so and follows the end from then on
//! is told "nothing yet" as long as nothing was fetched and the ends announce nothing: what comes is
//! fetched at once and announced.

mod fetch;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tandem_model::{PartitionId, Record};
use tandem_storage::{Result, StoreError};
use tokio::sync::Notify;

use crate::Settings;
use crate::ends::{Ends, Pulse};
use crate::lookup::Lookup;
use window::{Found, Trouble, Window};

/// Records that are on their way are waited for that long before a look is made.
const UNDER_WAY: Duration = Duration::from_millis(20);
/// A partition that nobody reads is let go after this.
const IDLE: Duration = Duration::from_secs(60);

/// Reads the topic of events.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    lookup: Arc<Lookup>,
    pulse: Arc<Pulse>,
    /// Per partition the offset after the last record that was appended from here: it is there.
    appended: Arc<Ends>,
    turns: Vec<tokio::sync::Mutex<()>>,
    has_thread: Mutex<bool>,
}

/// What the thread shares with the callers.
struct Shared {
    settings: Settings,
    ends: Arc<Ends>,
    partitions: Vec<Partition>,
    thread: Mutex<Option<Thread>>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct Partition {
    window: Mutex<Window>,
    filled: Notify,
}

impl Shared {
    fn wake(&self) {
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }
}

impl Reader {
    pub(crate) fn new(
        settings: &Settings,
        partitions: u32,
        ends: Arc<Ends>,
        appended: Arc<Ends>,
        pulse: Arc<Pulse>,
        lookup: Arc<Lookup>,
    ) -> Self {
        let shared = Shared {
            settings: settings.clone(),
            ends,
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
            thread: Mutex::new(None),
            is_over: AtomicBool::new(false),
        };
        let turns = (0..partitions).map(|_| tokio::sync::Mutex::default()).collect();
        Self { shared: Arc::new(shared), lookup, pulse, appended, turns, has_thread: Mutex::new(false) }
    }

    /// Whether somebody reads the partition.
    pub(crate) fn is_read(&self, partition: u32) -> bool {
        self.shared.partitions[partition as usize].window.lock().is_wanted
    }

    /// See [`tandem_storage::EventLog::read`].
    pub(crate) async fn read(
        &self,
        PartitionId(number): PartitionId,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<(u64, Record)>> {
        self.pulse.check()?;
        self.start_thread()?;
        let partition = &self.shared.partitions[number as usize];
        let _turn = self.turns[number as usize].lock().await;
        let deadline = Instant::now() + self.shared.settings.request_timeout();
        let known_end = self.shared.ends.of(number);
        let appended = self.appended.of(number);
        partition.window.lock().move_to(from);
        self.shared.wake();

        let (mut records, mut bytes) = (Vec::new(), 0);
        let mut look_at = Instant::now() + UNDER_WAY;
        loop {
            let filled = partition.filled.notified();
            tokio::pin!(filled);
            filled.as_mut().enable();
            let (found, next, is_followed) = {
                let mut window = partition.window.lock();
                let found = window.take(&mut records, &mut bytes, bytes_max);
                (found, window.next, window.is_followed(known_end))
            };
            self.shared.wake();
            match found {
                Found::Trouble(trouble) => return Err(self.explain(number, from, trouble).await),
                Found::Enough => return Ok(records),
                // What was appended from here is there, and will come.
                Found::Everything if next < appended => {}
                Found::Everything if !records.is_empty() || is_followed => return Ok(records),
                Found::Everything if Instant::now() >= look_at => {
                    match self.look(number, from, deadline).await? {
                        None => {
                            let mut window = partition.window.lock();
                            window.take(&mut records, &mut bytes, bytes_max);
                            if records.is_empty() {
                                window.settle(known_end);
                            }
                            return Ok(records);
                        }
                        // There is more: it is only a matter of time.
                        Some(_) => look_at = deadline,
                    }
                }
                Found::Everything => {}
            }
            let now = Instant::now();
            if now >= deadline {
                if records.is_empty() {
                    return Err(StoreError::Unavailable(format!(
                        "the records of partition {number} from offset {from} on did not come in time"
                    )));
                }
                return Ok(records);
            }
            let until = if now < look_at { look_at.min(deadline) } else { deadline };
            // Either way there is something to look at.
            let _ = tokio::time::timeout_at(until.into(), filled).await;
        }
    }

    /// The first record at or after `from`, for certain.
    async fn look(&self, partition: u32, from: u64, deadline: Instant) -> Result<Option<u64>> {
        let (lookup, topic) = (self.lookup.clone(), self.shared.settings.events_topic.clone());
        blocking(move || lookup.first_from(&topic, partition, from, deadline)).await
    }

    /// Finds words for what went wrong with the place `from`.
    async fn explain(&self, partition: u32, from: u64, trouble: Trouble) -> StoreError {
        if let Trouble::Failed(error) = trouble {
            return error;
        }
        let (lookup, topic) = (self.lookup.clone(), self.shared.settings.events_topic.clone());
        let explained = blocking(move || Ok(lookup.out_of_range(&topic, partition, from))).await;
        explained.unwrap_or_else(|error| error)
    }

    fn start_thread(&self) -> Result<()> {
        let mut has_thread = self.has_thread.lock();
        if !*has_thread {
            fetch::start(self.shared.clone())?;
            *has_thread = true;
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.shared.wake();
    }
}

/// Does what blocks where that is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}
