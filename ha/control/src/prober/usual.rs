//! How long something usually takes: the median over the last hour, times of trouble left out.
//!
//! Kept as the medians of minutes. A minute that was much slower than usual does not count, so a
//! chain that is slow for long does not become usual; after half an hour of nothing else it does,
//! since then it is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// Minutes that are remembered.
const MINUTES_MAX: usize = 60;
/// Samples of a minute that are kept: one a tenth of a second.
const SAMPLES_MAX: usize = 1_200;
/// Fewer say nothing yet.
const SAMPLES_MIN: usize = 50;
/// A minute so many times slower than usual does not count, unless so many in a row are.
const TROUBLE_FACTOR: u64 = 3;
const TROUBLE_MINUTES_MAX: u32 = 30;

/// See the head of this module.
#[derive(Debug, Default)]
pub(crate) struct Usual {
    minutes: VecDeque<u64>,
    present: Vec<u64>,
    begun: Option<Instant>,
    trouble: u32,
}

impl Usual {
    /// Notes a sample, in microseconds.
    pub(crate) fn note(&mut self, sample_us: u64, now: Instant) {
        let begun = *self.begun.get_or_insert(now);
        if now.saturating_duration_since(begun) >= MINUTE {
            self.end_minute();
            self.begun = Some(now);
        }
        if self.present.len() < SAMPLES_MAX {
            self.present.push(sample_us);
        }
    }

    /// The median of the minutes; of the first one while it lasts; nothing while too little is
    /// known.
    pub(crate) fn get(&self) -> Option<u64> {
        if !self.minutes.is_empty() {
            return median(self.minutes.iter().copied());
        }
        (self.present.len() >= SAMPLES_MIN).then(|| median(self.present.iter().copied())).flatten()
    }

    fn end_minute(&mut self) {
        let present = std::mem::take(&mut self.present);
        if present.len() < SAMPLES_MIN {
            return;
        }
        let Some(minute) = median(present.into_iter()) else { return };
        let usual = self.get();
        if usual.is_some_and(|usual| minute > usual.saturating_mul(TROUBLE_FACTOR)) {
            self.trouble += 1;
            if self.trouble < TROUBLE_MINUTES_MAX {
                return;
            }
            self.minutes.clear();
        }
        self.trouble = 0;
        self.minutes.push_back(minute);
        if self.minutes.len() > MINUTES_MAX {
            self.minutes.pop_front();
        }
    }
}

fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_does_not_become_usual_and_a_new_normal_does() {
        let begun = Instant::now();
        let mut usual = Usual::default();
        let at = |usual: &mut Usual, second: u64, us: u64| {
            for _ in 0..10 {
                usual.note(us, begun + Duration::from_secs(second));
            }
        };
        assert_eq!(usual.get(), None);
        for second in 0..300 {
            at(&mut usual, second, 400);
        }
        assert_eq!(usual.get(), Some(400));
        for second in 300..900 {
            at(&mut usual, second, 4_000);
        }
        assert_eq!(usual.get(), Some(400), "ten slow minutes");
        for second in 900..2_700 {
            at(&mut usual, second, 4_000);
        }
        assert_eq!(usual.get(), Some(4_000), "it has been like that for half an hour");
    }
}
