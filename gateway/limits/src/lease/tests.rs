//! One lease by hand, and then gateways, a store, and a network between them that delays and loses.

use std::collections::VecDeque;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::shared::MemoryQuota;

const MS: u64 = 1_000_000;
const SECOND_NS: u64 = 1_000 * MS;
const KEY: u128 = 5;

fn rate(requests: u64, window_s: u64, burst: u64) -> Rate {
    Rate::new(requests, window_s * SECOND_NS, burst, false).unwrap()
}

fn settings(gateways: u32) -> LeaseSettings {
    LeaseSettings { gateways, ..LeaseSettings::default() }
}

#[test]
fn the_first_request_is_decided_by_the_share_and_the_debt_is_told() {
    let (rate, settings) = (rate(100, 1, 40), settings(4));
    let limit = Limit { rate: &rate, gateways: 4, settings: &settings };
    let (mut lease, now) = (Lease::default(), SECOND_NS);
    for _ in 0..10 {
        assert_eq!(lease.take(&limit, now, 1), Ok(Taken::Share(1)));
    }
    assert!(lease.take(&limit, now, 1).is_err(), "a quarter of the burst is gone");
    let ask = lease.ask(&limit, KEY, now).unwrap();
    assert_eq!((ask.debt, ask.least, ask.want), (10, 1, 5), "an eighth of a burst at most");
    assert_eq!(lease.ask(&limit, KEY, now), None, "one question at a time");
    lease.answered(&limit, ask.number, Granted { units: 5, wait_ns: 0 });
    for _ in 0..5 {
        assert_eq!(lease.take(&limit, now, 1), Ok(Taken::Units(1)));
    }
}

#[test]
fn it_asks_before_it_runs_out() {
    let (rate, settings) = (rate(100, 1, 80), settings(1));
    let limit = Limit { rate: &rate, gateways: 1, settings: &settings };
    let (mut lease, now) = (Lease::default(), SECOND_NS);
    for _ in 0..20 {
        lease.take(&limit, now, 1).unwrap();
    }
    let ask = lease.ask(&limit, KEY, now).unwrap();
    lease.answered(&limit, ask.number, Granted { units: 40, wait_ns: 0 });
    assert!(!lease.needs_to_ask(&limit, now));
    for _ in 0..19 {
        lease.take(&limit, now, 1).unwrap();
    }
    assert!(!lease.needs_to_ask(&limit, now));
    lease.take(&limit, now, 1).unwrap();
    let ask = lease.ask(&limit, KEY, now).unwrap();
    assert_eq!((ask.want, ask.debt), (20, 0), "up to 40 again");
}

#[test]
fn what_the_store_says_is_empty_is_refused_until_then() {
    let (rate, settings) = (rate(10, 1, 10), settings(2));
    let limit = Limit { rate: &rate, gateways: 2, settings: &settings };
    let (mut lease, now) = (Lease::default(), SECOND_NS);
    lease.take(&limit, now, 1).unwrap();
    let ask = lease.ask(&limit, KEY, now).unwrap();
    lease.answered(&limit, ask.number, Granted { units: 0, wait_ns: 300 * MS });
    assert_eq!(lease.take(&limit, now + 100 * MS, 1), Err(Wait { wait_ns: 200 * MS }));
    assert!(!lease.needs_to_ask(&limit, now + 100 * MS), "it is known");
    // Then it is asked again, and refused until the answer is there, as the store lives.
    assert!(lease.take(&limit, now + 300 * MS, 1).is_err());
    let ask = lease.ask(&limit, KEY, now + 300 * MS).unwrap();
    assert_eq!((ask.least, ask.debt), (1, 0));
    // A store that is away does not refuse: the share decides.
    lease.failed();
    assert_eq!(lease.take(&limit, now + 301 * MS, 1), Ok(Taken::Share(1)));
}

#[test]
fn units_expire_and_lost_questions_are_told_again() {
    let (rate, settings) = (rate(10, 1, 100), settings(1));
    let limit = Limit { rate: &rate, gateways: 1, settings: &settings };
    let (mut lease, now) = (Lease::default(), SECOND_NS);
    lease.take(&limit, now, 7).unwrap();
    let lost = lease.ask(&limit, KEY, now).unwrap();
    assert_eq!(lost.debt, 7);
    let later = now + settings.answer_ns_max;
    lease.take(&limit, later, 1).unwrap();
    let ask = lease.ask(&limit, KEY, later).unwrap();
    assert_eq!(ask.debt, 8);
    lease.answered(&limit, lost.number, Granted { units: 50, wait_ns: 0 });
    assert_eq!(lease.units_at(later), 0, "an answer that was given up counts for nothing");
    lease.answered(&limit, ask.number, Granted { units: 16, wait_ns: 0 });
    assert_eq!(lease.units_at(later + settings.life_ns - 1), 16);
    assert_eq!(lease.units_at(later + settings.life_ns), 0);
}

