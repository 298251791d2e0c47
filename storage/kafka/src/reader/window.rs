//! What was read ahead of one partition.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tandem_model::Record;
use tandem_storage::StoreError;

/// Whoever follows the end of a partition comes back within this. Whoever was away for longer (a
/// process that was stopped) may have been overtaken, so what was fetched before says nothing about
/// the end. Shorter than it takes to take a partition over.
const FOLLOWS_FOR: Duration = Duration::from_secs(4);

/// The records from a place on, as far as they were fetched, and what is known beyond.
#[derive(Default)]
pub(super) struct Window {
    /// Counts the places it was moved to; what was fetched for an earlier one is thrown away.
    pub(super) place: u64,
    /// Whether it is to be filled.
    pub(super) is_wanted: bool,
    /// Everything before was handed out, or is not wanted.
    pub(super) next: u64,
    records: VecDeque<(u64, Record)>,
    bytes: usize,
    trouble: Option<Trouble>,
    /// Beyond what is here, nothing readable lies below this.
    settled: u64,
    /// Whether whoever reads was told that this is the end, and has followed it since.
    is_followed: bool,
    read: Option<Instant>,
}

/// Why it is not filled any further.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// Kafka has no such place.
    OutOfRange,
    Failed(StoreError),
}

/// What there is of what was asked for.
pub(super) enum Found {
    /// As much as was asked for.
    Enough,
    /// Everything that was fetched so far; perhaps nothing.
    Everything,
    Trouble(Trouble),
}

impl Window {
    /// Makes `from` the next place.
    pub(super) fn move_to(&mut self, from: u64) {
        let was_away = self.read.is_none_or(|read| read.elapsed() > FOLLOWS_FOR);
        self.read = Some(Instant::now());
        if self.is_wanted && self.next == from && self.trouble.is_none() {
            self.is_followed &= !was_away;
            return;
        }
        let place = self.place + 1;
        *self = Self { place, is_wanted: true, next: from, read: self.read, ..Self::default() };
    }

    /// Adds what was fetched for `place`; none of it if it is wanted no more.
    pub(super) fn fill(&mut self, place: u64, records: &mut Vec<(u64, Record)>) -> bool {
        if !self.is_wanted || self.place != place {
            records.clear();
            return false;
        }
        for (offset, record) in records.drain(..).filter(|(offset, _)| *offset >= self.next) {
            self.bytes += room(&record);
            self.records.push_back((offset, record));
        }
        true
    }

    pub(super) fn fail(&mut self, place: u64, trouble: Trouble) {
        if self.is_wanted && self.place == place {
            self.trouble = Some(trouble);
        }
    }

    pub(super) fn is_full(&self, bytes_max: usize) -> bool {
        self.bytes >= bytes_max || self.trouble.is_some()
    }

    /// Hands out what fits into `bytes_max`, of which `bytes` are taken already; the first record
    /// always fits.
    pub(super) fn take(
        &mut self,
        out: &mut Vec<(u64, Record)>,
        bytes: &mut usize,
        bytes_max: usize,
    ) -> Found {
        while let Some((offset, record)) = self.records.front() {
            let more = *bytes + record.value.len();
            if more > bytes_max && !out.is_empty() {
                return Found::Enough;
            }
            *bytes = more;
            self.next = offset + 1;
            self.bytes -= room(record);
            out.extend(self.records.pop_front());
        }
        match &self.trouble {
            Some(trouble) if out.is_empty() => Found::Trouble(trouble.clone()),
            Some(_) => Found::Enough,
            None if *bytes >= bytes_max && !out.is_empty() => Found::Enough,
            None => Found::Everything,
        }
    }

    /// Notes that Kafka has nothing readable from here to `end`.
    pub(super) fn settle(&mut self, end: u64) {
        self.settled = self.settled.max(end);
        self.is_followed = true;
    }

