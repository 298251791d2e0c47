//! What happens when: in the order of time, and at one time in the order in which it was planned.
//!
//! A wheel of one place per millisecond; what lies farther ahead waits in a tree. An event is
//! planned for the next millisecond at the earliest, so the present one is done when it is taken.

use std::collections::BTreeMap;

/// How far the wheel reaches, in milliseconds. A power of two.
const WHEEL_MS: usize = 4_096;

/// What is planned.
pub(crate) struct Queue<T> {
    now_ms: u64,
    wheel: Vec<Vec<T>>,
    /// Planned when it was too far ahead for the wheel, so before anything there for the same time.
    far: BTreeMap<u64, Vec<T>>,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self { now_ms: 0, wheel: (0..WHEEL_MS).map(|_| Vec::new()).collect(), far: BTreeMap::new() }
    }

    /// Plans `event` for `at_ms`, or for the next millisecond if that is over.
    pub(crate) fn push(&mut self, at_ms: u64, event: T) {
        let at_ms = at_ms.max(self.now_ms + 1);
        if at_ms - self.now_ms < WHEEL_MS as u64 {
            self.wheel[at_ms as usize % WHEEL_MS].push(event);
        } else {
            self.far.entry(at_ms).or_default().push(event);
        }
    }

    /// Goes on by a millisecond; what is planned for it goes to `into`.
    pub(crate) fn advance(&mut self, into: &mut Vec<T>) {
        self.now_ms += 1;
        if let Some(events) = self.far.remove(&self.now_ms) {
            into.extend(events);
        }
        into.append(&mut self.wheel[self.now_ms as usize % WHEEL_MS]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_and_then_in_the_order_planned() {
        let mut queue = Queue::new();
        queue.push(5_000, 'x');
        queue.push(3, 'b');
        queue.push(0, 'a');
        queue.push(3, 'c');
        let mut seen = Vec::new();
        let mut at_ms = Vec::new();
        for now_ms in 1..=6_000 {
            let mut events = Vec::new();
            queue.advance(&mut events);
            if now_ms == 1_000 {
                queue.push(5_000, 'y');
            }
            at_ms.extend(events.iter().map(|_| now_ms));
            seen.extend(events);
        }
        assert_eq!(seen, ['a', 'b', 'c', 'x', 'y']);
        assert_eq!(at_ms, [1, 3, 3, 5_000, 5_000]);
    }
}
