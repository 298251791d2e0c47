//! The decided state: what every control node holds, and how an entry changes it.
//!
//! Nodes apply the same entries in the same order and end in the same state, so whatever a decision
//! depends on stands here or in the entry: also the time (the leader's, kept from going back) and
//! the bounds of the rules. A refused entry changes the time only.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tandem_model::route::{Chain, Route};

use crate::chains::Chains;
use crate::entry::{
    Action, Decision, Entry, NAME_CHARS_MAX, REASON_CHARS_MAX, Refusal, Switch, SwitchKind, Window,
};
use crate::rules::{self, Case, Ruling};
use crate::settings::Bounds;

/// How many decisions are kept.
pub const HISTORY_MAX: usize = 256;
/// How many blocked windows there may be.
pub const BLOCKED_MAX: usize = 64;
/// Automatic switches within this time make the return slower, in milliseconds.
const FLAPPING_MS: u64 = 24 * 60 * 60 * 1_000;
/// How many of them are kept; more do not make it slower still.
const AUTOMATIC_MAX: usize = 16;

/// What the control group has decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    route: Route,
    since_ms: u64,
    time_ms: u64,
    bounds: Bounds,
    frozen: Option<Frozen>,
    drained: Chains<bool>,
    quarantined: Chains<bool>,
    /// Break-glass chose the chain that serves in spite of its quarantine.
    is_quarantine_overridden: bool,
    /// Ascending, none over.
    blocked: Vec<Window>,
    /// When automatic switches were, ascending.
    automatic_ms: VecDeque<u64>,
    left_automatically_ms: Chains<Option<u64>>,
    /// Oldest first.
    history: VecDeque<Decision>,
}

/// Who froze the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when, by the group's time, in milliseconds since the epoch.
    pub since_ms: u64,
}

impl Decided {
    /// The beginning: `active` serves in epoch 1. All nodes of a group must begin alike.
    pub fn new(active: Chain, bounds: Bounds) -> Self {
        Self {
            route: Route { active, epoch: 1, reason: "first start".to_owned() },
            since_ms: 0,
            time_ms: 0,
            bounds,
            frozen: None,
            drained: Chains::default(),
            quarantined: Chains::default(),
            is_quarantine_overridden: false,
            blocked: Vec::new(),
            automatic_ms: VecDeque::new(),
            left_automatically_ms: Chains::default(),
            history: VecDeque::new(),
        }
    }

    /// Applies an entry.
    ///
    /// # Errors
    ///
    /// When it changes nothing but the time: it can't be an entry, it is so already, or rules stand
    /// against it.
    pub fn apply(&mut self, entry: &Entry) -> Result<Decision, Refusal> {
        self.time_ms = self.time_ms.max(entry.at_ms);
        let now_ms = self.time_ms;
        self.blocked.retain(|window| window.to_ms > now_ms);
        let rulings = self.check(entry)?;
        self.change(entry);
        let (epoch, active) = (self.route.epoch, self.route.active);
        let decision = Decision { epoch, active, at_ms: now_ms, entry: entry.clone(), rulings };
        self.history.push_back(decision.clone());
        if self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
        Ok(decision)
    }

    /// What applying an entry would say, without doing it.
    ///
    /// # Errors
    ///
    /// As [`Decided::apply`].
    pub fn check(&self, entry: &Entry) -> Result<Vec<Ruling>, Refusal> {
        well_formed(entry)?;
        self.something_to_do(entry)?;
        let rulings = match &entry.action {
            Action::Switch(switch) => {
                rules::of_switch(&Case { decided: self, switch, now_ms: self.time_ms.max(entry.at_ms) })
            }
            Action::Drain(chain) => rules::of_drain(self, *chain),
            _ => Vec::new(),
        };
        if rules::is_refused(&rulings) { Err(Refusal::Rules(rulings)) } else { Ok(rulings) }
    }

    fn something_to_do(&self, entry: &Entry) -> Result<(), Refusal> {
        let already = match &entry.action {
            Action::Switch(switch) if switch.to == self.active() => format!("{} serves already", switch.to),
            Action::Drain(chain) if *self.drained.of(*chain) => format!("{chain} is drained already"),
            Action::Undrain(chain) if !self.drained.of(*chain) => format!("{chain} is not drained"),
            Action::Freeze if self.frozen.is_some() => "frozen already".to_owned(),
            Action::Unfreeze if self.frozen.is_none() => "not frozen".to_owned(),
            Action::Quarantine(chain) if *self.quarantined.of(*chain) => {
                format!("{chain} is quarantined already")
            }
            Action::Release(chain) if !self.quarantined.of(*chain) => format!("{chain} is not quarantined"),
            Action::Block(window) if self.blocked.contains(window) => "blocked already".to_owned(),
            Action::Block(window) if window.to_ms <= self.time_ms.max(entry.at_ms) => {
                "that time is over".to_owned()
            }
            Action::Block(_) if self.blocked.len() >= BLOCKED_MAX => {
                return Err(Refusal::Malformed(format!(
                    "there are {BLOCKED_MAX} blocked windows already: unblock one first"
                )));
            }
            Action::Unblock(window) if !self.blocked.contains(window) => {
                "there is no such blocked window".to_owned()
            }
            Action::SetBounds(bounds) if *bounds == self.bounds => "these are the bounds already".to_owned(),
            _ => return Ok(()),
        };
        Err(Refusal::NothingToDo(already))
    }

