//! `tandem bench`: measurements, as tables for people and as JSON for whoever compares.
//!
//! - [`fold`]: events per second of the pure core on one thread, its memory, its snapshots; and
//!   what DuckDB and ClickHouse reach on the same file in the same run
//! - [`system`]: a whole system over HTTP: from POST to visible, reports at rising load, restart
//! - [`backends`]: from the log to an answer, on embedded storage and on real servers, side by side
//! - [`gateway`]: what a request costs the gateway, beside nginx and HAProxy
//! - [`boards`]: editions, tops and own ranks from ten thousand to a million subjects, beside Redis
//! - [`shield`]: how well the shield tells worthless traffic from people and applications
//! - [`failover`]: drills, over and over: the worst gap any reader sees
//! - [`events`]: writes a big, realistic, reproducible file to measure with

mod backends;
mod boards;
mod clock;
mod events;
mod failover;
mod fold;
mod gateway;
mod input;
mod latency;
mod memory;
mod peers;
mod shield;
mod sums;
mod system;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::failure::Failure;
use crate::terminal::say;

/// Of a query node that stands beside the measurement.
const NODE_LIMITS: tandem_gateway::PortLimits = tandem_gateway::PortLimits {
    connections_max: 256,
    header_timeout: std::time::Duration::from_secs(60),
    drain: std::time::Duration::from_secs(1),
};

/// What to measure.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    backends: backends::Args,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure the fold on a file of events: one thread, from JSON bytes to changed rows
    Fold {
        #[command(flatten)]
        fold: fold::Args,
        #[command(flatten)]
        output: Output,
    },
    /// Measure a whole system over HTTP: from POST to visible, reports at rising load, restart
    System {
        #[command(flatten)]
        system: system::Args,
        #[command(flatten)]
        output: Output,
    },
    /// Measure what a request costs the gateway, beside nginx and HAProxy where they are installed
    Gateway {
        #[command(flatten)]
        gateway: gateway::Args,
        #[command(flatten)]
        output: Output,
    },
    /// Measure boards from ten thousand to a million subjects, beside a sorted set of Redis
    Boards {
        #[command(flatten)]
        boards: boards::Args,
        #[command(flatten)]
        output: Output,
    },
    /// Measure how well the shield tells worthless traffic from people and applications, on made-up traffic whose
    /// truth is known
    Shield {
        #[command(flatten)]
        shield: shield::Args,
        #[command(flatten)]
        output: Output,
    },
    /// Run drills over and over, both ways, and show the worst of each; goes on where it was
    Failover(failover::Args),
    /// Write a big file of made-up events to measure with, to stdout
    Events(events::Args),
}

impl Args {
    /// Whether it hurts a system of its own, on purpose.
    pub(crate) const fn is_drill(&self) -> bool {
        matches!(self.what, Some(What::Failover(_)))
    }
}

/// Where the figures go.
#[derive(Debug, clap::Args)]
struct Output {
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Write the JSON to a file too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The figures of what was measured, side by side.
#[derive(Debug, Default, Serialize)]
struct Report {
    #[serde(flatten)]
    fold: Option<fold::Report>,
    #[serde(flatten)]
    system: Option<system::Report>,
    #[serde(flatten)]
    gateway: Option<gateway::Report>,
    #[serde(flatten)]
    boards: Option<boards::Report>,
    #[serde(flatten)]
    shield: Option<shield::Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backends: Option<backends::Report>,
}

/// The options of a measurement as a command line of their own: where nothing is said, each has
/// the default that its own help tells.
#[derive(Parser)]
struct Alone<T: clap::Args> {
    #[command(flatten)]
    args: T,
}

impl<T: clap::Args> Alone<T> {
    fn defaults() -> Result<T, Failure> {
        Self::try_parse_from(["bench"]).map(|alone| alone.args).map_err(Failure::failed)
    }
}

/// Runs the measurements that were asked for; those that need no servers where nothing is said.
///
/// # Errors
///
/// When a measurement can't be made, or figures that must be equal are not.
pub async fn run(args: Args) -> Result<(), Failure> {
    let (fold, system, output) = match args.what {
        Some(What::Failover(args)) => return Box::pin(failover::run(args)).await,
        Some(What::Events(args)) => return blocking(move || events::run(&args)).await,
        Some(What::Gateway { gateway, .. }) if gateway.serve => return gateway::serve().await,
        Some(What::Gateway { gateway, output }) => {
            let measured = blocking(move || gateway::measure(&gateway)).await?;
            return Ok(output.print(&Report { gateway: Some(measured), ..Report::default() })?);
        }
        Some(What::Boards { boards, output }) => {
            let measured = blocking(move || boards::measure(&boards)).await?;
            return Ok(output.print(&Report { boards: Some(measured), ..Report::default() })?);
        }
        Some(What::Shield { shield, output }) => {
            let measured = blocking(move || shield::measure(&shield)).await?;
            return Ok(output.print(&Report { shield: Some(measured), ..Report::default() })?);
        }
        Some(What::Fold { fold, output }) => (Some(fold), None, output),
        Some(What::System { system, output }) => (None, Some(system), output),
        None if args.backends.is_given() => (None, None, args.output),
        None => (Some(Alone::defaults()?), Some(Alone::defaults()?), args.output),
    };
    let mut report = Report::default();
    let mut difference = None;
    if let Some(fold) = fold {
        let (measured, found) = blocking(move || fold::measure(&fold)).await?;
        (report.fold, difference) = (Some(measured), found);
    }
    if let Some(system) = system {
        report.system = Some(system::measure(&system).await?);
    }
    if args.backends.is_given() {
        report.backends = Some(Box::pin(backends::measure(&args.backends)).await?);
    }
    output.print(&report)?;
    match difference {
        Some(difference) => Err(Failure::failed(anyhow::anyhow!(difference))),
        None => Ok(()),
    }
}

/// Measurements that keep a thread busy run beside the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::failed(anyhow::Error::new(error).context("the measurement broke off")))?
}

impl Output {
    fn print(&self, report: &Report) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(report)?;
        if let Some(out) = &self.out {
            std::fs::write(out, format!("{json}\n"))?;
        }
        if self.json {
            say(json);
            return Ok(());
        }
        let tables = [
            report.fold.as_ref().map(|fold| fold::table(fold).to_string()),
            report.system.as_ref().map(|system| system::table(system).to_string()),
            report.gateway.as_ref().map(gateway::table),
            report.boards.as_ref().map(|boards| boards::table(boards).to_string()),
            report.shield.as_ref().map(shield::table),
            report.backends.as_ref().map(|backends| backends::table(backends).to_string()),
        ];
        tables.into_iter().flatten().for_each(say);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_has_defaults() {
        assert!(Alone::<fold::Args>::defaults().is_ok());
        assert!(Alone::<system::Args>::defaults().is_ok());
    }
}
