//! States by key, of a bounded number.
//!
//! A key is a 64-bit SipHash with a random secret, so nobody can aim at places or at other keys. It
//! names a set of eight; a set is a short list under a lock of its own, which is held for some
//! hundred nanoseconds. A full set forgets whom it has not seen for the longest time; that this was
//! somebody still in use is counted. Who is forgotten starts anew: unknown, and so unsuspected.

use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use siphasher::sip::SipHasher13;

const WAYS: usize = 8;
/// Whoever was seen within this time is in use.
const IN_USE_MS: u64 = 10 * 60_000;
/// Most keys of one table.
const KEYS_MAX: usize = 1 << 24;

struct Entry<T> {
    key: u64,
    seen_ms: u64,
    state: T,
}

/// See the head of this file.
pub(crate) struct Table<T> {
    sets: Box<[Mutex<Vec<Entry<T>>>]>,
    held: AtomicU64,
    evictions: AtomicU64,
}

impl<T> Table<T> {
    /// For so many keys, and at least one set of eight.
    pub(crate) fn new(keys: usize) -> Self {
        let sets = keys.clamp(WAYS, KEYS_MAX).div_ceil(WAYS);
        Self {
            sets: (0..sets).map(|_| Mutex::new(Vec::new())).collect(),
            held: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    fn set(&self, key: u64) -> &Mutex<Vec<Entry<T>>> {
        // The hash as a fraction of all sets (Lemire 2019): no division, any number of sets.
        let index = (u128::from(key) * self.sets.len() as u128) >> 64;
        &self.sets[usize::try_from(index).unwrap_or(0)]
    }

    /// Changes the state of a key, made anew where there is none.
    pub(crate) fn with<R>(
        &self,
        key: u64,
        now_ms: u64,
        make: impl FnOnce() -> T,
        change: impl FnOnce(&mut T) -> R,
    ) -> R {
        let mut set = self.set(key).lock();
        if let Some(entry) = set.iter_mut().find(|entry| entry.key == key) {
            entry.seen_ms = entry.seen_ms.max(now_ms);
            return change(&mut entry.state);
        }
        let mut entry = Entry { key, seen_ms: now_ms, state: make() };
        let result = change(&mut entry.state);
        if set.len() < WAYS {
            self.held.fetch_add(1, Ordering::Relaxed);
            set.push(entry);
            return result;
        }
        let oldest = set.iter_mut().min_by_key(|entry| entry.seen_ms).expect("a full set is not empty");
        if now_ms.saturating_sub(oldest.seen_ms) < IN_USE_MS {
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
        *oldest = entry;
        result
    }

    /// Changes the state of a key that is there.
    pub(crate) fn with_known<R>(&self, key: u64, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut set = self.set(key).lock();
        set.iter_mut().find(|entry| entry.key == key).map(|entry| change(&mut entry.state))
    }

    /// How many keys are held.
    pub(crate) fn held(&self) -> usize {
        usize::try_from(self.held.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// How many were forgotten while they were in use.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// The memory of it, in bytes, without what states hold beyond their size. Lists grow by
    /// doubling, to eight at most.
    pub(crate) fn bytes(&self) -> usize {
        let sets = size_of_val(&*self.sets);
        sets + self.held().saturating_mul(size_of::<Entry<T>>())
    }
}

/// Makes keys.
#[derive(Clone, Copy)]
pub(crate) struct Hashes {
    secret: [u64; 2],
}

impl Hashes {
    pub(crate) const fn new(secret: [u64; 2]) -> Self {
        Self { secret }
    }

    /// The key of something of a kind, by its parts.
    pub(crate) fn of(self, kind: u8, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.secret[0], self.secret[1]);
        hasher.write_u8(kind);
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: u64) -> u64 {
        Hashes::new([1, 2]).of(0, &[&name.to_le_bytes()])
    }

    #[test]
    fn states_stay_with_their_keys() {
        let table = Table::new(4096);
        for name in 0..500 {
            table.with(key(name), 0, || name, |_| ());
        }
        for name in 0..500 {
            assert_eq!(table.with_known(key(name), |state| *state), Some(name));
        }
        assert_eq!(table.with_known(key(500), |state| *state), None);
        assert_eq!((table.held(), table.evictions()), (500, 0));
    }

    #[test]
    fn a_full_table_forgets_the_oldest_and_counts_it_if_it_was_in_use() {
        let table = Table::new(8);
        for name in 0..8 {
            table.with(key(name), name, || name, |_| ());
        }
        table.with(key(0), 100, || 0, |_| ());
        table.with(key(8), 101, || 8, |_| ());
        assert_eq!(table.with_known(key(1), |_| ()), None);
        assert_eq!(table.with_known(key(0), |_| ()), Some(()));
        assert_eq!((table.held(), table.evictions()), (8, 1));
        table.with(key(9), 102 + IN_USE_MS, || 9, |_| ());
        assert_eq!(table.evictions(), 1);
    }
}