    /// Whether "nothing yet" is the right answer to whoever knows that everything lies below `end`:
    /// they have read all of that, and what comes is announced by the ends.
    pub(super) fn is_followed(&self, end: u64) -> bool {
        self.is_followed && end <= self.next.max(self.settled)
    }

    /// Lets go of everything if nobody has read for `idle`.
    pub(super) fn release(&mut self, idle: Duration) -> bool {
        let is_idle = self.is_wanted && self.read.is_some_and(|read| read.elapsed() >= idle);
        if is_idle {
            *self = Self { place: self.place + 1, ..Self::default() };
        }
        is_idle
    }
}

/// What a record takes here, in bytes.
fn room(record: &Record) -> usize {
    record.value.len() + 64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn records(offsets: impl IntoIterator<Item = u64>) -> Vec<(u64, Record)> {
        offsets.into_iter().map(|offset| (offset, Record::line(Bytes::from(vec![b'x'; 100])))).collect()
    }

    fn offsets(window: &mut Window, bytes_max: usize) -> Vec<u64> {
        let (mut out, mut bytes) = (Vec::new(), 0);
        window.take(&mut out, &mut bytes, bytes_max);
        out.into_iter().map(|(offset, _)| offset).collect()
    }

    #[test]
    fn what_is_handed_out_joins_up_over_holes_and_fills() {
        let mut window = Window::default();
        window.move_to(3);
        let place = window.place;
        assert!(window.fill(place, &mut records([3, 5])));
        assert_eq!(offsets(&mut window, 0), [3]);
        window.move_to(4);
        assert_eq!(window.place, place, "it stands there");
        assert!(window.fill(place, &mut records([9, 10, 11])));
        assert_eq!(offsets(&mut window, 250), [5, 9]);
        assert_eq!(offsets(&mut window, usize::MAX), [10, 11]);
        assert_eq!((window.next, window.bytes), (12, 0));
        // Elsewhere: nothing of the old place is left, and nothing of it comes any more.
        window.fill(place, &mut records([12]));
        window.move_to(4);
        assert!(!window.fill(place, &mut records([13])));
        assert_eq!(offsets(&mut window, usize::MAX), [] as [u64; 0]);
    }

    #[test]
    fn trouble_shows_after_what_came_before_it_and_a_new_look_forgets_it() {
        let mut window = Window::default();
        window.move_to(0);
        let place = window.place;
        window.fill(place, &mut records([0]));
        window.fail(place, Trouble::OutOfRange);
        assert_eq!(offsets(&mut window, usize::MAX), [0]);
        let (mut out, mut bytes) = (Vec::new(), 0);
        assert!(matches!(window.take(&mut out, &mut bytes, 1), Found::Trouble(Trouble::OutOfRange)));
        window.move_to(1);
        assert!(matches!(window.take(&mut out, &mut bytes, 1), Found::Everything));
        window.fail(place, Trouble::OutOfRange);
        assert!(matches!(window.take(&mut out, &mut bytes, 1), Found::Everything), "of the old place");
    }

    #[test]
    fn the_end_is_followed_only_as_far_as_it_is_known() {
        let mut window = Window::default();
        window.move_to(7);
        assert!(!window.is_followed(7), "nobody has looked yet");
        window.settle(9);
        assert!(window.is_followed(9) && !window.is_followed(10));
        window.fill(window.place, &mut records([9]));
        assert_eq!(offsets(&mut window, usize::MAX), [9]);
        assert!(window.is_followed(10) && !window.is_followed(11), "there is more somewhere");
        window.move_to(10);
        assert!(window.is_followed(10), "it stands there");
        window.read = Instant::now().checked_sub(2 * FOLLOWS_FOR);
        window.move_to(10);
        assert!(!window.is_followed(10), "whoever was away may have been overtaken");
        window.settle(10);
        window.move_to(7);
        assert!(!window.is_followed(7), "whoever goes elsewhere begins anew");
    }
}
