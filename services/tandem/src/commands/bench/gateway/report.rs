//! What `tandem bench gateway` tells.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::hostile::Beside;
use super::load::Version;
use super::memory::{Idle, Keys, Streams};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(in super::super) struct Report {
    pub(super) gateway: Reports,
}

#[derive(Debug, Serialize)]
pub(super) struct Reports {
    pub(super) machine: Machine,
    pub(super) versions: Vec<String>,
    pub(super) rounds: u32,
    pub(super) look_ms: u64,
    /// What the aims are about: the gateway as a multiple of others.
    pub(super) ratios: BTreeMap<String, f64>,
    pub(super) cpu: Vec<Cell>,
    /// On one connection.
    pub(super) alone: Vec<Latency>,
    pub(super) half_rate_per_second: f64,
    pub(super) at_half: Vec<Latency>,
    pub(super) beside_attackers: Beside,
    pub(super) idle: Vec<(&'static str, Idle)>,
    pub(super) streams: Streams,
    pub(super) limiter: Keys,
}

/// Where it was measured, and what.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    command: String,
    commit: String,
    is_optimised: bool,
    processor: String,
    kernel: String,
    /// For clients and backend; what is measured has one besides, where there are two.
    other_cores: u32,
}

impl Machine {
    pub(super) fn look(other_cores: u32) -> Self {
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        // Of the checkout this program was built from, where that is still there.
        let commit = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let commit = commit.map_or_else(|_| Vec::new(), |output| output.stdout);
        Self {
            command: std::env::args().skip(1).fold("tandem".to_owned(), |all, next| all + " " + &next),
            commit: String::from_utf8_lossy(&commit).trim().to_owned(),
            is_optimised: !cfg!(debug_assertions),
            processor: model.map_or_else(String::new, |(_, name)| name.trim().to_owned()),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            other_cores,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Case {
    Miss,
    Hit,
}

/// What a request costs one server.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cell {
    pub(super) case: Case,
    pub(super) version: &'static str,
    pub(super) server: &'static str,
    /// Median, least and most of the rounds.
    pub(super) cpu_us: f64,
    pub(super) cpu_us_min: f64,
    pub(super) cpu_us_max: f64,
    /// Median of the rounds. Where clients and backend share a core, they may be what limits it.
    pub(super) requests_per_second: f64,
}

/// How long requests waited.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) server: &'static str,
    pub(super) samples: u64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// The looks of all rounds at one thing.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    cpu_us: Vec<f64>,
    per_second: Vec<f64>,
}

impl Rounds {
    pub(super) fn add(&mut self, (cpu_us, per_second): (f64, f64)) {
        self.cpu_us.push(cpu_us);
        self.per_second.push(per_second);
    }

