//! Whether the metronome's clock may be trusted.
//!
//! A beat can't be taken back: one that is an hour early makes an hour of events late, on both
//! chains. So the metronome beats only while its wall clock is close to the control node's. The
//! two are compared every few seconds; in between, and while the control node is away, the
//! machine's steady clock tells how much time has really passed since, so that a step of the wall
//! clock shows at the very next beat.
//!
//! A clock that is not trusted stands still: it answers the last moment it was trusted at, and a
//! beat that does not rise is not written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tandem_control::ClockReading;

/// The clock. Cheap to clone; clones are the same.
#[derive(Clone)]
pub(super) struct TrustedClock {
    inner: Arc<Mutex<Inner>>,
    difference_ms_max: u64,
}

#[derive(Debug, Default)]
struct Inner {
    /// The last comparison, and the steady clock's moment then.
    checked: Option<(ClockReading, Instant)>,
    /// The last moment that was given out.
    given_ms: u64,
    /// Why it stands still, while it does.
    distrust: Option<String>,
    /// When it was last refused.
    refused_at: Option<Instant>,
}

impl TrustedClock {
    pub(super) fn new(difference_ms_max: u64) -> Self {
        Self { inner: Arc::default(), difference_ms_max }
    }

    /// Takes note of a comparison that was just made.
    pub(super) fn compared(&self, reading: ClockReading, at: Instant) {
        self.inner.lock().checked = Some((reading, at));
    }

    /// The wall clock, if it may be trusted, else the last moment when it could; and whether this
    /// is the first refusal for a second.
    pub(super) fn now_ms(&self, wall_ms: u64, steady: Instant) -> (u64, bool) {
        let mut inner = self.inner.lock();
        let distrust = inner.distrust(wall_ms, steady, self.difference_ms_max);
        match (&distrust, &inner.distrust) {
            (Some(why), None) => tracing::error!("no beats: {why}"),
            (None, Some(_)) => tracing::info!("the clock is right again: beats go on"),
            _ => {}
        }
        inner.distrust = distrust;
        if inner.distrust.is_none() {
            inner.given_ms = wall_ms;
            return (wall_ms, false);
        }
        // A metronome asks more than once for a beat.
        let is_counted = inner.refused_at.is_some_and(|at| steady.saturating_duration_since(at) < SECOND);
        if !is_counted {
            inner.refused_at = Some(steady);
        }
        (inner.given_ms, !is_counted)
    }

    /// Whether it stands still, and why.
    pub(super) fn distrust(&self) -> Option<String> {
        self.inner.lock().distrust.clone()
    }

    /// How far our clock was ahead of the control node's when they were last compared.
    pub(super) fn difference_ms(&self) -> Option<i64> {
        self.inner.lock().checked.map(|(reading, _)| reading.difference_ms())
    }
}

impl Inner {
    fn distrust(&self, wall_ms: u64, steady: Instant, bound_ms: u64) -> Option<String> {
        let Some((reading, at)) = self.checked else {
            return Some("this clock was not compared with the control node's yet".to_owned());
        };
        // Where both clocks would stand now, had ours not been touched since.
        let passed_ms = steady.saturating_duration_since(at).as_millis() as u64;
        let now = ClockReading {
            ours_ms: wall_ms,
            theirs_ms: reading.theirs_ms.saturating_add(passed_ms),
            uncertainty_ms: reading.uncertainty_ms,
        };
        now.is_off_by_more_than(bound_ms).then(|| {
            let (off, side) = match now.difference_ms() {
                ahead if ahead > 0 => (ahead, "ahead of"),
                behind => (-behind, "behind"),
            };
            format!(
                "this host's clock is {:.1} s {side} the control node's, more than {:.1} s: set it right (NTP), or the \
                 control node's if that one is wrong",
                off as f64 / 1_000.0,
                bound_ms as f64 / 1_000.0
            )
        })
    }
}

/// A refused beat counts once.
const SECOND: Duration = Duration::from_secs(1);

/// How often to compare while that fails.
pub(super) const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: u64 = 1_732_190_400_000;

    struct World {
        clock: TrustedClock,
        start: Instant,
    }

    impl World {
        fn new() -> Self {
            Self { clock: TrustedClock::new(5_000), start: Instant::now() }
        }

        /// Asks after `passed_ms` of real time, with a wall clock that is `off_ms` wrong.
        fn now(&self, passed_ms: u64, off_ms: i64) -> (u64, bool) {
            let wall_ms = (START_MS + passed_ms).saturating_add_signed(off_ms);
            self.clock.now_ms(wall_ms, self.start + Duration::from_millis(passed_ms))
        }

        fn compare(&self, passed_ms: u64, off_ms: i64) {
            let theirs_ms = START_MS + passed_ms;
            let reading = ClockReading {
                ours_ms: theirs_ms.saturating_add_signed(off_ms),
                theirs_ms,
                uncertainty_ms: 10,
            };
            self.clock.compared(reading, self.start + Duration::from_millis(passed_ms));
        }
    }

    #[test]
    fn it_stands_still_until_it_was_compared() {
        let world = World::new();
        assert_eq!(world.now(0, 0), (0, true));
        assert_eq!(world.now(900, 0), (0, false), "the same second");
        assert!(world.clock.distrust().unwrap().contains("not compared"));
        world.compare(1_100, 0);
        assert_eq!(world.now(1_200, 0), (START_MS + 1_200, false));
        assert_eq!(world.clock.distrust(), None);
    }

    #[test]
    fn an_hour_off_is_refused_with_the_difference() {
        for (off_ms, words) in [(3_600_000, "3600.0 s ahead of"), (-3_600_000, "3600.0 s behind")] {
            let world = World::new();
            world.compare(0, off_ms);
            assert_eq!(world.now(500, off_ms), (0, true));
            let why = world.clock.distrust().unwrap();
            assert!(why.contains(words) && why.contains("more than 5.0 s"), "{why}");
            assert_eq!(world.clock.difference_ms(), Some(off_ms));
        }
    }

    #[test]
    fn a_step_shows_at_once_without_the_control_node() {
        let world = World::new();
        world.compare(0, 20);
        assert_eq!(world.now(60_000, 20), (START_MS + 60_020, false), "without control is no reason to stop");
        for passed_ms in [61_000, 62_000] {
            assert_eq!(world.now(passed_ms, 3_600_000), (START_MS + 60_020, true), "stands still");
        }
        assert_eq!(world.now(63_000, 0), (START_MS + 63_000, false), "right again");
        assert_eq!(world.clock.distrust(), None);
    }
}
