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

/// Which standing.
pub(crate) struct Asked {
    pub(super) board: &'static Board,
    pub(super) cut: Cut,
    pub(super) filter: Filter,
    /// As it was known at the edition of this slot, in milliseconds; where absent, now.
    pub(super) heard: Option<u64>,
}

/// Standings by what was asked.
pub(super) struct Standings {
    known: HashMap<Key, Arc<Standing>>,
    /// The oldest first.
    order: VecDeque<Key>,
    bytes: usize,
    bytes_max: usize,
}

/// How many bytes the lists of earlier periods take together.
const LISTS_BYTES_MAX: usize = 64 << 20;

/// Whom boards listed in earlier periods, by what was asked: without the order, for who asks how long somebody
/// has been there.
#[derive(Default)]
pub(super) struct Lists {
    known: HashMap<Key, Arc<Listed>>,
    /// The oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

impl Lists {
    pub(super) fn get_or(&mut self, asked: Asked, work_out: impl FnOnce(&Asked) -> Listed) -> Arc<Listed> {
        let key = asked.key();
        if let Some(known) = self.known.get(&key) {
            return Arc::clone(known);
        }
        let listed = Arc::new(work_out(&asked));
        self.bytes += listed.size_bytes();
        self.order.push_back(key.clone());
        self.known.insert(key, Arc::clone(&listed));
        while self.bytes > LISTS_BYTES_MAX && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.known.remove(&oldest).map_or(0, |gone| gone.size_bytes());
        }
        listed
    }
}

impl Asked {
    fn key(&self) -> Key {
        let Self { board, cut, filter, heard } = self;
        (board.id, cut.period.name(), cut.from, cut.slot, cut.moment(), *heard, filter.clone())
    }
}

/// What tells standings apart: board, period and its start, the slot and moment of the edition, as of which
/// slot it was known, filter.
type Key = (&'static str, &'static str, u64, u64, u64, Option<u64>, Filter);

impl Standings {
    /// None yet, and never more than so many bytes but for a single one.
    pub(super) fn within(bytes_max: usize) -> Self {
        Self { known: HashMap::new(), order: VecDeque::new(), bytes: 0, bytes_max }
    }

    pub(super) fn get_or(
        &mut self,
        asked: Asked,
        work_out: impl FnOnce(&Asked) -> Standing,
    ) -> Arc<Standing> {
        let key = asked.key();
        if let Some(known) = self.known.get(&key) {
            return Arc::clone(known);
        }
        let standing = Arc::new(work_out(&asked));
        self.bytes += standing.size_bytes();
        self.order.push_back(key.clone());
        self.known.insert(key, Arc::clone(&standing));
        while self.order.len() > STANDINGS_MAX || (self.bytes > self.bytes_max && self.order.len() > 1) {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.known.remove(&oldest).map_or(0, |gone| gone.size_bytes());
        }
        standing
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
