//! `tandem bench fold`: the pure core on one thread, from JSON bytes to changed rows.
//!
//! The file is unpacked and laid out in memory per partition, as the log would hold it, with beats
//! as `tandem ingest --replay` works them out. Measured is: splitting into lines, decoding, folding
//! (deduplication, attribution, presence, all breakdowns, three windows and totals, digests), and
//! taking the changed rows every 4,000 records of a partition. Four partitions take turns on one
//! thread, so the figure is that of one core.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use tandem_fold::Fold;
use tandem_model::PartitionId;
use tandem_model::digest::Digests;

use super::clock::{Took, timed};
use super::events;
use super::input::{Input, PARTITIONS, key};
use super::memory::{self, Peak};
use super::peers::{self, Peer};
use super::sums;
use crate::failure::Failure;
use crate::terminal::thousands;

/// `tandem bench fold`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Write a file to measure with:  tandem bench events > events.ndjson

Exit code 1 when runs, restored state or peers do not arrive at the same figures.")]
pub(super) struct Args {
    /// Events, one JSON object per line; may be packed with gzip or zstd [default: made-up events,
    /// those of `tandem bench events`]
    #[arg(long, value_name = "EVENTS")]
    file: Option<PathBuf>,
    /// Measure DuckDB and ClickHouse on the same file too (see services/tandem/bench)
    #[arg(long, requires = "file")]
    peers: bool,
    /// Runs; the best counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Where the events come from.
    file: String,
    events: u64,
    bytes: u64,
    runs: u32,
    decode: Decode,
    fold: FoldSpeed,
    memory: Memory,
    snapshot: Snapshot,
    #[serde(skip_serializing_if = "Option::is_none")]
    peers: Option<PeersReport>,
}

