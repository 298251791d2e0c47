//! The whole system in virtual time. One binary, to link once.
//!
//! `TANDEM_SEED` is the first seed, `TANDEM_SEEDS` how many, `TANDEM_SECONDS` how long each runs, in
//! virtual seconds. A failure says with which of them it comes again.

mod determinism;
mod mutants;
mod no_control;
mod noise;
mod purity;
mod storms;

use tandem_simulation::{Counters, Report, Scenario, Weather, run};

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Runs it, and fails with all that helps to find out why.
fn hold(scenario: &Scenario, test: &str) -> Counters {
    let report = run(scenario);
    assert!(report.violation.is_none(), "{}", told(scenario, &report, test));
    report.counters
}

fn told(scenario: &Scenario, report: &Report, test: &str) -> String {
    let violation = report.violation.as_ref().expect("only violations are told");
    format!(
        "\n{}\n\n\"{}\" does not hold: {}\nagain: TANDEM_SEED={} TANDEM_SEEDS=1 TANDEM_SECONDS={} cargo test -p \
         tandem-simulation --test all {test}\n",
        report.trace.join("\n"),
        violation.invariant,
        violation.what,
        scenario.seed,
        scenario.duration_ms / 1_000,
    )
}

fn storm(seed: u64, seconds: u64) -> Scenario {
    Scenario { seed, weather: Weather::Storm, duration_ms: seconds * 1_000, mutant: None }
}
