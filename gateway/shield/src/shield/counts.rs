//! What the shield has done, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::rules::Name;
use crate::verdict::{Action, Verdict};

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

const RULES: usize = Name::ALL.len();

/// The same while it is counted.
#[derive(Default)]
pub(super) struct Tally {
    fired: [AtomicU64; RULES],
    observed: [AtomicU64; RULES],
    actions: [AtomicU64; 6],
    would_be: [AtomicU64; 6],
}

impl Tally {
    pub(super) fn judged(&self, verdict: &Verdict) {
        let one_more = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        one_more(&self.actions[verdict.action as usize]);
        one_more(&self.would_be[verdict.would_be as usize]);
        for reason in &verdict.reasons {
            if let Some(index) = Name::ALL.iter().position(|name| name.text() == reason.rule) {
                one_more(if reason.observed { &self.observed[index] } else { &self.fired[index] });
            }
        }
    }

    /// Without what the tables say.
    pub(super) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let rule = |name: &Name| RuleCount {
            rule: name.text(),
            fired: read(&self.fired[*name as usize]),
            observed: read(&self.observed[*name as usize]),
        };
        Counts {
            rules: Name::ALL.iter().map(rule).collect(),
            actions: Action::ALL.map(|action| (action, read(&self.actions[action as usize]))),
            would_be: Action::ALL.map(|action| (action, read(&self.would_be[action as usize]))),
            evictions: 0,
            keys: 0,
            bytes: 0,
            claims_dropped: 0,
        }
    }
}
