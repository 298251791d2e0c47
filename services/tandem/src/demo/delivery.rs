//! The way from a phone to us: most lines arrive at once, some late, some twice, and some phones
//! have a wrong clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bytes::Bytes;
use rand::Rng;
use rand::rngs::SmallRng;

use super::{MINUTE_MS, SECOND_MS};

/// Lines under way, by the time of their arrival.
#[derive(Default)]
pub(super) struct Delivery {
    lines: BinaryHeap<Reverse<(u64, u64, Bytes)>>,
    /// Sent so far: keeps lines that arrive together in the order of their sending.
    sent: u64,
}

impl Delivery {
    /// Sends a line at `sent_ms`.
    pub(super) fn send(&mut self, sent_ms: u64, line: Bytes, random: &mut SmallRng) {
        let delay_ms = match random.random_range(0..1_000) {
            // A dead spot: a tunnel, a lift.
            0..5 => random.random_range(2 * SECOND_MS..30 * SECOND_MS),
            _ => random.random_range(20..400),
        };
        // The answer got lost, so the phone sends it again.
        if random.random_ratio(2, 1_000) {
            self.push(sent_ms + delay_ms + random.random_range(SECOND_MS..20 * SECOND_MS), line.clone());
        }
        self.push(sent_ms + delay_ms, line);
    }

    /// Sends a line that nothing happens to.
    pub(super) fn send_safely(&mut self, sent_ms: u64, line: Bytes) {
        self.push(sent_ms, line);
    }

    /// What has arrived up to `now_ms`, in order.
    pub(super) fn take_until(&mut self, now_ms: u64) -> Vec<Bytes> {
        let mut arrived = Vec::new();
        while self.lines.peek().is_some_and(|Reverse((due_ms, _, _))| *due_ms <= now_ms) {
            arrived.extend(self.lines.pop().map(|Reverse((_, _, line))| line));
        }
        arrived
    }

    fn push(&mut self, due_ms: u64, line: Bytes) {
        self.sent += 1;
        self.lines.push(Reverse((due_ms, self.sent, line)));
    }
}

/// What a phone believes the time is: nearly always right, rarely behind by so much that the
/// event is late, more rarely ahead.
pub(super) fn phone_clock(now_ms: u64, random: &mut SmallRng) -> u64 {
    match random.random_range(0..10_000) {
        0..4 => now_ms.saturating_sub(random.random_range(11 * MINUTE_MS..40 * MINUTE_MS)),
        4..6 => now_ms + random.random_range(6 * MINUTE_MS..60 * MINUTE_MS),
        _ => now_ms,
    }
}
