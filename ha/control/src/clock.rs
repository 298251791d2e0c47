//! How far a clock is off the control node's, as well as that can be known over a network.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// One comparison of two wall clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// Ours, in the middle between question and answer, in milliseconds since the epoch.
    pub ours_ms: u64,
    /// The control node's, when it answered.
    pub theirs_ms: u64,
    /// How much of the difference may be the network's doing: half of the way there and back.
    pub uncertainty_ms: u64,
}

impl ClockReading {
    /// Ours minus theirs, in milliseconds, for people.
    pub fn difference_ms(&self) -> i64 {
        let difference = i128::from(self.ours_ms) - i128::from(self.theirs_ms);
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whether the clocks are certainly more than `bound_ms` apart.
    pub fn is_off_by_more_than(&self, bound_ms: u64) -> bool {
        self.ours_ms.abs_diff(self.theirs_ms) > bound_ms.saturating_add(self.uncertainty_ms)
    }
}

/// The wall clock, in milliseconds since the epoch.
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_is_in_favour_of_the_clock() {
        let reading = |ours_ms, uncertainty_ms| ClockReading { ours_ms, theirs_ms: 100_000, uncertainty_ms };
        assert!(!reading(105_000, 0).is_off_by_more_than(5_000));
        assert!(reading(105_001, 0).is_off_by_more_than(5_000));
        assert!(reading(94_999, 0).is_off_by_more_than(5_000));
        assert!(!reading(105_010, 10).is_off_by_more_than(5_000));
        assert_eq!(reading(94_999, 0).difference_ms(), -5_001);
        let absurd = ClockReading { ours_ms: u64::MAX, theirs_ms: 0, uncertainty_ms: 1 };
        assert!(absurd.is_off_by_more_than(u64::MAX - 2));
        assert_eq!(absurd.difference_ms(), i64::MAX);
    }
}
