//! What can be set: how the judge sees ([`Settings`], each node's own), and how far the rules reach
//! ([`Bounds`], decided by the group).

use serde::{Deserialize, Serialize};

/// A pause that must never decide anything, in milliseconds: garbage collection elsewhere, a
/// checkpoint, a busy host.
pub const PAUSE_MS: u64 = 1_000;
/// How long an entry takes to be committed and to reach every gateway, as assumed by the aims, in
/// milliseconds: two syncs and two hops.
pub const COMMIT_MS: u64 = 150;

/// How the judge sees. A leader's judgement goes into entries, so nodes may differ in these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How often gateways report. Default 100 ms: with [`Settings::down_after_ms`] and
    /// [`COMMIT_MS`] it adds up to 1,450 ms from the fault to everyone, of the 1,500 allowed.
    pub report_every_ms: u64,
    /// How often each control node probes each chain. Default 100 ms: at 20 % errors three of four
    /// seconds then show one in nine cases of ten.
    pub probe_every_ms: u64,
    /// How often beats come. Default 1 s.
    pub beat_every_ms: u64,
    /// What is older says nothing any more. Default 1 s: several reports may get lost.
    pub fresh_ms: u64,
    /// So many observers at least must agree. Default 2: one is never enough, and a system with one
    /// gateway still has its control nodes' probes.
    pub observers_min: u32,
    /// Nothing but failures for so long is a symptom. Default 1,200 ms: more than a pause of 1 s,
    /// and 200 ms for reports that take their time.
    pub down_after_ms: u64,
    /// So many failures in a row at least. Default 3.
    pub down_failures_min: u32,
    /// A second in which so many of 100 requests fail is a bad one. Default 10: half of the 20 % to
    /// be found, ten times the 1 % to be lived with.
    pub error_percent: u32,
    /// Fewer requests within four seconds say nothing about errors. Default 10.
    pub requests_min: u32,
    /// So many times the usual latency is slow. Default 5: half of the 10 to be found.
    pub slow_factor: u64,
    /// Whatever is faster is not slow, in microseconds. Default 5,000: the budget of a hot report.
    pub slow_floor_us: u64,
    /// Beats that stand still for so long while the other chain is two beats on are a symptom.
    /// Default 2,200 ms: two beats, and some time for reading. One beat less of it must have passed
    /// since the other chain went beyond, so that both may stand still for any time.
    pub stuck_after_ms: u64,
    /// So much event time behind the other chain is a symptom, moving or not, once it has lasted for
    /// `stuck_after_ms` less one beat. Default 5 s.
    pub lag_ms_max: u64,
    /// A store lost for so long is a symptom. Default 3 s: a restart of Redis is shorter.
    pub degraded_after_ms: u64,
    /// How long a chain must be without symptoms to be healthy again; doubled each time it falls
    /// ill again. Default 10 s.
    pub calm_ms: u64,
    /// Longest calm time. Default 10 min.
    pub calm_ms_max: u64,
    /// After so long without symptoms earlier ones are forgotten. Default 1 h.
    pub forget_ms: u64,
    /// The same is not proposed again before. Default 1 s: a commit takes much less.
    pub repeat_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            report_every_ms: 100,
            probe_every_ms: 100,
            beat_every_ms: 1_000,
            fresh_ms: 1_000,
            observers_min: 2,
            down_after_ms: 1_200,
            down_failures_min: 3,
            error_percent: 10,
            requests_min: 10,
            slow_factor: 5,
            slow_floor_us: 5_000,
            stuck_after_ms: 2_200,
            lag_ms_max: 5_000,
            degraded_after_ms: 3_000,
            calm_ms: 10_000,
            calm_ms_max: 600_000,
            forget_ms: 3_600_000,
            repeat_ms: 1_000,
        }
    }
}

/// Values that can't be safe. Says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl Settings {
    /// Refuses what can't be safe.
    ///
    /// # Errors
    ///
    /// Says which value, and what to do.
    pub fn check(&self) -> Result<(), SettingsError> {
        let seen_ms = self.report_every_ms.max(self.probe_every_ms);
        let beats_ms = self.beat_every_ms.saturating_mul(2);
        // In the order of what would go wrong first.
        let demands = [
            (
                (1..=250).contains(&self.report_every_ms) && (1..=250).contains(&self.probe_every_ms),
                "set report_every_ms and probe_every_ms to 1 to 250: errors are counted in quarters of a second"
                    .to_owned(),
            ),
            (
                self.observers_min >= 2,
                "set observers_min to 2 at least: a single observer may only have lost its own network"
                    .to_owned(),
            ),
            (
                self.fresh_ms >= seen_ms.saturating_mul(3) && self.fresh_ms <= 3_000,
                format!(
                    "set fresh_ms to {} (three reports) to 3000: less, and lost reports blind the judge; more, \
                     and it believes what has passed",
                    seen_ms.saturating_mul(3)
                ),
            ),
            (
                self.down_after_ms >= PAUSE_MS + seen_ms,
                format!("set down_after_ms to {} at least: a pause of 1 s must not decide", PAUSE_MS + seen_ms),
            ),
            (self.down_failures_min >= 2, "set down_failures_min to 2 at least".to_owned()),
            (
                (2..=50).contains(&self.error_percent),
                "set error_percent to 2 to 50: 1 % of loss must not decide, and half is no grey any more"
                    .to_owned(),
            ),
            (self.requests_min >= 5, "set requests_min to 5 at least: fewer are chance".to_owned()),
            (self.slow_factor >= 2, "set slow_factor to 2 at least: latency varies".to_owned()),
            (
                self.stuck_after_ms >= beats_ms && self.stuck_after_ms > self.beat_every_ms + PAUSE_MS,
                format!(
                    "set stuck_after_ms to {} at least: one beat may be missing and a pause may come on top",
                    beats_ms.max(self.beat_every_ms + PAUSE_MS + 1)
                ),
            ),
            (
                self.lag_ms_max > beats_ms,
                format!("set lag_ms_max above {beats_ms} (two beats): a chain may be a beat behind"),
            ),
            (
                self.degraded_after_ms >= PAUSE_MS,
                format!("set degraded_after_ms to {PAUSE_MS} at least: a pause must not decide"),
            ),
            (
                self.calm_ms >= 1_000 && self.calm_ms_max >= self.calm_ms,
                "set calm_ms to 1000 at least, and calm_ms_max no lower: who returns at once, flaps".to_owned(),
            ),
            (
                self.forget_ms >= self.calm_ms_max,
                format!(
                    "set forget_ms to calm_ms_max ({}) at least: else flapping is forgotten while it lasts",
                    self.calm_ms_max
                ),
            ),
        ];
        match demands.into_iter().find(|(is_met, _)| !is_met) {
            None => Ok(()),
            Some((_, what_to_do)) => Err(SettingsError(what_to_do)),
        }
    }
}

