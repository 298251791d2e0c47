//! What a leader has, for one term: the group's clock and the judge.

use tandem_failover::{Decided, Entry, Judge, LeaderClock, Observation, Refusal, Wish};

use super::{Now, Outlook};

/// Observations between two ticks; more are left out, the next ones say the same.
const OBSERVATIONS_MAX: usize = 4_096;

pub(super) struct Office {
    term: u64,
    clock: LeaderClock,
    judge: Judge,
    /// Since the last tick: the judge looks at all of them together.
    heard: usize,
}

impl Office {
    pub(super) fn new(term: u64, settings: &tandem_failover::Settings, now: Now, applied_ms: u64) -> Self {
        let judge = Judge::new(settings.clone()).expect("whoever makes a member has checked its settings");
        Self { term, clock: LeaderClock::new(now.wall_ms, now.steady_ms, applied_ms), judge, heard: 0 }
    }

    pub(super) fn term(&self) -> u64 {
        self.term
    }

    pub(super) fn now_ms(&self, steady_ms: u64) -> u64 {
        self.clock.now_ms(steady_ms)
    }

    pub(super) fn observe(&mut self, steady_ms: u64, observation: Observation) {
        if self.heard < OBSERVATIONS_MAX {
            self.heard += 1;
            self.judge.observe(self.clock.now_ms(steady_ms), observation);
        }
    }

    pub(super) fn wish(&mut self, steady_ms: u64, wish: Wish) {
        self.judge.observe(self.clock.now_ms(steady_ms), Observation::Wish(wish));
    }

    pub(super) fn tick(&mut self, steady_ms: u64, decided: &Decided) -> Vec<Entry> {
        self.heard = 0;
        self.judge.tick(self.clock.now_ms(steady_ms), decided)
    }

    pub(super) fn outlook(&self, decided: &Decided) -> Outlook {
        let automatic = self.judge.automatic(decided);
        let rulings = match decided.check(&automatic) {
            Ok(rulings) | Err(Refusal::Rules(rulings)) => rulings,
            Err(_) => Vec::new(),
        };
        Outlook { evidence: self.judge.evidence(decided.active()), rulings }
    }
}
