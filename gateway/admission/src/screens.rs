//! Which sessions are known to be on air, as somebody was told who may know it.
//!
//! The gateway sees paths, not sessions; what a session is, the chains say in their answers. So whoever
//! reads a session that is on air is remembered with it, and the next read of the two goes before
//! others. That is by caller, so that nobody learns from being let in that there is such a session.
//!
//! It is a hint in fixed memory without locks: two that share a slot forget each other, which costs a
//! little importance and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many are remembered at the most: 128 KiB.
const SLOTS: usize = 16_384;

/// Pairs of caller and session, by their hash.
pub struct Screens(Box<[AtomicU64]>);

impl Default for Screens {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Screens {
    /// Notes whether the session of a pair is on air.
    pub fn note(&self, pair: u64, is_on_air: bool) {
        let slot = self.slot(pair);
        let is_known = slot.load(Ordering::Relaxed) == mark(pair);
        if is_on_air != is_known {
            match is_on_air {
                true => slot.store(mark(pair), Ordering::Relaxed),
                false => slot.store(0, Ordering::Relaxed),
            }
        }
    }

    /// Whether the session of a pair is known to be on air.
    pub fn is_on_air(&self, pair: u64) -> bool {
        self.slot(pair).load(Ordering::Relaxed) == mark(pair)
    }

    fn slot(&self, pair: u64) -> &AtomicU64 {
        &self.0[pair as usize % SLOTS]
    }
}

/// 0 stands for an empty slot.
fn mark(pair: u64) -> u64 {
    pair | 1 << 63
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_last_holds_and_memory_does_not_grow() {
        let screens = Screens::default();
        assert!(!screens.is_on_air(0));
        for pair in [0, 7, u64::MAX] {
            screens.note(pair, true);
            assert!(screens.is_on_air(pair));
            screens.note(pair, false);
            assert!(!screens.is_on_air(pair));
        }
        screens.note(7, true);
        // Another one in the same slot takes it, and gives away only its own.
        let other = 7 + SLOTS as u64;
        screens.note(other, false);
        assert!(screens.is_on_air(7));
        screens.note(other, true);
        assert!(screens.is_on_air(other) && !screens.is_on_air(7));
    }
}
