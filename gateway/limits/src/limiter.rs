//! Decides about requests: every rule that matches is asked, and all must let it through.
//!
//! A request is charged only if it is let through. So it takes two steps: all rules are looked at,
//! and only where none refuses are they charged, in their order. Between the two another thread may
//! have taken what was left; then what was charged before is taken back, which fails only if that
//! key was charged again meanwhile. Such a charge stays, which errs to the side of refusing; it
//! takes three threads within a microsecond. (To charge at once and take back where a later rule
//! refuses would let a refused client push others out for as long as that takes.)
//!
//! A rule in shadow mode is asked last and charged like the others, as long as it would let
//! through; where it would refuse, that is counted, and the request goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::caller::{RouteClass, Subject};
use crate::decision::{Decision, Refusal, RuleStanding};
use crate::lease::{Leases, Taken};
use crate::rate::{Rate, Standing, Wait};
use crate::rules::RuleSet;
use crate::table::{Charged, KeyHash, Table};

/// See the head of this file.
pub struct Limiter {
    table: Table,
    leases: Leases,
    active: RwLock<Arc<Active>>,
}

/// The rules in force, with a count for each.
struct Active {
    set: Arc<RuleSet>,
    counts: Vec<Arc<Counts>>,
}

#[derive(Default)]
struct Counts {
    allowed: AtomicU64,
    limited: AtomicU64,
    shadow_limited: AtomicU64,
}

/// What one rule decided since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCounts {
    /// Its name.
    pub rule: String,
    /// Requests that it let through, and that were let through.
    pub allowed: u64,
    /// Requests that it refused.
    pub limited: u64,
    /// Requests that it would have refused, were it not in shadow mode.
    pub shadow_limited: u64,
}

/// One rule that a request has to pass.
struct Hit {
    index: u8,
    key: HitKey,
    rate: Rate,
    is_shadow: bool,
}

#[derive(Clone, Copy)]
enum HitKey {
    Own(KeyHash),
    Shared(u128),
}

enum Paid {
    Own(Charged),
    Shared(Taken),
}

impl Limiter {
    /// A limiter with these rules, for `keys` keys at one time (33 bytes each, taken at once) and
    /// the leases of shared limits. `secret` is random, and nobody else's.
    pub fn new(set: RuleSet, keys: usize, leases: Leases, secret: [u64; 2]) -> Self {
        let counts = set.rules().iter().map(|_| Arc::default()).collect();
        let active = RwLock::new(Arc::new(Active { set: Arc::new(set), counts }));
        Self { table: Table::new(keys, secret), leases, active }
    }

    /// Puts other rules in place of those in force. What is known of keys stays: it counts on for
    /// every rule that keeps its name, key and window. So do the counts by name.
    pub fn replace(&self, set: RuleSet) {
        let mut active = self.active.write();
        let counts = set.rules().iter().map(|ready| {
            let same = active.set.rules().iter().position(|old| old.rule.name == ready.rule.name);
            same.map_or_else(Arc::default, |index| Arc::clone(&active.counts[index]))
        });
        let counts = counts.collect();
        *active = Arc::new(Active { set: Arc::new(set), counts });
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<RuleSet> {
        Arc::clone(&self.active.read().set)
    }

    /// Decides about a request of `class` at `now_ns`, in nanoseconds of a clock that does not go
    /// back (a little is fine).
    pub fn decide(&self, subject: &Subject<'_>, class: RouteClass, now_ns: u64) -> Decision {
        let active = Arc::clone(&self.active.read());
        let cost = active.set.costs().of(class);
        let hits = self.hits(&active.set, subject, class);
        let refusals = self.look(&active, &hits, now_ns, cost);
        if refusals.is_some() {
            return self.decision(&active, &hits, now_ns, refusals);
        }
        let refusal = self.pay(&active, &hits, now_ns, cost);
        self.decision(&active, &hits, now_ns, refusal)
    }

    /// What [`Limiter::decide`] would refuse at `now_ns`. It charges and counts nothing.
    pub fn would_refuse(&self, subject: &Subject<'_>, class: RouteClass, now_ns: u64) -> Option<Decision> {
        let active = Arc::clone(&self.active.read());
        let cost = active.set.costs().of(class);
        let hits = self.hits(&active.set, subject, class);
        let mut refusal = None;
        for hit in hits.iter().filter(|hit| !hit.is_shadow) {
            if let Err(wait) = self.check(hit, now_ns, cost) {
                Refusal::add(&mut refusal, hit.index, wait);
            }
        }
        let refusal = refusal?;
        Some(self.decision(&active, &hits, now_ns, Some(refusal)))
    }

    /// What each rule decided since the start.
    pub fn counts(&self) -> Vec<RuleCounts> {
        let active = Arc::clone(&self.active.read());
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let of_rule = active.set.rules().iter().zip(&active.counts).map(|(ready, counts)| RuleCounts {
            rule: ready.rule.name.clone(),
            allowed: read(&counts.allowed),
            limited: read(&counts.limited),
            shadow_limited: read(&counts.shadow_limited),
        });
        of_rule.collect()
    }

    /// How many keys were forgotten while they still owed something, for lack of room.
    pub fn evictions(&self) -> u64 {
        self.table.evictions()
    }

    /// The memory of the keys, in bytes.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// The leases of shared limits.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    fn hits(&self, set: &RuleSet, subject: &Subject<'_>, class: RouteClass) -> Vec<Hit> {
        let mut hits = Vec::with_capacity(8);
        for (index, ready, name) in set.matching(subject, class) {
            let key = match ready.rule.shared {
                true => HitKey::Shared(crate::lease::shared_key(ready.id, name.bytes())),
                false => HitKey::Own(self.table.hash(ready.id, name.bytes())),
            };
            hits.push(Hit { index, key, rate: ready.rate, is_shadow: ready.rule.shadow });
        }
        hits
    }

