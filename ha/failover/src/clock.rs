//! The group's time: what the leader counts with, and what stands in entries.

/// The leader's clock: the wall clock is read once, on taking office, and never taken to be before
/// what was applied already; from there on only the steady clock counts.
///
/// So a step of the leader's wall clock changes nothing, and time does not go back when the next
/// leader's clock is behind. What is left: a leader that takes office with a wall clock ahead makes
/// the group's time jump once by so much, which can end a cool-down early. Control nodes compare
/// their clocks for that reason; a node that is off must not stand for election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderClock {
    start_ms: u64,
    steady_start_ms: u64,
}

impl LeaderClock {
    /// The clock of a leader that takes office now, at `wall_ms` (milliseconds since the epoch) and
    /// `steady_ms` (any origin). `applied_ms` is [`crate::Decided::time_ms`].
    pub fn new(wall_ms: u64, steady_ms: u64, applied_ms: u64) -> Self {
        Self { start_ms: wall_ms.max(applied_ms), steady_start_ms: steady_ms }
    }

    /// The group's time when the steady clock shows `steady_ms`.
    pub fn now_ms(&self, steady_ms: u64) -> u64 {
        self.start_ms.saturating_add(steady_ms.saturating_sub(self.steady_start_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_what_was_applied_and_ignores_the_wall_clock_afterwards() {
        let behind = LeaderClock::new(5_000, 100, 9_000);
        assert_eq!([behind.now_ms(100), behind.now_ms(350), behind.now_ms(0)], [9_000, 9_250, 9_000]);
        assert_eq!(LeaderClock::new(9_500, 100, 9_000).now_ms(101), 9_501);
    }
}
