//! The questions that one chain has not answered yet, in the order of their sending.

use std::collections::BTreeMap;

/// Names a question that is under way: since when it counts (in microseconds) and its number.
pub(super) type Key = (u64, u64);

/// Questions under way. As many as there are reads at one time, at most.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Whether the question was found overdue.
    questions: BTreeMap<Key, bool>,
    number: u64,
    /// Everything up to here was looked at by [`Pending::take_overdue`].
    looked: Key,
}

impl Pending {
    /// Notes a question that counts from `since_us` on.
    pub(super) fn insert(&mut self, since_us: u64) -> Key {
        self.number += 1;
        // What was looked at is not looked at again.
        let key = (since_us.max(self.looked.0), self.number);
        self.questions.insert(key, false);
        key
    }

    /// Forgets a question; says whether it had been found overdue.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        self.questions.remove(&key).unwrap_or(false)
    }

    /// When the oldest was sent.
    pub(super) fn oldest_us(&self) -> Option<u64> {
        self.questions.keys().next().map(|(since_us, _)| *since_us)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.questions.len()
    }

    /// How many were sent up to `until_us`; counts no further than `most`.
    pub(super) fn older(&self, until_us: u64, most: usize) -> usize {
        self.questions.range(..=(until_us, u64::MAX)).take(most).count()
    }

    /// Marks those sent up to `until_us` as overdue, each once; says when each was sent.
    pub(super) fn take_overdue(&mut self, until_us: u64, mut each: impl FnMut(u64)) {
        let end = (until_us, u64::MAX);
        if end <= self.looked {
            return;
        }
        for ((since_us, _), is_overdue) in self.questions.range_mut(self.looked..=end) {
            if !*is_overdue {
                *is_overdue = true;
                each(*since_us);
            }
        }
        self.looked = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_overdue_once_also_when_the_measure_changes() {
        let mut pending = Pending::default();
        let keys: Vec<Key> = [10, 20, 30].map(|since_us| pending.insert(since_us)).into();
        let overdue = |pending: &mut Pending, until_us| {
            let mut found = Vec::new();
            pending.take_overdue(until_us, |since_us| found.push(since_us));
            found
        };
        assert!(overdue(&mut pending, 9).is_empty());
        assert_eq!(overdue(&mut pending, 20), [10, 20]);
        assert!(overdue(&mut pending, 15).is_empty());
        assert_eq!((pending.oldest_us(), pending.older(25, 9), pending.older(25, 1)), (Some(10), 2, 1));
        assert!(pending.remove(keys[0]));
        assert!(!pending.remove(keys[2]));
        assert!(!pending.remove(keys[2]));
        pending.insert(35);
        assert_eq!(overdue(&mut pending, 40), [35]);
        assert_eq!(pending.count(), 2);
    }
}
