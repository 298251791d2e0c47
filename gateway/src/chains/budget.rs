//! The budget for hedges: a share of what comes in, so that hedging can't become the load.
//!
//! Every read puts in a tenth of a hedge, every hedge takes out a whole one. A few may be saved up
//! for a bad moment, no more: after a quiet hour a stall must not be answered with twice the load.

use std::sync::atomic::{AtomicU32, Ordering};

/// One hedge, in the unit of the budget.
const HEDGE: u32 = 10;
/// Put in per read: 10 %.
const PER_READ: u32 = 1;
/// Most that is saved up: ten hedges.
const SAVED_MAX: u32 = 10 * HEDGE;

/// A token bucket without a clock.
#[derive(Debug)]
pub(crate) struct Budget(AtomicU32);

impl Budget {
    /// A full one, so that a system without much traffic hedges too.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(SAVED_MAX))
    }

    /// Notes a read.
    pub(crate) fn deposit(&self) {
        let add = |saved: u32| Some((saved + PER_READ).min(SAVED_MAX));
        _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes out a hedge, if there is one.
    pub(crate) fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| saved.checked_sub(HEDGE)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_reads_may_be_hedged() {
        let budget = Budget::new();
        let mut hedges = 0;
        for _ in 0..10_000 {
            budget.deposit();
            hedges += u32::from(budget.take());
        }
        assert!((1_000..=1_010).contains(&hedges), "{hedges}");
    }

    proptest::proptest! {
        #[test]
        fn no_load_gets_more_than_a_tenth_and_what_was_saved(
            bursts in proptest::collection::vec((0_u32..500, 0_u32..500), 0..50),
        ) {
            let budget = Budget::new();
            let (mut reads, mut hedges) = (0, 0);
            for (arriving, slow) in bursts {
                (0..arriving).for_each(|_| budget.deposit());
                reads += arriving;
                hedges += (0..slow).filter(|_| budget.take()).count();
                proptest::prop_assert!(hedges as u32 <= 10 + reads / 10, "{hedges} of {reads}");
            }
        }
    }

    #[test]
    fn threads_share_one_budget() {
        let budget = Budget::new();
        let work = || {
            (0..10_000).filter(|_| {
                budget.deposit();
                budget.take()
            })
        };
        let hedges: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| work().count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(hedges <= 4_010, "{hedges}");
    }

    #[test]
    fn what_is_saved_is_bounded() {
        let budget = Budget::new();
        for _ in 0..10_000 {
            budget.deposit();
        }
        assert_eq!((0..100).filter(|_| budget.take()).count(), 10);
    }
}
