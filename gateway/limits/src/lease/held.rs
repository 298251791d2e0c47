//! The leases of all keys of a gateway, for many threads: a bounded map of them, in 16 parts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{Ask, Granted, Lease, LeaseSettings, Limit, Taken};
use crate::rate::{Rate, Standing, Wait};

const PARTS: usize = 16;
/// A full part is searched for leases that may go at most so often, in nanoseconds.
const TIDY_EVERY_NS: u64 = 100_000_000;

/// All leases of a gateway; see [`super`].
pub struct Leases {
    settings: LeaseSettings,
    gateways: AtomicU32,
    parts: [Mutex<Part>; PARTS],
    asked: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    granted: AtomicU64,
    from_share: AtomicU64,
    no_room: AtomicU64,
}

#[derive(Default)]
struct Part {
    leases: HashMap<u128, Held>,
    /// Whose leases may have a question; each stands here once.
    asking: Vec<u128>,
    tidied_ns: u64,
}

struct Held {
    lease: Lease,
    rate: Rate,
    is_asking: bool,
}

/// What was counted about leases since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    /// Keys that have a lease right now.
    pub keys: u64,
    /// Gateways, as the store counted them last.
    pub gateways: u32,
    /// Questions put to the store.
    pub asked: u64,
    /// Questions that were answered in time.
    pub answered: u64,
    /// Questions that failed.
    pub failed: u64,
    /// Units granted.
    pub granted: u64,
    /// Requests decided by the own share, because nothing was heard from the store.
    pub from_share: u64,
    /// Requests of a key for which there was no room: let through by the share alone.
    pub no_room: u64,
}

impl Leases {
    /// No leases yet.
    pub fn new(settings: LeaseSettings) -> Self {
        Self {
            gateways: AtomicU32::new(settings.gateways.max(1)),
            settings,
            parts: std::array::from_fn(|_| Mutex::default()),
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            granted: AtomicU64::new(0),
            from_share: AtomicU64::new(0),
            no_room: AtomicU64::new(0),
        }
    }

