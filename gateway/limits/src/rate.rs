//! The arithmetic of a limit: the generic cell rate algorithm (GCRA; ITU-T I.371, annex A), in
//! units of cost.
//!
//! All that is kept of a key is one word: its **theoretical arrival time**, the moment (in
//! nanoseconds) at which it will have paid for everything it was let do. 0, or any moment that is
//! over, is a key that owes nothing.
//!
//! With `interval` = the time that one unit takes to come back, and `burst` units allowed at once,
//! a request of cost `c` at `now` is let through if
//!
//! ```text
//! max(word, now) + c × interval  ≤  now + burst × interval
//! ```
//!
//! and the left side is the new word.
//!
//! **What any window lets through.** Let requests with costs summing to `C` be let through, the
//! first (in the order of decisions) at `s`, the last at `e`. After the first, the word is at least
//! `s + c₁ × interval`, and each further one adds its share, so at the end it is at least
//! `s + C × interval`; and as the last was let through it is at most `e + burst × interval`. So
//! `C × interval ≤ (e − s) + burst × interval`. For all requests of a window of length `W` (two
//! that are `W` or more apart are not in one window) this means `C < burst + W / interval`.
//! It does not matter whether the times rise: threads that read the clock before each other and
//! are decided after each other stay within the bound.
//!
//! **Usual limits** take `interval = window / requests`, which lets `requests` per window through
//! in the long run, and up to `burst + requests` in one unlucky window.
//!
//! **Strict limits** must never let more than `requests` through in any window. From the bound
//! above, `interval = window / (requests − burst + 1)` gives `C < requests + 1`. The word stays one
//! word; the price is the rate in the long run, which is `requests − burst + 1` per window. So
//! choose a small burst: `burst = 1` spaces requests evenly and costs nothing, `burst = requests`
//! allows all at once and then one per window. (An exact log of the last `requests` times would
//! have no price in rate and `8 × requests` bytes per key, which does not fit a bound on memory;
//! counters of part windows are larger and either let more through or cost rate as well.)

/// How much a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval_ns: u64,
    burst: u64,
    tolerance_ns: u64,
}

/// Why a rate can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// 0 units, 0 time or no burst lets nothing through at all.
    #[error("requests, window and burst must be at least 1")]
    Zero,
    /// More units than nanoseconds.
    #[error("the requests are more than the nanoseconds of the window")]
    TooFast,
    /// A strict window could never let the burst through.
    #[error("a strict limit needs a burst of at most its requests")]
    StrictBurst,
    /// Paying for the burst takes longer than is counted.
    #[error("the burst takes more than {} days to come back", TOLERANCE_NS_MAX / DAY_NS)]
    TooLong,
}

const DAY_NS: u64 = 24 * 3600 * 1_000_000_000;
/// So that sums of a moment and a debt stay far from the end of what 64 bits hold.
const TOLERANCE_NS_MAX: u64 = 1 << 61;

/// What was decided, as far as the word goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// After how many nanoseconds the same request would be let through, if nothing else comes;
    /// [`u64::MAX`]: never, it costs more than the burst.
    pub wait_ns: u64,
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Units it may still spend now.
    pub remaining: u64,
    /// After how many nanoseconds one more unit will be there; 0 when all are.
    pub next_ns: u64,
}

impl Rate {
    /// `requests` units in `window_ns` nanoseconds, at most `burst` of them at once; see the head
    /// of this file for what `is_strict` changes.
    ///
    /// # Errors
    ///
    /// When this makes no sense or can't be counted.
    pub fn new(requests: u64, window_ns: u64, burst: u64, is_strict: bool) -> Result<Self, RateError> {
        if requests == 0 || window_ns == 0 || burst == 0 {
            return Err(RateError::Zero);
        }
        if is_strict && burst > requests {
            return Err(RateError::StrictBurst);
        }
        let sustained = if is_strict { requests - burst + 1 } else { requests };
        if sustained > window_ns {
            return Err(RateError::TooFast);
        }
        // Rounded up: a limit is never passed by what was cut off.
        Self::of_interval(window_ns.div_ceil(sustained), burst)
    }

    fn of_interval(interval_ns: u64, burst: u64) -> Result<Self, RateError> {
        let tolerance_ns = interval_ns.checked_mul(burst).filter(|ns| *ns <= TOLERANCE_NS_MAX);
        Ok(Self { interval_ns, burst, tolerance_ns: tolerance_ns.ok_or(RateError::TooLong)? })
    }

    /// The share of one of `sharers` that split this rate evenly. Each has a burst of at least 1,
    /// so that with more sharers than burst the sum is a burst of `sharers`.
    #[must_use]
    pub fn share(&self, sharers: u64) -> Self {
        let sharers = sharers.max(1);
        let burst = (self.burst / sharers).max(1);
        let interval_ns = self.interval_ns.saturating_mul(sharers);
        // What can't be counted is as good as one unit in the longest time that can be.
        Self::of_interval(interval_ns, burst).unwrap_or(Self {
            interval_ns: TOLERANCE_NS_MAX,
            burst: 1,
            tolerance_ns: TOLERANCE_NS_MAX,
        })
    }