    fn change(&mut self, entry: &Entry) {
        match &entry.action {
            Action::Switch(switch) => self.switch(switch, &entry.reason),
            Action::Drain(chain) => *self.drained.of_mut(*chain) = true,
            Action::Undrain(chain) => *self.drained.of_mut(*chain) = false,
            Action::Freeze => {
                let (by, reason) = (entry.by.clone(), entry.reason.clone());
                self.frozen = Some(Frozen { by, reason, since_ms: self.time_ms });
            }
            Action::Unfreeze => self.frozen = None,
            Action::Quarantine(chain) => *self.quarantined.of_mut(*chain) = true,
            Action::Release(chain) => {
                *self.quarantined.of_mut(*chain) = false;
                self.is_quarantine_overridden &= *chain != self.active();
            }
            Action::Block(window) => {
                self.blocked.push(*window);
                self.blocked.sort_unstable();
            }
            Action::Unblock(window) => self.blocked.retain(|blocked| blocked != window),
            Action::SetBounds(bounds) => self.bounds = *bounds,
        }
        // Neither a rule nor an operator can get here otherwise; readers depend on it.
        assert!(!self.drained.of(self.active()), "the chain that serves is never drained");
    }

    fn switch(&mut self, switch: &Switch, reason: &str) {
        let left = self.route.active;
        self.route = Route { active: switch.to, epoch: self.route.epoch + 1, reason: reason.to_owned() };
        self.since_ms = self.time_ms;
        // Only break-glass gets here with a drained target: whoever serves is on.
        *self.drained.of_mut(switch.to) = false;
        // Else the judge would undo at once what the operator chose.
        self.is_quarantine_overridden = *self.quarantined.of(switch.to);
        *self.left_automatically_ms.of_mut(switch.to) = None;
        if switch.kind == SwitchKind::Automatic {
            *self.left_automatically_ms.of_mut(left) = Some(self.time_ms);
            self.automatic_ms.push_back(self.time_ms);
            if self.automatic_ms.len() > AUTOMATIC_MAX {
                self.automatic_ms.pop_front();
            }
        }
    }

    /// The route in force.
    pub const fn route(&self) -> &Route {
        &self.route
    }

    /// The chain that serves.
    pub const fn active(&self) -> Chain {
        self.route.active
    }

    /// The epoch in force: rises by one with every switch, and never otherwise.
    pub const fn epoch(&self) -> u64 {
        self.route.epoch
    }

    /// Since when the route is in force, by the group's time, in milliseconds since the epoch; 0 for
    /// the first.
    pub const fn since_ms(&self) -> u64 {
        self.since_ms
    }

    /// The highest time that an entry carried, in milliseconds since the epoch.
    pub const fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// How far the rules reach.
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Who froze the group, if it is frozen.
    pub const fn frozen(&self) -> Option<&Frozen> {
        self.frozen.as_ref()
    }

    /// Which chains are drained: one at most, and never the one that serves.
    pub const fn drained(&self) -> &Chains<bool> {
        &self.drained
    }

    /// Which chains are quarantined.
    pub const fn quarantined(&self) -> &Chains<bool> {
        &self.quarantined
    }

    /// Whether the chain that serves is quarantined, and nobody chose it in spite of that: a reason
    /// to leave it.
    pub const fn is_active_distrusted(&self) -> bool {
        *self.quarantined.of(self.route.active) && !self.is_quarantine_overridden
    }

    /// Which chains readers should not be sent to at all: the standby while it is drained or
    /// quarantined, the chain that serves while its figures are known to be wrong.
    pub const fn shunned(&self) -> Chains<bool> {
        let mut shunned = Chains { a: false, b: false };
        let (active, standby) = (self.route.active, self.route.active.other());
        *shunned.of_mut(active) = self.is_active_distrusted();
        *shunned.of_mut(standby) = *self.drained.of(standby) || *self.quarantined.of(standby);
        shunned
    }

    /// When nothing switches by itself, ascending.
    pub fn blocked(&self) -> &[Window] {
        &self.blocked
    }

    /// When the last automatic switch was, by the group's time, in milliseconds since the epoch.
    pub fn last_automatic_ms(&self) -> Option<u64> {
        self.automatic_ms.back().copied()
    }

    /// When each chain was left automatically, if nobody has switched to it since.
    pub const fn left_automatically_ms(&self) -> &Chains<Option<u64>> {
        &self.left_automatically_ms
    }

    /// How long after it was left a chain is returned to automatically, in milliseconds.
    pub fn return_after_ms(&self, now_ms: u64) -> u64 {
        let recent = self.automatic_ms.iter().filter(|at_ms| now_ms.saturating_sub(**at_ms) < FLAPPING_MS);
        let doublings = recent.count().saturating_sub(1) as u32;
        let doubled_ms = self.bounds.return_after_ms.saturating_mul(1 << doublings);
        doubled_ms.min(self.bounds.return_after_ms_max)
    }

    /// The last [`HISTORY_MAX`] decisions, oldest first.
    pub fn history(&self) -> impl DoubleEndedIterator<Item = &Decision> + ExactSizeIterator {
        self.history.iter()
    }
}

fn well_formed(entry: &Entry) -> Result<(), Refusal> {
    let is_text = |text: &str, chars_max| !text.trim().is_empty() && text.chars().count() <= chars_max;
    if !is_text(&entry.reason, REASON_CHARS_MAX) {
        return Err(Refusal::Malformed(format!("a reason must have 1 to {REASON_CHARS_MAX} characters")));
    }
    if !is_text(&entry.by, NAME_CHARS_MAX) {
        return Err(Refusal::Malformed(format!("say who asks, in 1 to {NAME_CHARS_MAX} characters")));
    }
    match &entry.action {
        Action::Block(window) if window.from_ms >= window.to_ms => {
            Err(Refusal::Malformed("a blocked window must end after it begins".to_owned()))
        }
        Action::SetBounds(bounds) => {
            bounds.check().map_err(|refused| Refusal::Malformed(refused.to_string()))
        }
        _ => Ok(()),
    }
}
