//! Standings that were worked out, for who asks next. They stay what they are, so those of earlier
//! editions are kept, too, while there is room: pages go on in the edition that they began in.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tandem_boards::{Filter, Listed, Standing};
use tandem_model::catalogue::Board;

use super::edition::Cut;

/// How many are kept.
const STANDINGS_MAX: usize = 2_000;
/// How many subjects they list together: some 100 bytes each.
const LISTED_MAX: usize = 2_000_000;

/// Which standing.
pub(crate) struct Asked {
    pub(super) board: &'static Board,
    pub(super) cut: Cut,
    pub(super) filter: Filter,
    /// As it was known at the edition of this slot, in milliseconds; where absent, now.
    pub(super) heard: Option<u64>,
}

/// Standings by what was asked.
#[derive(Default)]
pub(super) struct Standings {
    known: HashMap<Key, Arc<Standing>>,
    /// The oldest first.
    order: VecDeque<Key>,
    listed: usize,
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
        self.listed += standing.listed();
        self.order.push_back(key.clone());
        self.known.insert(key, Arc::clone(&standing));
        while self.order.len() > STANDINGS_MAX || (self.listed > LISTED_MAX && self.order.len() > 1) {
            let Some(oldest) = self.order.pop_front() else { break };
            self.listed -= self.known.remove(&oldest).map_or(0, |gone| gone.listed());
        }
        standing
    }
}
