//! What happens all the time leads to nothing: pauses of a second, 1 % loss, single observers that
//! see nothing for seconds, lost leaders, control away.

use tandem_simulation::{Counters, Scenario, Weather};

use crate::{asked, hold};

const SEEDS: u64 = 4;
const SECONDS: u64 = 900;

#[test]
fn noise_decides_nothing() {
    let first = asked("TANDEM_SEED").unwrap_or(0);
    let seeds = asked("TANDEM_SEEDS").unwrap_or(SEEDS);
    let seconds = asked("TANDEM_SECONDS").unwrap_or(SECONDS);
    let mut sum = Counters::default();
    for seed in first..first + seeds {
        let duration_ms = seconds * 1_000;
        let counters = hold(&Scenario { seed, weather: Weather::Noise, duration_ms, mutant: None }, "noise");
        assert_eq!(counters.decisions, 0, "seed {seed}");
        sum.add(&counters);
    }
    println!("{seeds} seeds of {seconds} s of noise: {sum:#?}");
    assert!(sum.answers > seeds * seconds * 20, "clients were served: {sum:?}");
    assert!(sum.elections > seeds, "leaders were lost: {sum:?}");
}
