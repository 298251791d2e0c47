//! Those who wait for a few milliseconds, few enough to be looked through one by one.

use std::cmp::Reverse;

use crate::Class;
use crate::door::WaiterId;

/// So many groups of tenants are told apart; two that share one share what a tenant would get.
pub(crate) const GROUPS: usize = 256;

/// One that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) id: WaiterId,
    pub(crate) class: Class,
    pub(crate) group: u8,
}

/// Those who wait, and what each group has under way.
#[derive(Debug)]
pub(crate) struct Queue {
    /// In the order of their coming.
    waiters: Vec<Waiter>,
    /// Under way, by group.
    busy: Box<[u32; GROUPS]>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { waiters: Vec::new(), busy: Box::new([0; GROUPS]) }
    }
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn push(&mut self, waiter: Waiter) {
        self.waiters.push(waiter);
    }

    pub(crate) fn began(&mut self, group: u8) {
        self.busy[usize::from(group)] += 1;
    }

    pub(crate) fn ended(&mut self, group: u8) {
        let busy = &mut self.busy[usize::from(group)];
        *busy = busy.saturating_sub(1);
    }

    /// Takes out whom it is the turn of: the most important class, in it the group with the least under
    /// way, in it whoever came last. The last has all his patience left; whoever came first has
    /// likely used it up (adaptive LIFO: Maurer, "Fail at Scale", ACM Queue 13/8, 2015).
    pub(crate) fn take_best(&mut self) -> Option<Waiter> {
        let key = |waiter: &Waiter| (waiter.class, self.busy[usize::from(waiter.group)], Reverse(waiter.id));
        let (index, _) = self.waiters.iter().enumerate().min_by_key(|(_, waiter)| key(waiter))?;
        Some(self.waiters.remove(index))
    }

    /// Takes out who makes room for `newcomer`, where one counts less: of a lower class, or of a group
    /// that has more under way and waiting.
    pub(crate) fn take_worse(&mut self, class: Class, group: u8) -> Option<Waiter> {
        let mut share = self.busy.clone();
        for waiter in &self.waiters {
            share[usize::from(waiter.group)] += 1;
        }
        // The newcomer is one more of his group.
        share[usize::from(group)] += 1;
        let key = |waiter: &Waiter| (waiter.class, share[usize::from(waiter.group)], Reverse(waiter.id));
        let (index, worst) = self.waiters.iter().enumerate().max_by_key(|(_, waiter)| key(waiter))?;
        let is_worse = (worst.class, share[usize::from(worst.group)]) > (class, share[usize::from(group)]);
        is_worse.then(|| self.waiters.remove(index))
    }

    /// Takes out one of them, if he still waits.
    pub(crate) fn take(&mut self, id: WaiterId) -> Option<Waiter> {
        let index = self.waiters.iter().position(|waiter| waiter.id == id)?;
        Some(self.waiters.remove(index))
    }

    /// Whether somebody of a more important class waits.
    pub(crate) fn has_better_than(&self, class: Class) -> bool {
        self.waiters.iter().any(|waiter| waiter.class < class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(id: u64, class: Class, group: u8) -> Waiter {
        Waiter { id: WaiterId(id), class, group }
    }

    fn order(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.take_best()).map(|waiter| waiter.id.0).collect()
    }

    #[test]
    fn classes_then_the_least_served_then_the_last() {
        let mut queue = Queue::default();
        queue.began(1);
        let all = [
            waiter(1, Class::Export, 2),
            waiter(2, Class::Live, 1),
            waiter(3, Class::Live, 2),
            waiter(4, Class::Live, 2),
            waiter(5, Class::Unsigned, 3),
            waiter(6, Class::Ordinary, 1),
        ];
        all.into_iter().for_each(|waiter| queue.push(waiter));
        assert!(queue.has_better_than(Class::Ordinary) && !queue.has_better_than(Class::Live));
        assert_eq!(order(&mut queue), [4, 3, 2, 6, 1, 5]);
        queue.push(waiter(7, Class::Live, 1));
        queue.push(waiter(8, Class::Live, 2));
        queue.ended(1);
        queue.began(2);
        assert_eq!(order(&mut queue), [7, 8], "what ended no longer counts");
    }

    #[test]
    fn room_is_made_by_who_counts_less() {
        let mut queue = Queue::default();
        for id in 0..3 {
            queue.push(waiter(id, Class::Ordinary, 1));
        }
        assert_eq!(queue.take_worse(Class::Ordinary, 1), None, "one of many is no better than the others");
        assert_eq!(queue.take_worse(Class::Export, 2), None);
        let worse = |queue: &mut Queue, class, group| queue.take_worse(class, group).map(|found| found.id.0);
        assert_eq!(worse(&mut queue, Class::Ordinary, 2), Some(0), "the oldest of the greediest");
        assert_eq!(worse(&mut queue, Class::Live, 1), Some(1));
        assert_eq!(queue.take(WaiterId(2)).map(|found| found.id.0), Some(2));
        assert_eq!((queue.take(WaiterId(2)), queue.len()), (None, 0));
    }
}
