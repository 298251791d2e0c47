//! Everything breaks, a thousand times over.

use tandem_simulation::Counters;

use crate::{asked, hold, storm};

const SEEDS: u64 = 1_000;
const SECONDS: u64 = 30;

#[test]
fn whatever_breaks_the_invariants_hold() {
    let first = asked("TANDEM_SEED").unwrap_or(0);
    let seeds = asked("TANDEM_SEEDS").unwrap_or(SEEDS);
    let seconds = asked("TANDEM_SECONDS").unwrap_or(SECONDS);
    let mut sum = Counters::default();
    for seed in first..first + seeds {
        sum.add(&hold(&storm(seed, seconds), "storms"));
    }
    println!("{seeds} seeds of {seconds} s: {sum:#?}");
    // A storm in which nothing happens proves nothing.
    if seeds >= SEEDS {
        for (name, count) in sum.named() {
            assert!(count >= seeds / 20, "{name} only {count} times in {seeds} runs");
        }
    }
}
