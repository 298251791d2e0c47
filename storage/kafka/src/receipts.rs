//! Receipts: which idempotency keys were used, and what was answered.
//!
//! A receipt is a message in the receipts topic, written in the same transaction as the records it
//! stands for. Its partition is its *slot*: every append with that key goes through the transactional
//! id of that slot, so of two gateways with the same key at the same time one comes after the other,
//! and finds what the first has written.
//!
//! ```text
//! key:   length of the scope u16, big-endian | scope | key
//! value: version u8 | StoredReceipt (Postcard)
//! ```
//!
//! In memory there is an index per slot: 128-bit hash of the key → offset. It is read up to the end of
//! the partition before a key is said to be unused; a receipt itself is fetched when it is asked for,
//! which is seldom. All records of the topic are in transactions of one writer at a time, so a
//! readable one is always followed by a marker: an end of one beyond what was read means that there is
//! nothing new.
//!
//! **Forgetting** is a matter of the index: receipts written before the given moment count as absent
//! in this process from then on. The topic's own retention removes them for good; no tombstones are
//! written, which all gateways would write for the same keys.

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::message::Message;
use siphasher::sip128::{Hasher128, SipHasher24};
use tandem_model::partition::partition_of;
use tandem_storage::{Receipt, Result, StoreError, StoredReceipt};
use uuid::Uuid;

use crate::Settings;
use crate::lookup::{From, Lookup};

const VERSION: u8 = 1;
/// How many keys are remembered that somebody asked for and did not append yet.
const ASKED_MAX: usize = 65_536;
/// How many receipts are remembered whole that were written from here: Kafka confirms a transaction
/// a moment before it can be read.
const WRITTEN_MAX: usize = 1_024;
/// How long the first reading of a slot may take.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// The receipts of a log.
pub(crate) struct Receipts {
    settings: Settings,
    lookup: Arc<Lookup>,
    /// Keys of the hash: nobody outside can find two keys with the same one.
    hash_keys: (u64, u64),
    slots: Vec<Slot>,
    asked: Mutex<Bounded<Option<u64>>>,
    written: Mutex<Bounded<(u64, StoredReceipt)>>,
}

#[derive(Default)]
struct Slot {
    /// Held by who reads on.
    reading: Mutex<()>,
    index: Mutex<Index>,
}

/// The receipts of one slot, up to `next`.
#[derive(Default)]
struct Index {
    is_loaded: bool,
    /// Everything before is in here.
    next: u64,
    places: HashMap<u128, Place>,
    /// The places in their order, with those that are no longer the latest of their key.
    order: VecDeque<(u64, u128)>,
    /// Receipts written before are none.
    forgotten_before_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    offset: u64,
    written_ms: u64,
}

/// The latest few.
struct Bounded<T> {
    values: HashMap<u128, T>,
    order: VecDeque<u128>,
    max: usize,
}

/// A key, and what follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) bytes: Vec<u8>,
    pub(crate) slot: u32,
    pub(crate) hash: u128,
}

/// What stands in the way of an append.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing.
    None,
    /// It was done before.
    Done(StoredReceipt),
    /// Another body was appended under the same key meanwhile.
    Other,
}

impl Receipts {
    pub(crate) fn new(settings: &Settings, lookup: Arc<Lookup>) -> Self {
        let (high, low) = Uuid::new_v4().as_u64_pair();
        let slots = (0..settings.slots).map(|_| Slot::default()).collect();
        let asked = Mutex::new(Bounded::new(ASKED_MAX));
        let written = Mutex::new(Bounded::new(WRITTEN_MAX));
        Self { settings: settings.clone(), lookup, hash_keys: (high, low), slots, asked, written }
    }

    pub(crate) fn key(&self, scope: &str, key: &str) -> Result<Key> {
        let length = u16::try_from(scope.len())
            .map_err(|_| StoreError::Refused(format!("a scope of {} bytes is too long", scope.len())))?;
        let mut bytes = Vec::with_capacity(2 + scope.len() + key.len());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(scope.as_bytes());
        bytes.extend_from_slice(key.as_bytes());
        let slot = partition_of(&bytes, self.settings.slots).0;
        let hash = self.hash(&bytes);
        Ok(Key { bytes, slot, hash })
    }

    fn hash(&self, key: &[u8]) -> u128 {
        let mut hasher = SipHasher24::new_with_keys(self.hash_keys.0, self.hash_keys.1);
        hasher.write(key);
        hasher.finish128().as_u128()
    }

    /// The receipt under a key, as of now. Blocks.
    pub(crate) fn find(&self, key: &Key) -> Result<Option<StoredReceipt>> {
        let deadline = Instant::now() + self.settings.request_timeout();
        self.read_on(key.slot, deadline)?;
        let place = self.slots[key.slot as usize].index.lock().places.get(&key.hash).copied();
        let found = match place {
            Some(place) => self.fetch(key, place, deadline)?,
            None => None,
        };
        self.asked.lock().put(key.hash, found.as_ref().and(place).map(|place| place.offset));
        Ok(found)
    }

