//! Appending: what one call appends, and its receipt, become one Kafka transaction.
//!
//! # Slots
//!
//! A transactional id is used by one process at a time: whoever initialises it last *fences* the one
//! before, whose transaction under way is given up. All processes of one purpose share a fixed set of
//! ids, `<prefix>.<purpose>.append.<slot>`, and an append with a receipt goes through the slot that
//! follows from its key ([`crate::receipts`] says why). So a slot wanders between gateways, at the
//! price of some 20 ms each time; appends that wait for the same slot share a transaction and that
//! price. An append without a receipt goes through a slot that this process holds anyway.
//!
//! # A writer that dies
//!
//! Records of an unfinished transaction hide everything that was appended after them (to the same
//! partitions), from all readers. A fixed set of ids is the remedy: the next append through that slot,
//! by whomever, ends the transaction at once; so does a restart of the same process. Nobody there, and
//! Kafka ends it after `transaction_timeout_ms`, plus up to its own
//! `transaction.abort.timed.out.transaction.cleanup.interval.ms` (10 s by default). Gateways that live
//! look for that: see [`Appender::heal`].

mod slot;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tandem_model::PartitionId;
use tandem_storage::{Append, Appended, Receipt, Result, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use crate::Settings;
use crate::ends::Ends;
use crate::receipts::{Key, Receipts};
use crate::record::Outgoing;
use slot::Worker;

/// What an append costs beside its bytes, so that the number of those that wait is bounded, too.
const APPEND_BYTES: usize = 4 << 10;
/// An append of more than this is prepared on a thread for blocking calls, in bytes.
const INLINE_BYTES_MAX: usize = 64 << 10;
/// Beyond its time, an append is waited for that long: a transaction that is being committed should be
/// known to be.
const GRACE: Duration = Duration::from_secs(5);

/// Appends to the log.
pub(crate) struct Appender {
    shared: Arc<Shared>,
    waiting_bytes: Arc<Semaphore>,
    slots: Vec<Slot>,
    /// The slot this process takes when it holds none.
    home: usize,
}

struct Shared {
    settings: Settings,
    purpose: String,
    partitions: u32,
    receipts: Arc<Receipts>,
    /// The ends, as everybody knows them, and those of what was appended from here.
    ends: [Arc<Ends>; 2],
}

#[derive(Default)]
struct Slot {
    jobs: Mutex<Option<Sender<Job>>>,
    state: Arc<SlotState>,
}

/// What the slot's thread tells about itself.
#[derive(Default)]
struct SlotState {
    /// Whether this process has taken it and heard nothing of having been fenced.
    is_held: AtomicBool,
    /// Appends that wait or are under way.
    jobs: AtomicU32,
}

/// What a slot's thread is asked to do.
enum Job {
    Append(Box<Waiting>),
    /// Take the slot if somebody else has it, to end what they left.
    Heal,
}

/// An append that waits.
struct Waiting {
    records: Vec<Outgoing>,
    bytes: usize,
    receipt: Option<(Key, Receipt)>,
    deadline: Instant,
    answer: oneshot::Sender<Result<Appended>>,
    state: Arc<SlotState>,
    /// Its share of what may wait; given back when it is answered.
    _permit: OwnedSemaphorePermit,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.state.jobs.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Appender {
    pub(crate) fn new(
        settings: &Settings,
        purpose: String,
        partitions: u32,
        receipts: Arc<Receipts>,
        ends: [Arc<Ends>; 2],
    ) -> Self {
        let slots: Vec<Slot> = (0..settings.slots).map(|_| Slot::default()).collect();
        let home = Uuid::new_v4().as_u128() as usize % slots.len();
        let waiting_bytes = Arc::new(Semaphore::new(settings.append_waiting_bytes_max));
        let shared = Arc::new(Shared { settings: settings.clone(), purpose, partitions, receipts, ends });
        Self { shared, waiting_bytes, slots, home }
    }

    /// See [`tandem_storage::EventLog::append`].
    pub(crate) async fn append(&self, append: Append) -> Result<Appended> {
        for (partition, _) in &append.records {
            if partition.0 >= self.shared.partitions {
                return Err(StoreError::Refused(format!("the log has no partition {partition}")));
            }
        }
        if append.records.is_empty() && append.receipt.is_none() {
            return Ok(Appended::default());
        }
        let settings = &self.shared.settings;
        let deadline = Instant::now() + settings.append_timeout();
        let bytes: usize = append.records.iter().map(|(_, record)| record.value.len() + 128).sum();
        // A single append may be larger than everything that may wait; then it waits alone.
        let permits = (APPEND_BYTES + bytes).min(settings.append_waiting_bytes_max);
        let place = self.waiting_bytes.clone().acquire_many_owned(permits as u32);
        let permit = match tokio::time::timeout_at(deadline.into(), place).await {
            Ok(permit) => permit.map_err(|_| StoreError::Unavailable("the log is closed".to_owned()))?,
            Err(_) => return Err(StoreError::Unavailable("too many appends wait for the log".to_owned())),
        };
        let Append { records, receipt } = append;
        let prepare = move || -> Result<Vec<Outgoing>> {
            records.into_iter().map(|(partition, record)| Outgoing::new(partition, record)).collect()
        };
        let records =
            if bytes > INLINE_BYTES_MAX { crate::reader::blocking(prepare).await? } else { prepare()? };
        let receipt = match receipt {
            Some(receipt) => Some((self.shared.receipts.key(&receipt.scope, &receipt.key)?, receipt)),
            None => None,
        };
        let slot = receipt.as_ref().map_or_else(|| self.any_slot(), |(key, _)| key.slot as usize);
        let state = self.slots[slot].state.clone();
        state.jobs.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { records, bytes, receipt, deadline, answer, state, _permit: permit };
        self.send(slot, Job::Append(Box::new(waiting)))?;
        let unknown = || StoreError::Timeout("nobody knows whether the append was done".to_owned());
        match tokio::time::timeout_at((deadline + GRACE).into(), answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(unknown()),
        }
    }

    /// Ends what a writer that died has left in any slot, by taking those that are not held here.
    pub(crate) fn heal(&self) {
        for (index, slot) in self.slots.iter().enumerate() {
            if !slot.state.is_held.load(Ordering::Relaxed) && self.send(index, Job::Heal).is_err() {
                return;
            }
        }
    }

    /// The slot for an append that any slot will do for: of those that are held the one with the
    /// least to do. Taking one from another gateway would cost both of them more than waiting.
    fn any_slot(&self) -> usize {
        let held =
            self.slots.iter().enumerate().filter(|(_, slot)| slot.state.is_held.load(Ordering::Relaxed));
        let idlest = held.min_by_key(|(_, slot)| slot.state.jobs.load(Ordering::Relaxed));
        idlest.map_or(self.home, |(index, _)| index)
    }

    fn send(&self, slot: usize, job: Job) -> Result<()> {
        let gone = || StoreError::Unavailable("the log's writer has stopped".to_owned());
        let mut jobs = self.slots[slot].jobs.lock();
        let sender = match &*jobs {
            Some(sender) => sender,
            None => {
                let (sender, receiver) = mpsc::channel();
                let state = self.slots[slot].state.clone();
                let worker = Worker::new(self.shared.clone(), slot as u32, state, receiver);
                std::thread::Builder::new()
                    .name(format!("kafka-append-{slot}"))
                    .spawn(move || worker.run())
                    .map_err(|error| StoreError::Unavailable(format!("starting a thread: {error}")))?;
                jobs.insert(sender)
            }
        };
        sender.send(job).map_err(|_| gone())
    }
}

impl Shared {
    /// Notes how far an append went.
    fn appended(&self, appended: &Appended) {
        for ends in &self.ends {
            ends.raise(appended.next.iter().map(|(PartitionId(partition), next)| (*partition, *next)));
        }
    }

    fn transactional_id(&self, slot: u32) -> String {
        format!("{}.{}.append.{slot}", self.settings.prefix, self.purpose)
    }
}
