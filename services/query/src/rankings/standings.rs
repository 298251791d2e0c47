//! Standings that were worked out, for who asks next. They stay what they are, so those of earlier
//! editions are kept, too, while there is room: pages go on in the edition that they began in.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tandem_boards::{Filter, Listed, Standing};
use tandem_model::catalogue::Board;

use super::edition::Cut;

/// How many are kept.
const STANDINGS_MAX: usize = 2_000;
/// How many bytes they take together where nothing else is said.
pub(crate) const KEPT_BYTES: usize = 256 << 20;
/// How many lists of earlier periods are kept, and how many bytes they take together. Whatever filters are made up,
/// there are never more.
const LISTS_MAX: usize = 10 * STANDINGS_MAX;
const LISTS_BYTES_MAX: usize = 64 << 20;

/// Which standing.
pub(crate) struct Asked {
    pub(super) board: &'static Board,
    pub(super) cut: Cut,
    pub(super) filter: Filter,
    /// As it was known at the edition of this slot, in milliseconds; where absent, now.
    pub(super) heard: Option<u64>,
}

/// What was worked out, by what was asked: standings, or lists of who is listed.
pub(super) struct Kept<T> {
    known: HashMap<Key, Arc<T>>,
    /// The oldest first.
    order: VecDeque<Key>,
    bytes: usize,
    bytes_max: usize,
    count_max: usize,
}

/// Standings.
pub(super) type Standings = Kept<Standing>;

/// Whom boards listed in earlier periods: without the order, for who asks how long somebody has been there.
pub(super) type Lists = Kept<Listed>;

/// What takes room.
pub(super) trait Measured {
    fn size_bytes(&self) -> usize;
}

/// What tells standings apart: board, period and its start, the slot and moment of the edition, as of which
/// slot it was known, filter.
type Key = (&'static str, &'static str, u64, u64, u64, Option<u64>, Filter);

impl Asked {
    fn key(&self) -> Key {
        let Self { board, cut, filter, heard } = self;
        (board.id, cut.period.name(), cut.from, cut.slot, cut.moment(), *heard, filter.clone())
    }
}

impl Standings {
    /// None yet, and never more than so many bytes but for a single one.
    pub(super) fn within(bytes_max: usize) -> Self {
        Self::new(bytes_max, STANDINGS_MAX)
    }
}

impl Default for Lists {
    fn default() -> Self {
        Self::new(LISTS_BYTES_MAX, LISTS_MAX)
    }
}

impl Measured for Standing {
    fn size_bytes(&self) -> usize {
        self.size_bytes()
    }
}

impl Measured for Listed {
    fn size_bytes(&self) -> usize {
        self.size_bytes()
    }
}

impl<T: Measured> Kept<T> {
    fn new(bytes_max: usize, count_max: usize) -> Self {
        Self { known: HashMap::new(), order: VecDeque::new(), bytes: 0, bytes_max, count_max }
    }

    pub(super) fn get_or(&mut self, asked: Asked, work_out: impl FnOnce(&Asked) -> T) -> Arc<T> {
        let key = asked.key();
        if let Some(known) = self.known.get(&key) {
            return Arc::clone(known);
        }
        let made = Arc::new(work_out(&asked));
        self.bytes += made.size_bytes();
        self.order.push_back(key.clone());
        self.known.insert(key, Arc::clone(&made));
        while self.order.len() > self.count_max || (self.bytes > self.bytes_max && self.order.len() > 1) {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.known.remove(&oldest).map_or(0, |gone| gone.size_bytes());
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use tandem_boards::Facts;
    use tandem_model::Calendar;
    use tandem_model::calendar::Period;
    use tandem_model::catalogue::BOARDS;

    use super::super::edition::Moment;
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn the_oldest_go_where_there_is_no_room() {
        let (calendar, facts) = (Calendar::default(), Facts::new(Calendar::default()));
        let asked = |hour: u64| {
            let moment = Moment { at: hour * HOUR_MS, slot: hour * HOUR_MS, is_past: false };
            let cut = Cut::new(&calendar, Period::Hour, hour * HOUR_MS, moment);
            Asked { board: &BOARDS[0], cut, filter: Filter::default(), heard: None }
        };
        let made = |standings: &mut Standings, hour: u64| {
            let mut is_made = false;
            standings.get_or(asked(hour), |asked| {
                is_made = true;
                let Cut { period, from, .. } = asked.cut;
                facts.at(0, None).standing(asked.board, period, from, asked.cut.moment(), &asked.filter)
            });
            is_made
        };
        let one = Standings::within(0);
        let size = size_of::<Standing>();
        // Of a single one there is always room.
        for (mut standings, kept) in [(one, 1), (Standings::within(2 * size + size / 2), 2)] {
            for hour in 1..=4 {
                assert!(made(&mut standings, hour));
                assert!(!made(&mut standings, hour));
            }
            for hour in (1..=4).rev().take(kept) {
                assert!(!made(&mut standings, hour), "{hour}");
            }
            assert!(made(&mut standings, 4 - kept as u64));
        }
    }
}
