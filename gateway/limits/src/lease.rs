//! One limit for several gateways: each takes units from a shared store ahead of need, and decides
//! from what it has. No request waits for the store.
//!
//! Per key a gateway holds a [`Lease`]: units it was granted and may spend until they expire. When
//! few are left it asks for more (the shell does the asking, in the background), twice what it spent
//! since it asked last, at most its part of half a burst. A request finds one of these:
//!
//! - **units are left**: it spends them;
//! - **the store said that there are none** until some moment, or granted less than was asked for
//!   lately: it is refused;
//! - **the store has not said anything lately**, because this is the key's first request, because
//!   units went faster than answers come, or because the store is away: it is decided by the
//!   gateway's own share of the limit, limit / gateways as the store last counted them. What is let
//!   through so is a debt, told to the store with the next question.
//!
//! So with the store away every gateway keeps its share, at once, and nobody waits.
//!
//! **Bounds.** The store is a GCRA of its own (see [`crate::rate`]), so what it grants in a window
//! `W` is at most `burst + W / interval`. Granted before and spent in it are at most what gateways
//! may hold: together half a burst, or the cost of one request each where that is more (`H`). What
//! shares let through in any window is at most one burst, and their rate while the store is away.
//! Together: **`2 × burst + (W + life) / interval + H` in any window**, and in the long run the
//! limit's rate, as debts are paid back. A store that loses its memory, and gateways that it did not
//! count when it was last heard, let one burst, or their share, more through. What is unsure counts
//! as spent: units whose answer was lost are nobody's, a debt whose question failed is told again.
//!
//! A unit granted to a gateway that has no more use for it is lost when it expires, after
//! [`LeaseSettings::life_ns`]; as gateways ask for what they spend, that is little.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::rate::{Rate, Wait};

mod held;

pub use held::{LeaseCounts, Leases};

/// How leases are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// How long granted units may be spent, and how long what the store said is believed, in
    /// nanoseconds. Default 1 s. Longer bears longer silence, and loses more unused units.
    pub life_ns: u64,
    /// After how long a question is given up, in nanoseconds. Default 200 ms.
    pub answer_ns_max: u64,
    /// How many gateways there are, until the store says it. Default 1.
    pub gateways: u32,
    /// Most keys of shared limits at one time. Default 65,536, some 10 MB.
    pub keys_max: usize,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self { life_ns: 1_000_000_000, answer_ns_max: 200_000_000, gateways: 1, keys_max: 65_536 }
    }
}

/// The name of a key in the shared store, the same at every gateway. It can't be turned back, but
/// whoever knows a key or address can find its name.
pub fn shared_key(rule: u64, name: &[u8]) -> u128 {
    let mut hasher =
        SipHasher24::new_with_keys(u64::from_be_bytes(*b"tandem.l"), u64::from_be_bytes(*b"imits.v1"));
    hasher.write_u64(rule);
    hasher.write(name);
    hasher.finish128().as_u128()
}

/// A question to the shared store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// About which key.
    pub key: u128,
    /// Its limit.
    pub rate: Rate,
    /// Units that are wanted.
    pub want: u64,
    /// With fewer than these, 1 at least, there is no use for any.
    pub least: u64,
    /// Units that were spent without having been granted.
    pub debt: u64,
    /// Tells the lease's questions apart.
    pub(crate) number: u64,
}

/// What the store says to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Units that may be spent.
    pub units: u64,
    /// Where none were granted: in how many nanoseconds there will be enough.
    pub wait_ns: u64,
}

/// A lease on the units of one key. Time comes in as an argument; see the head of this file.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    units: u64,
    expires_ns: u64,
    /// Spent from the own share, and not yet told.
    debt: u64,
    /// The word of the own share.
    share: u64,
    /// The question under way.
    asked: Option<Asked>,
    /// When the last question was put that was answered.
    heard_ns: Option<u64>,
    /// The store said that there is nothing until then.
    empty_until_ns: u64,
    /// The last answer was less than was wanted.
    is_scarce: bool,
    /// Spent since the last question.
    spent: u64,
    /// The dearest request since the last question that found too few units.
    missing: u64,
    /// Of the last question.
    want: u64,
    number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    at_ns: u64,
    want: u64,
    debt: u64,
}

/// Where a request was paid from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// From granted units.
    Units(u64),
    /// From the gateway's own share.
    Share(u64),
}

impl Lease {
    /// How a request of `cost` would be paid; changes nothing but what is known of the demand.
    ///
    /// # Errors
    ///
    /// When it is refused, and for how long.
    pub fn check(&mut self, limit: &Limit<'_>, now_ns: u64, cost: u64) -> Result<Taken, Wait> {
        if cost > limit.rate.burst() {
            return Err(Wait { wait_ns: u64::MAX });
        }
        if self.units_at(now_ns) >= cost {
            return Ok(Taken::Units(cost));
        }
        self.missing = self.missing.max(cost);
        if now_ns < self.empty_until_ns {
            return Err(Wait { wait_ns: self.empty_until_ns - now_ns });
        }
        if self.is_scarce && self.has_heard(limit, now_ns) {
            // The answer to the next question will say it better.
            return Err(Wait { wait_ns: limit.rate.interval_ns().min(limit.settings.life_ns) });
        }
        match limit.share().charge(self.share, now_ns, cost) {
            Ok(_) => Ok(Taken::Share(cost)),
            // More than the share ever holds: it takes a lease.
            Err(Wait { wait_ns: u64::MAX }) => Err(Wait { wait_ns: limit.settings.life_ns }),
            Err(wait) => Err(wait),
        }
    }