    /// Asks all rules, and changes nothing.
    fn look(&self, active: &Active, hits: &[Hit], now_ns: u64, cost: u64) -> Option<Refusal> {
        let mut refusal = None;
        for hit in hits {
            let Err(wait) = self.check(hit, now_ns, cost) else { continue };
            if !hit.is_shadow {
                active.counts(hit).limited.fetch_add(1, Ordering::Relaxed);
                Refusal::add(&mut refusal, hit.index, wait);
            } else {
                active.counts(hit).shadow_limited.fetch_add(1, Ordering::Relaxed);
            }
        }
        refusal
    }

    /// Charges all rules; a refusal means that none is charged.
    fn pay(&self, active: &Active, hits: &[Hit], now_ns: u64, cost: u64) -> Option<Refusal> {
        let mut paid: Vec<(&Hit, Paid)> = Vec::with_capacity(hits.len());
        for hit in hits.iter().filter(|hit| !hit.is_shadow) {
            match self.charge(hit, now_ns, cost) {
                Ok(charged) => paid.push((hit, charged)),
                Err(wait) => {
                    for (hit, charged) in paid.into_iter().rev() {
                        self.take_back(hit, charged, now_ns);
                    }
                    active.counts(hit).limited.fetch_add(1, Ordering::Relaxed);
                    let mut refusal = None;
                    Refusal::add(&mut refusal, hit.index, wait);
                    return refusal;
                }
            }
        }
        let count = |hit: &Hit| active.counts(hit).allowed.fetch_add(1, Ordering::Relaxed);
        for (hit, _) in paid {
            count(hit);
        }
        for hit in hits.iter().filter(|hit| hit.is_shadow) {
            if self.charge(hit, now_ns, cost).is_ok() {
                count(hit);
            }
        }
        None
    }

    fn check(&self, hit: &Hit, now_ns: u64, cost: u64) -> Result<(), Wait> {
        match hit.key {
            HitKey::Own(key) => self.table.check(key, &hit.rate, now_ns, cost),
            HitKey::Shared(key) => self.leases.check(key, &hit.rate, now_ns, cost),
        }
    }

    fn charge(&self, hit: &Hit, now_ns: u64, cost: u64) -> Result<Paid, Wait> {
        match hit.key {
            HitKey::Own(key) => self.table.charge(key, &hit.rate, now_ns, cost).map(Paid::Own),
            HitKey::Shared(key) => self.leases.take(key, &hit.rate, now_ns, cost).map(Paid::Shared),
        }
    }

    fn take_back(&self, hit: &Hit, paid: Paid, now_ns: u64) {
        match (hit.key, paid) {
            (HitKey::Own(key), Paid::Own(charged)) => _ = self.table.take_back(key, charged),
            (HitKey::Shared(key), Paid::Shared(taken)) => self.leases.take_back(key, taken, now_ns),
            _ => unreachable!("a rule is paid where it is asked"),
        }
    }

    fn decision(&self, active: &Active, hits: &[Hit], now_ns: u64, refusal: Option<Refusal>) -> Decision {
        let standing = |hit: &Hit| -> Standing {
            match hit.key {
                HitKey::Own(key) => self.table.standing(key, &hit.rate, now_ns),
                HitKey::Shared(key) => self.leases.standing(key, &hit.rate, now_ns),
            }
        };
        let enforced = hits.iter().filter(|hit| !hit.is_shadow);
        let standings = enforced.map(|hit| RuleStanding { index: hit.index, standing: standing(hit) });
        Decision::new(Arc::clone(&active.set), standings.collect(), refusal)
    }
}

impl Active {
    fn counts(&self, hit: &Hit) -> &Counts {
        &self.counts[usize::from(hit.index)]
    }
}

#[cfg(test)]
mod tests;
