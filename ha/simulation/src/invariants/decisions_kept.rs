//! No committed decision is lost: what anybody was told stands in the history, in order, at every
//! member, at the end.

use tandem_failover::{Decided, Decision};

use super::Held;
use crate::place::Place;

#[derive(Default)]
pub(super) struct DecisionsKept {
    /// All of them, in the order of the log.
    decided: Vec<Decision>,
    answered: Vec<Decision>,
}

impl DecisionsKept {
    pub(super) fn decided(&mut self, decision: &Decision) {
        self.decided.push(decision.clone());
    }

    /// Somebody was told of a decision: it must be one.
    pub(super) fn answered(&mut self, decision: &Decision) -> Held {
        self.answered.push(decision.clone());
        match self.decided.contains(decision) {
            true => Ok(()),
            false => Err(format!("somebody was told of a decision that the log does not hold: {decision:?}")),
        }
    }

    pub(super) fn end(&self, members: &[(Place, Decided)]) -> Held {
        for (place, decided) in members {
            let mut history = decided.history();
            let begins = self.decided.len().saturating_sub(history.len());
            for wanted in &self.decided[begins..] {
                if history.next() != Some(wanted) {
                    return Err(format!("{place} has lost {wanted:?}"));
                }
            }
            // What was answered is a part of what was decided; kept apart, so that a mistake in the
            // one can't hide in the other.
            let lost = self.answered.iter().find(|answered| {
                !self.decided[..begins].contains(answered) && !decided.history().any(|kept| kept == *answered)
            });
            if let Some(lost) = lost {
                return Err(format!("somebody was told of a decision, and {place} has not: {lost:?}"));
            }
        }
        Ok(())
    }
}
