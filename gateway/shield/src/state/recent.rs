//! Counts of late: of the window that runs, and of the one before as far as it still lies within.

/// `N` counts over the same window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recent<const N: usize, const WINDOW_MS: u64> {
    start_ms: u64,
    now: [u32; N],
    before: [u32; N],
}

impl<const N: usize, const WINDOW_MS: u64> Default for Recent<N, WINDOW_MS> {
    fn default() -> Self {
        Self { start_ms: 0, now: [0; N], before: [0; N] }
    }
}

impl<const N: usize, const WINDOW_MS: u64> Recent<N, WINDOW_MS> {
    /// Goes on to `now_ms`; says whether a new window began. A time before the window counts as its
    /// beginning.
    pub(crate) fn advance(&mut self, now_ms: u64) -> bool {
        let past_ms = now_ms.saturating_sub(self.start_ms);
        if past_ms < WINDOW_MS {
            return false;
        }
        self.before = if past_ms < 2 * WINDOW_MS && self.start_ms > 0 { self.now } else { [0; N] };
        self.now = [0; N];
        self.start_ms = now_ms - past_ms % WINDOW_MS.min(now_ms.max(1));
        true
    }

    pub(crate) fn add(&mut self, index: usize, now_ms: u64) {
        self.advance(now_ms);
        self.now[index] = self.now[index].saturating_add(1);
    }

    /// How many within about the last window.
    pub(crate) fn count(&self, index: usize, now_ms: u64) -> u32 {
        let past_ms = now_ms.saturating_sub(self.start_ms);
        if past_ms >= 2 * WINDOW_MS {
            return 0;
        }
        // Between one and two windows the running one has become the one before.
        let (now, before) =
            if past_ms < WINDOW_MS { (self.now[index], self.before[index]) } else { (0, self.now[index]) };
        let left_ms = WINDOW_MS - past_ms % WINDOW_MS;
        let share = u64::from(before) * left_ms / WINDOW_MS;
        now.saturating_add(u32::try_from(share).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Minute = Recent<1, 60_000>;
    const NOW_MS: u64 = 1_700_000_000_000;

    #[test]
    fn what_happened_fades_within_two_windows() {
        let mut recent = Minute::default();
        for _ in 0..60 {
            recent.add(0, NOW_MS);
        }
        let at = |past_ms| recent.count(0, NOW_MS + past_ms);
        assert_eq!((at(0), at(30_000)), (60, 60));
        let start_ms = recent.start_ms - NOW_MS.min(recent.start_ms);
        assert_eq!(start_ms, 0);
        assert!(at(90_000) <= 60 && at(90_000) > 0);
        assert_eq!(at(120_000), 0);
    }

    #[test]
    fn a_steady_stream_counts_as_what_it_is() {
        let mut recent = Minute::default();
        for second in 0..600 {
            recent.add(0, NOW_MS + second * 1_000);
            if second >= 120 {
                let count = recent.count(0, NOW_MS + second * 1_000);
                assert!((58..=61).contains(&count), "{count} after {second} s");
            }
        }
    }

    #[test]
    fn clocks_that_go_back_do_no_harm() {
        let mut recent = Minute::default();
        recent.add(0, NOW_MS);
        recent.add(0, NOW_MS - 5_000);
        recent.add(0, 0);
        assert_eq!(recent.count(0, NOW_MS), 3);
        assert_eq!(recent.count(0, 0), 3);
    }
}
