//! What a gateway knows of one chain by its own requests: counts for the report, and the breaker.

use tandem_failover::{Answers, Latency};

use crate::usual::Usual;

/// So many failures in a row open the breaker.
const OPEN_AFTER: u32 = 5;
/// An open breaker lets one request through this often, in milliseconds.
const TRIAL_MS: u64 = 300;

/// See the head of this module.
#[derive(Default)]
pub(crate) struct Health {
    requests: u32,
    failures: u32,
    consecutive_failures: u32,
    /// When the first of them was sent.
    failing_since_ms: u64,
    took_us: Vec<u64>,
    usual: Usual,
    tried_ms: u64,
}

impl Health {
    pub(crate) fn good(&mut self, took_ms: u64) {
        self.requests += 1;
        self.consecutive_failures = 0;
        self.slow(took_ms);
        self.usual.learn(took_ms * 1_000);
    }

    /// An answer that was not waited for to its end counts with the time it was waited for.
    pub(crate) fn slow(&mut self, took_ms: u64) {
        self.took_us.push(took_ms * 1_000);
    }

    /// Says whether the breaker opens.
    pub(crate) fn failed(&mut self, sent_ms: u64) -> bool {
        self.requests += 1;
        self.failures += 1;
        if self.consecutive_failures == 0 {
            self.failing_since_ms = sent_ms;
        }
        self.consecutive_failures += 1;
        self.consecutive_failures == OPEN_AFTER
    }

    pub(crate) fn is_open(&self) -> bool {
        self.consecutive_failures >= OPEN_AFTER
    }

    /// Whether an open breaker lets one request through now.
    pub(crate) fn try_now(&mut self, now_ms: u64) -> bool {
        let is_due = now_ms >= self.tried_ms + TRIAL_MS;
        if is_due {
            self.tried_ms = now_ms;
        }
        is_due
    }

    /// What happened since the report before.
    pub(crate) fn report(&mut self, now_ms: u64) -> Answers {
        self.took_us.sort_unstable();
        let at = |percent: usize| self.took_us.get(self.took_us.len() * percent / 100).copied();
        let latency = self.usual.known_us().and_then(|usual_us| {
            Some(Latency {
                p50_us: at(50)?,
                p99_us: at(99)?,
                usual_p50_us: usual_us,
                usual_p99_us: usual_us * 3,
            })
        });
        let answers = Answers {
            requests: self.requests,
            failures: self.failures,
            consecutive_failures: self.consecutive_failures,
            failing_ms: if self.consecutive_failures == 0 { 0 } else { now_ms - self.failing_since_ms },
            latency,
        };
        (self.requests, self.failures) = (0, 0);
        self.took_us.clear();
        answers
    }
}
