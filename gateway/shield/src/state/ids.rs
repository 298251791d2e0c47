//! Which sessions were visited: few exactly, many about.
//!
//! Up to 14 ids are held as hashes of 32 bits. Beyond that it is two generations of 8,192 bits; a
//! generation ends when a quarter of its bits is set, so that at most half of all new ids are taken
//! for known ones, and some 2,300 to 4,600 ids are remembered. A dashboard that goes through so many
//! again and again stays known as such.
//!
//! The second form takes 2 KiB and is given out from a budget; without it nothing is said of
//! whether an id is new, and nobody is suspected for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const FEW: usize = 14;
const WORDS: usize = 128;
const BITS_SET_MAX: u32 = (WORDS as u32 * 64) / 4;

/// How many of the second form may still be made.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<AtomicUsize>);

impl Budget {
    pub(crate) fn new(many: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(many)))
    }

    fn take(&self) -> Option<Share> {
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.ok().map(|_| Share(self.clone()))
    }

    pub(crate) fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of them; gives itself back.
#[derive(Debug)]
struct Share(Budget);

impl Drop for Share {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::AcqRel);
    }
}

#[derive(Debug)]
struct Many {
    bits: [[u64; WORDS]; 2],
    set: u32,
    _share: Share,
}

impl Many {
    /// Remembers an id; whether it is new.
    fn see(&mut self, id: u64) -> bool {
        let (word, bit) = (usize::try_from(id >> 6).unwrap_or(0) % WORDS, 1 << (id & 63));
        let is_known = (self.bits[0][word] | self.bits[1][word]) & bit != 0;
        if self.bits[0][word] & bit == 0 {
            // What is visited again moves on into the newer generation.
            if self.set >= BITS_SET_MAX {
                self.bits = [[0; WORDS], self.bits[0]];
                self.set = 0;
            }
            self.bits[0][word] |= bit;
            self.set += 1;
        }
        !is_known
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) enum Ids {
    /// So many of these.
    Few(u8, [u32; FEW]),
    /// About.
    Many(Box<ManyIds>),
}

/// The second form.
#[derive(Debug)]
pub(crate) struct ManyIds(Many);

impl Default for Ids {
    fn default() -> Self {
        Self::Few(0, [0; FEW])
    }
}

impl Ids {
    /// Remembers an id by its hash: whether it is new, where that can be said.
    pub(crate) fn see(&mut self, id: u64, budget: &Budget) -> Option<bool> {
        match self {
            Self::Many(many) => Some(many.0.see(id >> 13)),
            Self::Few(count, ids) => {
                let (held, short) = (usize::from(*count), (id >> 13) as u32);
                if ids[..held].contains(&short) {
                    return Some(false);
                }
                if let Some(place) = ids.get_mut(held) {
                    *place = short;
                    *count += 1;
                    return Some(true);
                }
                let share = budget.take()?;
                let mut many = Many { bits: [[0; WORDS]; 2], set: 0, _share: share };
                for short in ids {
                    many.see(u64::from(*short));
                }
                many.see(id >> 13);
                *self = Self::Many(Box::new(ManyIds(many)));
                Some(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash as good as any.
    fn hash(id: u64) -> u64 {
        super::super::Hashes::new([3, 4]).of(0, &[&id.to_le_bytes()])
    }

    fn first_visits(ids: &mut Ids, range: std::ops::Range<u64>, budget: &Budget) -> usize {
        range.filter(|id| ids.see(hash(*id), budget) == Some(true)).count()
    }

    #[test]
    fn a_second_round_finds_hardly_anything_new() {
        for sessions in [1, 14, 15, 200, 2_000] {
            let (mut ids, budget) = (Ids::default(), Budget::new(1));
            let first = first_visits(&mut ids, 0..sessions, &budget);
            assert!(first as u64 * 10 >= sessions * 7, "{first} of {sessions} were new");
            assert_eq!(first_visits(&mut ids, 0..sessions, &budget), 0, "{sessions}");
        }
    }

    #[test]
    fn whoever_walks_on_finds_mostly_new_ones() {
        let (mut ids, budget) = (Ids::default(), Budget::new(1));
        let first = first_visits(&mut ids, 0..50_000, &budget);
        assert!(first > 30_000, "{first}");
    }

    #[test]
    fn without_budget_nothing_is_said_and_it_comes_back_with_its_user() {
        let (mut one, mut other, budget) = (Ids::default(), Ids::default(), Budget::new(1));
        first_visits(&mut one, 0..20, &budget);
        assert_eq!(first_visits(&mut other, 0..20, &budget), FEW);
        assert_eq!(other.see(hash(99), &budget), None);
        drop(one);
        assert_eq!(budget.left(), 1);
        assert_eq!(other.see(hash(99), &budget), Some(true));
    }
}
