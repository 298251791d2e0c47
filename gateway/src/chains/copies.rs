//! Copies of reads, to see how a chain is: the standby's steady share, and a breaker's trials.
//!
//! The copy goes beside the read, and nobody waits for its answer. Sending the read itself there
//! first would save one question in a hundred, and cost clients: the standby may be a flush behind,
//! so a reader without a token would see figures go backwards, and every one would pay for a trial
//! of a chain that was just found broken. Copies carry no token: a chain is well that answers with
//! what it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::ask::{Ask, Leave};
use super::link::Purpose;
use super::round::NEVER;
use super::{ChainRouter, Order};

/// How many copies may be under way at one time; one more is left out.
const COPIES_MAX: usize = 16;
/// How long a trial may take. Less than a read: one that hangs must not keep the next one waiting.
const TRIAL_TIMEOUT_MAX: Duration = Duration::from_secs(1);

/// Which reads are copied.
#[derive(Debug)]
pub(super) struct Copies {
    percent: AtomicU64,
    reads: AtomicU64,
    under_way: Arc<Semaphore>,
}

impl Copies {
    /// Of so many of 100 reads.
    pub(super) fn new(percent: u8) -> Self {
        Self {
            percent: AtomicU64::new(percent.into()),
            reads: AtomicU64::new(0),
            under_way: Arc::new(Semaphore::new(COPIES_MAX)),
        }
    }

    pub(super) fn set_percent(&self, percent: u8) {
        self.percent.store(percent.into(), Ordering::Relaxed);
    }

    /// Whether the next read is one to be copied: every n-th, so that the share is steady.
    fn is_next(&self) -> bool {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        let percent = self.percent.load(Ordering::Relaxed);
        (read % 100) * percent % 100 + percent >= 100
    }
}

impl ChainRouter {
    /// Sends copies of a read that is answered in this order, where they are due.
    pub(super) fn copy(self: &Arc<Self>, order: Order, ask: &Ask) {
        let is_next = self.copies.is_next();
        // The first is only open where the other is, too.
        let is_urgent = self.link(order.first).is_open();
        for chain in [Some(order.first), order.second].into_iter().flatten() {
            let link = self.link(chain);
            let (purpose, timeout) = if link.is_open() {
                if !link.take_trial(is_urgent) {
                    continue;
                }
                (Purpose::Trial, self.upstream_timeout().min(TRIAL_TIMEOUT_MAX))
            } else if is_next && chain != order.first {
                (Purpose::Copy, self.upstream_timeout())
            } else {
                continue;
            };
            let permit = Arc::clone(&self.copies.under_way).try_acquire_owned();
            // A trial that was taken must be sent: at most one per chain is under way.
            if permit.is_err() && purpose == Purpose::Copy {
                continue;
            }
            self.counters.reads.copies.add_one();
            let (router, ask) = (Arc::clone(self), ask.without_token());
            tokio::spawn(async move {
                let answered = router.link(chain).ask(&ask, Leave::None, timeout, purpose, &NEVER).await;
                router.learn(&answered);
                drop(permit);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_exact_and_steady() {
        for percent in 0..=10 {
            let copies = Copies::new(percent);
            let chosen: Vec<usize> = (0..1_000).filter(|_| copies.is_next()).collect();
            assert_eq!(chosen.len(), 10 * usize::from(percent));
            let gaps = chosen.windows(2).map(|pair| pair[1] - pair[0]);
            let longest = gaps.max().unwrap_or(0);
            assert!(percent == 0 || longest <= 100_usize.div_ceil(percent.into()), "{percent}: {longest}");
        }
    }
}
