//! Room for so many at one time. How many that are may change while it runs: those that are in stay,
//! and nobody comes in until there is room again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// See the head of this file. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Room>);

#[derive(Debug)]
struct Room {
    max: AtomicUsize,
    taken: AtomicUsize,
}

/// A place that is taken. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place(Arc<Room>);

impl Places {
    /// Room for so many.
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Room { max: AtomicUsize::new(max), taken: AtomicUsize::new(0) }))
    }

    /// A place, if there is one. Nobody waits.
    pub(crate) fn enter(&self) -> Option<Place> {
        let Self(room) = self;
        let max = room.max.load(Ordering::Relaxed);
        let enter = |taken: usize| (taken < max).then_some(taken + 1);
        let entered = room.taken.fetch_update(Ordering::AcqRel, Ordering::Relaxed, enter);
        entered.ok().map(|_| Place(Arc::clone(room)))
    }

    /// How many are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Room for so many from now on.
    pub(crate) fn set_max(&self, max: usize) {
        self.0.max.store(max, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_and_it_may_change() {
        let places = Places::new(2);
        let (first, second) = (places.enter().unwrap(), places.enter());
        assert!(second.is_some() && places.enter().is_none());
        // Less: nobody is thrown out, and nobody comes in until enough have left.
        places.set_max(1);
        drop(first);
        assert!(places.enter().is_none());
        drop(second);
        let third = places.enter();
        assert!(third.is_some() && places.enter().is_none());
        places.set_max(3);
        let more = (places.enter(), places.enter());
        assert!(more.0.is_some() && more.1.is_some() && places.enter().is_none());
    }
}
