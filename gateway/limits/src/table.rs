//! A table of words by key, of a fixed size, for all rules together.
//!
//! A key is looked for in one set of 16 places, named by a part of its hash; 64 further bits of
//! the hash (its tag) tell it from the others there. The hash is SipHash-1-3 with a random secret
//! (Aumasson and Bernstein, 2012), so nobody can aim at a set. Memory is taken once: 16.5 bytes
//! per place, two places per key that the table is made for (33 bytes), whatever comes.
//!
//! - **Reading and charging** take no lock: the word is replaced by compare-and-exchange, the tag
//!   is looked at before and after the word is read, and a place that changes hands never gets the
//!   word it had.
//! - **A new key** takes a place under the lock of its set (so that no key has two): one that was
//!   never used, or whose key owes nothing any more. Where all 16 still owe, the one that owes the
//!   shortest is forgotten, and that is counted.
//!
//! What can go wrong is bounded. A key that was forgotten starts anew: it is let one burst more
//! through, never refused. Two keys with the same tag in one set are one key; for a stranger to be
//! refused for what another did takes that, which has a chance of 2⁻⁶⁴ per pair. A thread that is
//! held up between reading a word and replacing it, while the place is given away and comes to
//! hold the very same nanosecond again, books one request on the wrong key.

use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::rate::{Rate, Standing, Wait};

/// Places in a set.
const WAYS: usize = 16;
/// Places for each key that a table is made for: with half of them free, about one key in 2,000
/// finds its set full.
const PLACES_PER_KEY: usize = 2;
/// Stands in place of a word while the place changes hands.
const TAKEN: u64 = u64::MAX;
/// Most keys that a table may be made for; it has 33 bytes for each.
pub const KEYS_MAX: usize = 1 << 26;

/// A key, as the table sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash {
    /// Names the set.
    place: u64,
    /// Tells it from others; never 0.
    tag: u64,
}

/// What a charge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    before: u64,
    after: u64,
}

struct Set {
    tags: [AtomicU64; WAYS],
    words: [AtomicU64; WAYS],
    /// Held by whoever gives a place to another key.
    changing: Mutex<()>,
}

/// See the head of this file.
pub struct Table {
    sets: Box<[Set]>,
    secret: [u64; 2],
    evictions: AtomicU64,
}

impl Table {
    /// A table for `keys` keys at one time, at least 16 and at most [`KEYS_MAX`]. `secret` is
    /// random, and nobody else's.
    pub fn new(keys: usize, secret: [u64; 2]) -> Self {
        let places = keys.clamp(WAYS, KEYS_MAX) * PLACES_PER_KEY;
        let set = || Set {
            tags: [const { AtomicU64::new(0) }; WAYS],
            words: [const { AtomicU64::new(0) }; WAYS],
            changing: Mutex::new(()),
        };
        Self {
            sets: (0..places.div_ceil(WAYS)).map(|_| set()).collect(),
            secret,
            evictions: AtomicU64::new(0),
        }
    }

    /// The hash of a key: of what limits it, and of its name there.
    pub fn hash(&self, rule: u64, name: &[u8]) -> KeyHash {
        let mut hasher = SipHasher13::new_with_keys(self.secret[0], self.secret[1]);
        hasher.write_u64(rule);
        hasher.write(name);
        let hash = hasher.finish128();
        KeyHash { place: hash.h1, tag: hash.h2.max(1) }
    }

    /// Whether a charge would be let through right now; changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Rate::charge`].
    pub fn check(&self, key: KeyHash, rate: &Rate, now_ns: u64, cost: u64) -> Result<(), Wait> {
        rate.charge(self.word(key), now_ns, cost).map(|_| ())
    }

    /// How a key stands.
    pub fn standing(&self, key: KeyHash, rate: &Rate, now_ns: u64) -> Standing {
        rate.standing(self.word(key), now_ns)
    }

