//! `tandem bench`: measurements, as tables for people and as JSON for whoever compares.
//!
//! - [`fold`]: events per second of the pure core on one thread, its memory, its snapshots; and
//!   what DuckDB and ClickHouse reach on the same file in the same run
//! - [`events`]: writes a big, realistic, reproducible file to measure with

mod clock;
mod events;
mod fold;
mod input;
mod memory;
mod peers;
mod sums;

use clap::Subcommand;

use crate::failure::Failure;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure the fold on a file of events: one thread, from JSON bytes to changed rows
    Fold(fold::Args),
    /// Write a big file of made-up events to measure with, to stdout
    Events(events::Args),
}

/// Runs the measurements that were asked for.
///
/// # Errors
///
/// When a measurement can't be made.
pub async fn run(args: Args) -> Result<(), Failure> {
    let done = tokio::task::spawn_blocking(|| match args.what {
        What::Fold(args) => fold::run(&args),
        What::Events(args) => events::run(&args),
    });
    done.await
        .map_err(|error| Failure::failed(anyhow::Error::new(error).context("the measurement broke off")))?
}
