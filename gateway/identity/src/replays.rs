//! Signed requests that were taken already: each counts once.
//!
//! A request is known by its key, its timestamp and its nonce. It is remembered for as long as its
//! timestamp would be taken, and not longer; so what is forgotten is refused for its age.
//!
//! # Bounded whatever is sent
//! Only who holds a key gets this far. Still there is a bound for each key and one for all. When one is
//! reached, the newest request is refused and told to come again: forgetting an older one within the
//! window would let somebody repeat it.
//!
//! # What it does not cover
//! The memory is that of one process: what one gateway has taken, another one, or the same after a
//! restart, takes again within the window. Senders that write give an `Idempotency-Key`, which is under the
//! signature and holds for all of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::{SKEW_MS, sha256};

/// How long a nonce is, in characters.
pub(crate) const NONCE_CHARS: RangeInclusive<usize> = 16..=64;
/// How many requests of one key are remembered: over 800 a second, all the time.
pub const NONCES_PER_KEY_MAX: usize = 100_000;
/// How many of all keys: about 30 MB.
pub const NONCES_MAX: usize = 1_000_000;

/// What makes one signed request unlike any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// The id of the key.
    pub key_id: Arc<str>,
    /// When it was signed, in seconds since the epoch.
    pub timestamp_s: u64,
    /// The nonce, as a hash: of one length whatever was sent.
    hash: [u8; 16],
}

impl Nonce {
    /// The nonce `text` of a request.
    pub fn new(key_id: Arc<str>, timestamp_s: u64, text: &str) -> Self {
        let mut hash = [0; 16];
        hash.copy_from_slice(&sha256(text.as_bytes())[..16]);
        Self { key_id, timestamp_s, hash }
    }
}

/// Why a signed request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Replayed {
    /// It was taken before.
    #[error("this signed request was taken before: sign each request anew, with a nonce of its own")]
    Again,
    /// Its time ran out while the clock went back.
    #[error("its timestamp is more than 60 s off: check the clock, and sign each request anew")]
    Stale,
    /// There is no room to remember it.
    #[error(
        "more signed requests came within two minutes than can be remembered: try again in a few seconds"
    )]
    Full,
}

/// The memory.
#[derive(Debug)]
pub struct Replays {
    /// By timestamp, then by key.
    seconds: BTreeMap<u64, HashMap<Arc<str>, HashSet<[u8; 16]>>>,
    per_key: HashMap<Arc<str>, usize>,
    total: usize,
    /// Timestamps below were forgotten. It never falls, also when the clock does.
    floor_s: u64,
    bounds: (usize, usize),
}

impl Default for Replays {
    fn default() -> Self {
        Self::new(NONCES_PER_KEY_MAX, NONCES_MAX)
    }
}

impl Replays {
    /// An empty memory for so many requests of one key, and of all.
    pub fn new(per_key_max: usize, total_max: usize) -> Self {
        Self {
            seconds: BTreeMap::new(),
            per_key: HashMap::new(),
            total: 0,
            floor_s: 0,
            bounds: (per_key_max, total_max),
        }
    }

    /// Takes a request that was found genuine at `now_ms`.
    ///
    /// # Errors
    ///
    /// When it was taken before, or can't be remembered.
    pub fn take(&mut self, nonce: Nonce, now_ms: u64) -> Result<(), Replayed> {
        self.forget(now_ms);
        if nonce.timestamp_s < self.floor_s {
            return Err(Replayed::Stale);
        }
        let second = self.seconds.get(&nonce.timestamp_s).and_then(|keys| keys.get(&nonce.key_id));
        if second.is_some_and(|taken| taken.contains(&nonce.hash)) {
            return Err(Replayed::Again);
        }
        let of_key = self.per_key.get(&nonce.key_id).copied().unwrap_or(0);
        let (per_key_max, total_max) = self.bounds;
        if of_key >= per_key_max || self.total >= total_max {
            return Err(Replayed::Full);
        }
        self.total += 1;
        *self.per_key.entry(Arc::clone(&nonce.key_id)).or_default() += 1;
        self.seconds
            .entry(nonce.timestamp_s)
            .or_default()
            .entry(nonce.key_id)
            .or_default()
            .insert(nonce.hash);
        Ok(())
    }

