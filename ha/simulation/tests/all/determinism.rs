//! A seed says everything.

use tandem_simulation::{Mutant, Scenario, Weather, run};

use crate::storm;

#[test]
fn the_same_seed_goes_the_same_way_and_another_one_does_not() {
    let mut hashes = Vec::new();
    for seed in 0..10 {
        let report = run(&storm(seed, 30));
        assert_eq!(report, run(&storm(seed, 30)), "seed {seed}");
        hashes.push(report.hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 10);
}

#[test]
fn weather_mistakes_and_length_are_in_the_hash() {
    let base = storm(3, 20);
    let others = [
        Scenario { weather: Weather::Noise, ..base },
        Scenario { mutant: Some(Mutant::RoleFromLeadership), ..base },
        Scenario { duration_ms: 21_000, ..base },
    ];
    for other in others {
        assert_ne!(run(&base).hash, run(&other).hash, "{other:?}");
    }
}
