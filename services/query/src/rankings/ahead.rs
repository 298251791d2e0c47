//! Boards that people look at are worked out as soon as there is a new edition, not when the next one asks.
//!
//! Whatever was asked for lately, of the present period, is asked for again at each cut, by a task that ends when
//! nobody looks any more. It holds the boards one at a time, so that others come in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tandem_boards::Filter;
use tandem_model::calendar::Period;
use tandem_model::catalogue::Board;
use tandem_model::{Cut as Prefix, PartitionId, Step};
use tandem_storage::{ChainStores, StoreError};
use tokio::time::Instant;

use super::edition::{Cut, Moment};
use super::gathered::Rankings;
use super::standings::Asked;

/// What was not asked for so long is not worked out ahead.
const LATELY: Duration = Duration::from_secs(60);
/// How many boards, at most: those that were asked for first.
const WANTED_MAX: usize = 128;
/// How often it is looked whether there is a new edition.
const LOOK: Duration = Duration::from_millis(500);

/// A board of the present period.
type Want = (&'static str, Period, Filter);

/// What is asked for.
#[derive(Default)]
pub(super) struct Ahead {
    wanted: Mutex<Wanted>,
}

#[derive(Default)]
struct Wanted {
    boards: HashMap<Want, (&'static Board, Instant)>,
    is_followed: bool,
}

impl Ahead {
    /// Somebody asks for this. Answers whether nobody follows, and whoever is told so does.
    fn note(&self, board: &'static Board, period: Period, filter: &Filter) -> bool {
        let mut wanted = self.wanted.lock();
        let want = (board.id, period, filter.clone());
        if wanted.boards.len() < WANTED_MAX || wanted.boards.contains_key(&want) {
            wanted.boards.insert(want, (board, Instant::now()));
        }
        !std::mem::replace(&mut wanted.is_followed, true)
    }

    /// What was asked for lately; where there is nothing, whoever follows ends.
    fn lately(&self) -> Vec<(&'static Board, Period, Filter)> {
        let mut wanted = self.wanted.lock();
        wanted.boards.retain(|_, (_, asked)| asked.elapsed() < LATELY);
        wanted.is_followed = !wanted.boards.is_empty();
        wanted
            .boards
            .iter()
            .map(|((_, period, filter), (board, _))| (*board, *period, filter.clone()))
            .collect()
    }
}

impl Rankings {
    /// Somebody asks for a board of the present period.
    pub(super) fn want(
        self: &Arc<Self>,
        stores: &ChainStores,
        partitions: u32,
        board: &'static Board,
        period: Period,
        filter: &Filter,
    ) {
        if self.ahead.note(board, period, filter) {
            tokio::spawn(follow(Arc::clone(self), stores.clone(), partitions));
        }
    }

    /// Works out what is wanted, if there is an edition after that of `slot`; answers which one there is.
    async fn work_ahead(
        &self,
        stores: &ChainStores,
        partitions: u32,
        wanted: Vec<(&'static Board, Period, Filter)>,
        slot: u64,
    ) -> Option<u64> {
        let prefixes = progress(stores, partitions).await.ok()?;
        let clock = prefixes.iter().map(|prefix| prefix.clock).min()?;
        if Step::FiveSeconds.slot(clock) <= slot {
            return None;
        }
        let slot = self.newest(stores, &prefixes).await.ok()?.slot();
        for (board, period, filter) in wanted {
            let mut gathered = self.gathered().await;
            if gathered.slot() != slot {
                // Somebody was faster, and it is theirs that is wanted now.
                return None;
            }
            let at = gathered.cut_at();
            let cut = Cut::new(self.calendar(), period, at, Moment { at, slot, is_past: false });
            for cut in [Some(cut), cut.before(self.calendar())].into_iter().flatten() {
                gathered.standing(Asked { board, cut, filter: filter.clone(), heard: None });
            }
            gathered.listed_periods(board, &filter, cut, &[], self.calendar());
            drop(gathered);
            tokio::task::yield_now().await;
        }
        Some(slot)
    }
}

async fn follow(rankings: Arc<Rankings>, stores: ChainStores, partitions: u32) {
    let mut slot = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let wanted = rankings.ahead.lately();
        if wanted.is_empty() {
            return;
        }
        slot = rankings.work_ahead(&stores, partitions, wanted, slot).await.unwrap_or(slot);
    }
}

async fn progress(stores: &ChainStores, partitions: u32) -> Result<Vec<Prefix>, StoreError> {
    let mut prefixes = Vec::new();
    for partition in (0..partitions).map(PartitionId) {
        prefixes.push(stores.rows.progress(partition).await?.unwrap_or_default());
    }
    Ok(prefixes)
}

#[cfg(test)]
mod tests {
    use tandem_model::catalogue::BOARDS;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asks_for_any_more_is_left_and_begun_anew() {
        let ahead = Ahead::default();
        let filter = Filter::default();
        assert!(ahead.note(&BOARDS[0], Period::Hour, &filter), "nobody follows yet");
        assert!(!ahead.note(&BOARDS[1], Period::Hour, &filter));
        assert_eq!(ahead.lately().len(), 2);
        tokio::time::advance(LATELY / 2).await;
        assert!(!ahead.note(&BOARDS[1], Period::Hour, &filter));
        tokio::time::advance(LATELY / 2).await;
        assert_eq!(ahead.lately(), [(&BOARDS[1], Period::Hour, filter.clone())]);
        tokio::time::advance(LATELY).await;
        assert!(ahead.lately().is_empty());
        assert!(ahead.note(&BOARDS[0], Period::Hour, &filter), "who followed has ended");
    }

    #[test]
    fn there_is_a_bound() {
        let ahead = Ahead::default();
        let filter = |number: usize| Filter { category: Some(number.to_string()), ..Filter::default() };
        for number in 0..WANTED_MAX * 2 {
            ahead.note(&BOARDS[0], Period::Day, &filter(number));
        }
        assert_eq!(ahead.lately().len(), WANTED_MAX);
    }
}