    pub(super) fn cell(&self, case: Case, version: Version, server: &'static str) -> Cell {
        let mut cpu_us = self.cpu_us.clone();
        Cell {
            case,
            version: match version {
                Version::Http1 => "HTTP/1.1",
                Version::Http2 => "HTTP/2",
            },
            server,
            cpu_us: median(&mut cpu_us),
            cpu_us_min: cpu_us.first().copied().unwrap_or(f64::NAN),
            cpu_us_max: cpu_us.last().copied().unwrap_or(f64::NAN),
            requests_per_second: median(&mut self.per_second.clone()),
        }
    }
}

/// The middle one; of an even number, the mean of the two in the middle. Sorts them.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

/// The gateway as a multiple of the others.
pub(super) fn ratios(
    cells: &[Cell],
    alone: &[Latency],
    at_half: &[Latency],
    beside: &Beside,
) -> BTreeMap<String, f64> {
    let mut ratios = BTreeMap::new();
    ratios.insert("p99 beside attackers, to without".to_owned(), beside.with_p99_ms / beside.without_p99_ms);
    for own in cells.iter().filter(|cell| cell.server == "gateway") {
        let same = |cell: &&Cell| (cell.case, cell.version) == (own.case, own.version);
        for other in cells.iter().filter(same).filter(|cell| cell.server != "gateway") {
            let name = format!("cpu of a {:?} by {}, to {}", own.case, own.version, other.server);
            ratios.insert(name.to_lowercase(), own.cpu_us / other.cpu_us);
        }
    }
    let backend = alone.iter().find(|latency| latency.server == "backend alone");
    for latency in alone.iter().filter(|latency| latency.server != "backend alone") {
        if let Some(backend) = backend {
            ratios.insert(format!("added p50 in ms, {}", latency.server), latency.p50_ms - backend.p50_ms);
        }
    }
    let own = at_half.iter().find(|latency| latency.server == "gateway");
    for other in at_half.iter().filter(|latency| latency.server != "gateway") {
        if let Some(own) = own {
            ratios.insert(format!("p99 at half, to {}", other.server), own.p99_ms / other.p99_ms);
        }
    }
    ratios
}

/// The same for people.
pub(in super::super) fn table(report: &Report) -> String {
    let Reports { machine, ratios, cpu, alone, at_half, beside_attackers, idle, streams, limiter, .. } =
        &report.gateway;
    let new = |header: &[&str]| {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header);
        table
    };
    let mut text = format!(
        "gateway: {}, {} rounds of {} ms, one core each and {} for the rest, {}, Linux {}\n",
        if machine.commit.is_empty() { "unknown commit" } else { &machine.commit },
        report.gateway.rounds,
        report.gateway.look_ms,
        machine.other_cores,
        machine.processor,
        machine.kernel
    );
    if !machine.is_optimised {
        text.push_str("NOT OPTIMISED: built for debugging, these figures say nothing of the gateway\n");
    }
    for version in &report.gateway.versions {
        _ = writeln!(text, "beside {version}");
    }
    let mut costs =
        new(&["case", "by", "server", "CPU µs/request", "from", "to", "requests/s", "gateway ÷ it"]);
    for cell in cpu {
        let name = format!("cpu of a {:?} by {}, to {}", cell.case, cell.version, cell.server).to_lowercase();
        costs.add_row([
            format!("{:?}", cell.case).to_lowercase(),
            cell.version.to_owned(),
            cell.server.to_owned(),
            format!("{:.1}", cell.cpu_us),
            format!("{:.1}", cell.cpu_us_min),
            format!("{:.1}", cell.cpu_us_max),
            format!("{:.0}", cell.requests_per_second),
            ratios.get(&name).map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        ]);
    }
    _ = writeln!(text, "{costs}\n");
    let mut waits = new(&["where", "server", "p50 ms", "p99 ms"]);
    for (place, latencies) in [("one connection", alone), ("half of saturation", at_half)] {
        for Latency { server, p50_ms, p99_ms, .. } in latencies {
            waits.add_row([place, server, &format!("{p50_ms:.3}"), &format!("{p99_ms:.3}")]);
        }
    }
    _ = writeln!(text, "half of saturation: {:.0}/s\n{waits}\n", report.gateway.half_rate_per_second);
    let Beside { per_second, hostile_per_second, without_p50_ms, without_p99_ms, .. } = beside_attackers;
    let Beside { with_p50_ms, with_p99_ms, ratio_min, ratio_max, statuses, .. } = beside_attackers;
    _ = writeln!(
        text,
        "{per_second:.0}/s good ones: p50 {without_p50_ms:.3} ms, p99 {without_p99_ms:.3} ms; beside \
         {hostile_per_second:.0}/s hostile ones: p50 {with_p50_ms:.3} ms, p99 {with_p99_ms:.3} ms, {:.2} times \
         (by round {ratio_min:.2} to {ratio_max:.2}); those were answered {statuses:?}\n",
        with_p99_ms / without_p99_ms,
    );
    let mut memory = new(&["server", "idle MB", "of that its own MB", "KB by idle connection"]);
    for (server, idle) in idle {
        memory.add_row([
            (*server).to_owned(),
            format!("{:.1}", idle.resident_bytes as f64 / 1e6),
            format!("{:.1}", idle.anonymous_bytes as f64 / 1e6),
            format!("{:.1}", idle.bytes_per_connection as f64 / 1e3),
        ]);
    }
    _ = writeln!(text, "{memory}\n");
    _ = writeln!(
        text,
        "streams: {} of {} sessions, a change a second: {:.1} KB and {:.0} µs/s each",
        streams.streams,
        streams.sessions,
        streams.bytes_per_stream as f64 / 1e3,
        streams.cpu_us_per_stream_and_second
    );
    _ = write!(
        text,
        "limiter: {} keys in {:.1} MB (process grew by {:.1} MB), {:.1} M decisions/s on one thread",
        limiter.keys,
        limiter.table_bytes as f64 / 1e6,
        limiter.grown_bytes as f64 / 1e6,
        limiter.decisions_per_second as f64 / 1e6
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
        let cell = |server, looks: &[(f64, f64)]| {
            let mut rounds = Rounds::default();
            looks.iter().for_each(|look| rounds.add(*look));
            rounds.cell(Case::Miss, Version::Http1, server)
        };
        let own = cell("gateway", &[(30.0, 1.0), (90.0, 2.0), (20.0, 3.0)]);
        assert_eq!((own.cpu_us, own.cpu_us_min, own.cpu_us_max), (30.0, 20.0, 90.0));
        let cells = [own, cell("nginx", &[(20.0, 5.0)])];
        let wait = |server, p50_ms, p99_ms| Latency { server, samples: 1, p50_ms, p99_ms };
        let alone = [wait("backend alone", 0.1, 1.0), wait("gateway", 0.25, 1.0)];
        let half = [wait("gateway", 1.0, 3.0), wait("nginx", 1.0, 2.0)];
        let beside = Beside { without_p99_ms: 2.0, with_p99_ms: 2.1, ..Beside::default() };
        let ratios = ratios(&cells, &alone, &half, &beside);
        assert_eq!(ratios["p99 beside attackers, to without"], 1.05);
        assert_eq!(ratios["cpu of a miss by http/1.1, to nginx"], 1.5);
        assert_eq!(ratios["added p50 in ms, gateway"], 0.15);
        assert_eq!(ratios["p99 at half, to nginx"], 1.5);
    }
}
