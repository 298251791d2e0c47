//! What was decided about a request, and how it is told.

use std::sync::Arc;

use crate::fields;
use crate::rate::{Standing, Wait};
use crate::rules::{Ready, RuleSet};

/// What was decided about a request.
#[derive(Clone, Debug)]
pub struct Decision {
    set: Arc<RuleSet>,
    /// Of the rules that can refuse, in their order.
    standings: Vec<RuleStanding>,
    refusal: Option<Refusal>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleStanding {
    pub(crate) index: u8,
    pub(crate) standing: Standing,
}

#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    by: Vec<u8>,
    wait_ns: u64,
}

impl Refusal {
    /// One more rule that refuses.
    pub(crate) fn add(refusal: &mut Option<Self>, index: u8, wait: Wait) {
        let refusal = refusal.get_or_insert_with(|| Self { by: Vec::new(), wait_ns: 0 });
        refusal.by.push(index);
        refusal.wait_ns = refusal.wait_ns.max(wait.wait_ns);
    }
}

impl Decision {
    pub(crate) fn new(set: Arc<RuleSet>, standings: Vec<RuleStanding>, refusal: Option<Refusal>) -> Self {
        Self { set, standings, refusal }
    }

    /// Whether it is let through.
    pub fn is_allowed(&self) -> bool {
        self.refusal.is_none()
    }

    /// Where it is refused: after how many whole seconds it is worth to try again, at least 1.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.refusal.as_ref().map(|refusal| fields::retry_after_s(refusal.wait_ns))
    }

    /// The names of the rules that refuse it.
    pub fn refused_by(&self) -> impl Iterator<Item = &str> {
        let by = self.refusal.as_ref().map_or(&[][..], |refusal| &refusal.by);
        by.iter().map(|index| self.rule(*index).rule.name.as_str())
    }

    /// The value of `RateLimit-Policy`: all rules that can refuse such a request; nothing where
    /// there are none.
    pub fn policy_field(&self) -> Option<String> {
        let items = self.standings.iter().map(|standing| self.rule(standing.index).policy.as_str());
        Some(fields::list(items)).filter(|field| !field.is_empty())
    }

    /// The value of `RateLimit`: the rule with the least left, as a part of its burst; for who is
    /// refused, all that refuse. Nothing where no rule can.
    pub fn limit_field(&self) -> Option<String> {
        let item =
            |standing: &RuleStanding| fields::limit(&self.rule(standing.index).rule.name, standing.standing);
        if let Some(refusal) = &self.refusal {
            let of_them = |standing: &&RuleStanding| refusal.by.contains(&standing.index);
            let items: Vec<String> = self.standings.iter().filter(of_them).map(item).collect();
            return Some(fields::list(items.iter().map(String::as_str)));
        }
        let part_left = |standing: &&RuleStanding| {
            let burst = self.rule(standing.index).rate.burst();
            u128::from(standing.standing.remaining) * u128::from(u32::MAX) / u128::from(burst)
        };
        self.standings.iter().min_by_key(part_left).map(item)
    }

    fn rule(&self, index: u8) -> &Ready {
        &self.set.rules()[usize::from(index)]
    }
}
