//! Memories as signals: what is known of a caller's last few hundred requests, as numbers that
//! rules judge. All of it is integer arithmetic on what `state/` holds.

use crate::rules::{Inner, Name};
use crate::seen::Caller;
use crate::state::{Doings, Strangeness};
use crate::verdict::Evidence;

/// Something seen: which rule it is for, how much of it, and the same in words.
#[derive(Clone, Debug)]
pub(crate) struct Signal {
    pub(crate) name: Name,
    pub(crate) value: u32,
    pub(crate) evidence: Evidence,
}

impl Signal {
    /// Of something that is there or not.
    pub(crate) const fn once(name: Name, evidence: Evidence) -> Self {
        Self { name, value: 1_000_000, evidence }
    }
}

/// `part` of `of` in percent, 0 of nothing.
pub(crate) fn percent(part: u32, of: u32) -> u32 {
    let percent = u64::from(part) * 100 / u64::from(of.max(1));
    u32::try_from(percent).unwrap_or(u32::MAX)
}

/// What a credential is used for from one network, as signals.
pub(crate) fn of_doings(
    doings: &Doings,
    caller: Caller,
    strangeness: Strangeness,
    of_strangers: (u32, u32),
    rules: &Inner,
    mut tell: impl FnMut(Signal),
) {
    let mut counted = |name: Name, value: u32, evidence: Evidence| {
        if value >= rules.rule(name).from {
            tell(Signal { name, value, evidence });
        }
    };
    let has_share = |name: Name, share: u32| share >= rules.rule(name).share_percent;
    let first_percent = percent(doings.firsts, doings.visits);
    let breadth = Evidence::Breadth { sessions: doings.sessions, first_percent };
    if has_share(Name::Breadth, first_percent) && caller != Caller::Token {
        counted(Name::Breadth, doings.sessions, breadth.clone());
    }
    if has_share(Name::BreadthPerson, first_percent) && caller == Caller::Token {
        counted(Name::BreadthPerson, doings.sessions, breadth.clone());
    }
    let walk_percent = percent(doings.neighbours, doings.firsts);
    // Whoever comes back is no walker, however he came first.
    let walk = if strangeness == Strangeness::None { Name::Walk } else { Name::WalkStranger };
    if has_share(walk, walk_percent) && has_share(Name::Breadth, first_percent) {
        let evidence = Evidence::Walk { percent: walk_percent, of: doings.firsts };
        counted(walk, doings.sessions, evidence);
    }
    // Strangers change networks: what they miss is counted together, too.
    let missed = [(doings.missing, doings.visits), of_strangers_missing(strangeness, of_strangers)];
    let missed = missed.into_iter().filter(|(missing, of)| has_share(Name::NotFound, percent(*missing, *of)));
    if let Some((missing, of)) = missed.max() {
        counted(Name::NotFound, missing, Evidence::NotFound { missing, of });
    }
    if strangeness > Strangeness::None {
        let evidence = Evidence::Stranger { with_new_agent: strangeness == Strangeness::Both };
        counted(Name::Stranger, strangeness as u32, evidence);
        let is_person = caller == Caller::Token;
        let name = if is_person { Name::BreadthStrangerPerson } else { Name::BreadthStranger };
        if has_share(name, first_percent) {
            counted(name, doings.sessions, breadth);
        }
        counted(Name::ExportsStranger, doings.bulk, Evidence::Exports(doings.bulk));
    }
    counted(Name::Honeypot, doings.honeypots, Evidence::Honeypot(doings.honeypots));
    counted(Name::Replays, doings.replays, Evidence::Replays(doings.replays));
    if caller == Caller::Token {
        counted(Name::AgentsMany, doings.agents, Evidence::Agents(doings.agents));
    }
}

fn of_strangers_missing(strangeness: Strangeness, (visits, missing): (u32, u32)) -> (u32, u32) {
    if strangeness == Strangeness::None { (0, 0) } else { (missing, visits) }
}
