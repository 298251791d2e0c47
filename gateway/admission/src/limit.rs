//! How many reads at one time are worth it.
//!
//! What can be done at one time without anybody queueing is the throughput at its best, times the time
//! that one takes when nobody queues (Little's law; in networks the bandwidth-delay product). Both are
//! measured while the work goes on, in a rhythm: one window at a quarter more than that product, to see
//! whether there is more throughput; one at a quarter less, so that a queue empties and the unloaded
//! time shows; then some at the product itself. That is the idea of BBR (Cardwell et al., "BBR:
//! congestion-based congestion control", ACM Queue 14/5, 2016) on requests instead of packets.
//!
//! # What we chose against
//! - Gradient2 and Vegas (Netflix's concurrency-limits) compare with a long average or a minimum of the
//!   latency. The average drifts up with the queue it should detect; the minimum must be forgotten
//!   sometimes, and under load what is learnt then holds the queue in it.
//! - Envoy's gradient controller measures the minimum by letting next to nothing through for a while:
//!   it causes every minute what it should prevent. Uber's Cinnamon mends the drift by the covariance
//!   of throughput and concurrency, which needs minutes of noise. Here the quarter less *is* the
//!   experiment: it costs a quarter of the throughput for one window in eight at the very most, and
//!   nothing where there was a queue.
//! - AIMD needs a latency that counts as too long, which nobody knows.
//!
//! # When things change
//! A window that takes twice the unloaded time ends the rhythm: fewer are let in at once. If as much
//! comes out all the same, there was a queue: fewer still, until less comes out. (So does the rhythm's own
//! quarter less, and so it begins, when nothing is known yet.) If less comes out and
//! each takes as long as before, the work itself is slower now; then nothing is gained by fewer, and
//! both are learnt anew from these two windows. So neither does the limit collapse when everything is
//! ten times slower, nor does it stay when a tenth of the machines is left.
//!
//! A window in which there was room for most of the time says how much was asked for, not how much could be done: it
//! may raise the limit and never lowers it.

use std::collections::VecDeque;

pub use crate::window::End;
use crate::window::{Seen, Window};

/// How many windows are remembered: a rhythm and a little more.
const KEPT: usize = 10;
/// Windows at the product, between two experiments.
const CRUISE: u32 = 6;
/// More in the experiment upwards, less in the one downwards, still less when it is urgent.
const UP: f64 = 1.25;
const DOWN: f64 = 0.75;
const DOWN_URGENT: f64 = 0.5;
/// A little more than the product, since those who end do not make room at the same moment.
const HEADROOM: f64 = 1.2;
/// So many times the unloaded time mean that something has changed.
const ANOMALY: f64 = 2.0;
/// So much more product after an experiment upwards is worth the next one at once.
const GROWTH: f64 = 1.1;
/// So much of the throughput before an experiment downwards means that there was a queue.
const UNCHANGED: f64 = 0.9;
/// Ends in a window: fewer say little.
const ENDS_MIN: u64 = 64;
/// A window with few ends ends all the same after this long, with at least [`ENDS_FEW`].
const PATIENCE_US: u64 = 500_000;
const ENDS_FEW: u64 = 8;
/// Least length of a window, in microseconds.
const WINDOW_US_MIN: u64 = 2_000;
/// Longest that is waited for a change of the limit to show, in microseconds.
const SETTLE_US_MAX: u64 = 1_000_000;

/// Bounds of a [`Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Where it begins.
    pub initial: usize,
    /// It is never less. At least 1.
    pub min: usize,
    /// It is never more.
    pub max: usize,
    /// Whether it is learnt; else it is `max`.
    pub is_adaptive: bool,
}

/// What the present window is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Up,
    Down { is_urgent: bool },
    Cruise { left: u32 },
}

/// How many at one time are worth it.
#[derive(Clone, Debug)]
pub struct Limit {
    settings: LimitSettings,
    /// Best throughput times unloaded time.
    product: f64,
    limit: usize,
    phase: Phase,
    in_flight: usize,
    window: Window,
    /// Since when it is waited for fewer to be under way; nothing once it is measured.
    settling_since_us: Option<u64>,
    seen: VecDeque<Seen>,
}

impl Limit {
    /// A limit that knows nothing yet.
    pub fn new(settings: LimitSettings) -> Self {
        let initial = if settings.is_adaptive { settings.initial } else { settings.max };
        let mut limit = Self {
            settings,
            product: initial as f64,
            limit: initial,
            phase: Phase::Cruise { left: CRUISE },
            in_flight: 0,
            window: Window::begin(0),
            settling_since_us: None,
            seen: VecDeque::with_capacity(KEPT + 1),
        };
        limit.limit = limit.bounded(initial as f64);
        limit
    }

    /// Keeps within these from now on. What was learnt stays.
    pub fn configure(&mut self, settings: LimitSettings) {
        if !settings.is_adaptive {
            self.limit = settings.max;
        } else if !self.settings.is_adaptive {
            // Nothing was learnt.
            *self = Self { in_flight: self.in_flight, ..Self::new(settings) };
        }
        self.settings = settings;
        self.limit = self.bounded(self.limit as f64);
    }

    /// How many may be under way.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many are.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// One begins now.
    pub fn begin(&mut self, now_us: u64) {
        self.advance(now_us);
        self.in_flight += 1;
    }

