//! How well the shield tells: made-up traffic whose truth is known goes through it.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::anyhow;
use serde::Serialize;
use tandem_traffic::evaluate::{self, Options};

use crate::config::shield_rules;
use crate::failure::Failure;

const HOUR_MS: u64 = 3_600_000;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Seeds of the traffic: one report for each
    #[arg(long = "seed", value_name = "N", default_values_t = [1, 2, 3])]
    seeds: Vec<u64>,
    /// How long the traffic lasts, in its own hours; most attackers need one to show all they do
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=48))]
    hours: u64,
    /// A quarter of an hour of a fifth of the actors, of one seed: a first look
    #[arg(long, conflicts_with_all = ["seeds", "hours"])]
    short: bool,
    /// File of the shield's rules [default: those that come with the gateway]
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Leave out the attackers that rules must not be tuned on
    #[arg(long)]
    tuned: bool,
}

/// What was found, by seed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    shield: Vec<Seed>,
}

#[derive(Debug, Serialize)]
struct Seed {
    /// Of requests that were judged in a second, on one thread; the traffic is made in the same second.
    requests_per_second: f64,
    #[serde(flatten)]
    report: evaluate::Report,
}

/// Judges the traffic of each seed.
///
/// # Errors
///
/// When the file of rules can't be read, or is wrong.
pub(super) fn measure(args: &Args) -> Result<Report, Failure> {
    let mut options = Options { with_unseen: !args.tuned, ..Options::default() };
    if let Some(file) = &args.rules {
        let rules = shield_rules(file);
        options.rules =
            rules.map_err(|error| Failure::configuration(anyhow!("{}: {error}", file.display())))?.1;
    }
    let seeds = if args.short { &[1][..] } else { &args.seeds };
    options.traffic.length_ms = if args.short { HOUR_MS / 4 } else { args.hours * HOUR_MS };
    options.traffic.actors_percent = if args.short { 20 } else { 100 };
    let judged = seeds.iter().map(|seed| {
        options.traffic.seed = *seed;
        let began = Instant::now();
        let report = evaluate::run(options.clone());
        let seconds = began.elapsed().as_secs_f64();
        // The second set has a world of its own, which was judged in the same time.
        let second = report.second_set.as_ref().map_or(0, |second_set| second_set.judged_requests);
        Seed { requests_per_second: (report.requests + second) as f64 / seconds, report }
    });
    Ok(Report { shield: judged.collect() })
}

/// The same for people.
pub(super) fn table(report: &Report) -> String {
    let seeds = report.shield.iter().map(|Seed { requests_per_second, report }| {
        format!("seed {}, {requests_per_second:.0} requests/s made and judged\n{report}", report.seed)
    });
    seeds.collect::<Vec<_>>().join("\n")
}