    /// Nanoseconds until one unit comes back.
    pub const fn interval_ns(&self) -> u64 {
        self.interval_ns
    }

    /// Units that may be spent at once.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// The word after a request of `cost` units at `now_ns`, if it is let through.
    ///
    /// # Errors
    ///
    /// How long to wait, if it isn't. Also at the end of time (moments near [`u64::MAX`]), where
    /// nothing can be counted any more.
    pub fn charge(&self, word: u64, now_ns: u64, cost: u64) -> Result<u64, Wait> {
        if cost > self.burst {
            return Err(Wait { wait_ns: u64::MAX });
        }
        let cost_ns = cost * self.interval_ns;
        let start = word.max(now_ns);
        // The last moment is kept free: the table uses it as a mark.
        let next = start.checked_add(cost_ns).filter(|next| *next < u64::MAX);
        let next = next.ok_or(Wait { wait_ns: u64::MAX })?;
        match (next - now_ns).checked_sub(self.tolerance_ns) {
            None | Some(0) => Ok(next),
            Some(wait_ns) => Err(Wait { wait_ns }),
        }
    }

    /// The word after `cost` units that were spent elsewhere: they count even if the limit is
    /// passed, but never for more than what a full burst takes to come back.
    pub fn charge_by_force(&self, word: u64, now_ns: u64, cost: u64) -> u64 {
        let cost_ns = cost.saturating_mul(self.interval_ns).min(self.tolerance_ns);
        let last = now_ns.saturating_add(self.tolerance_ns).min(u64::MAX - 1);
        word.max(now_ns).saturating_add(cost_ns).min(last)
    }

