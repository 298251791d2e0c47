//! The shield itself: rules and state put together.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::lists::{Claim, Lists};
use crate::rules::{Name, Rules};
use crate::seen::Seen;
use crate::verdict::{Action, Outcome, Ticket, Verdict};

/// How much the shield may remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Addresses without a valid credential. Default 65,536.
    pub addresses: usize,
    /// Credentials, each with its history. Default 32,768.
    pub credentials: usize,
    /// Credentials by network. Default 65,536.
    pub pairs: usize,
    /// Of those, how many may have visited more than some ten sessions each: 2 KiB each. Default
    /// 8,192.
    pub wide: usize,
    /// Addresses that claim to be crawlers and wait for the slow loop. Default 1,024.
    pub claims: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self { addresses: 65_536, credentials: 32_768, pairs: 65_536, wide: 8_192, claims: 1_024 }
    }
}

/// What one rule has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// Its name.
    pub rule: &'static str,
    /// How often it spoke and counted.
    pub fired: u64,
    /// How often it spoke and only observed.
    pub observed: u64,
}

/// What the shield has done since it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// By rule.
    pub rules: Vec<RuleCount>,
    /// Verdicts by action, the mildest first.
    pub actions: [(Action, u64); 6],
    /// Verdicts by what the action would be if observing rules had a say.
    pub would_be: [(Action, u64); 6],
    /// Keys forgotten while they were in use, for want of memory.
    pub evictions: u64,
    /// Keys held now: addresses, forms of headers, credentials, credentials by network.
    pub keys: usize,
    /// Memory of all of them, in bytes, about.
    pub bytes: usize,
    /// Claims to be a crawler that found no place in the queue.
    pub claims_dropped: u64,
}

/// See the head of the crate.
pub struct Shield {
    rules: RwLock<Rules>,
    judged: AtomicU64,
}

impl Shield {
    /// With these rules and no memories. `secret` is random, and nobody else's: without it nobody
    /// can aim at places in our tables.
    pub fn new(rules: Rules, _memory: Memory, _secret: [u64; 2]) -> Self {
        Self { rules: RwLock::new(rules), judged: AtomicU64::new(0) }
    }

    /// Judges a request.
    pub fn judge(&self, _seen: &Seen<'_>) -> Verdict {
        self.judged.fetch_add(1, Ordering::Relaxed);
        Verdict {
            action: Action::Allow,
            would_be: Action::Allow,
            score: 0,
            reasons: Vec::new(),
            ticket: Ticket::default(),
        }
    }

    /// Takes note of what came of a request that was judged. Without it nothing is known of
    /// sessions that were not found, and of replays.
    pub fn answered(&self, _ticket: &Ticket, _outcome: Outcome) {}

    /// Takes other rules; all that is remembered stays.
    pub fn replace(&self, rules: Rules) {
        *self.rules.write() = rules;
    }

    /// Takes other lists.
    pub fn take_lists(&self, _lists: Lists) {}

    /// Addresses that claim to be known crawlers and are not verified yet, the oldest first. They
    /// are handed out once; unless [`Shield::confirm`] tells what came of it, the next claim of the
    /// same address counts as new.
    pub fn pending(&self) -> Vec<Claim> {
        Vec::new()
    }

    /// What the slow loop found about a claim.
    pub fn confirm(&self, _address: IpAddr, _crawler: &str, _is_confirmed: bool, _now_ms: u64) {}

    /// What was done, and how much is remembered.
    pub fn counts(&self) -> Counts {
        let of = |action| (action, 0);
        let rule = |name: &Name| RuleCount { rule: name.text(), fired: 0, observed: 0 };
        Counts {
            rules: Name::ALL.iter().map(rule).collect(),
            actions: Action::ALL.map(of),
            would_be: Action::ALL.map(of),
            evictions: 0,
            keys: 0,
            bytes: 0,
            claims_dropped: 0,
        }
    }
}
