//! What can be set about load shedding. There is little to set: the limit is learnt.

use std::time::Duration;

use tandem_admission::{DoorSettings, LimitSettings, SettingsError};

/// How many reads may be under way, and how long one waits for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionConfig {
    /// Whether the limit is learnt, and lower classes are sent away first. Default yes. Else only the
    /// hard cap holds, which is [`reads_max`](crate::GatewayConfig::reads_max).
    pub is_enabled: bool,
    /// The limit to begin with. Default 64. After a second of overload it makes no difference.
    pub limit_initial: usize,
    /// The limit is never lower. Default 4.
    pub limit_min: usize,
    /// How long a read waits for room under overload. Default 4 ms. Longer lets fewer be sent away, and
    /// everybody wait.
    pub wait: Duration,
    /// The same in a burst, while for less than 100 ms somebody has been waiting. Default 20 ms.
    pub burst_wait: Duration,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self {
            is_enabled: true,
            limit_initial: 64,
            limit_min: 4,
            wait: Duration::from_millis(4),
            burst_wait: Duration::from_millis(20),
        }
    }
}

impl AdmissionConfig {
    /// The same for the door, with this hard cap. A cap below the other limits lowers them.
    pub(crate) fn door(&self, reads_max: usize) -> DoorSettings {
        let limit = LimitSettings {
            initial: self.limit_initial.min(reads_max),
            min: self.limit_min.min(reads_max),
            max: reads_max,
            is_adaptive: self.is_enabled,
        };
        let microseconds = |wait: Duration| u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        DoorSettings { limit, wait_us: microseconds(self.wait), burst_wait_us: microseconds(self.burst_wait) }
    }

    pub(crate) fn check(&self, reads_max: usize) -> Result<(), SettingsError> {
        self.door(reads_max).check()
    }
}