    /// How a key with this word stands at `now_ns`.
    pub fn standing(&self, word: u64, now_ns: u64) -> Standing {
        let debt_ns = word.saturating_sub(now_ns);
        let free_ns = self.tolerance_ns.saturating_sub(debt_ns);
        let remaining = free_ns / self.interval_ns;
        if remaining == self.burst {
            return Standing { remaining, next_ns: 0 };
        }
        // At most `burst` intervals, which are the tolerance.
        let allowed_debt_ns = self.tolerance_ns - (remaining + 1) * self.interval_ns;
        Standing { remaining, next_ns: debt_ns - allowed_debt_ns }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn a_burst_then_one_per_interval() {
        let rate = Rate::new(10, SECOND_NS, 3, false).unwrap();
        assert_eq!(rate.interval_ns(), SECOND_NS / 10);
        let now = 5 * SECOND_NS;
        let mut word = 0;
        for left in [2, 1, 0] {
            word = rate.charge(word, now, 1).unwrap();
            let standing = rate.standing(word, now);
            assert_eq!(standing, Standing { remaining: left, next_ns: SECOND_NS / 10 });
        }
        let wait = rate.charge(word, now, 1).unwrap_err();
        assert_eq!(wait, Wait { wait_ns: SECOND_NS / 10 });
        assert!(rate.charge(word, now + wait.wait_ns - 1, 1).is_err());
        word = rate.charge(word, now + wait.wait_ns, 1).unwrap();
        // A heavier one waits for more, one that is too heavy for ever.
        assert_eq!(rate.charge(word, now + wait.wait_ns, 3), Err(Wait { wait_ns: 3 * SECOND_NS / 10 }));
        assert_eq!(rate.charge(0, now, 4), Err(Wait { wait_ns: u64::MAX }));
        assert_eq!(rate.standing(word, u64::MAX / 2), Standing { remaining: 3, next_ns: 0 });
    }

    #[test]
    fn rates_that_make_no_sense_are_refused() {
        let cases = [
            ((0, 1, 1, false), RateError::Zero),
            ((1, 0, 1, false), RateError::Zero),
            ((1, 1, 0, true), RateError::Zero),
            ((11, 10, 1, false), RateError::TooFast),
            ((5, SECOND_NS, 6, true), RateError::StrictBurst),
            ((1, u64::MAX, 1, false), RateError::TooLong),
            ((1, SECOND_NS, u64::MAX, false), RateError::TooLong),
        ];
        for ((requests, window, burst, is_strict), error) in cases {
            assert_eq!(Rate::new(requests, window, burst, is_strict), Err(error));
        }
        // A burst beyond the requests is fine where the window need not be strict.
        assert!(Rate::new(5, SECOND_NS, 6, false).is_ok());
    }

    #[test]
    fn the_end_of_time_lets_nothing_through_and_does_not_overflow() {
        let rate = Rate::new(10, SECOND_NS, 10, false).unwrap();
        for now in [u64::MAX, u64::MAX - 1, u64::MAX - SECOND_NS / 10] {
            assert!(rate.charge(0, now, 1).is_err(), "{now}");
            assert!(rate.charge_by_force(0, now, u64::MAX) < u64::MAX);
            let remaining = if now >= u64::MAX - 1 { 10 } else { 9 };
            assert_eq!(rate.standing(u64::MAX - 1, now).remaining, remaining, "{now}");
        }
        // A word far ahead (a limit that was wider before): waiting, no panic.
        assert!(rate.charge(u64::MAX - 1, 0, 1).is_err());
        assert_eq!(rate.standing(u64::MAX - 1, 0).remaining, 0);
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        let rate = Rate::new(100, SECOND_NS, 30, false).unwrap();
        let share = rate.share(3);
        assert_eq!((share.interval_ns(), share.burst()), (3 * rate.interval_ns(), 10));
        assert_eq!(rate.share(0), rate);
        assert_eq!(rate.share(1_000).burst(), 1);
        assert_eq!(rate.share(u64::MAX).burst(), 1);
    }

    /// Some requests: (time since the one before, which may be negative; cost).
    fn requests() -> impl Strategy<Value = Vec<(i64, u64)>> {
        let step = prop_oneof![4 => 0..5_i64, 4 => 0..200_i64, 1 => -40..0_i64, 1 => 0..3_000_i64];
        proptest::collection::vec((step, 1..4_u64), 1..300)
    }

    /// The most that any window of `window` holds, from a log of all that was let through.
    fn busiest(log: &[(u64, u64)], window: u64) -> u64 {
        let starts = log.iter().map(|(at, _)| *at);
        let held = |from: u64| log.iter().filter(move |(at, _)| (from..from + window).contains(at));
        starts.map(|from| held(from).map(|(_, cost)| cost).sum()).max().unwrap_or(0)
    }

    proptest! {
        /// Against the plain log of all decisions: the bounds of the head of this file, whatever
        /// comes when, time that goes back included.
        #[test]
        fn no_window_holds_more_than_was_said(
            requests in requests(),
            limit in 1..30_u64,
            burst in 1..30_u64,
            window in 30..2_000_u64,
            is_strict: bool,
        ) {
            let burst = if is_strict { burst.min(limit) } else { burst };
            let rate = Rate::new(limit, window, burst, is_strict).unwrap();
            let (mut now, mut word, mut log) = (1_000_u64, 0, Vec::new());
            for (step, cost) in requests {
                now = now.saturating_add_signed(step);
                match rate.charge(word, now, cost) {
                    Ok(next) => { word = next; log.push((now, cost)); }
                    Err(Wait { wait_ns: u64::MAX }) => prop_assert!(cost > burst),
                    // It is told the exact moment.
                    Err(Wait { wait_ns }) => {
                        prop_assert!(rate.charge(word, now + wait_ns, cost).is_ok());
                        prop_assert!(rate.charge(word, now + wait_ns - 1, cost).is_err());
                    }
                }
            }
            let most = if is_strict { limit } else { burst + limit };
            prop_assert!(busiest(&log, window) <= most, "{} > {most}", busiest(&log, window));
        }

        /// A limit is worth having only if it lets through what it promises: who waits as long as
        /// he is told is served at the full rate, after a full burst.
        #[test]
        fn who_keeps_to_it_gets_all_of_it(
            limit in 1..30_u64, burst in 1..30_u64, window in 30..2_000_u64, is_strict: bool,
        ) {
            let burst = if is_strict { burst.min(limit) } else { burst };
            let rate = Rate::new(limit, window, burst, is_strict).unwrap();
            let (mut word, start) = (0, 1_000);
            for _ in 0..burst {
                word = rate.charge(word, start, 1).unwrap();
            }
            prop_assert_eq!(rate.standing(word, start).remaining, 0);
            let sustained = if is_strict { limit - burst + 1 } else { limit };
            let mut now = start;
            for _ in 0..50 {
                now += rate.standing(word, now).next_ns;
                word = rate.charge(word, now, 1).unwrap();
            }
            prop_assert!(now - start <= 50 * window.div_ceil(sustained));
        }

        /// What a key is told to have left is what it may spend at once.
        #[test]
        fn remaining_is_what_can_be_spent(
            limit in 1..30_u64, burst in 1..30_u64, window in 30..2_000_u64, word in 0..100_000_u64,
            now in 0..100_000_u64,
        ) {
            let rate = Rate::new(limit, window, burst, false).unwrap();
            let Standing { remaining, next_ns } = rate.standing(word, now);
            prop_assert!(remaining == 0 || rate.charge(word, now, remaining).is_ok());
            prop_assert!(rate.charge(word, now, remaining + 1).is_err());
            if remaining < burst {
                prop_assert_eq!(rate.standing(word, now + next_ns).remaining, remaining + 1);
                prop_assert_eq!(rate.standing(word, now + next_ns - 1).remaining, remaining);
            }
        }
    }
}
