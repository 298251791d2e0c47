//! Signals added up.

use crate::rules::{About, Inner};
use crate::seen::Caller;
use crate::verdict::{Reason, Ticket, Verdict};
use crate::window::Signal;

use super::is_allowed;

/// Points of one kind of rules: those that have a say, and all.
#[derive(Clone, Copy, Default)]
struct Points {
    enforced: i32,
    all: i32,
}

/// What was said about a request so far.
pub(super) struct Score<'a> {
    rules: &'a Inner,
    caller: Caller,
    looks: Points,
    doings: Points,
    reasons: Vec<Reason>,
}

impl<'a> Score<'a> {
    pub(super) const fn new(rules: &'a Inner, caller: Caller) -> Self {
        let none = Points { enforced: 0, all: 0 };
        Self { rules, caller, looks: none, doings: none, reasons: Vec::new() }
    }

    /// Adds a signal, if its rule says that it is worth something.
    pub(super) fn add(&mut self, signal: Signal) {
        let rule = self.rules.rule(signal.name);
        let about = rule.name.about();
        let points = match (about, self.caller) {
            // What no rule can change: looks and addresses say nothing of signed applications.
            (About::Looks, Caller::Signed) => 0,
            _ => rule.worth(self.caller, signal.value),
        };
        if points == 0 {
            return;
        }
        let sum = if about == About::Looks { &mut self.looks } else { &mut self.doings };
        sum.all += i32::from(points);
        if !rule.observe {
            sum.enforced += i32::from(points);
        }
        let (rule, observed) = (rule.name.text(), rule.observe);
        self.reasons.push(Reason { rule, points, observed, evidence: signal.evidence });
    }

    pub(super) fn verdict(self, ticket: Ticket) -> Verdict {
        // A verified crawler may look like one; it is not forgiven what it does.
        let sum = |looks: i32, doings: i32| {
            u16::try_from(looks.max(0).saturating_add(doings).max(0)).unwrap_or(u16::MAX)
        };
        let score = sum(self.looks.enforced, self.doings.enforced);
        let action = self.rules.action(self.caller, score);
        let would_be = self.rules.action(self.caller, sum(self.looks.all, self.doings.all));
        assert!(is_allowed(self.caller, action), "a caller was given more than its most");
        Verdict { action, would_be, score, reasons: self.reasons, ticket }
    }
}
