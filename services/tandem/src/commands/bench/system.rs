//! `tandem bench system`: a whole system in this process, measured from outside over HTTP.
//!
//! - from a `POST` to the answer of a `GET` that counts what was posted, at a steady load
//! - reports through the gateway at rising load: every client asks again when it was answered
//! - a restart from snapshots, until a report is served again
//!
//! Clients and system share the machine, so the figures are lower bounds of what the system can do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use comfy_table::{ContentArrangement, Table, presets};
use http::HeaderValue;
use serde::Serialize;
use tandem_gateway::ClockMode;
use tandem_ingest::wall_ms;

use super::events;
use super::latency::{Latencies, Percentiles};
use crate::client::{Client, ServerUrl, TOKEN};
use crate::failure::Failure;
use crate::key::Key;
use crate::load::{Beats, Settings, Source, load};
use crate::progress::Progress;
use crate::system::{Options, System};
use crate::terminal::{remark, thousands};

/// Clients at once, one step after the other.
const CLIENTS: [usize; 6] = [1, 4, 16, 64, 128, 256];
/// Events a second, in bodies of [`BACKGROUND_BODY`], while the way to visible is measured.
const BACKGROUND_PER_S: u64 = 2_000;
const BACKGROUND_BODY: u64 = 100;
/// How often what was posted is asked for before it counts as lost.
const ASKED_MAX: u32 = 100;

/// `tandem bench system`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Made-up events to load before reports and the restart are measured
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    events: u32,
    /// How long each step of the load lasts, in seconds
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    ingest_to_visible: Visible,
    load: Load,
    report: Vec<Step>,
    restart: Restart,
}

#[derive(Debug, Serialize)]
struct Visible {
    background_events_per_second: u64,
    #[serde(flatten)]
    latency: Percentiles,
}

#[derive(Debug, Serialize)]
struct Load {
    events: u64,
    events_per_second: u64,
}

#[derive(Debug, Serialize)]
struct Step {
    clients: usize,
    requests_per_second: u64,
    /// Answers that were not 200.
    refused: u64,
    #[serde(flatten)]
    latency: Percentiles,
}

#[derive(Debug, Serialize)]
struct Restart {
    stop_seconds: f64,
    /// From the call to start until a report was served.
    serving_seconds: f64,
}

/// Measures it all in a folder of its own, which is removed at the end.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    remark("from POST to visible, under a steady load");
    let ingest_to_visible = visible(Duration::from_secs(args.seconds * 2)).await?;
    let folder = std::env::temp_dir().join(format!("tandem-bench-{}", std::process::id()));
    let measured = loaded(args, &folder).await;
    // Whatever came of it; what is left behind lies in a temporary folder.
    _ = std::fs::remove_dir_all(&folder);
    let (load, report, restart) = measured?;
    Ok(Report { ingest_to_visible, load, report, restart })
}

/// A metronome runs; events carry the time of the wall.
async fn visible(lasting: Duration) -> Result<Visible, Failure> {
    let (system, client) = start(Options::new(key()?)).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let background = tokio::spawn(background(client.clone(), Arc::clone(&stop)));
    let mut latencies = Latencies::default();
    let (until, mut count) = (Instant::now() + lasting, 0);
    while Instant::now() < until {
        count += 1;
        latencies.add(post_and_see(&client, count).await?);
        tokio::time::sleep(Duration::from_millis(7)).await; // no beat of anything else
    }
    stop.store(true, Ordering::Relaxed);
    let sent = background.await.map_err(broken)??;
    system.stop().await;
    let latency = latencies.percentiles().context("nothing was posted")?;
    Ok(Visible { background_events_per_second: (sent as f64 / lasting.as_secs_f64()) as u64, latency })
}

