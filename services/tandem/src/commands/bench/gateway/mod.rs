//! `tandem bench gateway`: what a request costs the gateway, beside nginx and HAProxy.
//!
//! A real `tandem gateway` process with every layer on, nginx and HAProxy stand in front of the same
//! backend, each with one core, the same one; clients and backend have the others. They are asked in
//! turns, round after round, so that whatever else the machine does meets all of them, and what is
//! told is the median of the rounds. The measure is the processor time that the system counts for the
//! processes of a server, by request: it hardly depends on what else is running, as throughput does.
//!
//! | what | beside |
//! |---|---|
//! | misses: no session that was asked for lately | nginx with `proxy_pass` and `limit_req`, HAProxy |
//! | hits: always the same session | a bare hyper server with the same bytes, nginx with a cache |
//! | median latency on one connection | the backend alone, the same proxies |
//! | 99th percentile at half of what the slower one can, at a fixed rate | the same proxies |
//! | the same at a sixth, alone and with twice as much hostile traffic beside it | – |
//! | memory: idle, by idle connection, by stream, by key of the limiter | the same proxies, idle |
//!
//! | file | what |
//! |---|---|
//! | `stand.rs` `stand_in.rs` `peers.rs` | who is measured, and what stands behind them |
//! | `process.rs` | processes, their cores, what they cost |
//! | `load.rs` `hostile.rs` `memory.rs` | who asks, who attacks, and who only stays |
//! | `report.rs` | what is told |

mod hostile;
mod load;
mod memory;
mod peers;
mod process;
mod report;
mod stand;
mod stand_in;

pub(super) use self::process::Cores;
pub(super) use self::stand::{Caller, OPERATOR_KEY, gateway as start_gateway};

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use self::load::{Meter, Question, Version};
use self::peers::Peer;
use self::process::Process;
use self::report::{Case, Cell, Latency, Reports, Rounds};
use crate::commands::bench::latency::Latencies;
use crate::failure::Failure;
use crate::terminal::remark;

pub(super) use self::report::{Report, table};

/// Before each look, so that connections are made and caches are full.
const WARM: Duration = Duration::from_millis(250);

/// `tandem bench gateway`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Rounds of all; the median is told
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// How long each look is, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    look_ms: u64,
    /// Idle connections, and streams, whose memory is measured; the gateway takes 16,384 at most
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    connections: u32,
    /// A minute in all, for a first look: two rounds, short ones
    #[arg(long, conflicts_with_all = ["rounds", "look_ms", "connections"])]
    short: bool,
    /// Be the backend, until standard input ends
    #[arg(long, hide = true)]
    pub(super) serve: bool,
}

/// How much is measured.
struct Plan {
    rounds: u32,
    look: Duration,
    connections: usize,
    samples: usize,
}

impl Args {
    fn plan(&self) -> Plan {
        match self.short {
            true => Plan { rounds: 2, look: Duration::from_millis(700), connections: 200, samples: 300 },
            false => Plan {
                rounds: self.rounds,
                look: Duration::from_millis(self.look_ms),
                connections: self.connections as usize,
                samples: 1_000,
            },
        }
    }
}

/// Serves as the backend.
pub(super) async fn serve() -> Result<(), Failure> {
    stand_in::serve().await.map_err(Failure::failed)
}

/// A server that is measured.
struct Server<'a> {
    name: &'static str,
    process: &'a Process,
    http_1: SocketAddr,
    http_2: SocketAddr,
}

impl Server<'_> {
    const fn address(&self, version: Version) -> SocketAddr {
        match version {
            Version::Http1 => self.http_1,
            Version::Http2 => self.http_2,
        }
    }
}

/// Measures it all; every process that is started ends with it.
pub(super) fn measure(args: &Args) -> Result<Report, Failure> {
    let folder = tempfile::Builder::new().prefix("tandem-bench-").tempdir();
    let folder = folder.context("no temporary folder for the servers")?;
    Ok(measure_in(folder.path(), &args.plan())?)
}

