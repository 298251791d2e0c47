//! `tandem bench --backends real|embedded|both`: the way from the log to an answer, on embedded
//! storage and on real servers, side by side.
//!
//! Both are measured alike, in this process: log → compute → query node → HTTP. Figures stand beside
//! yardsticks that were measured in the same run: reading the log without computing it, the stores
//! without HTTP, and what the servers do alone (`redis-benchmark`, a plain read of the driver).
//! Whatever is made (topics, keyspaces, keys, snapshots) has names of its own and is removed.
//!
//! | file | what |
//! |---|---|
//! | `traffic.rs` | recorded and live events |
//! | `site.rs` `real.rs` | where it takes place |
//! | `flow.rs` | into the log, out of it, through both stores, catching up |
//! | `node.rs` | a query node: reports, and how soon an event shows |
//! | `servers.rs` | the servers past our adapters: yardsticks, sizes, removal |
//! | `table.rs` | what was measured, for people |

mod flow;
mod node;
mod real;
mod servers;
mod site;
mod table;
mod traffic;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::Serialize;
use tandem_ingest::{Ingest, wall_ms};
use tandem_storage::ChainStores;
use tandem_storage::memory::MemoryHotStore;

pub(super) use table::table;

use super::latency::Percentiles;
use crate::failure::Failure;
use crate::terminal::remark;
use flow::{CatchUp, Throughput};
use node::{Node, Reads, Visible};
use real::Place;
use servers::RedisGet;
use site::Site;
use traffic::Live;

/// Partitions of the log.
const PARTITIONS: u32 = 4;
/// How many times as long as a step compute is away.
const AWAY_FACTOR: u64 = 6;

/// `tandem bench --backends …`.
#[derive(Debug, clap::Args)]
// Its name would be that of the whole command's.
#[group(skip)]
pub(super) struct Args {
    /// Measure the way from the log to an answer: on the servers of --config, on embedded storage,
    /// or on both, side by side
    #[arg(long, value_name = "real|embedded|both", hide_possible_values = true)]
    backends: Option<Backends>,
    /// Configuration of the real servers, as compute reads it [default: TANDEM_CONFIG]
    #[arg(long, value_name = "FILE", requires = "backends")]
    config: Option<PathBuf>,
    /// Made-up events to compute
    #[arg(long, value_name = "N", requires = "backends", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    events: u32,
    /// How long each step with live traffic or readers lasts, in seconds
    #[arg(long, value_name = "S", requires = "backends", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Live events a second
    #[arg(long, value_name = "N", requires = "backends", default_value_t = 500, value_parser = clap::value_parser!(u64).range(20..=20_000))]
    rate: u64,
    /// Compute both chains, and not only one
    #[arg(long, requires = "backends")]
    both_chains: bool,
    /// Data folder of chain a's CQL store, where it is on this machine: to measure its files
    #[arg(long, value_name = "DIR", requires = "backends")]
    cql_folder: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Backends {
    Real,
    Embedded,
    Both,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    events: u32,
    live_events_per_second: u64,
    partitions: u32,
    chains: usize,
    /// Of the machine when it began: what waited for its cores.
    load_average: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedded: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    real: Option<Figures>,
}

/// What was measured on one of them.
#[derive(Debug, Serialize)]
struct Figures {
    sessions: u64,
    /// By all chains.
    rows_written: u64,
    into_log: Throughput,
    /// The yardstick: the log read from its beginning, and nothing done with it.
    consume: Throughput,
    through: Throughput,
    through_per_consume: f64,
    visible: Visible,
    report_hot: Reads,
    /// With the hot store switched off.
    report_rows: Reads,
    /// Yardsticks: the stores without HTTP and JSON.
    hot_store: Percentiles,
    row_store: Percentiles,
    /// Yardsticks: what the servers do alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis_get: Option<RedisGet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cql_read: Option<Percentiles>,
    catch_up: CatchUp,
    hot_bytes_per_session: Option<u64>,
    row_bytes_per_session: Option<u64>,
    /// How the row store's bytes were found.
    row_bytes_by: Option<&'static str>,
    /// What could not be measured, and why.
    not_measured: Vec<String>,
}

impl Args {
    /// Whether anything was asked for.
    pub(super) const fn is_given(&self) -> bool {
        self.backends.is_some()
    }