/// How far the rules reach. Part of the decided state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Time between automatic switches, in milliseconds. Default 10 min (design).
    pub cool_down_ms: u64,
    /// How far behind a target may be, in milliseconds of event time. Default 2 s: two beats, since
    /// reading both chains takes a moment.
    pub behind_ms_max: u64,
    /// How many records a target may have to read still, per partition. Default 20,000, which take
    /// 50 ms to fold: the newest beat may be unknown when the other chain is gone, the log's end is
    /// not.
    pub unread_records_max: u64,
    /// How long a chain that was left automatically is not returned to, in milliseconds; doubled by
    /// each further automatic switch within a day. Default 20 min: longer than the cool-down.
    pub return_after_ms: u64,
    /// Longest such time. Default 4 h.
    pub return_after_ms_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            cool_down_ms: 600_000,
            behind_ms_max: 2_000,
            unread_records_max: 20_000,
            return_after_ms: 1_200_000,
            return_after_ms_max: 14_400_000,
        }
    }
}

impl Bounds {
    /// Refuses what can't be safe.
    ///
    /// # Errors
    ///
    /// Says which value, and what to do.
    pub fn check(&self) -> Result<(), SettingsError> {
        let demands = [
            (self.cool_down_ms >= 60_000, "set cool_down_ms to 60000 at least: faster is flapping"),
            (
                (1_000..=60_000).contains(&self.behind_ms_max),
                "set behind_ms_max to 1000 (a beat) to 60000: readers wait for a chain that is behind",
            ),
            (
                self.unread_records_max >= 1_000,
                "set unread_records_max to 1000 at least: a busy log moves on",
            ),
            (
                self.return_after_ms >= self.cool_down_ms,
                "set return_after_ms to cool_down_ms at least: else returning is as fast as leaving",
            ),
            (
                self.return_after_ms_max >= self.return_after_ms,
                "set return_after_ms_max to return_after_ms at least",
            ),
        ];
        match demands.into_iter().find(|(is_met, _)| !is_met) {
            None => Ok(()),
            Some((_, what_to_do)) => Err(SettingsError(what_to_do.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change<T> = fn(&mut T);

    #[test]
    fn the_defaults_are_safe_and_meet_the_aims() {
        let settings = Settings::default();
        settings.check().unwrap();
        Bounds::default().check().unwrap();
        assert!(settings.down_after_ms + settings.report_every_ms + COMMIT_MS <= 1_500);
        // Beats are read four times a second.
        assert!(settings.stuck_after_ms + 250 + COMMIT_MS <= 3_000);
    }

    #[test]
    fn each_unsafe_value_is_named() {
        let unsafe_ones: [(&str, Change<Settings>); 13] = [
            ("report_every_ms", |settings| settings.report_every_ms = 251),
            ("probe_every_ms", |settings| settings.probe_every_ms = 0),
            ("observers_min", |settings| settings.observers_min = 1),
            ("fresh_ms", |settings| settings.fresh_ms = 299),
            ("fresh_ms", |settings| settings.fresh_ms = 3_001),
            ("down_after_ms", |settings| settings.down_after_ms = 1_099),
            ("error_percent", |settings| settings.error_percent = 1),
            ("requests_min", |settings| settings.requests_min = 1),
            ("slow_factor", |settings| settings.slow_factor = 1),
            ("stuck_after_ms", |settings| settings.stuck_after_ms = 1_999),
            ("lag_ms_max", |settings| settings.lag_ms_max = 2_000),
            ("calm_ms", |settings| settings.calm_ms = 0),
            ("forget_ms", |settings| settings.forget_ms = 0),
        ];
        for (name, change) in unsafe_ones {
            let mut settings = Settings::default();
            change(&mut settings);
            let refused = settings.check().unwrap_err().to_string();
            assert!(refused.contains(name), "{name}: {refused}");
        }
    }

    #[test]
    fn each_unsafe_bound_is_named() {
        let unsafe_ones: [(&str, Change<Bounds>); 5] = [
            ("cool_down_ms", |bounds| bounds.cool_down_ms = 59_999),
            ("behind_ms_max", |bounds| bounds.behind_ms_max = 999),
            ("unread_records_max", |bounds| bounds.unread_records_max = 0),
            ("return_after_ms", |bounds| bounds.return_after_ms = 599_999),
            ("return_after_ms_max", |bounds| bounds.return_after_ms_max = 0),
        ];
        for (name, change) in unsafe_ones {
            let mut bounds = Bounds::default();
            change(&mut bounds);
            let refused = bounds.check().unwrap_err().to_string();
            assert!(refused.contains(name), "{name}: {refused}");
        }
    }
}
