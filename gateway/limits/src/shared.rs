//! The port to what several gateways share: a store of words, one per key, that grants units.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::lease::{Ask, Granted};
use crate::rate::Rate;

/// A shared store of quotas.
///
/// Whoever calls may rely on this: each question is one step of its own, decided by the store's
/// clock; a failure says nothing about whether questions were heard. Nothing here is asked while a
/// request waits. What the store forgets lets a burst more through, so it need not be durable.
#[async_trait]
pub trait SharedQuota: Send + Sync {
    /// Puts questions for `gateway`, which counts as present for some seconds from now.
    ///
    /// # Errors
    ///
    /// When the store can't be asked, or not in time.
    async fn take(&self, gateway: &str, asks: &[Ask]) -> Result<Taking, QuotaError>;
}

/// What the store answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taking {
    /// How many gateways are present.
    pub gateways: u32,
    /// To each question, in the order of the questions.
    pub granted: Vec<Granted>,
}

/// How long a gateway counts as present after it was heard, in nanoseconds.
pub const PRESENCE_NS: u64 = 10_000_000_000;

/// The store could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared quotas can't be asked: {0}")]
pub struct QuotaError(pub String);

/// The store's side of one question: what is granted of a word at `now_ns` by the store's clock,
/// and the word after it. The Lua of the Redis adapter is the same, step by step.
pub fn grant(rate: &Rate, word: u64, now_ns: u64, want: u64, least: u64, debt: u64) -> (Granted, u64) {
    let (interval_ns, tolerance_ns) = (rate.interval_ns(), rate.interval_ns() * rate.burst());
    // A debt counts even where nothing is left, but keeps nobody out for longer than two bursts
    // take to come back.
    let debt_ns = debt.saturating_mul(interval_ns);
    let word =
        word.max(now_ns).saturating_add(debt_ns).min(now_ns.saturating_add(2 * tolerance_ns)).max(word);
    let owed_ns = word.saturating_sub(now_ns);
    let available = tolerance_ns.saturating_sub(owed_ns) / interval_ns;
    let least = least.clamp(1, rate.burst());
    if available < least {
        let wait_ns = (owed_ns + least * interval_ns).saturating_sub(tolerance_ns);
        return (Granted { units: 0, wait_ns }, word);
    }
    let units = want.min(available);
    (Granted { units, wait_ns: 0 }, word.max(now_ns) + units * interval_ns)
}

/// A store in memory, for tests: its clock is moved by hand, and it can be away.
#[derive(Default)]
pub struct MemoryQuota {
    now_ns: AtomicU64,
    is_away: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    words: HashMap<u128, u64>,
    gateways: HashMap<String, u64>,
}

impl MemoryQuota {
    /// Moves its clock.
    pub fn advance(&self, ns: u64) {
        self.now_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Makes it fail, or answer again.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    /// Loses all it knows.
    pub fn forget(&self) {
        *self.known.lock() = Known::default();
    }

    /// The same as [`SharedQuota::take`], at once.
    ///
    /// # Errors
    ///
    /// While it is away.
    pub fn answer(&self, gateway: &str, asks: &[Ask]) -> Result<Taking, QuotaError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(QuotaError("it is away".to_owned()));
        }
        let now_ns = self.now_ns.load(Ordering::Relaxed);
        let mut known = self.known.lock();
        known.gateways.retain(|_, seen_ns| now_ns.saturating_sub(*seen_ns) < PRESENCE_NS);
        known.gateways.insert(gateway.to_owned(), now_ns);
        let gateways = u32::try_from(known.gateways.len()).unwrap_or(u32::MAX);
        let granted = asks.iter().map(|ask| {
            let word = known.words.entry(ask.key).or_default();
            let (granted, after) = grant(&ask.rate, *word, now_ns, ask.want, ask.least, ask.debt);
            *word = after;
            granted
        });
        Ok(Taking { granted: granted.collect(), gateways })
    }
}

#[async_trait]
impl SharedQuota for MemoryQuota {
    async fn take(&self, gateway: &str, asks: &[Ask]) -> Result<Taking, QuotaError> {
        self.answer(gateway, asks)
    }
}
