//! The timings of a group, and which of them can't be safe.

/// How a member counts time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a tick is, in milliseconds. Default 50.
    pub tick_ms: u64,
    /// How often a leader shows that it is there, in ticks. Default 2.
    pub heartbeat_ticks: u32,
    /// Without a sign of the leader for so long, and up to twice that, a member stands for election,
    /// in ticks. Default 10: 0.5 to 1 s.
    pub election_ticks: u32,
    /// How long whoever asks waits at most, in milliseconds. Default 5,000.
    pub ask_ms: u64,
    /// After so many entries the log is replaced by its outcome. Default 1,000.
    pub compact_entries: u64,
    /// Pins the election timeout, in ticks, so that a simulation can be repeated; absent in real
    /// life, where it is drawn anew each time.
    pub pinned_election_ticks: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tick_ms: 50,
            heartbeat_ticks: 2,
            election_ticks: 10,
            ask_ms: 5_000,
            compact_entries: 1_000,
            pinned_election_ticks: None,
        }
    }
}

/// Timings that can't be safe. Says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl Settings {
    /// Refuses what can't be safe.
    ///
    /// There is no lease in this group, so no clock can make a read stale or elect two leaders. What
    /// bad timings do is worse than it looks all the same: elections without end.
    ///
    /// # Errors
    ///
    /// Says which value, and what to do.
    pub fn check(&self) -> Result<(), SettingsError> {
        let election_ms = u64::from(self.election_ticks).saturating_mul(self.tick_ms);
        let demands = [
            (
                (5..=500).contains(&self.tick_ms),
                "set tick_ms to 5 to 500: less is noise, more decides too late".to_owned(),
            ),
            (self.heartbeat_ticks >= 1, "set heartbeat_ticks to 1 at least".to_owned()),
            (
                self.election_ticks >= self.heartbeat_ticks.saturating_mul(4),
                format!(
                    "set election_ticks to {} at least (four heartbeats): some may get lost, and a sync may \
                     take its time",
                    self.heartbeat_ticks.saturating_mul(4)
                ),
            ),
            (
                (200..=10_000).contains(&election_ms),
                format!(
                    "set election_ticks × tick_ms to 200 to 10000 ms, not {election_ms}: less, and a busy \
                     disk unseats leaders; more, and nobody decides for too long"
                ),
            ),
            (
                self.ask_ms >= election_ms.saturating_mul(3),
                format!(
                    "set ask_ms to {} at least: an election may come between a question and its answer",
                    election_ms.saturating_mul(3)
                ),
            ),
            (self.compact_entries >= 10, "set compact_entries to 10 at least".to_owned()),
            (
                self.pinned_election_ticks.is_none_or(|ticks| ticks >= self.election_ticks),
                "set pinned_election_ticks to election_ticks at least".to_owned(),
            ),
        ];
        match demands.into_iter().find(|(is_met, _)| !is_met) {
            None => Ok(()),
            Some((_, what_to_do)) => Err(SettingsError(what_to_do)),
        }
    }
}
