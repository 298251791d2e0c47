//! No flapping: one automatic switch per cool-down, unless the active chain was hard down or wrong. Counted
//! in true time, and by who wanted it, not by the state that the rules look at.

use tandem_failover::{Bounds, Condition, Decision, Switch};

use super::Held;

/// The group's time may run ahead of true time: by as much as a wall clock is off in the simulation,
/// and by a drift of 0.5 %.
const AHEAD_MS: u64 = 100_000;

#[derive(Default)]
pub(super) struct Flapping {
    last_ms: Option<u64>,
}

impl Flapping {
    pub(super) fn switched(
        &mut self,
        now_ms: u64,
        decision: &Decision,
        switch: &Switch,
        is_left_wrong: bool,
    ) -> Held {
        let last_ms = self.last_ms.replace(now_ms);
        let needed_ms = Bounds::default().cool_down_ms - AHEAD_MS;
        let may_hurry = is_left_wrong || switch.evidence.active.condition == Condition::Down;
        match last_ms.filter(|last_ms| now_ms - last_ms < needed_ms && !may_hurry) {
            None => Ok(()),
            Some(last_ms) => Err(format!(
                "automatic switches {} ms apart, and the chain that was left is neither down nor wrong: {}",
                now_ms - last_ms,
                decision.entry.reason
            )),
        }
    }
}
