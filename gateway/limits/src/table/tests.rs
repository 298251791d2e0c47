//! The table against exact models: alone, overfull, and with many threads.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::thread;

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;

const SECOND_NS: u64 = 1_000_000_000;

fn table(keys: usize) -> Table {
    Table::new(keys, [7, 9])
}

fn rate(requests: u64, window_ns: u64, burst: u64) -> Rate {
    Rate::new(requests, window_ns, burst, false).unwrap()
}

#[test]
fn memory_is_what_was_said() {
    for keys in [1_000, 10_000, 1_000_000] {
        let bytes = table(keys).bytes();
        assert!(bytes <= 40 * keys, "{bytes} bytes for {keys} keys");
    }
}

#[test]
fn half_full_hardly_anything_is_forgotten() {
    let keys = 50_000_u64;
    let (table, rate) = (table(keys as usize), rate(1, 1_000 * SECOND_NS, 1));
    for key in 0..keys {
        table.charge(table.hash(1, &key.to_le_bytes()), &rate, SECOND_NS, 1).unwrap();
    }
    let evictions = table.evictions();
    assert!(evictions <= keys / 1_000, "{evictions}");
    assert_eq!(table.live(SECOND_NS) as u64, keys - evictions);
    // And those that are known are refused.
    let refused =
        (0..keys).filter(|key| table.check(table.hash(1, &key.to_le_bytes()), &rate, SECOND_NS, 1).is_err());
    assert_eq!(refused.count() as u64, keys - evictions);
}

#[test]
fn overfull_it_forgets_who_owes_the_least_and_counts() {
    // One set of 32 places in two sets: enough keys to fill both.
    let (table, rate) = (table(16), rate(100, 100 * SECOND_NS, 100));
    let now = SECOND_NS;
    let heavy: Vec<KeyHash> = (0..16_u64).map(|key| table.hash(1, &key.to_le_bytes())).collect();
    for key in &heavy {
        table.charge(*key, &rate, now, 100).unwrap();
    }
    for key in 1_000..2_000_u64 {
        table.charge(table.hash(1, &key.to_le_bytes()), &rate, now, 1).unwrap();
    }
    assert_eq!(table.evictions(), 16 + 1_000 - 32);
    let still_known = heavy.iter().filter(|key| table.check(**key, &rate, now, 1).is_err()).count();
    assert_eq!(still_known, 16, "light keys push each other out, not the heavy ones");
    assert_eq!(table.live(now), 32);
    // What is over is no eviction.
    let later = now + 1_000 * SECOND_NS;
    for key in 5_000..5_032_u64 {
        table.charge(table.hash(1, &key.to_le_bytes()), &rate, later, 1).unwrap();
    }
    let evicted_later = table.evictions() - (16 + 1_000 - 32);
    assert!(evicted_later < 16, "{evicted_later}: only where one set got more than 16 of 32");
}

#[test]
fn a_charge_is_taken_back_only_while_it_is_the_last() {
    let (table, rate) = (table(100), rate(10, SECOND_NS, 10));
    let key = table.hash(1, b"k");
    let first = table.charge(key, &rate, SECOND_NS, 4).unwrap();
    let second = table.charge(key, &rate, SECOND_NS, 3).unwrap();
    assert!(!table.take_back(key, first));
    assert_eq!(table.standing(key, &rate, SECOND_NS).remaining, 3);
    assert!(table.take_back(key, second));
    assert!(table.take_back(key, first));
    assert_eq!(table.standing(key, &rate, SECOND_NS).remaining, 10);
    assert!(!table.take_back(table.hash(1, b"other"), first));
}

#[test]
fn rules_do_not_share_keys_and_secrets_make_other_hashes() {
    let table = table(100);
    assert_ne!(table.hash(1, b"k"), table.hash(2, b"k"));
    assert_eq!(table.hash(1, b"k"), table.hash(1, b"k"));
    assert_ne!(table.hash(1, b"k"), Table::new(100, [7, 10]).hash(1, b"k"));
}

/// The plain way: a log of what was let through per key, and its debt added up from it.
#[derive(Default)]
struct Model(HashMap<u64, VecDeque<(u64, u64)>>);

