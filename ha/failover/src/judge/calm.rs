//! Return slowly: for how long a chain must be without symptoms until it is healthy again.

use crate::settings::Settings;

/// What is remembered of a chain's illnesses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calm {
    /// Since when it is without symptoms, as far as anybody saw.
    since_ms: Option<u64>,
    is_ill: bool,
    /// How often it fell ill.
    illnesses: u32,
    ill_ms: u64,
}

impl Calm {
    /// Enough observers see a symptom.
    pub(super) fn ill(&mut self, now_ms: u64) {
        if !self.is_ill {
            self.illnesses = self.illnesses.saturating_add(1);
        }
        (self.is_ill, self.ill_ms, self.since_ms) = (true, now_ms, None);
    }

    /// Enough observers see none. Says whether that is so for long enough.
    pub(super) fn well(&mut self, now_ms: u64, settings: &Settings) -> bool {
        self.is_ill = false;
        if now_ms.saturating_sub(self.ill_ms) >= settings.forget_ms {
            self.illnesses = 0;
        }
        let doublings = self.illnesses.saturating_sub(1).min(32);
        let needed_ms = settings.calm_ms.saturating_mul(1 << doublings).min(settings.calm_ms_max);
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        now_ms.saturating_sub(since_ms) >= needed_ms
    }

    /// Too few observers say anything: what was calm counts anew.
    pub(super) fn unseen(&mut self) {
        self.since_ms = None;
    }
}
