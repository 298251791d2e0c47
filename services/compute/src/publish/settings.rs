//! What can be set of publishing.

use std::time::Duration;

use serde::Deserialize;

use super::Pins;

/// Settings of the publisher.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether summaries are published at all. Both chains must agree: where it is on, snapshots
    /// that the publisher still needs are kept. Default: true.
    pub enabled: bool,
    /// How many bytes of the log are read at a time; the beats in them share a transaction, so this
    /// bounds one while catching up. Default: 262144 (256 KiB).
    pub batch_bytes: usize,
    /// Most beats in one transaction. Default: 60.
    pub beats_max: u32,
    /// A transaction that holds this many rows takes no further beat. Default: 20000.
    pub rows_max: usize,
    /// Least time between two reads of the log, in milliseconds: many small reads cost more than
    /// few larger ones, and nothing is published before the next beat. Default: 50.
    pub read_pause_ms: u64,
    /// Longest pause before the topic, the log or the control group is tried again, in
    /// milliseconds. Default: 2000.
    pub retry_pause_ms_max: u64,
    /// How often a chain that is not active looks how far the topic is, in milliseconds: it keeps
    /// the snapshot it would go on from. Default: 10000.
    pub standby_look_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            batch_bytes: 256 * 1024,
            beats_max: 60,
            rows_max: 20_000,
            read_pause_ms: 50,
            retry_pause_ms_max: 2_000,
            standby_look_ms: 10_000,
        }
    }
}

impl Settings {
    /// Where compute and the publisher meet: one for both.
    pub fn pins(&self) -> Pins {
        if self.enabled { Pins::unknown() } else { Pins::none() }
    }

    pub(super) fn read_pause(&self) -> Duration {
        Duration::from_millis(self.read_pause_ms)
    }

    pub(super) fn retry_pause_max(&self) -> Duration {
        Duration::from_millis(self.retry_pause_ms_max.max(1))
    }

    pub(super) fn standby_look(&self) -> Duration {
        Duration::from_millis(self.standby_look_ms.max(1))
    }
}
