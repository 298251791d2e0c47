//! The thread of one slot: takes the transactional id, and puts what waits into transactions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tandem_model::PartitionId;
use tandem_storage::{Appended, Result, StoreError, StoredReceipt};
use uuid::Uuid;

use super::transaction::{Failure, Transactions};
use super::{Job, Shared, SlotState, Waiting};
use crate::receipts::{self, Kept};

/// A transaction holds no more than this, even if more waits, in bytes: an append should not wait
/// for the work of too many others.
const GROUP_BYTES: usize = 16 << 20;
/// And no more appends.
const GROUP: usize = 1_000;
/// How often an idle client is listened to.
const TEND_EVERY: Duration = Duration::from_millis(500);
/// The pause before a failed transaction is tried again; doubles up to the longest. Partly random:
/// two gateways that want the same slot must not go on fencing each other in step. The first is
/// about what a transaction takes, so that whoever took the slot gets something done.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(640));
/// How long a transaction under way may take beyond the time of its appends: it is better to know.
const COMMIT_GRACE: Duration = Duration::from_secs(3);

pub(super) struct Worker {
    shared: Arc<Shared>,
    slot: u32,
    state: Arc<SlotState>,
    jobs: Receiver<Job>,
    held: Option<Held>,
    pause: Duration,
}

