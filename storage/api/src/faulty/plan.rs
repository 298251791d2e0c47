//! What goes wrong, and how often which call was made.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Result, StoreError};

/// Faults in force, and counters. Without faults, everything passes.
#[derive(Debug, Default)]
pub struct Plan {
    faults: Mutex<Vec<Fault>>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    struck: AtomicU64,
    /// How often the faults were taken away.
    cleared: watch::Sender<u64>,
}

/// One thing that goes wrong. Without further words: every call, at once, for ever, no delay.
#[derive(Clone, Debug)]
pub struct Fault {
    operation: Option<&'static str>,
    skip: u64,
    times: Option<u64>,
    delay: Duration,
    outcome: Outcome,
}

/// How a disturbed call ends.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// As it would without the fault; for delays.
    Pass,
    /// It waits until the faults are taken away, and then goes on.
    Hold,
    /// With this error, and nothing was done.
    FailBefore(StoreError),
    /// It is done, and then fails with [`StoreError::Timeout`].
    FailAfter,
}

impl Plan {
    /// A plan without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a fault in force, after those that are. Of all that fit a call the first one counts.
    pub fn add(&self, fault: Fault) {
        self.faults.lock().push(fault);
    }

    /// Takes all faults away.
    pub fn clear(&self) {
        self.faults.lock().clear();
        self.cleared.send_modify(|times| *times += 1);
    }

    /// How many calls were disturbed since the start.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// How often `operation` was called, disturbed calls included.
    pub fn calls(&self, operation: &str) -> u64 {
        self.calls.lock().get(operation).copied().unwrap_or(0)
    }

    /// Makes `call`, disturbed as planned.
    pub(super) async fn run<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        *self.calls.lock().entry(operation).or_insert(0) += 1;
        // Before the look at the faults: none that ends after it is missed.
        let mut cleared = self.cleared.subscribe();
        let Some((delay, outcome)) = self.next(operation) else { return call.await };
        self.struck.fetch_add(1, Ordering::Relaxed);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match outcome {
            Outcome::Pass => call.await,
            Outcome::Hold => {
                // The sender lives as long as we do.
                let _ = cleared.changed().await;
                call.await
            }
            Outcome::FailBefore(error) => Err(error),
            Outcome::FailAfter => {
                call.await?;
                Err(StoreError::Timeout(format!("{operation}: no answer, as planned")))
            }
        }
    }

    fn next(&self, operation: &'static str) -> Option<(Duration, Outcome)> {
        let mut faults = self.faults.lock();
        let index = faults.iter_mut().position(|fault| fault.hits(operation))?;
        let found = (faults[index].delay, faults[index].outcome.clone());
        if faults[index].times == Some(0) {
            faults.remove(index);
        }
        Some(found)
    }
}

impl Fault {
    /// Calls end like `outcome`.
    pub const fn new(outcome: Outcome) -> Self {
        Self { operation: None, skip: 0, times: None, delay: Duration::ZERO, outcome }
    }

    /// Calls take `delay` longer.
    pub const fn slow(delay: Duration) -> Self {
        Self { operation: None, skip: 0, times: None, delay, outcome: Outcome::Pass }
    }

    /// Calls fail with [`StoreError::Unavailable`], nothing is done.
    pub fn unavailable() -> Self {
        Self::new(Outcome::FailBefore(StoreError::Unavailable("as planned".to_owned())))
    }

    /// Calls wait until the faults are taken away.
    pub const fn hold() -> Self {
        Self::new(Outcome::Hold)
    }

    /// Calls are done and then time out.
    pub const fn timeout() -> Self {
        Self::new(Outcome::FailAfter)
    }

    /// Only calls of `operation`.
    #[must_use]
    pub const fn on(mut self, operation: &'static str) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Not the first `skip` of them.
    #[must_use]
    pub const fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Only `times` of them (at least 1).
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// They take `delay` longer, too.
    #[must_use]
    pub const fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Whether it strikes this call; counts the call.
    fn hits(&mut self, operation: &'static str) -> bool {
        if self.operation.is_some_and(|wanted| wanted != operation) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.times {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}