    /// Charges a key, if it may.
    ///
    /// # Errors
    ///
    /// As [`Rate::charge`]; nothing is changed then.
    pub fn charge(&self, key: KeyHash, rate: &Rate, now_ns: u64, cost: u64) -> Result<Charged, Wait> {
        let set = self.set(key);
        loop {
            if let Some((way, before)) = set.find(key.tag) {
                let after = rate.charge(before, now_ns, cost)?;
                match set.words[way].compare_exchange_weak(before, after, Ordering::AcqRel, Ordering::Relaxed)
                {
                    Ok(_) => return Ok(Charged { before, after }),
                    Err(_) => continue,
                }
            }
            // A key that would be refused even when new takes no place.
            let after = rate.charge(0, now_ns, cost)?;
            if let Some(after) = self.insert(set, key.tag, after, now_ns) {
                return Ok(Charged { before: 0, after });
            }
        }
    }

    /// Takes a charge back, if nothing else was charged since; else it stays. (To subtract it later
    /// could give back more than was taken: a charge that lies in the past is no debt any more.)
    pub fn take_back(&self, key: KeyHash, charged: Charged) -> bool {
        let set = self.set(key);
        set.find(key.tag).is_some_and(|(way, word)| {
            word == charged.after
                && set.words[way]
                    .compare_exchange(charged.after, charged.before, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
        })
    }

    /// How many keys were forgotten while they still owed something.
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// How many keys owe something at `now_ns`. Looks at the whole table.
    pub fn live(&self, now_ns: u64) -> usize {
        let is_live = |word: &&AtomicU64| {
            let word = word.load(Ordering::Relaxed);
            word > now_ns && word != TAKEN
        };
        self.sets.iter().map(|set| set.words.iter().filter(is_live).count()).sum()
    }

    /// The memory of the table, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.sets)
    }

    fn word(&self, key: KeyHash) -> u64 {
        self.set(key).find(key.tag).map_or(0, |(_, word)| word)
    }

    fn set(&self, key: KeyHash) -> &Set {
        // The hash as a fraction of all sets (Lemire 2019): no division, any number of sets.
        let index = (u128::from(key.place) * self.sets.len() as u128) >> 64;
        &self.sets[index as usize]
    }

    /// Gives the key a place with this word, which may be a nanosecond later in the end; nothing if
    /// it has got one meanwhile.
    fn insert(&self, set: &Set, tag: u64, word: u64, now_ns: u64) -> Option<u64> {
        let _changing = set.changing.lock();
        if set.tags.iter().any(|known| known.load(Ordering::Acquire) == tag) {
            return None;
        }
        loop {
            let (way, old) = set.victim(now_ns);
            if set.words[way].compare_exchange(old, TAKEN, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                // Its key was charged just now.
                continue;
            }
            if old > now_ns {
                self.evictions.fetch_add(1, Ordering::Relaxed);
            }
            // Whoever holds the old word in hand must not find it again.
            let word = if word == old { word + 1 } else { word };
            set.tags[way].store(tag, Ordering::Release);
            set.words[way].store(word, Ordering::Release);
            return Some(word);
        }
    }
}

impl Set {
    /// Where a key is, and its word; nothing while the place changes hands.
    fn find(&self, tag: u64) -> Option<(usize, u64)> {
        let way = self.tags.iter().position(|known| known.load(Ordering::Acquire) == tag)?;
        let word = self.words[way].load(Ordering::Acquire);
        let is_same = word != TAKEN && self.tags[way].load(Ordering::Acquire) == tag;
        is_same.then_some((way, word))
    }

    /// The place to give away: the first that owes nothing, else the one that owes the shortest.
    /// Only under the lock.
    fn victim(&self, now_ns: u64) -> (usize, u64) {
        let mut least = (0, u64::MAX);
        for (way, word) in self.words.iter().enumerate() {
            let word = word.load(Ordering::Acquire);
            if word <= now_ns {
                return (way, word);
            }
            if word < least.1 {
                least = (way, word);
            }
        }
        least
    }
}

#[cfg(test)]
mod tests;
