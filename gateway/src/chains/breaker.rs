//! Whether a chain gets requests (L1 of failover): a breaker, as a pure core.
//!
//! It follows Linkerd's unified breaker: consecutive failures, or the success rate over a window.
//! Outlier detection compares many endpoints statistically; with two chains that says nothing. What
//! we add is silence, since a chain that hangs gives no failures before the timeout.
//!
//! # Closed
//! The chain gets requests. Trips on [`FAILURES_MAX`] failures in a row; on half of the window's
//! answers failed; on four of five failed or slow; or on silence, which the caller finds.
//!
//! Slow is weaker evidence: clients may have come to ask heavier questions, or the host may be busy.
//! So it trips only where the other chain is seen to be faster, which hedges show: three of them
//! beat this chain, and more than it held its own against.
//!
//! # Open
//! The chain gets none, for a pause of half a second that doubles with each trip up to ten seconds. A
//! trip after a good minute begins with half a second again.
//!
//! # Probation
//! The chain gets one trial at a time, at least 100 ms apart. [`TRIALS`] good ones in a row close
//! the breaker, any other opens it again: leave fast, return slowly.

/// Failures in a row that trip: 50 ms at 100 requests per second; with 1 % of loss never by chance.
const FAILURES_MAX: u32 = 5;
/// Fewer answers in the window say nothing.
const ANSWERS_MIN: u32 = 10;
const FAILED_PERCENT: u32 = 50;
const BAD_PERCENT: u32 = 80;
const BEATEN_MIN: u32 = 3;
const BUCKET_US: u64 = 200_000;
const BUCKETS: usize = 10;
/// Half the pause of a second that must never decide anything: a trial is under way when the chain
/// goes on, and shows it at once.
const PAUSE_US_MIN: u64 = 500_000;
const PAUSE_US_MAX: u64 = 10_000_000;
/// Closed for so long, earlier trips are forgotten, in microseconds.
const FORGET_US: u64 = 60_000_000;
const TRIALS: u32 = 5;
const TRIAL_EVERY_US: u64 = 100_000;

/// How a question went, for the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// Later than the chain usually is.
    Slow,
    /// The same, but the hedge was no faster.
    Unbeaten,
    /// The hedge was faster, or nobody cared to wait any longer.
    Beaten,
    Failed,
}

/// What a breaker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    Open { since_us: u64, until_us: u64 },
    Probation { good: u32, next_us: u64, is_asked: bool },
}

/// A breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    window: [Bucket; BUCKETS],
    failures_in_a_row: u32,
    pause_us: u64,
    closed_us: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    number: u64,
    good: u32,
    /// Late ones of all kinds.
    slow: u32,
    unbeaten: u32,
    beaten: u32,
    failed: u32,
}

impl Breaker {
    /// A closed one.
    pub(super) fn new() -> Self {
        Self {
            state: State::Closed,
            window: [Bucket::default(); BUCKETS],
            failures_in_a_row: 0,
            pause_us: 0,
            closed_us: 0,
        }
    }

    /// What it is doing now.
    pub(super) fn state(&self, now_us: u64) -> State {
        match self.state {
            State::Open { until_us, .. } if until_us <= now_us => {
                State::Probation { good: 0, next_us: until_us, is_asked: false }
            }
            state => state,
        }
    }

    /// Whether requests are kept from the chain, trials aside.
    pub(super) fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// Notes how a question went that was no trial.
    pub(super) fn note(&mut self, now_us: u64, verdict: Verdict) {
        if self.is_open() {
            // What was under way when it tripped, or had nowhere else to go, decides nothing.
            return;
        }
        let bucket = self.bucket(now_us);
        match verdict {
            Verdict::Good => {
                bucket.good += 1;
                self.failures_in_a_row = 0;
            }
            Verdict::Slow => bucket.slow += 1,
            Verdict::Unbeaten => {
                bucket.slow += 1;
                bucket.unbeaten += 1;
            }
            Verdict::Beaten => {
                bucket.slow += 1;
                bucket.beaten += 1;
            }
            Verdict::Failed => {
                bucket.failed += 1;
                self.failures_in_a_row += 1;
            }
        }
        if verdict != Verdict::Good && (self.failures_in_a_row >= FAILURES_MAX || self.is_window_bad(now_us))
        {
            self.trip(now_us);
        }
    }

