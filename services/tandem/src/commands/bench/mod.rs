//! `tandem bench`: measurements.

use crate::failure::Failure;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the measurements that were asked for.
///
/// # Errors
///
/// When a measurement can't be made.
pub async fn run(_args: Args) -> Result<(), Failure> {
    Err(Failure::usage(anyhow::anyhow!("there is nothing to measure yet")))
}