/// Posts an enter and asks, with the token of the answer, until the report counts it.
async fn post_and_see(client: &Client, count: u64) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let ts = wall_ms();
    let line = format!(
        "{{\"event_id\":\"v{count}\",\"type\":\"enter\",\"ts\":{ts},\"session_id\":\"visible\",\"user_id\":\"u{count}\"}}\n"
    );
    let posted = client.post("/v1/events", &[], Bytes::from(line)).await?.successful()?;
    let token: HeaderValue = posted.headers.get(&TOKEN).cloned().context("the answer has no token")?;
    for _ in 0..ASKED_MAX {
        let answer = client.get("/v1/sessions/visible/report", &[(TOKEN, token.clone())]).await?;
        // A session that no chain knows yet is not found; what is stale is not what was posted.
        if answer.status.is_success() {
            let report: serde_json::Value = answer.json()?;
            if report["metrics"]["views"].as_u64() == Some(count) {
                return Ok(started.elapsed());
            }
        }
    }
    anyhow::bail!("event {count} was not visible after {ASKED_MAX} reads")
}

/// Other rooms' events at a steady rate; answers how many were taken.
async fn background(client: Client, stop: Arc<AtomicBool>) -> anyhow::Result<u64> {
    let mut every = tokio::time::interval(Duration::from_millis(1_000 * BACKGROUND_BODY / BACKGROUND_PER_S));
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        every.tick().await;
        let ts = wall_ms();
        let body: String = (sent..sent + BACKGROUND_BODY)
            .map(|number| {
                let (room, user) = (number % 20, number % 1_999);
                format!(
                    "{{\"event_id\":\"b{number}\",\"type\":\"enter\",\"ts\":{ts},\"session_id\":\"room-{room}\",\"user_id\":\"u{user}\",\"source\":\"search\"}}\n"
                )
            })
            .collect();
        client.post("/v1/events", &[], Bytes::from(body)).await?.successful()?;
        sent += BACKGROUND_BODY;
    }
    Ok(sent)
}

/// A file is loaded, reports are read, the system stops and starts again.
async fn loaded(args: &Args, folder: &Path) -> Result<(Load, Vec<Step>, Restart), Failure> {
    let options = Options { data: Some(folder.to_owned()), clock: ClockMode::Replay, ..Options::new(key()?) };
    let (system, client) = start(options.clone()).await?;
    remark(format_args!("loading {} made-up events", thousands(args.events.into())));
    let text = events::lines(20, args.events, 1).concat();
    let source = Source::new("made-up events".to_owned(), std::io::Cursor::new(text), None, false)
        .map_err(anyhow::Error::new)?;
    let settings = Settings { beats: Beats::Replay, events_per_s: None, wait: Duration::from_secs(30) };
    let summary = load(source, client.clone(), settings, &Progress::hidden()).await?;
    let load = Load {
        events: summary.events,
        events_per_second: (summary.events as f64 / summary.took.as_secs_f64()) as u64,
    };
    let token = summary.token.context("nothing was loaded")?;
    let paths = paths(&client).await?;
    caught_up(&client, &paths[0], &token.encode()).await?;
    let mut steps = Vec::new();
    for clients in CLIENTS {
        remark(format_args!("reports to {clients} clients at once"));
        steps.push(step(&client, &paths, clients, Duration::from_secs(args.seconds)).await?);
    }
    remark("restart");
    let stopping = Instant::now();
    system.stop().await;
    let stop_seconds = stopping.elapsed().as_secs_f64();
    let starting = Instant::now();
    let (system, client) = start(options).await?;
    caught_up(&client, &paths[0], &token.encode()).await?;
    let serving_seconds = starting.elapsed().as_secs_f64();
    system.stop().await;
    Ok((load, steps, Restart { stop_seconds, serving_seconds }))
}