impl Model {
    fn charge(&mut self, key: u64, rate: &Rate, now: u64, cost: u64) -> bool {
        let log = self.0.entry(key).or_default();
        let mut paid_at = 0_u64;
        for (at, cost) in log.iter() {
            paid_at = paid_at.max(*at) + cost * rate.interval_ns();
        }
        let is_allowed =
            paid_at.max(now) + cost * rate.interval_ns() <= now + rate.burst() * rate.interval_ns();
        if is_allowed {
            log.push_back((now, cost));
        }
        is_allowed
    }
}

proptest! {
    /// As long as it holds all keys it decides as a log without bounds does.
    #[test]
    fn decides_as_the_log_does(
        steps in proptest::collection::vec((0..16_u64, 0..400_u64, 1..5_u64), 1..400),
        limit in 1..20_u64, burst in 1..20_u64,
    ) {
        let (table, rate) = (table(16), rate(limit, 1_000, burst));
        let (mut model, mut now) = (Model::default(), 1_000);
        for (key, step, cost) in steps {
            now += step;
            let hash = table.hash(3, &key.to_le_bytes());
            let is_allowed = table.charge(hash, &rate, now, cost).is_ok();
            prop_assert_eq!(is_allowed, model.charge(key, &rate, now, cost));
        }
        prop_assert_eq!(table.evictions(), 0);
    }

    /// Overfull it forgets, which only ever lets more through: whoever would be let through by a
    /// memory without bounds of all that this table let him do, is.
    #[test]
    fn forgetting_never_refuses(
        steps in proptest::collection::vec((0..60_u64, 0..20_u64), 200..1_500),
    ) {
        let (table, rate) = (table(16), rate(4, 1_000, 4));
        let (mut now, mut words) = (1_000, HashMap::<u64, u64>::new());
        for (key, step) in steps {
            now += step;
            let word = words.entry(key).or_default();
            let may = rate.charge(*word, now, 1).is_ok();
            if table.charge(table.hash(3, &key.to_le_bytes()), &rate, now, 1).is_ok() {
                *word = now.max(*word) + rate.interval_ns();
            } else {
                prop_assert!(!may, "refused although it owes too little");
            }
        }
    }
}

/// Threads on one key, and others that make the sets change hands all the time.
#[test]
fn threads_let_exactly_the_burst_through() {
    for round in 0..20_u64 {
        let (table, rate) = (table(4_096), rate(1_000, 1_000 * SECOND_NS, 1_000));
        let hot = table.hash(round, b"hot");
        let now = SECOND_NS;
        let allowed: usize = thread::scope(|scope| {
            let hammer = || (0..700).filter(|_| table.charge(hot, &rate, now, 1).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(hammer)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(allowed, 1_000, "round {round}");
    }
}

#[test]
fn a_key_is_not_lost_while_its_neighbours_change_hands() {
    // Two sets, in which passing keys come and go; the hot one owes the most, so it stays.
    let (table, hot_rate, rate) = (table(16), rate(2_000, 10_000 * SECOND_NS, 2_000), rate(1, SECOND_NS, 1));
    let (hot, is_over) = (table.hash(1, b"hot"), AtomicBool::new(false));
    let now = SECOND_NS;
    table.charge(hot, &hot_rate, now, 100).unwrap();
    let allowed: usize = thread::scope(|scope| {
        for seed in 0..2 {
            let (table, is_over) = (&table, &is_over);
            scope.spawn(move || {
                let mut random = SmallRng::seed_from_u64(seed);
                while !is_over.load(Ordering::Relaxed) {
                    let key = table.hash(2, &random.random_range(0..500_u64).to_le_bytes());
                    _ = table.charge(key, &rate, now, 1);
                }
            });
        }
        let hammer = || (0..1_500).filter(|_| table.charge(hot, &hot_rate, now, 1).is_ok()).count();
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(hammer)).collect();
        let allowed = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        is_over.store(true, Ordering::Relaxed);
        allowed
    });
    assert_eq!(allowed, 1_900);
    assert!(table.evictions() > 0, "nothing changed hands");
}