    /// How many requests are remembered.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Drops what would be refused for its age.
    fn forget(&mut self, now_ms: u64) {
        // The first whole second that is still taken.
        let floor_s = now_ms.saturating_sub(SKEW_MS).div_ceil(1_000);
        self.floor_s = self.floor_s.max(floor_s);
        while let Some(second) = self.seconds.first_entry().filter(|second| *second.key() < self.floor_s) {
            for (key_id, taken) in second.remove() {
                self.total -= taken.len();
                let of_key = self.per_key.get_mut(&key_id).map(|count| {
                    *count -= taken.len();
                    *count
                });
                if of_key == Some(0) {
                    self.per_key.remove(&key_id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_S: u64 = 1_732_190_400;

    fn nonce(key: &str, timestamp_s: u64, text: &str) -> Nonce {
        Nonce::new(key.into(), timestamp_s, text)
    }

    #[test]
    fn each_request_counts_once_until_it_is_too_old() {
        let mut replays = Replays::default();
        let now_ms = NOW_S * 1_000;
        assert_eq!(replays.take(nonce("k", NOW_S, "n"), now_ms), Ok(()));
        assert_eq!(replays.take(nonce("k", NOW_S, "n"), now_ms + 59_999), Err(Replayed::Again));
        // Exactly 60 s are still taken elsewhere, so they must still be known here.
        assert_eq!(replays.take(nonce("k", NOW_S, "n"), now_ms + 60_000), Err(Replayed::Again));
        for other in [nonce("k", NOW_S, "m"), nonce("j", NOW_S, "n"), nonce("k", NOW_S + 1, "n")] {
            assert_eq!(replays.take(other, now_ms), Ok(()));
        }
        assert_eq!(replays.len(), 4);
        assert_eq!(replays.take(nonce("k", NOW_S, "n"), now_ms + 60_001), Err(Replayed::Stale));
        assert_eq!(replays.len(), 1, "the rest is forgotten");
        assert_eq!(replays.take(nonce("k", NOW_S, "n"), now_ms), Err(Replayed::Stale), "the clock went back");
    }

    #[test]
    fn when_it_is_full_the_newest_is_refused_and_none_forgotten() {
        let mut replays = Replays::new(2, 3);
        let now_ms = NOW_S * 1_000;
        for text in ["a", "b"] {
            assert_eq!(replays.take(nonce("k", NOW_S, text), now_ms), Ok(()));
        }
        assert_eq!(replays.take(nonce("k", NOW_S, "c"), now_ms), Err(Replayed::Full));
        assert_eq!(replays.take(nonce("k", NOW_S, "a"), now_ms), Err(Replayed::Again));
        assert_eq!(replays.take(nonce("j", NOW_S, "c"), now_ms), Ok(()), "others have room");
        assert_eq!(replays.take(nonce("i", NOW_S, "c"), now_ms), Err(Replayed::Full), "all together do not");
        // Time makes room.
        let later = now_ms + 61_000;
        assert_eq!(replays.take(nonce("k", NOW_S + 61, "c"), later), Ok(()));
        assert_eq!(replays.len(), 1);
        assert_eq!(replays.per_key.len(), 1);
    }

    proptest! {
        /// Against a memory that forgets nothing: nothing is taken twice, and the counts hold.
        #[test]
        fn nothing_is_taken_twice(
            requests in proptest::collection::vec((0_u64..4, 0_u64..200, 0_u8..3, 0_i64..40), 1..200),
        ) {
            let mut replays = Replays::new(50, 100);
            let mut taken = HashSet::new();
            let mut now_ms = NOW_S * 1_000;
            for (key, offset_s, text, step_s) in requests {
                // The clock may go back a little, too.
                now_ms = now_ms.saturating_add_signed((step_s - 5) * 1_000);
                let timestamp_s = NOW_S + offset_s;
                if now_ms.abs_diff(timestamp_s * 1_000) > SKEW_MS {
                    continue;
                }
                let name = (key, timestamp_s, text);
                let outcome = replays.take(nonce(&key.to_string(), timestamp_s, &text.to_string()), now_ms);
                if outcome.is_ok() {
                    prop_assert!(taken.insert(name), "{:?} was taken twice", name);
                }
                prop_assert_eq!(replays.per_key.values().sum::<usize>(), replays.len());
                prop_assert!(replays.len() <= 100);
            }
        }
    }
}