#[test]
fn a_dear_request_asks_for_enough() {
    let (rate, settings) = (rate(100, 60, 40), settings(10));
    let limit = Limit { rate: &rate, gateways: 10, settings: &settings };
    let (mut lease, now) = (Lease::default(), SECOND_NS);
    // The share holds 4 at most.
    assert_eq!(lease.take(&limit, now, 20), Err(Wait { wait_ns: settings.life_ns }));
    let ask = lease.ask(&limit, KEY, now).unwrap();
    assert_eq!((ask.want, ask.least), (20, 20));
    lease.answered(&limit, ask.number, Granted { units: 20, wait_ns: 0 });
    assert_eq!(lease.take(&limit, now, 20), Ok(Taken::Units(20)));
    assert_eq!(lease.take(&limit, now, 41), Err(Wait { wait_ns: u64::MAX }));
}

#[test]
fn the_map_is_bounded_and_lets_through_what_it_has_no_room_for() {
    let settings = LeaseSettings { keys_max: 64, ..settings(1) };
    let (leases, rate) = (Leases::new(settings), rate(1, 1, 1));
    for key in 0..1_000 {
        leases.take(key, &rate, SECOND_NS, 1).unwrap();
    }
    let counts = leases.counts();
    assert_eq!((counts.keys, counts.no_room), (64, 1_000 - 64));
    assert_eq!(leases.ask(SECOND_NS, usize::MAX).len(), 64);
    // Once nothing hangs on them they make room.
    for ask in leases.ask(SECOND_NS, usize::MAX) {
        leases.failed(&ask);
    }
    leases.tidy(100 * SECOND_NS);
    assert_eq!(leases.counts().keys, 64, "their questions are under way");
}

/// A question or answer on its way, and when it is there.
enum Message {
    Question(usize, Ask),
    Answer(usize, Ask, Option<(u32, Granted)>),
}

struct World {
    random: SmallRng,
    rate: Rate,
    store: MemoryQuota,
    gateways: Vec<Leases>,
    messages: VecDeque<(u64, Message)>,
    /// Per mille of messages that are lost.
    loss: u32,
    delay_ms_max: u64,
    now_ms: u64,
    /// All that was let through: when, by whom, how much.
    log: Vec<(u64, usize, u64)>,
}

impl World {
    fn new(seed: u64, gateways: usize, rate: Rate) -> Self {
        let settings = settings(u32::try_from(gateways).unwrap());
        Self {
            random: SmallRng::seed_from_u64(seed),
            rate,
            store: MemoryQuota::default(),
            gateways: (0..gateways).map(|_| Leases::new(settings)).collect(),
            messages: VecDeque::new(),
            loss: 0,
            delay_ms_max: 3,
            now_ms: 10_000,
            log: Vec::new(),
        }
    }

    /// A millisecond: every gateway gets up to `demand` requests of up to `cost_max`.
    fn step(&mut self, demand: &[u64], cost_max: u64) {
        self.now_ms += 1;
        self.store.advance(MS);
        let now_ns = self.now_ms * MS;
        let (arrived, on_their_way): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.messages).into_iter().partition(|(at, _)| *at <= self.now_ms);
        self.messages = on_their_way;
        for (_, message) in arrived {
            self.arrives(message);
        }
        for (index, demand) in demand.iter().enumerate() {
            for _ in 0..self.random.random_range(0..=*demand) {
                let cost = self.random.random_range(1..=cost_max);
                if self.gateways[index].take(KEY, &self.rate, now_ns, cost).is_ok() {
                    self.log.push((self.now_ms, index, cost));
                }
            }
            if self.now_ms.is_multiple_of(5) {
                for ask in self.gateways[index].ask(now_ns, 100) {
                    self.send(Message::Question(index, ask));
                }
            }
        }
    }

    fn send(&mut self, message: Message) {
        if self.random.random_range(0..1_000) >= self.loss {
            let at = self.now_ms + self.random.random_range(1..=self.delay_ms_max);
            self.messages.push_back((at, message));
        }
    }

    fn arrives(&mut self, message: Message) {
        match message {
            Message::Question(index, ask) => {
                let taking = self.store.answer(&format!("gateway-{index}"), &[ask]).ok();
                let answer = taking.map(|taking| (taking.gateways, taking.granted[0]));
                self.send(Message::Answer(index, ask, answer));
            }
            Message::Answer(index, ask, Some((gateways, granted))) => {
                // Not before all are there: at the start of a real system the file says how many.
                self.gateways[index].set_gateways(gateways.max(self.gateways.len() as u32));
                self.gateways[index].answered(&ask, granted);
            }
            Message::Answer(index, ask, None) => self.gateways[index].failed(&ask),
        }
    }

    fn busiest(&self, window_ms: u64) -> u64 {
        let (mut first, mut held, mut most) = (0, 0, 0);
        for (at, _, cost) in &self.log {
            held += cost;
            while self.log[first].0 + window_ms <= *at {
                held -= self.log[first].2;
                first += 1;
            }
            most = most.max(held);
        }
        most
    }

    fn total(&self, of: Option<usize>, from_ms: u64) -> u64 {
        let counted = self.log.iter().filter(|(at, by, _)| *at >= from_ms && of.is_none_or(|of| of == *by));
        counted.map(|(_, _, cost)| cost).sum()
    }

    /// The bound of the head of `lease.rs`, for `window_ms`, and a burst for each lost memory.
    fn bound(&self, window_ms: u64, cost_max: u64, losses: u64) -> u64 {
        let (burst, gateways) = (self.rate.burst(), self.gateways.len() as u64);
        let held = (burst / 2).max(gateways * cost_max);
        let life_ms = LeaseSettings::default().life_ns / MS;
        (2 + losses) * burst + (window_ms + life_ms) * MS / self.rate.interval_ns() + held
    }
}

