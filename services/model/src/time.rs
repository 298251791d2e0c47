//! Event time: milliseconds since the Unix epoch, UTC, and the bounds the rules put on it.

use serde::{Deserialize, Serialize};

/// One second, in milliseconds.
pub const SECOND_MS: u64 = 1_000;
/// One minute, in milliseconds.
pub const MINUTE_MS: u64 = 60 * SECOND_MS;
/// One day, in milliseconds.
pub const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// An event older than the clock by more than this is late (rule 3).
pub const LATENESS_MS: u64 = 10 * MINUTE_MS;
/// An event ahead of the clock by more than this is from the future (rule 3).
pub const FUTURE_MS: u64 = 5 * MINUTE_MS;
/// A session without an end becomes final this long after its highest timestamp (rule 3).
pub const SILENCE_MS: u64 = DAY_MS;
/// A final session accepts refunds and presale balances for this long (rule 3).
pub const FOLLOW_UP_MS: u64 = 30 * DAY_MS;
/// The longest gap between two signs of life that counts as watching (rule 8).
pub const PRESENCE_MS: u64 = 90 * SECOND_MS;
/// The largest integer an event may carry: 2^53 − 1.
pub const INT_MAX: u64 = (1 << 53) - 1;

/// A tumbling event-time window, aligned to the epoch (rule 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Window {
    /// 10 seconds.
    TenSeconds,
    /// 1 minute.
    Minute,
    /// 5 minutes.
    FiveMinutes,
}

impl Window {
    /// All windows, finest first; each is a whole multiple of the one before.
    pub const ALL: [Window; 3] = [Window::TenSeconds, Window::Minute, Window::FiveMinutes];

    /// Its length in milliseconds.
    pub const fn length_ms(self) -> u64 {
        match self {
            Window::TenSeconds => 10 * SECOND_MS,
            Window::Minute => MINUTE_MS,
            Window::FiveMinutes => 5 * MINUTE_MS,
        }
    }

    /// The start of the bucket that `ts` lies in.
    pub const fn bucket(self, ts: u64) -> u64 {
        ts - ts % self.length_ms()
    }

    /// Its name in the API: `10s`, `1m`, `5m`.
    pub const fn name(self) -> &'static str {
        match self {
            Window::TenSeconds => "10s",
            Window::Minute => "1m",
            Window::FiveMinutes => "5m",
        }
    }

    /// The window with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }
}