    /// One that began at `started_us` ends now.
    pub fn end(&mut self, now_us: u64, started_us: u64, end: End) {
        self.advance(now_us);
        self.window.end(now_us, started_us, end);
        self.in_flight = self.in_flight.saturating_sub(1);
        if !self.settings.is_adaptive || !self.is_settled(now_us) {
            return;
        }
        let (ends, age_us) = (self.window.ends(), self.window.age_us(now_us));
        let is_enough =
            ends >= ENDS_MIN && age_us >= WINDOW_US_MIN || ends >= ENDS_FEW && age_us >= PATIENCE_US;
        let Some(seen) = self.window.seen(now_us).filter(|seen| is_enough && age_us as f64 >= seen.time_us)
        else {
            return;
        };
        let was_full = self.window.was_full(now_us);
        let next = if was_full { self.judge(seen) } else { self.judge_slack(seen) };
        self.turn(now_us, next, seen);
    }

    /// After a window whose work was as much as was allowed.
    fn judge(&mut self, seen: Seen) -> Phase {
        let is_first = self.seen.is_empty();
        let (before, usual_us) = (self.usual_rate(), self.time_us());
        self.remember(seen);
        match self.phase {
            Phase::Up => {
                let last = self.product;
                self.learn();
                if self.product >= GROWTH * last { Phase::Up } else { self.down(seen, usual_us) }
            }
            Phase::Down { is_urgent } => {
                let is_queue = before.is_some_and(|before| seen.rate >= UNCHANGED * before);
                if is_urgent || is_queue {
                    // What was known before no longer holds: only these two windows do.
                    let stale = self.seen.len().saturating_sub(2);
                    self.seen.drain(..stale);
                }
                self.learn();
                match is_queue && self.limit > self.settings.min {
                    true => Phase::Down { is_urgent },
                    false => Phase::Cruise { left: CRUISE },
                }
            }
            Phase::Cruise { left } => {
                self.learn();
                // Nothing is known of the unloaded time yet: this may be a long queue.
                if is_first || usual_us.is_some_and(|usual_us| seen.time_us > ANOMALY * usual_us) {
                    return Phase::Down { is_urgent: true };
                }
                if left > 1 { Phase::Cruise { left: left - 1 } } else { Phase::Up }
            }
        }
    }

    fn down(&self, seen: Seen, usual_us: Option<f64>) -> Phase {
        let is_urgent = usual_us.is_some_and(|usual_us| seen.time_us > ANOMALY * usual_us);
        Phase::Down { is_urgent }
    }

    /// After a window that had room.
    fn judge_slack(&mut self, seen: Seen) -> Phase {
        let time_us = self.time_us().unwrap_or(seen.time_us).min(seen.time_us);
        self.product = self.product.max(seen.rate * time_us);
        Phase::Cruise { left: CRUISE }
    }

    fn turn(&mut self, now_us: u64, phase: Phase, seen: Seen) {
        let gain = match phase {
            Phase::Up => UP * HEADROOM,
            Phase::Down { is_urgent: false } => DOWN,
            Phase::Down { is_urgent: true } => DOWN_URGENT,
            Phase::Cruise { .. } => HEADROOM,
        };
        let base = match phase {
            // The product may be far too high then.
            Phase::Down { is_urgent: true } => self.product.min(self.limit as f64),
            _ => self.product,
        };
        let before = self.limit;
        let wanted = base * gain;
        // Where it is a matter of one or two, whole numbers must not add up to too few.
        self.limit = self.bounded(if gain < 1.0 { wanted.round() } else { wanted.ceil() });
        if phase == Phase::Up {
            // Also where a quarter of it is less than one.
            self.limit = self.limit.max(self.bounded(self.product + 1.0));
        }
        self.phase = phase;
        // What was let in before needs its time to come out.
        let settle_us = if self.limit == before { 0 } else { (seen.time_us as u64).min(SETTLE_US_MAX) };
        self.window = Window::begin(now_us + settle_us);
        self.settling_since_us = (self.limit < before).then_some(now_us);
    }

    /// The throughput to compare with: that of the window before where things change, else of a rhythm.
    fn usual_rate(&self) -> Option<f64> {
        let count = if self.phase == (Phase::Down { is_urgent: true }) { 1 } else { KEPT };
        let rates = self.seen.iter().rev().take(count).map(|seen| seen.rate);
        let count = self.seen.len().min(count);
        (count > 0).then(|| rates.sum::<f64>() / count as f64)
    }

    /// Whether the limit of this phase shows in what is under way.
    fn is_settled(&mut self, now_us: u64) -> bool {
        let Some(since_us) = self.settling_since_us else { return true };
        if self.in_flight > self.limit && now_us.saturating_sub(since_us) < SETTLE_US_MAX {
            return false;
        }
        self.settling_since_us = None;
        self.window = Window::begin(now_us);
        true
    }

    fn advance(&mut self, now_us: u64) {
        self.window.advance(now_us, self.in_flight, self.in_flight >= self.limit);
    }

    fn remember(&mut self, seen: Seen) {
        self.seen.push_back(seen);
        if self.seen.len() > KEPT {
            self.seen.pop_front();
        }
    }

    fn learn(&mut self) {
        let rate = self.seen.iter().map(|seen| seen.rate).fold(0.0, f64::max);
        if let Some(time_us) = self.time_us() {
            self.product = (rate * time_us).clamp(self.settings.min as f64, self.settings.max as f64);
        }
    }

    /// The unloaded time, as far as is known, in microseconds.
    fn time_us(&self) -> Option<f64> {
        self.seen.iter().map(|seen| seen.time_us).reduce(f64::min)
    }

    fn bounded(&self, wanted: f64) -> usize {
        (wanted as usize).clamp(self.settings.min, self.settings.max)
    }
}
