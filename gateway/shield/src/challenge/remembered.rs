//! Solutions that were taken, until their puzzles expire.

use std::collections::{HashSet, VecDeque};

use super::ChallengeError;

/// Marks of solved puzzles, of bounded number. Puzzles live equally long but are solved in any
/// order, so the queue is only nearly sorted by expiry; what lies behind a longer-lived one is
/// forgotten a little later than it could be.
pub(super) struct Remembered {
    most: usize,
    marks: HashSet<u128>,
    queue: VecDeque<(u64, u128)>,
}

impl Remembered {
    pub(super) fn new(most: usize) -> Self {
        Self { most, marks: HashSet::new(), queue: VecDeque::new() }
    }

    /// Remembers a mark, if it is new.
    pub(super) fn take(&mut self, mark: u128, expires_ms: u64, now_ms: u64) -> Result<(), ChallengeError> {
        while let Some((expires_ms, old)) = self.queue.front().copied()
            && expires_ms <= now_ms
        {
            self.queue.pop_front();
            self.marks.remove(&old);
        }
        if self.marks.contains(&mark) {
            return Err(ChallengeError::Replayed);
        }
        if self.marks.len() >= self.most {
            return Err(ChallengeError::Full);
        }
        self.marks.insert(mark);
        self.queue.push_back((expires_ms, mark));
        Ok(())
    }
}