/// A hundred worlds: healthy, slow, lossy, with a store that is away and comes back, with or
/// without what it knew.
#[test]
fn no_window_lets_more_through_than_was_said() {
    for seed in 0..100 {
        let mut random = SmallRng::seed_from_u64(seed);
        let gateways = random.random_range(1..=5);
        let requests = random.random_range(5..400);
        let rate = rate(requests, 2, random.random_range(10..=requests.max(11)));
        let cost_max = if random.random_bool(0.3) { 5 } else { 1 };
        let mut world = World::new(seed, gateways, rate);
        world.loss = [0, 0, 50, 300][random.random_range(0..4)];
        world.delay_ms_max = [2, 20, 150][random.random_range(0..3)];
        let mut losses = 0;
        for _ in 0..8 {
            let demand: Vec<u64> = (0..gateways).map(|_| random.random_range(0..4)).collect();
            let is_away = random.random_bool(0.3);
            world.store.set_away(is_away);
            if is_away && random.random_bool(0.3) {
                world.store.forget();
                losses += 1;
            }
            for _ in 0..random.random_range(200..3_000) {
                world.step(&demand, cost_max);
            }
        }
        for window_ms in [500, 2_000, 5_000] {
            let (most, bound) = (world.busiest(window_ms), world.bound(window_ms, cost_max, losses));
            assert!(most <= bound, "seed {seed}: {most} in {window_ms} ms, {bound} were said");
        }
    }
}

#[test]
fn in_the_long_run_it_is_the_limit_and_no_more() {
    for (gateways, requests) in [(1, 100), (3, 100), (5, 1_000), (4, 20)] {
        let rate = rate(requests, 2, requests / 2);
        let mut world = World::new(1, gateways, rate);
        for _ in 0..40_000 {
            world.step(&vec![2; gateways], 1);
        }
        let total = world.total(None, 0);
        let limit = 20 * requests;
        assert!(total <= limit + requests, "{total} of {limit} with {gateways} gateways");
        assert!(total >= limit * 9 / 10, "{total} of {limit} with {gateways} gateways");
        // Nobody is left with nothing where everybody wants.
        let least = (0..gateways).map(|of| world.total(Some(of), 0)).min().unwrap();
        let share = limit / gateways as u64;
        assert!(least >= share / 3, "{least} where the share is {share}, {gateways} gateways");
    }
}

#[test]
fn all_of_it_may_go_through_one_gateway() {
    let mut world = World::new(2, 4, rate(1_000, 2, 400));
    for _ in 0..20_000 {
        world.step(&[3, 0, 0, 0], 1);
    }
    let total = world.total(None, 0);
    assert!(total >= 9 * 1_000, "{total}");
}

#[test]
fn without_the_store_everybody_keeps_his_share() {
    let mut world = World::new(3, 4, rate(1_000, 2, 400));
    for _ in 0..3_000 {
        world.step(&[2; 4], 1);
    }
    world.store.set_away(true);
    let from_ms = world.now_ms + 1_000;
    for _ in 0..21_000 {
        world.step(&[2; 4], 1);
    }
    // 20 s at 500 units a second between four.
    for of in 0..4 {
        let of_him = world.total(Some(of), from_ms);
        assert!((2_400..=2_700).contains(&of_him), "{of_him}");
    }
    // And it is one limit again.
    world.store.set_away(false);
    for _ in 0..2_000 {
        world.step(&[2; 4], 1);
    }
    let from_ms = world.now_ms;
    for _ in 0..10_000 {
        world.step(&[8, 0, 0, 0], 1);
    }
    let total = world.total(None, from_ms);
    assert!((4_500..=5_600).contains(&total), "{total}");
}