fn measure_in(folder: &Path, plan: &Plan) -> anyhow::Result<Report> {
    let plan = &Plan { connections: plan.connections.min(process::connections_max()), ..*plan };
    let cores = Cores::part()?;
    cores.leave_measured()?;
    let caller = Caller::random()?;
    let (_backend, behind) = stand::stand_in(&cores, false, folder)?;

    remark("memory: streams, then idle connections");
    let streams = {
        let gateway = stand::gateway(&cores, behind, &caller, folder)?;
        memory::streams(&gateway.process, gateway.address, &caller.question(1), plan.connections)?
    };
    let gateway = stand::gateway(&cores, behind, &caller, folder)?;
    let nginx = peers::or_without(peers::nginx(&cores, behind, folder));
    let haproxy = peers::or_without(peers::haproxy(&cores, behind, plan.connections, folder));
    let (process, http_1) = (&gateway.process, gateway.address);
    let gateway = Server { name: "gateway", process, http_1, http_2: http_1 };
    let as_server = |name, peer: &'_ Peer| (name, peer.http_1, peer.http_2);
    let mut proxies = vec![gateway];
    for (name, peer) in [("nginx", &nginx), ("haproxy", &haproxy)] {
        if let Some(peer) = peer {
            let (name, http_1, http_2) = as_server(name, peer);
            proxies.push(Server { name, process: &peer.process, http_1, http_2 });
        }
    }
    let mut idle = Vec::new();
    for server in &proxies {
        let question = caller.question(1);
        idle.push((server.name, memory::idle(server.process, server.http_1, &question, plan.connections)?));
    }
    let (bare, bare_address) = stand::stand_in(&cores, true, folder)?;
    let mut keepers =
        vec![Server { name: "bare hyper", process: &bare, http_1: bare_address, http_2: bare_address }];
    if let Some(peer) = &nginx
        && let Some([http_1, http_2]) = peer.keeping
    {
        keepers.push(Server { name: "nginx, keeping", process: &peer.process, http_1, http_2 });
    }

    let cells = cpu(&proxies, &keepers, &caller, plan)?;
    let (latency, rate, tail) = waiting(&proxies, behind, &cells, &caller, plan)?;
    let beside_attackers = hostile::measure(proxies[0].http_1, rate / 3.0, &caller, plan)?;
    remark("the limiter's keys");
    Ok(Report {
        gateway: Reports {
            machine: report::Machine::look(cores.others_count),
            versions: [&nginx, &haproxy].into_iter().flatten().map(|peer| peer.version.clone()).collect(),
            rounds: plan.rounds,
            look_ms: plan.look.as_millis() as u64,
            ratios: report::ratios(&cells, &latency, &tail, &beside_attackers),
            cpu: cells,
            alone: latency,
            half_rate_per_second: rate,
            at_half: tail,
            beside_attackers,
            idle,
            streams,
            limiter: memory::keys()?,
        },
    })
}