    /// Notes that nothing has been answered for too long.
    pub(super) fn note_silence(&mut self, now_us: u64) {
        if !self.is_open() {
            self.trip(now_us);
        }
    }

    /// Whether a trial may be sent now; if so it counts as sent, and [`Breaker::note_trial`] or
    /// [`Breaker::cancel_trial`] must follow. `is_urgent`: there is no better chain; then the pause
    /// is never longer than the shortest one.
    pub(super) fn take_trial(&mut self, now_us: u64, is_urgent: bool) -> bool {
        if let State::Open { since_us, until_us } = self.state
            && is_urgent
        {
            self.state = State::Open { since_us, until_us: until_us.min(since_us + PAUSE_US_MIN) };
        }
        match self.state(now_us) {
            State::Probation { good, next_us, is_asked: false } if next_us <= now_us => {
                self.state = State::Probation { good, next_us: now_us + TRIAL_EVERY_US, is_asked: true };
                true
            }
            _ => false,
        }
    }

    /// Notes how a trial went.
    pub(super) fn note_trial(&mut self, now_us: u64, verdict: Verdict) {
        let State::Probation { good, next_us, is_asked: true } = self.state else { return };
        match verdict {
            Verdict::Good if good + 1 >= TRIALS => {
                self.state = State::Closed;
                self.closed_us = now_us;
                self.failures_in_a_row = 0;
                self.window = [Bucket::default(); BUCKETS];
            }
            Verdict::Good => self.state = State::Probation { good: good + 1, next_us, is_asked: false },
            _ => self.trip(now_us),
        }
    }

    /// A trial ended without saying anything.
    pub(super) fn cancel_trial(&mut self) {
        if let State::Probation { good, next_us, .. } = self.state {
            self.state = State::Probation { good, next_us, is_asked: false };
        }
    }

    fn trip(&mut self, now_us: u64) {
        let was_good = self.state == State::Closed && now_us.saturating_sub(self.closed_us) >= FORGET_US;
        self.pause_us =
            if was_good { PAUSE_US_MIN } else { (self.pause_us * 2).clamp(PAUSE_US_MIN, PAUSE_US_MAX) };
        self.state = State::Open { since_us: now_us, until_us: now_us + self.pause_us };
    }

    fn bucket(&mut self, now_us: u64) -> &mut Bucket {
        let number = now_us / BUCKET_US;
        let bucket = &mut self.window[number as usize % BUCKETS];
        if bucket.number != number {
            *bucket = Bucket { number, ..Bucket::default() };
        }
        bucket
    }

    fn is_window_bad(&self, now_us: u64) -> bool {
        let newest = now_us / BUCKET_US;
        let mut sum = Bucket::default();
        for bucket in self.window.iter().filter(|bucket| bucket.number + BUCKETS as u64 > newest) {
            sum.good += bucket.good;
            sum.slow += bucket.slow;
            sum.unbeaten += bucket.unbeaten;
            sum.beaten += bucket.beaten;
            sum.failed += bucket.failed;
        }
        let all = sum.good + sum.slow + sum.failed;
        let is_slower = sum.beaten >= BEATEN_MIN && sum.beaten > sum.unbeaten;
        all >= ANSWERS_MIN
            && (sum.failed * 100 >= all * FAILED_PERCENT
                || (is_slower && (sum.failed + sum.slow) * 100 >= all * BAD_PERCENT))
    }
}

#[cfg(test)]
mod tests;
