//! What is done with one credential from one network: who steals a key is seen beside its owner,
//! not mixed with him, and the owner does not pay for the thief.
//!
//! A *visit* is a request about a session that is not one of the last four that were asked about:
//! report, trend and stream of one session are one visit. Crawlers visit each session once,
//! dashboards and people come back.

use super::ids::{Budget, Ids};
use super::recent::Recent;

const DAY_MS: u64 = 24 * 3_600_000;
const HOUR_MS: u64 = 3_600_000;
/// After so many visits all counts of visits are halved: what is judged are the last 128 or so,
/// however long they took.
const VISITS_MAX: u32 = 256;
/// And after so long a time, so that everything is forgotten some day.
const HALF_MS: u64 = 6 * HOUR_MS;
/// Neighbours are so near.
const STEP_MAX: u64 = 2;

/// What a request about a session was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VisitKind {
    /// Asked about just before.
    Same,
    /// Visited before, or not known.
    Again,
    /// The first visit.
    First,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    ids: Ids,
    last: [u32; 4],
    last_number: u64,
    visits: u32,
    firsts: u32,
    neighbours: u32,
    missing: u32,
    halved_ms: u64,
    sessions: Recent<1, DAY_MS>,
    bulk: Recent<1, HOUR_MS>,
    honeypots: Recent<1, HOUR_MS>,
    replays: Recent<1, HOUR_MS>,
    agents: [u64; 2],
    agents_turn: Recent<0, HOUR_MS>,
}

/// What is known of a pair, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Doings {
    /// Visits of late, at most 256.
    pub(crate) visits: u32,
    /// Of those, first ones.
    pub(crate) firsts: u32,
    /// Of those, to the neighbour of the one before.
    pub(crate) neighbours: u32,
    /// First visits to what was not found.
    pub(crate) missing: u32,
    /// Sessions visited for the first time within a day.
    pub(crate) sessions: u32,
    /// Pages of exports and lists within an hour.
    pub(crate) bulk: u32,
    /// Within an hour.
    pub(crate) honeypots: u32,
    /// Within an hour.
    pub(crate) replays: u32,
    /// User agents within an hour or two, at most 64.
    pub(crate) agents: u32,
}

impl Pair {
    fn fade(&mut self, now_ms: u64) {
        if self.halved_ms == 0 {
            self.halved_ms = now_ms;
        }
        let halvings = now_ms.saturating_sub(self.halved_ms) / HALF_MS;
        if halvings > 0 {
            self.halved_ms += halvings * HALF_MS;
        }
        let halvings = u32::try_from(halvings).unwrap_or(31).min(31) + u32::from(self.visits >= VISITS_MAX);
        for count in [&mut self.visits, &mut self.firsts, &mut self.neighbours, &mut self.missing] {
            *count = count.checked_shr(halvings).unwrap_or(0);
        }
    }

    /// A request with this user agent, by its hash.
    pub(crate) fn agent(&mut self, agent: u64, now_ms: u64) {
        if self.agents_turn.advance(now_ms) {
            self.agents = [0, self.agents[0]];
        }
        self.agents[0] |= 1 << (agent % 64);
    }

    /// A request about a session, by the hash and the number of its id.
    pub(crate) fn session(&mut self, id: u64, number: u64, now_ms: u64, budget: &Budget) -> VisitKind {
        let short = (id >> 32) as u32;
        if self.last.contains(&short) {
            return VisitKind::Same;
        }
        self.last.rotate_right(1);
        self.last[0] = short;
        let is_neighbour = number != self.last_number && number.abs_diff(self.last_number) <= STEP_MAX;
        self.last_number = number;
        self.fade(now_ms);
        self.visits += 1;
        if self.ids.see(id, budget) != Some(true) {
            return VisitKind::Again;
        }
        self.firsts += 1;
        self.neighbours += u32::from(is_neighbour && number > 0);
        self.sessions.add(0, now_ms);
        VisitKind::First
    }

    /// A first visit was refused by us: it says neither that there are such sessions nor that there
    /// are none, and without this whoever is refused for what he missed would soon have missed little.
    pub(crate) fn refused(&mut self) {
        self.visits = self.visits.saturating_sub(1).max(self.missing);
        self.firsts = self.firsts.saturating_sub(1);
    }

    /// A first visit found nothing.
    pub(crate) fn missed(&mut self) {
        self.missing = self.missing.saturating_add(1).min(self.visits);
    }

    pub(crate) fn bulk(&mut self, now_ms: u64) {
        self.bulk.add(0, now_ms);
    }

    pub(crate) fn honeypot(&mut self, now_ms: u64) {
        self.honeypots.add(0, now_ms);
    }

    pub(crate) fn replayed(&mut self, now_ms: u64) {
        self.replays.add(0, now_ms);
    }

    /// As it stands.
    pub(crate) fn doings(&mut self, now_ms: u64) -> Doings {
        self.fade(now_ms);
        Doings {
            visits: self.visits,
            firsts: self.firsts,
            neighbours: self.neighbours,
            missing: self.missing,
            sessions: self.sessions.count(0, now_ms),
            bulk: self.bulk.count(0, now_ms),
            honeypots: self.honeypots.count(0, now_ms),
            replays: self.replays.count(0, now_ms),
            agents: (self.agents[0] | self.agents[1]).count_ones(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Hashes;
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn visit(pair: &mut Pair, id: u64, now_ms: u64, budget: &Budget) -> VisitKind {
        pair.session(Hashes::new([5, 6]).of(0, &[&id.to_le_bytes()]), id, now_ms, budget)
    }

    #[test]
    fn a_session_that_is_looked_at_from_several_sides_is_one_visit() {
        let (mut pair, budget) = (Pair::default(), Budget::new(1));
        let kinds = [1, 1, 2, 1, 3, 4, 5, 1].map(|id| visit(&mut pair, id * 10, NOW_MS, &budget));
        use VisitKind::{Again, First, Same};
        assert_eq!(kinds, [First, Same, First, Same, First, First, First, Again]);
    }

    #[test]
    fn a_walk_is_seen_and_a_second_round_is_none() {
        let (mut pair, budget) = (Pair::default(), Budget::new(1));
        for id in 1_000..1_100 {
            visit(&mut pair, id, NOW_MS, &budget);
        }
        let walk = pair.doings(NOW_MS);
        assert!(walk.firsts > 90 && walk.neighbours >= walk.firsts - 3, "{walk:?}");
        for round in 0..10 {
            for id in 1_000..1_100 {
                visit(&mut pair, id, NOW_MS + round, &budget);
            }
        }
        let rounds = pair.doings(NOW_MS);
        assert!(rounds.firsts * 10 < rounds.visits, "{rounds:?}");
    }

    #[test]
    fn slow_walks_are_seen_as_well_and_old_ones_forgotten() {
        let (mut pair, budget) = (Pair::default(), Budget::new(1));
        for id in 0..60 {
            visit(&mut pair, id * 77, NOW_MS + id * 300_000, &budget);
        }
        let slow = pair.doings(NOW_MS + 60 * 300_000);
        assert!(slow.firsts >= 40, "{slow:?}");
        let later = pair.doings(NOW_MS + 8 * DAY_MS);
        assert_eq!((later.visits, later.sessions), (0, 0));
    }
}
