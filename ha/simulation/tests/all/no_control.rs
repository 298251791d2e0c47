//! Fail static: without control nothing changes, and readers are served all the same.

use tandem_simulation::{Counters, Scenario, Weather};

use crate::{asked, hold};

const SEEDS: u64 = 50;

#[test]
fn without_control_no_route_changes_and_readers_are_served() {
    let first = asked("TANDEM_SEED").unwrap_or(0);
    let seeds = asked("TANDEM_SEEDS").unwrap_or(SEEDS);
    let mut sum = Counters::default();
    for seed in first..first + seeds {
        let scenario = Scenario { seed, weather: Weather::NoControl, duration_ms: 35_000, mutant: None };
        sum.add(&hold(&scenario, "no_control"));
    }
    println!("{seeds} seeds without control: {sum:#?}");
    assert_eq!(sum.decisions, 0);
    assert!(sum.elections >= seeds, "there was control before: {sum:?}");
    assert!(sum.breakers >= seeds, "the active chain was lost, and gateways saw it: {sum:?}");
    assert!(sum.answers > seeds * 35 * 40, "readers are served: {sum:?}");
    // The gateways' own restarts, and what was under way when the chain went.
    assert!(sum.unanswered * 50 < sum.answers, "{sum:?}");
}
