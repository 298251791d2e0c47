//! Tokens and operators' keys that were good not long ago: they are checked again even when their address
//! has guessed too often. To be known opens nothing; it only means being looked at.
//!
//! Two generations of bounded size: whoever is good is in the young one; when that is full, or has had
//! its time, it is the old one, and the one before is forgotten.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use parking_lot::RwLock;

/// How many are in one generation at most.
const GENERATION_MAX: usize = 8_192;
/// How long a generation is the young one at most.
const GENERATION_NS: u64 = 1_800_000_000_000;

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Nobody outside knows how they are named, so nobody can make up one of the same name.
    names: RandomState,
    generations: RwLock<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<Name>,
    old: HashSet<Name>,
    /// When the young one began, in nanoseconds of a clock that does not go back.
    begun_ns: u64,
}

/// Stands for a credential, which is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(u64);

impl Known {
    /// Under which name a credential is known, if it is.
    pub(crate) fn name(&self, credential: &[u8]) -> Name {
        Name(self.names.hash_one(credential))
    }

    pub(crate) fn has(&self, name: Name) -> bool {
        let generations = self.generations.read();
        generations.young.contains(&name) || generations.old.contains(&name)
    }

    /// It is good now.
    pub(crate) fn add(&self, name: Name, now_ns: u64) {
        {
            let generations = self.generations.read();
            if generations.young.contains(&name) && !generations.is_over(now_ns) {
                return;
            }
        }
        let mut generations = self.generations.write();
        if generations.is_over(now_ns) || generations.young.len() >= GENERATION_MAX {
            generations.old = std::mem::take(&mut generations.young);
            generations.begun_ns = now_ns;
        }
        generations.young.insert(name);
    }

    /// It is not good any more.
    pub(crate) fn remove(&self, name: Name) {
        if self.has(name) {
            let mut generations = self.generations.write();
            generations.young.remove(&name);
            generations.old.remove(&name);
        }
    }
}

impl Generations {
    fn is_over(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.begun_ns) >= GENERATION_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_good_is_known_for_a_while_and_there_are_not_too_many() {
        let known = Known::default();
        let (one, other) = (known.name(b"one"), known.name(b"other"));
        known.add(one, 5);
        assert!(known.has(one) && !known.has(other));
        known.remove(one);
        assert!(!known.has(one));
        known.add(one, 5);
        known.add(other, GENERATION_NS);
        assert!(known.has(one) && known.has(other), "the old generation counts");
        known.add(other, 2 * GENERATION_NS);
        assert!(!known.has(one) && known.has(other));
        for number in 0..5 * GENERATION_MAX {
            known.add(known.name(&number.to_be_bytes()), 2 * GENERATION_NS);
        }
        let generations = known.generations.read();
        assert!(generations.young.len() <= GENERATION_MAX && generations.old.len() <= GENERATION_MAX);
        drop(generations);
        assert!(known.has(known.name(&(5 * GENERATION_MAX - 1).to_be_bytes())) && !known.has(other));
    }
}
