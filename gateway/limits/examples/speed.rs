//! Decisions per second and memory, beside the crate `governor` in the same run, in turns:
//! `cargo run --release -p tandem-limits --example speed`.

#![allow(clippy::print_stdout, reason = "it is what it is for")]
#![allow(clippy::unwrap_used, reason = "a measurement that can't go on fails")]

use std::hint::black_box;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::thread;
use std::time::Instant;

use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_limits::{CallerKind, LeaseSettings, Leases, Limiter, Rate, RouteClass, RuleSet, Subject, Table};

const KEYS: u64 = 1_000_000;
const DECISIONS: u64 = 4_000_000;
const ROUNDS: usize = 5;
const NOW_NS: u64 = 1_000_000_000;

/// What is measured: its name, how many keys, whether they come at random, and one decision about a key.
type Case<'a> = (&'a str, usize, bool, &'a (dyn Fn(u64) -> bool + Sync));

fn main() {
    let table = Table::new(KEYS as usize, [1, 2]);
    // Wide enough that everything is let through, which costs the most; slow enough to be owed.
    let rate = Rate::new(1_000_000_000, 10_000_000_000, 1_000_000_000, false).unwrap();
    let before = resident_bytes();
    let clock = FakeRelativeClock::default();
    let governor = RateLimiter::dashmap_with_clock(Quota::per_second(NonZeroU32::MAX), clock);
    for key in 0..KEYS {
        governor.check_key(&key).unwrap();
    }
    let governor_bytes = resident_bytes().saturating_sub(before);
    for key in 0..KEYS {
        table.charge(table.hash(1, &key.to_le_bytes()), &rate, NOW_NS, 1).unwrap();
    }
    println!(
        "memory for {KEYS} keys: ours {} MB (its hard cap), governor {} MB (grows)",
        mb(table.bytes()),
        mb(governor_bytes)
    );
    println!("of {KEYS} keys {} were forgotten", table.evictions());

    let ours = |key: u64| table.charge(table.hash(1, &key.to_le_bytes()), &rate, NOW_NS, 1).is_ok();
    let theirs = |key: u64| governor.check_key(&key).is_ok();
    let set = RuleSet::parse(
        "[[rules]]\nname = \"key\"\nkey = \"key\"\nrequests = 1000000000\nwindow_s = 10\n\
         [[rules]]\nname = \"tenant\"\nkey = \"tenant\"\nrequests = 1000000000\nwindow_s = 10\n",
    )
    .unwrap();
    let limiter = Limiter::new(set, KEYS as usize, Leases::new(LeaseSettings::default()), [3, 4]);
    let names: Vec<String> = (0..10_000).map(|key| format!("key-{key}")).collect();
    let decide = |key: u64| {
        let name = names[(key % 10_000) as usize].as_str();
        let address = IpAddr::from([192, 0, 2, 1]);
        let subject = Subject { kind: CallerKind::Tenant, key: Some(name), tenant: Some("t"), address };
        limiter.decide(&subject, RouteClass::Read, NOW_NS).is_allowed()
    };
    let cases: [Case<'_>; 9] = [
        ("one key, 1 thread: ours", 1, false, &ours),
        ("one key, 1 thread: governor", 1, false, &theirs),
        ("one key, 2 threads: ours", 2, false, &ours),
        ("one key, 2 threads: governor", 2, false, &theirs),
        ("random of 1M, 1 thread: ours", 1, true, &ours),
        ("random of 1M, 1 thread: governor", 1, true, &theirs),
        ("random of 1M, 2 threads: ours", 2, true, &ours),
        ("random of 1M, 2 threads: governor", 2, true, &theirs),
        ("whole decision, 2 rules, 10,000 keys: ours", 1, true, &decide),
    ];
    let mut millions = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (index, (_, threads, is_random, decide)) in cases.iter().enumerate() {
            millions[index].push(measured(*threads, *is_random, *decide));
        }
    }
    for ((name, ..), mut millions) in cases.iter().zip(millions) {
        millions.sort_by(f64::total_cmp);
        let (least, median, most) = (millions[0], millions[ROUNDS / 2], millions[ROUNDS - 1]);
        println!("{name}: {median:.1} M/s (from {least:.1} to {most:.1})");
    }
}

fn measured(threads: usize, is_random: bool, decide: &(dyn Fn(u64) -> bool + Sync)) -> f64 {
    let started = Instant::now();
    thread::scope(|scope| {
        for seed in 0..threads as u64 {
            scope.spawn(move || {
                let mut random = SmallRng::seed_from_u64(seed);
                for _ in 0..DECISIONS / threads as u64 {
                    let key = if is_random { random.random_range(0..KEYS) } else { 7 };
                    black_box(decide(key));
                }
            });
        }
    });
    DECISIONS as f64 / started.elapsed().as_secs_f64() / 1e6
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    4_096_usize.saturating_mul(pages)
}

fn mb(bytes: usize) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