/// The transactional id, taken.
struct Held {
    transactions: Transactions,
    /// Whether all receipts were read that there were when it was taken: while it is held, nobody
    /// else writes any.
    has_receipts: bool,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, slot: u32, state: Arc<SlotState>, jobs: Receiver<Job>) -> Self {
        Self { shared, slot, state, jobs, held: None, pause: PAUSES.0 }
    }

    /// Carries out jobs until nobody can send any more.
    pub(super) fn run(mut self) {
        loop {
            match self.jobs.recv_timeout(TEND_EVERY) {
                Ok(Job::Append(first)) => {
                    let group = self.gather(*first);
                    self.settle(group);
                }
                Ok(Job::Heal) => {
                    let deadline = Instant::now() + self.shared.settings.append_timeout();
                    if let Err(failure) = self.hold(deadline) {
                        tracing::debug!(slot = self.slot, ?failure, "slot not taken");
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(held) = &self.held {
                        held.transactions.tend();
                        if held.transactions.is_over() {
                            self.let_go();
                        }
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.let_go();
    }

    fn gather(&self, first: Waiting) -> Vec<Waiting> {
        let mut bytes = first.bytes;
        let mut group = vec![first];
        while bytes < GROUP_BYTES
            && group.len() < GROUP
            && let Ok(Job::Append(next)) = self.jobs.try_recv()
        {
            bytes += next.bytes;
            group.push(*next);
        }
        group
    }

    /// Sees to it that everybody in the group is answered.
    fn settle(&mut self, mut left: Vec<Waiting>) {
        let mut last = None;
        loop {
            let now = Instant::now();
            for late in left.extract_if(.., |waiting| waiting.deadline <= now) {
                let error = last.clone().unwrap_or_else(|| {
                    StoreError::Unavailable("too many appends wait for the log".to_owned())
                });
                late.answer(Err(error));
            }
            let Some(deadline) = left.iter().map(|waiting| waiting.deadline).max() else { return };
            match self.attempt(&mut left, deadline) {
                Ok(()) => self.pause = PAUSES.0,
                Err(failure) => {
                    last = Some(self.recover(failure, &mut left, deadline));
                    if !left.is_empty() {
                        self.rest(deadline);
                    }
                }
            }
        }
    }

    /// One transaction of those in `left` that can share one. Whoever is answered is taken out.
    fn attempt(&mut self, left: &mut Vec<Waiting>, deadline: Instant) -> std::result::Result<(), Attempted> {
        self.hold(deadline).map_err(Attempted::Before)?;
        if left.iter().any(|waiting| waiting.receipt.is_some()) {
            self.read_receipts(deadline).map_err(|error| Attempted::Before(Failure::Undone(error)))?;
        }
        let mut keys = BTreeSet::new();
        let mut group = Vec::new();
        let mut later = Vec::new();
        for waiting in left.drain(..) {
            let kept = match &waiting.receipt {
                None => Ok(Kept::None),
                // The same key once more: it finds the receipt of the first, in the next transaction.
                Some((key, _)) if !keys.insert(key.hash) => {
                    later.push(waiting);
                    continue;
                }
                Some((key, receipt)) => self.shared.receipts.kept(key, receipt, deadline),
            };
            match kept {
                Ok(Kept::None) => group.push(waiting),
                Ok(Kept::Done(stored)) => waiting.answer(Ok(stored.appended)),
                Ok(Kept::Other) => waiting.answer(Err(StoreError::Unavailable(
                    "the idempotency key was used for another body just now".to_owned(),
                ))),
                Err(error) => waiting.answer(Err(error)),
            }
        }
        *left = later;
        if group.is_empty() {
            return Ok(());
        }
        let held = self.held.as_ref().expect("it was taken above");
        match transact(&self.shared, &held.transactions, &group, deadline) {
            Ok(done) => {
                for (waiting, (appended, receipt_offset)) in group.into_iter().zip(done) {
                    if let (Some((key, receipt)), Some(offset)) = (&waiting.receipt, receipt_offset) {
                        let stored = StoredReceipt { receipt: receipt.clone(), appended: appended.clone() };
                        self.shared.receipts.wrote(key, offset, stored);
                    }
                    self.shared.appended(&appended);
                    waiting.answer(Ok(appended));
                }
                Ok(())
            }
            Err(failure) => {
                left.splice(..0, group);
                Err(Attempted::Within(failure))
            }
        }
    }

    /// Decides what becomes of a group whose transaction failed; answers why it failed.
    fn recover(&mut self, failed: Attempted, left: &mut Vec<Waiting>, deadline: Instant) -> StoreError {
        let (failure, was_begun) = match failed {
            Attempted::Before(failure) => (failure, false),
            Attempted::Within(failure) => (failure, true),
        };
        match failure {
            Failure::Fenced(error) => {
                tracing::debug!(slot = self.slot, %error, "slot lost to another process");
                self.let_go();
                error
            }
            Failure::Undone(error) => {
                if was_begun {
                    self.give_up(deadline);
                } else {
                    self.let_go();
                }
                error
            }
            Failure::Refused(error) => {
                if was_begun {
                    self.give_up(deadline);
                } else {
                    self.let_go();
                }
                for waiting in left.drain(..) {
                    waiting.answer(Err(error.clone()));
                }
                error
            }
            Failure::Unknown(error) => {
                // Taking the id again ends it one way or the other. Then receipts tell which; without
                // one nobody can.
                self.let_go();
                let error = match error {
                    StoreError::Timeout(text)
                    | StoreError::Unavailable(text)
                    | StoreError::Refused(text)
                    | StoreError::Lost(text)
                    | StoreError::Damaged(text) => StoreError::Timeout(text),
                };
                for waiting in left.extract_if(.., |waiting| waiting.receipt.is_none()) {
                    waiting.answer(Err(error.clone()));
                }
                error
            }
        }
    }

    /// Makes sure that this process has the transactional id, as far as it knows.
    fn hold(&mut self, deadline: Instant) -> std::result::Result<(), Failure> {
        if self.held.as_ref().is_some_and(|held| held.transactions.is_over()) {
            self.let_go();
        }
        if self.held.is_none() {
            let id = self.shared.transactional_id(self.slot);
            let name = format!("{}.{}", self.shared.purpose, self.slot);
            let transactions =
                Transactions::new(&self.shared.settings, &name, &id).map_err(Failure::Refused)?;
            transactions.take(deadline)?;
            self.held = Some(Held { transactions, has_receipts: false });
            self.state.is_held.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn read_receipts(&mut self, deadline: Instant) -> Result<()> {
        let held = self.held.as_mut().expect("receipts are read by whoever holds the slot");
        if !held.has_receipts {
            self.shared.receipts.read_on(self.slot, deadline)?;
            held.has_receipts = true;
        }
        Ok(())
    }

    /// Gives up a transaction that was begun.
    fn give_up(&mut self, deadline: Instant) {
        let Some(held) = &self.held else { return };
        if let Err(failure) = held.transactions.abort(deadline) {
            // Whoever takes the id next does it.
            tracing::debug!(slot = self.slot, ?failure, "transaction not given up");
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        self.state.is_held.store(false, Ordering::Relaxed);
        if let Some(held) = self.held.take() {
            // Ending a client whose broker is away takes its time.
            let ended = std::thread::Builder::new().name("kafka-end".to_owned());
            if let Err(error) = ended.spawn(move || drop(held)) {
                tracing::warn!(%error, "no thread to end a client");
            }
        }
    }

    fn rest(&mut self, deadline: Instant) {
        let longest = self.pause.as_micros() as u64;
        let random = Uuid::new_v4().as_u128() as u64 % longest.max(1);
        let pause = self.pause + Duration::from_micros(random);
        self.pause = (self.pause * 2).min(PAUSES.1);
        std::thread::sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
    }
}

/// Where an attempt failed.
enum Attempted {
    /// Before a transaction was begun.
    Before(Failure),
    Within(Failure),
}

impl Waiting {
    fn answer(self, outcome: Result<Appended>) {
        // Whoever asked may be gone.
        let mut waiting = self;
        let (closed, _) = tokio::sync::oneshot::channel();
        let answer = std::mem::replace(&mut waiting.answer, closed);
        let _ = answer.send(outcome);
    }
}

/// Writes a group in one transaction; answers for each where its records ended, and the offset of its
/// receipt.
fn transact(
    shared: &Shared,
    transactions: &Transactions,
    group: &[Waiting],
    deadline: Instant,
) -> std::result::Result<Vec<(Appended, Option<u64>)>, Failure> {
    // Per append and partition, the last record: where that stands, the append ends.
    let lasts: Vec<BTreeMap<PartitionId, usize>> = group
        .iter()
        .map(|waiting| {
            let records = waiting.records.iter().enumerate();
            records.map(|(index, record)| (record.partition, index)).collect()
        })
        .collect();
    let tags = lasts.iter().map(BTreeMap::len).sum::<usize>() + group.len();
    let is_records_only = group.iter().all(|waiting| waiting.receipt.is_none());
    transactions.begin(tags)?;
    let mut tag = 0;
    for (waiting, last) in group.iter().zip(&lasts) {
        for (index, record) in waiting.records.iter().enumerate() {
            let is_last = last.get(&record.partition) == Some(&index);
            transactions.send_record(record, is_last.then_some(tag), deadline)?;
            tag += usize::from(is_last);
        }
    }
    let offsets = transactions.flush(deadline)?;
    let mut offsets = offsets.into_iter();
    let mut all_appended = Vec::with_capacity(group.len());
    for (waiting, last) in group.iter().zip(&lasts) {
        // Tags were given in the order of the records.
        let mut ordered: Vec<(usize, PartitionId)> =
            last.iter().map(|(partition, index)| (*index, *partition)).collect();
        ordered.sort_unstable();
        let mut next = Vec::with_capacity(ordered.len());
        for (_, partition) in ordered {
            let offset = offsets.next().flatten().ok_or_else(|| no_offset(waiting))?;
            next.push((partition, offset + 1));
        }
        next.sort_unstable();
        all_appended.push(Appended { next });
    }
    let mut receipt_tags = Vec::with_capacity(group.len());
    for (waiting, appended) in group.iter().zip(&all_appended) {
        receipt_tags.push(waiting.receipt.as_ref().map(|_| tag));
        if let Some((key, receipt)) = &waiting.receipt {
            let stored = StoredReceipt { receipt: receipt.clone(), appended: appended.clone() };
            let message = (&key.bytes[..], &receipts::encode(&stored)[..]);
            transactions.send_to(&shared.settings.receipts_topic, key.slot, message, tag, deadline)?;
            tag += 1;
        }
    }
    let offsets = if is_records_only { Vec::new() } else { transactions.flush(deadline)? };
    transactions.commit(deadline + COMMIT_GRACE)?;
    let receipt_offset = |tag: Option<usize>| tag.and_then(|tag| offsets.get(tag).copied().flatten());
    Ok(all_appended.into_iter().zip(receipt_tags.into_iter().map(receipt_offset)).collect())
}

fn no_offset(waiting: &Waiting) -> Failure {
    let records = waiting.records.len();
    Failure::Undone(StoreError::Unavailable(format!("no word on where {records} records were written")))
}