    /// Pays for a request of `cost`.
    ///
    /// # Errors
    ///
    /// As [`Lease::check`]; nothing is paid then.
    pub fn take(&mut self, limit: &Limit<'_>, now_ns: u64, cost: u64) -> Result<Taken, Wait> {
        let taken = self.check(limit, now_ns, cost)?;
        match taken {
            Taken::Units(_) => self.units -= cost,
            Taken::Share(_) => {
                self.share = limit.share().charge(self.share, now_ns, cost)?;
                self.debt = self.debt.saturating_add(cost).min(limit.rate.burst());
            }
        }
        self.spent = self.spent.saturating_add(cost);
        Ok(taken)
    }

    /// Takes back what was just paid. What came from the share stays a debt of the share, but not
    /// of the limit.
    pub fn take_back(&mut self, taken: Taken, now_ns: u64) {
        match taken {
            Taken::Units(cost) if now_ns < self.expires_ns => self.units += cost,
            Taken::Units(_) => {}
            Taken::Share(cost) => self.debt = self.debt.saturating_sub(cost),
        }
    }

    /// The question to put now, if one is needed: from then on it is under way.
    pub fn ask(&mut self, limit: &Limit<'_>, key: u128, now_ns: u64) -> Option<Ask> {
        if !self.needs_to_ask(limit, now_ns) {
            return None;
        }
        let left = self.units_at(now_ns);
        let most = limit.held_max().max(self.missing);
        let want = (2 * self.spent).clamp(1, most).max(self.missing);
        let least = self.missing.saturating_sub(left).max(1);
        let ask = Ask {
            key,
            rate: *limit.rate,
            want: want.saturating_sub(left).max(least),
            least,
            debt: self.debt,
            number: self.number + 1,
        };
        self.number += 1;
        self.asked = Some(Asked { at_ns: now_ns, want: ask.want, debt: ask.debt });
        self.want = want;
        (self.debt, self.spent, self.missing) = (0, 0, 0);
        Some(ask)
    }

    /// Whether [`Lease::ask`] has a question.
    pub fn needs_to_ask(&mut self, limit: &Limit<'_>, now_ns: u64) -> bool {
        if let Some(asked) = self.asked {
            if now_ns.saturating_sub(asked.at_ns) < limit.settings.answer_ns_max {
                return false;
            }
            // Lost, as far as anybody knows.
            self.failed();
        }
        let is_used = self.spent > 0 || self.missing > 0;
        let is_low = self.units_at(now_ns) <= self.want / 2 || self.missing > 0 || self.debt > 0;
        is_used && is_low && now_ns >= self.empty_until_ns
    }

    /// What the store says to the question of this number; an answer to one that was given up says
    /// nothing any more.
    pub fn answered(&mut self, limit: &Limit<'_>, number: u64, granted: Granted) {
        if number != self.number {
            return;
        }
        let Some(asked) = self.asked.take() else { return };
        self.heard_ns = Some(asked.at_ns);
        self.is_scarce = granted.units < asked.want;
        // Time runs from the question: however long the answer took, it was true when that was put.
        self.units = self.units_at(asked.at_ns).saturating_add(granted.units);
        self.expires_ns = asked.at_ns.saturating_add(limit.settings.life_ns);
        self.empty_until_ns = match granted.units {
            0 => asked.at_ns.saturating_add(granted.wait_ns),
            _ => 0,
        };
    }

    /// The question under way came to nothing; whether the store heard it is not known.
    pub fn failed(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.debt = self.debt.saturating_add(asked.debt);
            self.is_scarce = false;
        }
    }

    /// Whether nothing would be forgotten with it.
    pub fn is_idle(&self, now_ns: u64) -> bool {
        self.asked.is_none()
            && self.debt == 0
            && self.units_at(now_ns) == 0
            && self.share <= now_ns
            && self.empty_until_ns <= now_ns
    }

    /// Units left at a moment.
    pub fn units_at(&self, now_ns: u64) -> u64 {
        if now_ns < self.expires_ns { self.units } else { 0 }
    }

    /// Until when the store said that there is nothing.
    pub(crate) const fn empty_until_ns(&self) -> u64 {
        self.empty_until_ns
    }

    pub(crate) const fn share(&self) -> u64 {
        self.share
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    fn has_heard(&self, limit: &Limit<'_>, now_ns: u64) -> bool {
        self.heard_ns.is_some_and(|heard_ns| now_ns.saturating_sub(heard_ns) < limit.settings.life_ns)
    }
}

/// What a lease is about.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// The limit for all gateways together.
    pub rate: &'a Rate,
    /// How many gateways there are.
    pub gateways: u32,
    /// How leases are used.
    pub settings: &'a LeaseSettings,
}

impl Limit<'_> {
    /// This gateway's share.
    pub fn share(&self) -> Rate {
        self.rate.share(self.gateways.into())
    }

    /// Most units that one gateway holds, but for a dearer request.
    pub fn held_max(&self) -> u64 {
        (self.rate.burst() / (2 * u64::from(self.gateways.max(1)))).max(1)
    }
}

#[cfg(test)]
mod tests;
