//! How long a chain's answers usually take: the last hour, without times of symptoms.
//!
//! Answers are gathered in stretches of a second or more. A stretch in which the chain failed, was
//! kept out, or was far slower than usual is thrown away, so that a sick chain is not learnt as
//! normal. The rest goes into slots of five minutes, of which twelve are kept. A chain that is slow
//! for good is learnt once the last good slot has passed.
//!
//! Gateways keep one for each chain from what their reads meet, control nodes from their probes.

mod histogram;

pub use self::histogram::Histogram;

/// A stretch is at least so long, in microseconds...
const STRETCH_US: u64 = 1_000_000;
/// ...and goes on until it has so many answers...
const STRETCH_ANSWERS: u64 = 20;
/// ...or is so old, in microseconds.
const STRETCH_US_MAX: u64 = 10_000_000;
const SLOT_US: u64 = 300_000_000;
const SLOTS: usize = 12;
/// Fewer answers, or fewer stretches, are no habit.
const KNOWN_ANSWERS: u64 = 100;
const KNOWN_STRETCHES: u32 = 5;
/// So many of 100 failed: a symptom. The judge's own measure.
const FAILED_PERCENT: u64 = 10;
/// The median is so many times the usual one: a symptom. The judge's own measure.
const SLOW_FACTOR: u64 = 5;
/// Whatever is faster is not slow, in microseconds. The judge's own measure.
const SLOW_FLOOR_US: u64 = 5_000;

/// Quantiles of the usual time to an answer, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typical {
    /// The median.
    pub p50_us: u64,
    /// What one of 100 exceeds.
    pub p99_us: u64,
}

/// What is usual. Times are those of a clock that only goes forward, in microseconds.
#[derive(Debug, Default)]
pub struct Usual {
    slots: [Slot; SLOTS],
    stretch: Stretch,
    typical: Option<Typical>,
}

#[derive(Debug, Default)]
struct Slot {
    number: u64,
    times: Histogram,
    stretches: u32,
}

#[derive(Debug, Default)]
struct Stretch {
    begin_us: u64,
    times: Histogram,
    failures: u64,
    is_kept_out: bool,
}

impl Usual {
    /// What is usual; nothing while too little is known.
    pub fn typical(&self) -> Option<Typical> {
        self.typical
    }

    /// Notes an answer and how long it took, in microseconds.
    pub fn answered(&mut self, us: u64) {
        self.stretch.times.note(us);
    }

    /// Notes a failure.
    pub fn failed(&mut self) {
        self.stretch.failures += 1;
    }

    /// Closes the stretch when it is time. `is_kept_out`: the chain is not asked in earnest (a
    /// gateway's breaker is open).
    pub fn advance(&mut self, now_us: u64, is_kept_out: bool) {
        self.stretch.is_kept_out |= is_kept_out;
        let (age_us, count) = (now_us.saturating_sub(self.stretch.begin_us), self.stretch.times.count());
        if age_us < STRETCH_US || (count < STRETCH_ANSWERS && age_us < STRETCH_US_MAX) {
            return;
        }
        let stretch =
            std::mem::replace(&mut self.stretch, Stretch { begin_us: now_us, ..Stretch::default() });
        let number = now_us / SLOT_US;
        if count > 0 && !stretch.has_symptoms(self.typical) {
            let slot = &mut self.slots[number as usize % SLOTS];
            if slot.number != number {
                *slot = Slot { number, ..Slot::default() };
            }
            slot.times.add(&stretch.times);
            slot.stretches += 1;
        }
        self.typical = self.read(number);
    }

    fn read(&self, newest: u64) -> Option<Typical> {
        let (mut times, mut stretches) = (Histogram::default(), 0);
        for slot in self.slots.iter().filter(|slot| slot.number + SLOTS as u64 > newest) {
            times.add(&slot.times);
            stretches += slot.stretches;
        }
        (times.count() >= KNOWN_ANSWERS && stretches >= KNOWN_STRETCHES)
            .then(|| Typical { p50_us: times.quantile_us(50), p99_us: times.quantile_us(99) })
    }
}

impl Stretch {
    fn has_symptoms(&self, typical: Option<Typical>) -> bool {
        let p50_us = self.times.quantile_us(50);
        let is_slow = typical.is_some_and(|typical| {
            p50_us >= SLOW_FLOOR_US && p50_us >= typical.p50_us.saturating_mul(SLOW_FACTOR)
        });
        let all = self.times.count() + self.failures;
        self.is_kept_out || is_slow || self.failures * 100 >= all * FAILED_PERCENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of so many answers that took so long.
    fn seconds(usual: &mut Usual, seconds: std::ops::Range<u64>, answers: u64, us: u64) {
        for second in seconds {
            (0..answers).for_each(|_| usual.answered(us));
            usual.advance((second + 1) * 1_000_000, false);
        }
    }

    #[test]
    fn a_habit_takes_time_and_answers() {
        let mut usual = Usual::default();
        seconds(&mut usual, 0..4, 100, 2_000);
        assert_eq!(usual.typical(), None);
        seconds(&mut usual, 4..5, 100, 2_000);
        assert_eq!(usual.typical(), Some(Typical { p50_us: 2_047, p99_us: 2_047 }));
        // The standby's one answer per second is enough, in time.
        let mut usual = Usual::default();
        seconds(&mut usual, 0..99, 1, 2_000);
        assert_eq!(usual.typical(), None);
        seconds(&mut usual, 99..130, 1, 2_000);
        assert!(usual.typical().is_some());
    }

    #[test]
    fn times_of_symptoms_are_left_out() {
        let mut usual = Usual::default();
        seconds(&mut usual, 0..10, 100, 2_000);
        let before = usual.typical();
        // Ten times slower, for a minute.
        seconds(&mut usual, 10..70, 100, 20_000);
        // Failing now and then, and what does answer is slower.
        for second in 70..130 {
            (0..90).for_each(|_| usual.answered(9_000));
            (0..10).for_each(|_| usual.failed());
            usual.advance((second + 1) * 1_000_000, false);
        }
        // Kept out.
        (0..1_000).for_each(|_| usual.answered(9_000));
        usual.advance(130_500_000, true);
        usual.advance(131_000_000, false);
        assert_eq!(usual.typical(), before);
        // Somewhat slower is no symptom, and is learnt.
        seconds(&mut usual, 131..190, 100, 4_000);
        assert!(usual.typical() > before.map(|typical| Typical { p99_us: 4_000, ..typical }));
    }

    impl PartialOrd for Typical {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            self.p99_us.partial_cmp(&other.p99_us)
        }
    }

    #[test]
    fn what_is_old_is_forgotten_and_a_new_normal_learnt() {
        let mut usual = Usual::default();
        seconds(&mut usual, 0..10, 100, 2_000);
        seconds(&mut usual, 10..3_590, 30, 50_000);
        assert_eq!(usual.typical().map(|typical| typical.p50_us), Some(2_047));
        seconds(&mut usual, 3_590..3_620, 30, 50_000);
        assert!(usual.typical().is_some_and(|typical| typical.p50_us > 50_000));
        // A quiet hour: nothing is known any more.
        usual.advance(9_000_000_000, false);
        assert_eq!(usual.typical(), None);
    }
}
