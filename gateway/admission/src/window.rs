//! What was measured between two moments: how many were under way, and how many came to their end.
//!
//! By Little's law the mean time that one spends inside is the time that all spent inside together,
//! divided by how many came out. No single latency is looked at, so nothing is biased towards those
//! that are quick enough to begin and end in the same window.

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an answer that took work: it counts.
    Answered,
    /// With a failure, or nobody waited any more: says nothing of how much can be done.
    Failed,
}

/// One window, as long as it is open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    begun_us: u64,
    at_us: u64,
    /// Time spent inside by all together, in microseconds.
    area: f64,
    ends: u64,
    /// Time in which there was no room, in microseconds.
    full_us: u64,
}

/// What a window says at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Answers per microsecond.
    pub(crate) rate: f64,
    /// Mean time inside, in microseconds.
    pub(crate) time_us: f64,
}

impl Window {
    pub(crate) fn begin(now_us: u64) -> Self {
        Self { begun_us: now_us, at_us: now_us, ..Self::default() }
    }

    /// So many were under way since the last call; `is_full`: and there was room for no more.
    pub(crate) fn advance(&mut self, now_us: u64, in_flight: usize, is_full: bool) {
        // A window that is still to begin has its begin in the future.
        if now_us > self.at_us {
            let passed_us = now_us - self.at_us;
            self.area += passed_us as f64 * in_flight as f64;
            self.full_us += if is_full { passed_us } else { 0 };
            self.at_us = now_us;
        }
    }

    /// One that began at `started_us` ends; after [`Window::advance`].
    pub(crate) fn end(&mut self, now_us: u64, started_us: u64, end: End) {
        match end {
            End::Answered if now_us >= self.begun_us => self.ends += 1,
            End::Answered => {}
            End::Failed => {
                let inside = self.at_us.saturating_sub(started_us.max(self.begun_us));
                self.area = (self.area - inside as f64).max(0.0);
            }
        }
    }

    /// How long it is open, in microseconds.
    pub(crate) fn age_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.begun_us)
    }

    pub(crate) fn ends(&self) -> u64 {
        self.ends
    }

    /// Whether there was no room for most of the time: then it says what can be done, else only what was
    /// asked for. A burst now and then is not most of the time.
    pub(crate) fn was_full(&self, now_us: u64) -> bool {
        2 * self.full_us >= self.age_us(now_us)
    }

    /// What it says; nothing where nothing ended.
    pub(crate) fn seen(&self, now_us: u64) -> Option<Seen> {
        let age_us = self.age_us(now_us);
        (self.ends > 0 && age_us > 0)
            .then(|| Seen { rate: self.ends as f64 / age_us as f64, time_us: self.area / self.ends as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_exact_whenever_they_began() {
        let mut window = Window::begin(1_000);
        // Two are under way all the time, each takes 500: one ends every 250.
        for step in 1..=8 {
            let now_us = 1_000 + step * 250;
            window.advance(now_us, 2, step <= 4);
            window.end(now_us, now_us - 500, End::Answered);
        }
        assert_eq!(window.seen(3_000), Some(Seen { rate: 8.0 / 2_000.0, time_us: 500.0 }));
        assert!(window.was_full(3_000) && !window.was_full(3_010));
    }

    #[test]
    fn failures_leave_no_trace() {
        let mut window = Window::begin(1_000);
        window.advance(2_000, 2, true);
        window.end(2_000, 0, End::Failed);
        window.end(2_000, 1_000, End::Answered);
        assert_eq!(window.seen(2_000), Some(Seen { rate: 0.001, time_us: 1_000.0 }));
        assert_eq!(Window::begin(5).seen(10), None);
    }

    #[test]
    fn what_is_before_the_begin_does_not_count() {
        let mut window = Window::begin(1_000);
        window.advance(500, 9, true);
        window.end(500, 0, End::Answered);
        assert_eq!((window.ends(), window.age_us(500)), (0, 0));
        window.advance(1_100, 1, true);
        window.end(1_100, 900, End::Answered);
        assert_eq!(window.seen(1_100), Some(Seen { rate: 0.01, time_us: 100.0 }));
    }
}
