//! What a gateway knows of one chain from its own questions: a pure core, told of each question's
//! sending and end, with the time.
//!
//! From that follow: whether the chain gets requests ([`Breaker`]), how long to wait before hedging,
//! whether it can take more, and what the control group is told ([`Tally`]).
//!
//! # Silence
//! A chain that hangs gives no failures until timeouts end. So what has *not* come counts: when
//! nothing was answered for [`SILENCE_US_MIN`] (four times the usual 99th percentile, where that is
//! more) and five questions have waited longer than the hedge delay since, the breaker trips. And a
//! question that has waited for [`OVERDUE_US_MIN`] (or ten times the usual 99th percentile) counts
//! as failed then, not when it is given up. So do the questions that showed the silence.
//!
//! # Our own pauses
//! When this process was stopped for a while, every question looks old at the next moment. The tick,
//! due every [`TICK_US`], shows it: after a gap, all waiting counts from the gap's end, and what was
//! under way tells nothing about how fast the chain is. So a gateway does not blame chains for its
//! own pauses.

use tandem_failover::{Answers, Typical, Usual};

use super::breaker::{Breaker, State, Verdict};
use super::pending::{Key, Pending};
use super::symptoms::Tally;

/// How often [`Health::tick`] is due, in microseconds.
pub(super) const TICK_US: u64 = 50_000;
/// So long without a tick, this process was stopped.
const STALL_US: u64 = 5 * TICK_US;
/// Nothing is heard for so long at least before that is silence.
const SILENCE_US_MIN: u64 = 100_000;
const SILENCE_US_MAX: u64 = 1_000_000;
const SILENCE_FACTOR: u64 = 4;
/// Fewer unanswered questions are no silence.
const SILENCE_QUESTIONS: usize = 5;
/// A question that waits for less is not overdue.
const OVERDUE_US_MIN: u64 = 500_000;
const OVERDUE_FACTOR: u64 = 10;
/// The hedge delay, as so many times the usual 99th percentile: less than one of 100 is hedged.
const HEDGE_FACTOR: u64 = 2;
/// A chain struggles when half of its questions are older than the hedge delay, and at least and at
/// most so many are looked at.
const STRUGGLING: (usize, usize) = (16, 128);

/// Bounds, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) hedge_delay_us_min: u64,
    pub(super) hedge_delay_us_max: u64,
    pub(super) timeout_us: u64,
}

/// A question under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    key: Key,
    sent_us: u64,
    /// The chain had leave to wait: how long it took says nothing.
    may_wait: bool,
    is_trial: bool,
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// An answer; `is_hedged`: and its hedge had none yet.
    Good { is_hedged: bool },
    /// An answer: not read as far as the token. No failure.
    Behind,
    /// A failure at once.
    Failed,
    /// No answer in time.
    TimedOut,
    /// Nobody waited for the answer any more.
    Cancelled,
}

/// What is known of one chain.
#[derive(Debug)]
pub(super) struct Health {
    bounds: Bounds,
    breaker: Breaker,
    pending: Pending,
    tally: Tally,
    usual: Usual,
    /// When the chain last said anything.
    heard_us: u64,
    /// Questions given up on since then, and when the first of them was sent.
    given_up: usize,
    given_up_since_us: u64,
    ticked_us: Option<u64>,
    /// When we were last seen to go on after a stop.
    stalled_us: u64,
}

