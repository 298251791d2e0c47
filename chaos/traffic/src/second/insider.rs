//! Somebody who may.

use crate::Family;
use crate::address;
use crate::chance::Chance;
use crate::people::Person;
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, TABLES};
use crate::world::World;

/// An employee on the last day (T1213, T1567). At first a person like any other, and then nothing of it
/// is worthless. In the evening, from home, with the same token and the same browser: every export to
/// its last page, then score and audience of each anchor, with a person's pauses of 2 to 10 s.
///
/// The harm: the business goes along to the next employer. What gives it away: a person who has never
/// exported takes all tables whole, and all forty anchors in order, in half an hour; colleagues fetch a
/// page or two of the one table they need.
#[derive(Debug)]
pub(crate) struct LeavingInsider {
    life: Person,
    /// From the moment at which it takes things along.
    taker: Option<Sender>,
    chance: Chance,
    pages: u64,
    taken: u64,
}

/// A pause longer than this is the end of the working day, in milliseconds.
const DAY_ENDS_AFTER_MS: u64 = 1_200_000;

impl LeavingInsider {
    pub(crate) fn new(index: u64, world: &World, mut chance: Chance) -> Self {
        let life = Person::new(Family::LeavingInsider, index, world, chance.clone());
        let pages = chance.between(15, 40);
        Self { life, taker: None, chance, pages, taken: 0 }
    }
}

impl Actor for LeavingInsider {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        let Some(taker) = &self.taker else {
            let (request, next_ms) = self.life.act(now_ms, world);
            if let Some(next_ms) = next_ms.filter(|next_ms| next_ms - now_ms < DAY_ENDS_AFTER_MS) {
                return (request, Some(next_ms));
            }
            let mut taker = self.life.sender().clone();
            taker.address = address::home(&mut self.chance);
            self.taker = Some(taker);
            return (request, Some(now_ms + self.chance.between(120_000, 600_000)));
        };
        let exports = self.pages * TABLES.len() as u64;
        let anchors = &world.tenant(self.life.tenant()).anchors;
        let target = match self.taken.checked_sub(exports) {
            None => {
                let table = usize::try_from(self.taken / self.pages).unwrap_or(0);
                target::export(TABLES[table], "csv", self.taken % self.pages)
            }
            Some(page) => {
                let anchor = &anchors[usize::try_from(page / 2).unwrap_or(0) % anchors.len()];
                target::anchor(anchor, if page % 2 == 0 { "score" } else { "audience" })
            }
        };
        let request = taker.get(target, 200).in_visit(1).worthless();
        self.taken += 1;
        let is_over = self.taken == exports + anchors.len() as u64 * 2;
        (request, (!is_over).then_some(now_ms + self.chance.pause_ms(4_000)))
    }
}