    /// As [`Lease::check`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn check(&self, key: u128, rate: &Rate, now_ns: u64, cost: u64) -> Result<(), Wait> {
        self.with(key, rate, now_ns, |lease, limit| lease.check(limit, now_ns, cost)).map(|_| ())
    }

    /// As [`Lease::take`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn take(&self, key: u128, rate: &Rate, now_ns: u64, cost: u64) -> Result<Taken, Wait> {
        let taken = self.with(key, rate, now_ns, |lease, limit| lease.take(limit, now_ns, cost));
        if matches!(taken, Ok(Taken::Share(_))) {
            self.from_share.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// As [`Lease::take_back`].
    pub fn take_back(&self, key: u128, taken: Taken, now_ns: u64) {
        if let Some(held) = self.part(key).lock().leases.get_mut(&key) {
            held.lease.take_back(taken, now_ns);
        }
    }

    /// What this gateway may spend of a key without asking: its units, or its share.
    pub fn standing(&self, key: u128, rate: &Rate, now_ns: u64) -> Standing {
        let part = self.part(key).lock();
        let limit = self.limit(rate);
        let Some(held) = part.leases.get(&key) else { return limit.share().standing(0, now_ns) };
        let (units, empty_ns) = (held.lease.units_at(now_ns), held.lease.empty_until_ns());
        match empty_ns.checked_sub(now_ns) {
            _ if units > 0 => Standing { remaining: units, next_ns: rate.interval_ns() },
            Some(next_ns @ 1..) => Standing { remaining: 0, next_ns },
            _ => limit.share().standing(held.lease.share(), now_ns),
        }
    }

    /// The questions to put to the store now, at most `most`; from now on they are under way.
    pub fn ask(&self, now_ns: u64, most: usize) -> Vec<Ask> {
        let mut asks = Vec::new();
        for part in &self.parts {
            let mut part = part.lock();
            let part = &mut *part;
            while asks.len() < most
                && let Some(key) = part.asking.pop()
            {
                let Some(held) = part.leases.get_mut(&key) else { continue };
                held.is_asking = false;
                asks.extend(held.lease.ask(&self.limit(&held.rate), key, now_ns));
            }
        }
        self.asked.fetch_add(asks.len() as u64, Ordering::Relaxed);
        asks
    }

    /// What the store says to a question.
    pub fn answered(&self, ask: &Ask, granted: Granted) {
        let mut part = self.part(ask.key).lock();
        let Some(held) = part.leases.get_mut(&ask.key) else { return };
        if held.lease.number() == ask.number {
            self.answered.fetch_add(1, Ordering::Relaxed);
            self.granted.fetch_add(granted.units, Ordering::Relaxed);
        }
        held.lease.answered(&self.limit(&ask.rate), ask.number, granted);
    }

    /// A question came to nothing.
    pub fn failed(&self, ask: &Ask) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut part = self.part(ask.key).lock();
        if let Some(held) = part.leases.get_mut(&ask.key)
            && held.lease.number() == ask.number
        {
            held.lease.failed();
        }
    }

    /// The store counted so many gateways.
    pub fn set_gateways(&self, gateways: u32) {
        self.gateways.store(gateways.max(1), Ordering::Relaxed);
    }

    /// Forgets the leases that nothing hangs on; to be called every few seconds.
    pub fn tidy(&self, now_ns: u64) {
        for part in &self.parts {
            part.lock().tidy(now_ns);
        }
    }

    /// What was counted since the start.
    pub fn counts(&self) -> LeaseCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LeaseCounts {
            keys: self.parts.iter().map(|part| part.lock().leases.len() as u64).sum(),
            gateways: self.gateways.load(Ordering::Relaxed),
            asked: read(&self.asked),
            answered: read(&self.answered),
            failed: read(&self.failed),
            granted: read(&self.granted),
            from_share: read(&self.from_share),
            no_room: read(&self.no_room),
        }
    }

    fn with<T>(
        &self,
        key: u128,
        rate: &Rate,
        now_ns: u64,
        decide: impl FnOnce(&mut Lease, &Limit<'_>) -> T,
    ) -> T {
        let limit = self.limit(rate);
        let mut part = self.part(key).lock();
        let part = &mut *part;
        if part.leases.len() >= self.settings.keys_max.div_ceil(PARTS)
            && !part.leases.contains_key(&key)
            && !part.makes_room(now_ns, self.settings.keys_max.div_ceil(PARTS))
        {
            self.no_room.fetch_add(1, Ordering::Relaxed);
            return decide(&mut Lease::default(), &limit);
        }
        let held = part.leases.entry(key).or_insert_with(|| Held {
            lease: Lease::default(),
            rate: *rate,
            is_asking: false,
        });
        held.rate = *rate;
        let decided = decide(&mut held.lease, &limit);
        if !held.is_asking && held.lease.needs_to_ask(&limit, now_ns) {
            held.is_asking = true;
            part.asking.push(key);
        }
        decided
    }

    fn limit<'a>(&'a self, rate: &'a Rate) -> Limit<'a> {
        Limit { rate, gateways: self.gateways.load(Ordering::Relaxed), settings: &self.settings }
    }

    fn part(&self, key: u128) -> &Mutex<Part> {
        &self.parts[(key % PARTS as u128) as usize]
    }
}

impl Part {
    fn makes_room(&mut self, now_ns: u64, most: usize) -> bool {
        if now_ns.saturating_sub(self.tidied_ns) >= TIDY_EVERY_NS {
            self.tidied_ns = now_ns;
            self.tidy(now_ns);
        }
        self.leases.len() < most
    }

    fn tidy(&mut self, now_ns: u64) {
        // One that stands in `asking` stays: its place there would be taken twice.
        self.leases.retain(|_, held| held.is_asking || !held.lease.is_idle(now_ns));
    }
}