    /// What stands in the way of appending `receipt`, if everything was read that there is. Blocks.
    ///
    /// A receipt that is kept and equal in every field: it is the same append once more. One that is
    /// not equal is replaced, if the caller knew of it; if not, somebody else has used the key since
    /// the caller asked, with the same body (then that was this append) or with another.
    pub(crate) fn kept(&self, key: &Key, receipt: &Receipt, deadline: Instant) -> Result<Kept> {
        let place = self.slots[key.slot as usize].index.lock().places.get(&key.hash).copied();
        let Some(place) = place else { return Ok(Kept::None) };
        let Some(stored) = self.fetch(key, place, deadline)? else { return Ok(Kept::None) };
        if stored.receipt == *receipt {
            return Ok(Kept::Done(stored));
        }
        let was_known =
            self.asked.lock().values.get(&key.hash).is_none_or(|told| *told == Some(place.offset));
        Ok(match was_known {
            true => Kept::None,
            false if stored.receipt.fingerprint == receipt.fingerprint => Kept::Done(stored),
            false => Kept::Other,
        })
    }

    /// Notes a receipt that was written from here, by whoever holds the slot and had read everything
    /// when they took it.
    pub(crate) fn wrote(&self, key: &Key, offset: u64, stored: StoredReceipt) {
        let written_ms = stored.receipt.written_ms;
        let mut index = self.slots[key.slot as usize].index.lock();
        index.put(key.hash, Place { offset, written_ms }, self.places_max());
        if index.is_loaded {
            index.next = index.next.max(offset + 1);
        }
        drop(index);
        self.written.lock().put(key.hash, (offset, stored));
        self.asked.lock().remove(key.hash);
    }

    pub(crate) fn forget(&self, written_before_ms: u64) {
        for slot in &self.slots {
            slot.index.lock().forget(written_before_ms);
        }
    }

    /// Reads a slot up to what is its end now. Blocks.
    pub(crate) fn read_on(&self, slot: u32, deadline: Instant) -> Result<()> {
        let topic = &self.settings.receipts_topic;
        let Slot { reading, index } = &self.slots[slot as usize];
        let end = self.lookup.ends(topic, &[slot])?[0];
        let is_read = |index: &Index| index.is_loaded && end <= index.next + 1;
        if is_read(&index.lock()) {
            return Ok(());
        }
        let late = || StoreError::Unavailable(format!("{topic}, partition {slot} is being read"));
        let _reading = reading.try_lock_until(deadline).ok_or_else(late)?;
        let (from, deadline) = {
            let index = index.lock();
            if is_read(&index) {
                return Ok(());
            }
            // The first reading may take longer than anybody waits for it, and need not be done twice.
            match index.is_loaded {
                true => (From::Offset(index.next), deadline),
                false if index.next > 0 => (From::Offset(index.next), Instant::now() + LOAD_TIMEOUT),
                false => (From::Beginning, Instant::now() + LOAD_TIMEOUT),
            }
        };
        let places_max = self.places_max();
        let read = self.lookup.read(topic, slot, from, deadline, |message| {
            let offset = message.offset() as u64;
            let mut index = index.lock();
            if let Some(key) = message.key() {
                match message.payload().map(decode) {
                    Some(Ok(stored)) => {
                        let written_ms = stored.receipt.written_ms;
                        index.put(self.hash(key), Place { offset, written_ms }, places_max);
                    }
                    Some(Err(error)) => tracing::error!(slot, offset, error, "a receipt is unreadable"),
                    None => index.remove(self.hash(key)),
                }
            }
            index.next = index.next.max(offset + 1);
            ControlFlow::Continue(())
        });
        match read {
            Ok(()) => {
                let mut index = index.lock();
                index.is_loaded = true;
                index.next = index.next.max(end);
                Ok(())
            }
            // Retention went past where we stood: what is gone counts no more.
            Err(StoreError::Damaged(reason)) => {
                tracing::warn!(slot, reason, "receipts are read anew");
                let mut index = index.lock();
                let forgotten_before_ms = index.forgotten_before_ms;
                *index = Index { forgotten_before_ms, ..Index::default() };
                Err(StoreError::Unavailable(reason))
            }
            Err(error) => Err(error),
        }
    }

    fn fetch(&self, key: &Key, place: Place, deadline: Instant) -> Result<Option<StoredReceipt>> {
        if let Some((offset, stored)) = self.written.lock().values.get(&key.hash)
            && *offset == place.offset
        {
            return Ok(Some(stored.clone()));
        }
        let topic = &self.settings.receipts_topic;
        let mut found = None;
        self.lookup.read(topic, key.slot, From::Offset(place.offset), deadline, |message| {
            let is_it = message.offset() as u64 == place.offset && message.key() == Some(&key.bytes[..]);
            found = message.payload().filter(|_| is_it).map(decode);
            ControlFlow::Break(())
        })?;
        let damaged = |error| {
            let Place { offset, .. } = place;
            StoreError::Damaged(format!("{topic}, partition {}, offset {offset}: {error}", key.slot))
        };
        found.transpose().map_err(damaged)
    }