    fn chains(&self) -> usize {
        if self.both_chains { 2 } else { 1 }
    }

    fn step(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// Measures what was asked for.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let load_average =
        std::fs::read_to_string("/proc/loadavg").ok().and_then(|text| text.split(' ').next()?.parse().ok());
    let is = |one: Backends| args.backends == Some(one) || args.backends == Some(Backends::Both);
    // What is wrong with the configuration is said before anything is measured.
    let place = match is(Backends::Real) {
        true => {
            let variable = || std::env::var_os("TANDEM_CONFIG").map(PathBuf::from);
            let file = args.config.clone().or_else(variable).ok_or_else(|| {
                Failure::usage(anyhow!("real servers are named by a configuration: give --config FILE"))
            })?;
            Some(Place::new(&file, PARTITIONS, args.both_chains)?)
        }
        false => None,
    };
    let embedded = if is(Backends::Embedded) { Some(on_embedded(args).await?) } else { None };
    let real = match &place {
        Some(place) => Some(on_real(args, place).await?),
        None => None,
    };
    Ok(Report {
        events: args.events,
        live_events_per_second: args.rate,
        partitions: PARTITIONS,
        chains: args.chains(),
        load_average,
        embedded,
        real,
    })
}

async fn on_embedded(args: &Args) -> Result<Figures, Failure> {
    remark("embedded storage");
    let is_both = args.both_chains;
    let open = tokio::task::spawn_blocking(move || Site::embedded(PARTITIONS, is_both));
    let site = open.await.map_err(|error| anyhow!(error))??;
    Ok(figures(args, &site, None).await?)
}

/// Whatever becomes of it, what was created is removed.
async fn on_real(args: &Args, place: &Place) -> Result<Figures, Failure> {
    remark(format_args!("real servers, as {}", place.name));
    let (mut site, measured);
    tokio::select! {
        outcome = async {
            let opened = Box::pin(place.open()).await?;
            let figures = Box::pin(figures(args, &opened, Some(place))).await;
            Ok::<_, Failure>((opened, figures))
        } => match outcome {
            Ok((opened, figures)) => (site, measured) = (Some(opened), figures.map_err(Failure::from)),
            Err(failure) => (site, measured) = (None, Err(failure)),
        },
        _ = tokio::signal::ctrl_c() => {
            site = None;
            measured = Err(Failure::failed(anyhow!("interrupted")));
        }
    }
    remark("removing what was made");
    Box::pin(place.remove(site.as_ref())).await;
    drop(site.take());
    measured
}

async fn figures(args: &Args, site: &Site, place: Option<&Place>) -> anyhow::Result<Figures> {
    let mut not_measured = Vec::new();
    let ingest = Arc::new(Ingest::new(site.writer.clone()));
    remark(format_args!("  {} events into the log", args.events));
    let (events, rate) = (args.events, args.rate);
    let sessions = (events / 2_500).clamp(4, 400);
    let made = tokio::task::spawn_blocking(move || {
        (traffic::recorded(sessions, events, rate, wall_ms()), Live::new(rate))
    });
    let (bodies, live) = made.await.context("no events were made")?;
    let (filled, into_log) = flow::fill(site, &ingest, bodies).await?;
    remark("  out of the log; then through both stores");
    let consume = flow::consume(site, &filled).await?;
    let (through, rows_written) = flow::through(site, &filled).await?;
    let sessions = site.stores().rows.session_ids(None, 1_000).await?.len() as u64;
    let row_bytes = row_bytes(args, site, place).await;
    let hot_bytes = match place {
        Some(place) => servers::redis_bytes(&place.chains[0].hot).await,
        None => Err(anyhow!("embedded, it is memory of this process")),
    };

    remark("  reports");
    let running = site.compute()?;
    running.reached(&filled.ends).await?;
    let node = Node::start(site, site.stores().clone()).await?;
    let paths = node.reports().await?;
    let report_hot = node.read(&paths, args.step()).await.context("reports from the hot store")?;
    let without = ChainStores { hot: Arc::new(MemoryHotStore::new(0)), ..site.stores().clone() };
    let cold = Node::start(site, without).await?;
    let report_rows = cold.read(&paths, args.step()).await.context("reports from the row store")?;
    cold.stop().await;
    let (hot_store, row_store) = node::direct(site.stores(), PARTITIONS, args.step() / 4).await?;
    let (mut redis_get, mut cql_read) = (None, None);
    if let Some(place) = place {
        let config = &place.chains[0];
        redis_get = note(&mut not_measured, "GET", servers::redis_get(&config.hot).await);
        let ids = site.stores().rows.session_ids(None, 100).await?;
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let read = Box::pin(servers::cql_read(&config.rows, &ids, args.step() / 4)).await;
        cql_read = note(&mut not_measured, "a plain CQL read", read);
    }

    remark("  from the log to an answer, under live traffic");
    let (visible, mut live) = node.visible(site, ingest.clone(), (live, rate), args.step()).await?;
    running.stop().await;
    let away = args.seconds * AWAY_FACTOR;
    remark(format_args!("  catching up on {away} seconds"));
    let catch_up = flow::catch_up(site, &ingest, &node, &mut live, (rate, away)).await?;
    node.stop().await;

    let per_session = |bytes: u64| bytes / sessions.max(1);
    let row_bytes = note(&mut not_measured, "bytes of rows", row_bytes);
    Ok(Figures {
        sessions,
        rows_written,
        into_log,
        consume,
        through,
        through_per_consume: through.per(consume),
        visible,
        report_hot,
        report_rows,
        hot_store,
        row_store,
        redis_get,
        cql_read,
        catch_up,
        hot_bytes_per_session: note(&mut not_measured, "bytes of the hot store", hot_bytes)
            .map(|(bytes, sessions)| bytes / sessions.max(1)),
        row_bytes_per_session: row_bytes.map(|(bytes, _)| per_session(bytes)),
        row_bytes_by: row_bytes.map(|(_, by)| by),
        not_measured,
    })
}

async fn row_bytes(args: &Args, site: &Site, place: Option<&Place>) -> anyhow::Result<(u64, &'static str)> {
    match (place, &site.data) {
        (Some(place), _) => {
            Box::pin(servers::cql_bytes(&place.chains[0].rows, args.cql_folder.as_deref())).await
        }
        (None, Some(data)) => {
            let bytes = servers::folder_bytes(&data.folder.join("chain-a").join("rows"))?;
            Ok((bytes, "files of the folder chain-a/rows, its journal included"))
        }
        (None, None) => Err(anyhow!("there is no folder")),
    }
}

/// What could not be measured is told, and no reason to end.
fn note<T>(not_measured: &mut Vec<String>, what: &str, outcome: anyhow::Result<T>) -> Option<T> {
    outcome.map_err(|error| not_measured.push(format!("{what}: {error:#}"))).ok()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn embedded_is_measured_and_told() {
        let line =
            Line::parse_from(["bench", "--backends", "embedded", "--events", "2000", "--seconds", "1"]);
        let report = measure(&line.args).await.expect("measured");
        assert!(report.real.is_none());
        let figures = report.embedded.as_ref().expect("it was asked for");
        assert_eq!((figures.through.events, figures.consume.events), (2_000, 2_000));
        assert_eq!(figures.catch_up.away_seconds, 6);
        assert!(figures.sessions >= 4 && figures.rows_written > 0);
        assert!(figures.row_bytes_per_session.is_some_and(|bytes| bytes > 0));
        let told = table(&report).to_string();
        assert!(told.contains("embedded") && !told.contains("real"), "{told}");
    }

    #[tokio::test]
    async fn real_servers_need_a_configuration_that_is_there() {
        let line = Line::parse_from(["bench", "--backends", "real", "--config", "/no/such/file"]);
        let error = measure(&line.args).await.expect_err("there is none");
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }

    #[test]
    fn the_options_need_to_know_of_what() {
        assert!(Line::try_parse_from(["bench", "--rate", "100"]).is_err());
        assert!(Line::try_parse_from(["bench", "--backends", "redis"]).is_err());
        assert!(!Line::parse_from(["bench"]).args.is_given());
    }
}