#[derive(Debug, Serialize)]
struct Decode {
    events_per_second: u64,
    /// What a core would do on a quiet machine: by the time the thread was on a CPU.
    events_per_cpu_second: Option<u64>,
    seconds: f64,
    cpu_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct FoldSpeed {
    /// Decoding included.
    events_per_second_per_core: u64,
    /// What a core would do on a quiet machine: by the time the thread was on a CPU.
    events_per_cpu_second: Option<u64>,
    seconds: f64,
    cpu_seconds: Option<f64>,
    /// Of what decoding alone reaches; by CPU time where it is known, since neighbours on the
    /// machine rarely disturb both alike.
    share_of_decode: f64,
}

#[derive(Debug, Serialize)]
struct Memory {
    live_sessions: u64,
    viewers: u64,
    cells: u64,
    event_ids: u64,
    grown_bytes: Option<u64>,
    bytes_per_session: Option<u64>,
    bytes_per_1000_viewers: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Snapshot {
    bytes: u64,
    write_seconds: f64,
    restore_seconds: f64,
}

#[derive(Debug, Serialize)]
struct PeersReport {
    duckdb: Peer,
    chdb: Peer,
    /// 10 s cells they computed.
    cells: u64,
    /// The fold's events per second divided by those of the better peer.
    fold_per_better_peer: f64,
    /// The figures of the fold and of the peers are equal.
    equal: bool,
}

/// Measures; answers in what fold and peers differ too, if they do.
pub(super) fn measure(args: &Args) -> Result<(Report, Option<String>), Failure> {
    let (name, input) = match &args.file {
        Some(file) => (file.display().to_string(), Input::read(file)?),
        None => ("made-up events".to_owned(), Input::new(events::made_elsewhere()?.into())),
    };
    if input.events() == 0 {
        return Err(Failure::usage(anyhow::anyhow!("there are no events in {name}")));
    }
    let peak = memory::peak(&input);
    let snapshot = snapshot(&input, &peak)?;
    let decode = decode(&input, args.runs);
    let fold = fold(&input, args.runs)?;
    let mut report = Report {
        file: name,
        events: input.events(),
        bytes: input.bytes(),
        runs: args.runs,
        decode: Decode {
            events_per_second: decode.per_second(input.events()),
            events_per_cpu_second: decode.per_cpu_second(input.events()),
            seconds: decode.wall.as_secs_f64(),
            cpu_seconds: decode.cpu.map(|cpu| cpu.as_secs_f64()),
        },
        fold: FoldSpeed {
            events_per_second_per_core: fold.per_second(input.events()),
            events_per_cpu_second: fold.per_cpu_second(input.events()),
            seconds: fold.wall.as_secs_f64(),
            cpu_seconds: fold.cpu.map(|cpu| cpu.as_secs_f64()),
            share_of_decode: decode.share_of(fold),
        },
        memory: Memory::of(&peak),
        snapshot,
        peers: None,
    };
    let difference = match &args.file {
        Some(file) if args.peers => add_peers(&mut report, &input, file, args.runs)?,
        _ => None,
    };
    Ok((report, difference))
}

fn decode(input: &Input, runs: u32) -> Took {
    let run = || timed(|| input.decode()).1;
    (1..runs).fold(run(), |best, _| best.better(run()))
}

/// Folds the file again and again; every run must end with the same digests.
fn fold(input: &Input, runs: u32) -> anyhow::Result<Took> {
    let (mut expected, mut best) = (None, None);
    for _ in 0..runs {
        let mut folds = input.folds();
        let ((), took) = timed(|| {
            for batch in input.batches() {
                std::hint::black_box(input.apply(batch, &mut folds));
            }
        });
        let digests = digests(&folds);
        ensure!(*expected.get_or_insert(digests) == digests, "two runs over the same file ended differently");
        best = Some(best.map_or(took, |best: Took| best.better(took)));
    }
    best.ok_or_else(|| anyhow::anyhow!("no run was asked for"))
}

/// Snapshots of all partitions at the fullest moment; what is restored must go on to the same end.
fn snapshot(input: &Input, peak: &Peak) -> anyhow::Result<Snapshot> {
    let mut folds = input.folds();
    let (before, after) = input.batches().split_at((peak.batch + 1).min(input.batches().len()));
    for batch in before {
        input.apply(batch, &mut folds);
    }
    let (snapshots, write) = timed(|| folds.iter().map(Fold::snapshot).collect::<Vec<_>>());
    let (restored, restore) = timed(|| {
        let restore =
            |(index, bytes): (u32, &Vec<u8>)| Fold::restore(bytes, PartitionId(index), PARTITIONS, key());
        (0..).zip(&snapshots).map(restore).collect::<Result<Vec<_>, _>>()
    });
    let mut restored = restored?;
    for batch in after {
        input.apply(batch, &mut folds);
        input.apply(batch, &mut restored);
    }
    ensure!(digests(&folds) == digests(&restored), "a restored fold went on to other figures");
    Ok(Snapshot {
        bytes: snapshots.iter().map(|bytes| bytes.len() as u64).sum(),
        write_seconds: write.wall.as_secs_f64(),
        restore_seconds: restore.wall.as_secs_f64(),
    })
}

fn digests(folds: &[Fold]) -> [Digests; PARTITIONS as usize] {
    std::array::from_fn(|index| folds[index].digests())
}

/// Measures the peers; answers in what they differ from the fold.
fn add_peers(report: &mut Report, input: &Input, file: &Path, runs: u32) -> Result<Option<String>, Failure> {
    let Some(peers) = peers::measure(file, runs)? else { return Ok(None) };
    let difference = sums::difference(&sums::of(input), &peers.sums, "the peers");
    let better = peers.duckdb.events_per_second.max(peers.chdb.events_per_second).max(1);
    report.peers = Some(PeersReport {
        fold_per_better_peer: report.fold.events_per_second_per_core as f64 / better as f64,
        duckdb: peers.duckdb,
        chdb: peers.chdb,
        cells: peers.cells,
        equal: difference.is_none(),
    });
    Ok(difference)
}

impl Memory {
    fn of(peak: &Peak) -> Self {
        let per =
            |count: u64, unit: u64| peak.grown_bytes.and_then(|bytes| (bytes * unit).checked_div(count));
        Self {
            live_sessions: peak.live_sessions,
            viewers: peak.viewers,
            cells: peak.cells,
            event_ids: peak.event_ids,
            grown_bytes: peak.grown_bytes,
            bytes_per_session: per(peak.live_sessions, 1),
            bytes_per_1000_viewers: per(peak.viewers, 1_000),
        }
    }
}

/// What was measured, for people.
pub(super) fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let mut row = |what: &str, value: String, note: String| {
        table.add_row([what.to_owned(), value, note]);
    };
    let per_second = |count: u64| format!("{} events/s", thousands(count));
    let bytes = |count: Option<u64>| {
        count.map_or_else(|| "unknown".to_owned(), |count| format!("{} bytes", thousands(count)))
    };
    let seconds = |wall: f64, cpu: Option<f64>| match cpu {
        Some(cpu) => format!("{wall:.2} s ({cpu:.2} s CPU)"),
        None => format!("{wall:.2} s"),
    };
    let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
    let Report { decode, fold, memory, snapshot, .. } = report;
    row(
        "events",
        thousands(report.events),
        format!(
            "{} bytes of {}; one thread, best of {} runs",
            thousands(report.bytes),
            report.file,
            report.runs
        ),
    );
    row("decode", per_second(decode.events_per_second), seconds(decode.seconds, decode.cpu_seconds));
    row(
        "decode and fold",
        per_second(fold.events_per_second_per_core),
        format!(
            "{}, {:.0} % of what decoding alone reaches",
            seconds(fold.seconds, fold.cpu_seconds),
            fold.share_of_decode * 100.0
        ),
    );
    if let Some(peers) = &report.peers {
        for (name, peer) in [("DuckDB", &peers.duckdb), ("ClickHouse (chdb)", &peers.chdb)] {
            let ratio = fold.events_per_second_per_core as f64 / peer.events_per_second.max(1) as f64;
            let note =
                format!("{} {}, the fold reaches {ratio:.2} times as much", peer.version, peer.variant);
            row(name, per_second(peer.events_per_second), note);
        }
        let equal = if peers.equal { "the same from all three" } else { "NOT the same from all three" };
        row("10 s cells", thousands(peers.cells), equal.to_owned());
    }
    row(
        "memory at most",
        bytes(memory.grown_bytes),
        format!("{} cells, {} event ids", thousands(memory.cells), thousands(memory.event_ids)),
    );
    row(
        "  per session",
        bytes(memory.bytes_per_session),
        format!("{} live sessions", thousands(memory.live_sessions)),
    );
    row(
        "  per 1,000 viewers",
        bytes(memory.bytes_per_1000_viewers),
        format!("{} viewers", thousands(memory.viewers)),
    );
    row("snapshot", bytes(Some(snapshot.bytes)), format!("written in {}", ms(snapshot.write_seconds)));
    row("  restored in", ms(snapshot.restore_seconds), String::new());
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything but the time it takes: equal digests of all runs and of restored state.
    #[test]
    fn a_small_file_is_measured() {
        let input = Input::new(events::lines(4, 20_000, 5).concat().into());
        let peak = memory::peak(&input);
        assert!(peak.viewers > 100 && peak.cells > 100 && peak.live_sessions == 4, "{peak:?}");
        let snapshot = snapshot(&input, &peak).unwrap();
        assert!(snapshot.bytes > 10_000);
        fold(&input, 2).unwrap();
        decode(&input, 1);
        let sums = sums::of(&input);
        // Every event that is no duplicate is in some 10 s cell of its room.
        let events = sums["room"]["events"];
        assert!((19_500..20_000).contains(&events), "{events}");
        assert_eq!(sums["channel"]["views"], sums["room"]["views"]);
    }
}