    fn places_max(&self) -> usize {
        (self.settings.receipts_max / self.slots.len()).max(1)
    }
}

impl Index {
    fn put(&mut self, hash: u128, place: Place, places_max: usize) {
        if place.written_ms < self.forgotten_before_ms && !self.is_loaded {
            self.places.remove(&hash);
            return;
        }
        self.places.insert(hash, place);
        self.order.push_back((place.offset, hash));
        while self.order.len() > places_max
            && let Some((offset, hash)) = self.order.pop_front()
        {
            if self.places.get(&hash).is_some_and(|place| place.offset == offset) {
                self.places.remove(&hash);
            }
        }
    }

    fn remove(&mut self, hash: u128) {
        self.places.remove(&hash);
    }

    fn forget(&mut self, written_before_ms: u64) {
        self.forgotten_before_ms = self.forgotten_before_ms.max(written_before_ms);
        self.places.retain(|_, place| place.written_ms >= written_before_ms);
        let places = &self.places;
        self.order.retain(|(offset, hash)| places.get(hash).is_some_and(|place| place.offset == *offset));
    }
}

impl<T> Bounded<T> {
    fn new(max: usize) -> Self {
        Self { values: HashMap::new(), order: VecDeque::new(), max }
    }

    fn put(&mut self, hash: u128, value: T) {
        if self.values.insert(hash, value).is_none() {
            self.order.push_back(hash);
        }
        while self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }

    fn remove(&mut self, hash: u128) {
        // Its place in the order is given up when its turn comes.
        self.values.remove(&hash);
    }
}

pub(crate) fn encode(stored: &StoredReceipt) -> Vec<u8> {
    postcard::to_extend(stored, vec![VERSION]).expect("a receipt holds only plain data")
}

fn decode(value: &[u8]) -> std::result::Result<StoredReceipt, &'static str> {
    match value.split_first() {
        Some((&VERSION, stored)) => postcard::from_bytes(stored).map_err(|_| "a receipt can't be decoded"),
        _ => Err("a receipt is of another version"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tandem_model::PartitionId;
    use tandem_storage::Appended;

    use super::*;

    fn place(offset: u64, written_ms: u64) -> Place {
        Place { offset, written_ms }
    }

    #[test]
    fn a_receipt_comes_back_and_another_version_does_not() {
        let receipt = Receipt {
            scope: "scope".to_owned(),
            key: "key".to_owned(),
            fingerprint: u128::MAX - 7,
            answer: Bytes::from_static(b"{}"),
            written_ms: 1,
        };
        let stored = StoredReceipt { receipt, appended: Appended { next: vec![(PartitionId(3), 9)] } };
        let mut value = encode(&stored);
        assert_eq!(decode(&value), Ok(stored));
        assert!(decode(&value[..value.len() - 1]).is_err() && decode(&[]).is_err());
        value[0] += 1;
        assert!(decode(&value).is_err());
    }

    #[test]
    fn the_latest_receipt_of_a_key_counts_and_the_oldest_go_first() {
        let mut index = Index { is_loaded: true, ..Index::default() };
        for (hash, offset) in [(1, 0), (2, 1), (1, 2), (3, 3)] {
            index.put(hash, place(offset, 10), 3);
        }
        // Of the four places, that of the first was given up; its key has a later one.
        assert_eq!(index.places.get(&1), Some(&place(2, 10)));
        index.put(4, place(4, 10), 3);
        assert_eq!((index.places.get(&2), index.places.len()), (None, 3));
    }

    #[test]
    fn what_is_forgotten_stays_so_also_when_it_is_read_later() {
        let mut index = Index { is_loaded: true, ..Index::default() };
        index.put(1, place(0, 10), 9);
        index.put(2, place(1, 20), 9);
        index.put(3, place(2, 10), 9);
        index.put(3, place(3, 30), 9);
        index.forget(20);
        let mut kept: Vec<u128> = index.places.keys().copied().collect();
        kept.sort_unstable();
        assert_eq!((kept, index.order.len()), (vec![2, 3], 2));

        let mut unread = Index::default();
        unread.forget(20);
        unread.put(1, place(0, 10), 9);
        unread.put(2, place(1, 20), 9);
        unread.put(2, place(2, 10), 9);
        assert!(unread.places.is_empty());
    }

    #[test]
    fn only_the_latest_few_are_remembered() {
        let mut bounded = Bounded::new(3);
        for hash in 0..5 {
            bounded.put(hash, hash);
        }
        bounded.put(3, 7);
        assert_eq!(
            (bounded.values.len(), bounded.values.get(&1), bounded.values.get(&3)),
            (3, None, Some(&7))
        );
        bounded.remove(3);
        assert_eq!(bounded.values.get(&3), None);
    }
}