/// Processor time by request, in turns.
fn cpu(
    proxies: &[Server<'_>],
    keepers: &[Server<'_>],
    caller: &Caller,
    plan: &Plan,
) -> anyhow::Result<Vec<Cell>> {
    let (miss, hit) = (caller.question(load::MANY), caller.question(1));
    let mut looks = Vec::new();
    for version in [Version::Http1, Version::Http2] {
        let all = proxies.iter().map(|server| (Case::Miss, version, server, &miss));
        looks.extend(all);
        let hits = proxies.iter().take(1).chain(keepers);
        looks.extend(hits.map(|server| (Case::Hit, version, server, &hit)));
    }
    let mut rounds: Vec<Rounds> = looks.iter().map(|_| Rounds::default()).collect();
    for round in 1..=plan.rounds {
        remark(format_args!("processor time, round {round} of {}", plan.rounds));
        for ((case, version, server, question), rounds) in looks.iter().zip(&mut rounds) {
            let looked = look(server, *version, question, plan.look);
            rounds.add(looked.with_context(|| format!("{}: {case:?} by {version:?}", server.name))?);
        }
    }
    let cells = looks.iter().zip(&rounds);
    Ok(cells.map(|((case, version, server, _), rounds)| rounds.cell(*case, *version, server.name)).collect())
}

/// One look: microseconds of processor time by request, and requests per second.
fn look(
    server: &Server<'_>,
    version: Version,
    question: &Question,
    lasting: Duration,
) -> anyhow::Result<(f64, f64)> {
    let meter = Meter::default();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| load::steady(version, server.address(version), question, &meter));
        std::thread::sleep(WARM);
        let answered = || meter.answered.load(Ordering::Relaxed);
        let (from, begun, before) = (answered(), Instant::now(), server.process.cpu_us());
        std::thread::sleep(lasting);
        let (to, took, after) = (answered(), begun.elapsed(), server.process.cpu_us());
        meter.stop();
        asking.join().map_err(|_| anyhow!("the clients panicked"))??;
        let requests = (to - from).max(1) as f64;
        Ok((after?.saturating_sub(before?) as f64 / requests, requests / took.as_secs_f64()))
    })
}

/// How long requests wait: alone, and at half of what the slower of gateway and nginx can.
fn waiting(
    proxies: &[Server<'_>],
    behind: SocketAddr,
    cells: &[Cell],
    caller: &Caller,
    plan: &Plan,
) -> anyhow::Result<(Vec<Latency>, f64, Vec<Latency>)> {
    let question = caller.question(load::MANY);
    let saturation = cells
        .iter()
        .filter(|cell| cell.case == Case::Miss && cell.version == "HTTP/1.1" && cell.server != "haproxy")
        .map(|cell| cell.requests_per_second);
    let rate = saturation.fold(f64::INFINITY, f64::min) / 2.0;
    let named = proxies.iter().map(|server| (server.name, server.http_1));
    let alone: Vec<_> = [("backend alone", behind)].into_iter().chain(named.clone()).collect();
    let mut of_alone: Vec<_> = alone.iter().map(|_| Latencies::default()).collect();
    let mut of_half: Vec<Vec<f64>> = proxies.iter().map(|_| Vec::new()).collect();
    let mut all_of_half: Vec<_> = proxies.iter().map(|_| Latencies::default()).collect();
    for round in 1..=plan.rounds {
        remark(format_args!("waiting, round {round} of {}", plan.rounds));
        for ((_, address), latencies) in alone.iter().zip(&mut of_alone) {
            latencies.join(load::alone(*address, &question, plan.samples)?);
        }
        for (index, (_, address)) in named.clone().enumerate() {
            let latencies = load::open_loop(address, &question, rate, plan.look)?;
            let told = latencies.clone().percentiles().context("nothing was asked")?;
            of_half[index].push(told.p99_ms);
            all_of_half[index].join(latencies);
        }
    }
    let tell = |name: &'static str, latencies: Latencies, p99: Option<Vec<f64>>| {
        let told = latencies.percentiles().context("nothing was asked")?;
        // A stall of the machine is in one round, not in the median of all.
        let p99_ms = p99.map_or(told.p99_ms, |mut rounds| report::median(&mut rounds));
        Ok::<_, anyhow::Error>(Latency { server: name, samples: told.samples, p50_ms: told.p50_ms, p99_ms })
    };
    let told_alone: anyhow::Result<Vec<_>> =
        alone.iter().zip(of_alone).map(|((name, _), latencies)| tell(name, latencies, None)).collect();
    let halves = proxies.iter().zip(all_of_half).zip(of_half);
    let told_half: anyhow::Result<Vec<_>> =
        halves.map(|((server, latencies), p99)| tell(server.name, latencies, Some(p99))).collect();
    Ok((told_alone?, rate, told_half?))
}