impl Health {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            breaker: Breaker::new(),
            pending: Pending::default(),
            tally: Tally::default(),
            usual: Usual::default(),
            heard_us: 0,
            given_up: 0,
            given_up_since_us: u64::MAX,
            ticked_us: None,
            stalled_us: 0,
        }
    }

    pub(super) fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// A question is sent now. `wait_us`: the chain has leave to wait so long. `is_trial`: after
    /// [`Health::take_trial`]. [`Health::ended`] must follow.
    pub(super) fn sent(&mut self, now_us: u64, wait_us: u64, is_trial: bool) -> Ticket {
        self.advance(now_us);
        let key = self.pending.insert(now_us + wait_us);
        Ticket { key, sent_us: now_us, may_wait: wait_us > 0, is_trial }
    }

    /// A question ends now.
    pub(super) fn ended(&mut self, now_us: u64, ticket: Ticket, end: End) {
        self.advance(now_us);
        let was_overdue = self.pending.remove(ticket.key);
        let took_us = now_us.saturating_sub(ticket.sent_us);
        let is_timed = !ticket.may_wait && ticket.sent_us >= self.stalled_us;
        let verdict = match end {
            End::Good { is_hedged } => {
                self.heard(now_us);
                self.good(now_us, Some(took_us).filter(|_| is_timed), was_overdue, is_hedged)
            }
            End::Behind => {
                self.heard(now_us);
                self.good(now_us, None, was_overdue, false)
            }
            // After a pause of our own, time may be up before we have looked.
            End::TimedOut if ticket.sent_us < self.stalled_us => None,
            End::Failed | End::TimedOut => {
                if end == End::Failed {
                    self.heard(now_us);
                }
                if !was_overdue {
                    self.failed(now_us, ticket.sent_us);
                }
                // What was overdue counted then; a trial has to be told all the same.
                (!was_overdue || ticket.is_trial).then_some(Verdict::Failed)
            }
            End::Cancelled if is_timed && took_us > self.hedge_delay_us() => {
                self.given_up += 1;
                self.given_up_since_us = self.given_up_since_us.min(ticket.sent_us);
                if !was_overdue {
                    self.tally.slow(took_us);
                    self.usual.answered(took_us);
                }
                (!was_overdue || ticket.is_trial).then_some(Verdict::Beaten)
            }
            End::Cancelled => None,
        };
        match (verdict, ticket.is_trial) {
            (Some(verdict), true) => self.breaker.note_trial(now_us, verdict),
            (Some(verdict), false) => self.breaker.note(now_us, verdict),
            (None, true) => self.breaker.cancel_trial(),
            (None, false) => {}
        }
        self.look_for_silence(now_us);
    }

    /// Every [`TICK_US`].
    pub(super) fn tick(&mut self, now_us: u64) {
        self.advance(now_us);
        self.ticked_us = Some(now_us);
    }

    /// Whether requests are kept from the chain.
    pub(super) fn is_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// What the breaker is doing.
    pub(super) fn state(&self, now_us: u64) -> State {
        self.breaker.state(now_us)
    }

    /// Whether a trial may be sent now; see [`Breaker::take_trial`].
    pub(super) fn take_trial(&mut self, now_us: u64, is_urgent: bool) -> bool {
        self.breaker.take_trial(now_us, is_urgent)
    }

    /// How long to wait for an answer before the other chain is asked as well, in microseconds.
    pub(super) fn hedge_delay_us(&self) -> u64 {
        let Bounds { hedge_delay_us_min, hedge_delay_us_max, .. } = self.bounds;
        let delay_us = self.usual.typical().map(|typical| typical.p99_us * HEDGE_FACTOR);
        delay_us.unwrap_or(hedge_delay_us_max).max(hedge_delay_us_min).min(hedge_delay_us_max)
    }

    /// What is usual; nothing while too little is known.
    pub(super) fn typical(&self) -> Option<Typical> {
        self.usual.typical()
    }

    /// Whether it does not keep up with what it was asked already.
    pub(super) fn is_struggling(&self, now_us: u64) -> bool {
        let needed = (self.pending.count() / 2).clamp(STRUGGLING.0, STRUGGLING.1);
        self.pending.older(now_us.saturating_sub(self.hedge_delay_us()), needed) == needed
    }

    /// What happened since the last report, and whether the breaker keeps requests away.
    pub(super) fn take_symptoms(&mut self, now_us: u64) -> (Answers, bool) {
        self.advance(now_us);
        // On probation with no trial sent, nothing was kept away: there was nothing to send.
        let is_kept_out = match self.breaker.state(now_us) {
            State::Closed | State::Probation { good: 0, is_asked: false, .. } => false,
            State::Open { .. } | State::Probation { .. } => true,
        };
        (self.tally.take(now_us, self.usual.typical()), is_kept_out)
    }

    fn good(
        &mut self,
        now_us: u64,
        took_us: Option<u64>,
        was_overdue: bool,
        is_hedged: bool,
    ) -> Option<Verdict> {
        let slow = if is_hedged { Verdict::Unbeaten } else { Verdict::Slow };
        if was_overdue {
            // Counted as failed before; that it answers at all is news.
            self.tally.alive(now_us);
            return Some(slow);
        }
        self.tally.good(now_us, took_us);
        let Some(took_us) = took_us else { return Some(Verdict::Good) };
        // What is slow for this chain; without a past, nobody can tell.
        let slow_us = self.usual.typical().map_or(u64::MAX, |typical| typical.p99_us * HEDGE_FACTOR);
        self.usual.answered(took_us);
        let is_slow = took_us > slow_us.max(self.bounds.hedge_delay_us_min);
        Some(if is_slow { slow } else { Verdict::Good })
    }

    fn failed(&mut self, now_us: u64, sent_us: u64) {
        self.tally.failed(now_us, sent_us.max(self.stalled_us));
        self.usual.failed();
    }

    fn heard(&mut self, now_us: u64) {
        self.heard_us = now_us;
        self.given_up = 0;
        self.given_up_since_us = u64::MAX;
    }

    fn advance(&mut self, now_us: u64) {
        if self.ticked_us.is_some_and(|ticked_us| now_us.saturating_sub(ticked_us) > STALL_US) {
            self.ticked_us = Some(now_us);
            self.stalled_us = now_us;
            self.heard(now_us);
        }
        let usual_us = self.usual.typical().map_or(0, |typical| typical.p99_us);
        let overdue_us = (usual_us * OVERDUE_FACTOR).max(OVERDUE_US_MIN).min(self.bounds.timeout_us.max(1));
        if let Some(until_us) = now_us.checked_sub(overdue_us).filter(|until_us| *until_us >= self.stalled_us)
        {
            self.take_overdue(now_us, until_us);
        }
        self.look_for_silence(now_us);
        self.usual.advance(now_us, self.breaker.is_open());
    }

    /// Counts as failed what was sent up to `until_us` and has no answer.
    fn take_overdue(&mut self, now_us: u64, until_us: u64) {
        let Self { pending, tally, usual, breaker, stalled_us, .. } = self;
        pending.take_overdue(until_us, |sent_us| {
            tally.failed(now_us, sent_us.max(*stalled_us));
            usual.failed();
            breaker.note(now_us, Verdict::Failed);
        });
    }

    fn look_for_silence(&mut self, now_us: u64) {
        let usual_us = self.usual.typical().map_or(0, |typical| typical.p99_us);
        let silence_us = (usual_us * SILENCE_FACTOR).clamp(SILENCE_US_MIN, SILENCE_US_MAX);
        let first_us = self.pending.oldest_us().unwrap_or(u64::MAX).min(self.given_up_since_us);
        let since_us = first_us.max(self.heard_us);
        if now_us.saturating_sub(since_us) < silence_us {
            return;
        }
        let old_us = now_us.saturating_sub(self.hedge_delay_us());
        if self.breaker.is_open()
            || self.given_up + self.pending.older(old_us, SILENCE_QUESTIONS) < SILENCE_QUESTIONS
        {
            return;
        }
        self.breaker.note_silence(now_us);
        // The questions now go to the other chain and end there, so none would come to be overdue.
        for _ in 0..std::mem::take(&mut self.given_up) {
            self.tally.failed_after_all(now_us, self.given_up_since_us.max(self.stalled_us));
        }
        self.take_overdue(now_us, old_us);
    }
}

#[cfg(test)]
mod tests;