/// The reports to read: with the breakdowns that a live screen shows.
async fn paths(client: &Client) -> anyhow::Result<Vec<String>> {
    let listed: serde_json::Value = client.get_json("/v1/sessions?limit=100", &[]).await?;
    let sessions = listed["sessions"].as_array().into_iter().flatten();
    let ids: Vec<&str> = sessions.filter_map(|session| session["id"].as_str()).collect();
    ensure!(!ids.is_empty(), "there are no sessions after loading");
    Ok(ids.iter().map(|id| format!("/v1/sessions/{id}/report?breakdowns=source,fan")).collect())
}

/// Waits until an answer contains everything that was loaded.
async fn caught_up(client: &Client, path: &str, token: &str) -> anyhow::Result<()> {
    let token = HeaderValue::from_str(token).context("the token is no header")?;
    let until = Instant::now() + Duration::from_secs(120);
    while Instant::now() < until {
        let answer = client.get(path, &[(TOKEN, token.clone())]).await?;
        if answer.status.is_success() && answer.json::<serde_json::Value>()?["meta"]["stale"] == false {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    anyhow::bail!("the chains did not catch up within two minutes")
}

async fn step(client: &Client, paths: &[String], clients: usize, lasting: Duration) -> Result<Step, Failure> {
    let started = Instant::now();
    let until = started + lasting;
    let tasks: Vec<_> = (0..clients)
        .map(|first| {
            let (client, paths) = (client.clone(), paths.to_vec());
            tokio::spawn(async move {
                let (mut latencies, mut refused) = (Latencies::default(), 0);
                for path in paths.iter().cycle().skip(first % paths.len()) {
                    let asked = Instant::now();
                    if asked >= until {
                        break;
                    }
                    let answer = client.get(path, &[]).await?;
                    latencies.add(asked.elapsed());
                    refused += u64::from(!answer.status.is_success());
                }
                anyhow::Ok((latencies, refused))
            })
        })
        .collect();
    let (mut latencies, mut refused) = (Latencies::default(), 0);
    for task in tasks {
        let (of_one, refused_one) = task.await.map_err(broken)??;
        latencies.join(of_one);
        refused += refused_one;
    }
    let took = started.elapsed();
    let latency = latencies.percentiles().context("no report was read")?;
    let requests_per_second = (latency.samples as f64 / took.as_secs_f64()) as u64;
    Ok(Step { clients, requests_per_second, refused, latency })
}

async fn start(options: Options) -> Result<(System, Client), Failure> {
    let key = options.key.clone();
    let system = System::start(options).await.map_err(Failure::failed)?;
    let client = Client::new(ServerUrl::at(system.address()), Some(key));
    Ok((system, client))
}

fn key() -> Result<Key, Failure> {
    Key::new("benchmark").map_err(Failure::configuration)
}

fn broken(error: tokio::task::JoinError) -> Failure {
    Failure::failed(anyhow::Error::new(error).context("the measurement broke off"))
}

/// What was measured, for people.
pub(super) fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let Report { ingest_to_visible, load, report, restart } = report;
    let latency = |latency: &Percentiles| {
        format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", latency.p50_ms, latency.p99_ms, latency.max_ms)
    };
    table.add_row([
        "POST to visible".to_owned(),
        format!("at {} events/s", thousands(ingest_to_visible.background_events_per_second)),
        latency(&ingest_to_visible.latency),
    ]);
    table.add_row([
        "loading over HTTP".to_owned(),
        format!("{} events/s", thousands(load.events_per_second)),
        format!("{} events", thousands(load.events)),
    ]);
    for step in report {
        let refused = if step.refused == 0 { String::new() } else { format!(", {} refused", step.refused) };
        table.add_row([
            format!("reports to {} clients", step.clients),
            format!("{} requests/s", thousands(step.requests_per_second)),
            format!("{}{refused}", latency(&step.latency)),
        ]);
    }
    table.add_row([
        "restart".to_owned(),
        format!("{:.2} s", restart.serving_seconds),
        format!("from start to a report; stopping took {:.2} s", restart.stop_seconds),
    ]);
    table
}
