//! `tandem bench failover`: how bad is each way to fail, at worst?
//!
//! Every drill × both directions × some repeats, each at another phase between beats and fault, each
//! on a new system, so that no cool-down is left from the run before. What is done stands in a file,
//! line by line; a benchmark that was broken off goes on where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use tandem_chaos::drill::{Drill, ErrorBudget, LoadPlan, Switch, by_id};
use tandem_chaos::report::{Class, Report, Verdict};
use tandem_model::route::Chain;

use crate::commands::drill::{Direction, Length, StandOption, chosen, interrupted};
use crate::drill::{Place, Plan, keep, run_one};
use crate::failure::Failure;
use crate::terminal::{remark, say};

/// `tandem bench failover`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    stand: StandOption,
    /// Drills to measure [default: every one]
    #[arg(long = "drill", value_name = "NAME")]
    drills: Vec<String>,
    /// How often each is repeated, at another phase each time
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    repeats: u32,
    /// Chains to strike
    #[arg(long, value_enum, default_value_t = Direction::Both)]
    chain: Direction,
    /// How long each run is
    #[arg(long, value_enum, default_value_t = Length::Short)]
    length: Length,
    /// Seed of it all
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What is done, a line per run; runs that stand there are not made again
    #[arg(long, value_name = "FILE", default_value = "failover.jsonl")]
    results: PathBuf,
    /// Write the table (markdown) to a file too
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// Folder for the reports of runs that did not pass [default: none are kept]
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
}

/// A run, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    drill: String,
    struck: Chain,
    repeat: u32,
    length: String,
    #[serde(default = "embedded")]
    stand: String,
    seed: u64,
    verdict: Verdict,
    safe: bool,
    backwards: u64,
    lost: u64,
    doubled: u64,
    /// Longest gap of any reader, in microseconds.
    gap_us: Option<u64>,
    errors_ppm: u64,
    hidden_us: Option<u64>,
    decided_us: Option<u64>,
    adopted_us: Option<u64>,
    difference_us: Option<u64>,
    hedges_ppm_before: Option<u64>,
    p99_before_us: Option<u64>,
    p99_during_us: Option<u64>,
    reasons: Vec<String>,
}

/// What lines of older files are of.
fn embedded() -> String {
    Place::Embedded.name().to_owned()
}

impl Line {
    /// Whether it is to be counted with others of this length and stand.
    fn is_of(&self, length: &str, stand: &str) -> bool {
        self.length == length && self.stand == stand
    }

    fn of(report: &Report, repeat: u32, (length, stand): (&str, &str)) -> Self {
        let measured = &report.measured;
        Self {
            drill: report.drill.clone(),
            struck: report.struck,
            repeat,
            length: length.to_owned(),
            stand: stand.to_owned(),
            seed: report.seed,
            verdict: report.verdict,
            safe: report.holds(Class::Safety),
            backwards: report.backwards.count,
            lost: report.counted.lost.count,
            doubled: report.counted.doubled.count,
            gap_us: measured.gap.map(|gap| gap.lasted_us),
            errors_ppm: measured.errors_ppm,
            hidden_us: measured.hidden_us,
            decided_us: measured.decided_us,
            adopted_us: measured.adopted_us,
            difference_us: measured.difference_us,
            hedges_ppm_before: measured.hedges_ppm_before,
            p99_before_us: measured.latency_before.map(|latency| latency.p99_us),
            p99_during_us: measured.latency_during.map(|latency| latency.p99_us),
            reasons: report.reasons.clone(),
        }
    }
}

/// The worst of all repeats of a drill in one direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Worst {
    drill: String,
    struck: Chain,
    runs: usize,
    passed: usize,
    blocked: usize,
    safe: bool,
    backwards: u64,
    lost: u64,
    doubled: u64,
    gap_us: Option<u64>,
    errors_ppm: u64,
    hidden: Slowest,
    decided: Slowest,
    difference: Slowest,
}

/// The slowest of several, and how many never came: those are worse than any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Slowest {
    us: Option<u64>,
    never: usize,
}

impl Slowest {
    fn of(times: impl Iterator<Item = Option<u64>>) -> Self {
        times.fold(Self::default(), |slowest, time| match time {
            Some(us) => Self { us: slowest.us.max(Some(us)), ..slowest },
            None => Self { never: slowest.never + 1, ..slowest },
        })
    }

    /// What comes only where it is due is not missed elsewhere.
    fn text(&self, is_due: bool) -> String {
        match (self.us, self.never) {
            (None, 1..) if is_due => "never".to_owned(),
            (None, _) => "–".to_owned(),
            (Some(us), 0) => ms(us),
            (Some(us), never) => format!("{} ({never} never)", ms(us)),
        }
    }
}

/// Makes the runs that are still to be made, and shows the worst of all.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let drills = chosen(&args.drills, args.drills.is_empty())?;
    let place = args.stand.place()?;
    let length = format!("{:?}", args.length).to_lowercase();
    let mut lines = read(&args.results)?;
    let done: BTreeSet<(String, Chain, u32)> = lines
        .iter()
        .filter(|line| line.is_of(&length, place.name()))
        .map(|line| (line.drill.clone(), line.struck, line.repeat))
        .collect();
    let mut to_do: Vec<(u32, &Drill, Chain)> = Vec::new();
    // Repeats outermost: broken off early, it has something of everything.
    for repeat in 0..args.repeats {
        for drill in &drills {
            let of_it = args.chain.chains().iter().map(|chain| (repeat, drill, *chain));
            to_do.extend(
                of_it.filter(|(repeat, drill, chain)| !done.contains(&(drill.id.clone(), *chain, *repeat))),
            );
        }
    }
    let plan = Plan {
        timing: args.length.timing(),
        load: LoadPlan::default(),
        // A benchmark shows how bad it gets.
        budget: ErrorBudget { reads_max: u64::MAX },
    };
    let stop = interrupted();
    let all = to_do.len();
    remark(format_args!("{} runs to make, {} are there", all, done.len()));
    for (number, (repeat, drill, chain)) in to_do.into_iter().enumerate() {
        if *stop.borrow() {
            break;
        }
        let mut stopping = stop.clone();
        let broken_off = async move { _ = stopping.wait_for(|stop| *stop).await };
        let seed = seed(args.seed, &drill.id, chain, repeat);
        let report = Box::pin(run_one(&place, drill.clone(), chain, seed, plan, broken_off)).await?;
        // What was broken off is made again the next time.
        if report.verdict == Verdict::Interrupted || *stop.borrow() {
            break;
        }
        let line = Line::of(&report, repeat, (&length, place.name()));
        append(&args.results, &line)?;
        remark(format_args!("{}/{all} {:12} {} on {chain}", number + 1, report.verdict, drill.id));
        if let Some(folder) = args.report.as_ref().filter(|_| report.verdict != Verdict::Pass) {
            keep(folder, &report)?;
        }
        lines.push(line);
    }
    lines.retain(|line| line.is_of(&length, place.name()));
    let worst = worst(&lines);
    let table = markdown(&worst);
    if let Some(path) = &args.table {
        std::fs::write(path, &table).with_context(|| format!("can't write {}", path.display()))?;
    }
    match args.json {
        true => say(serde_json::to_string_pretty(&worst).map_err(anyhow::Error::new)?),
        false => say(table),
    }
    match worst.iter().all(|worst| worst.safe) {
        _ if *stop.borrow() => {
            Err(Failure::failed(anyhow!("broken off; the same command goes on from here")))
        }
        true => Ok(()),
        false => {
            Err(Failure::failed(anyhow!("what must always hold did not; see {}", args.results.display())))
        }
    }
}

/// A seed of its own for every run, the same each time (FNV-1a over what names it).
fn seed(seed: u64, drill: &str, chain: Chain, repeat: u32) -> u64 {
    let name = format!("{seed} {drill} {chain} {repeat}");
    // JSON readers elsewhere keep 53 bits.
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        >> 11
}

fn read(path: &Path) -> Result<Vec<Line>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(anyhow::Error::new(error).context(format!("can't read {}", path.display())).into());
        }
    };
    // A last line that was cut off by a crash is made again.
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn append(path: &Path, line: &Line) -> anyhow::Result<()> {
    let doing = || format!("can't write {}", path.display());
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).with_context(doing)?;
    writeln!(file, "{}", serde_json::to_string(line)?).with_context(doing)
}

fn worst(lines: &[Line]) -> Vec<Worst> {
    let mut groups: BTreeMap<(&str, Chain), Vec<&Line>> = BTreeMap::new();
    for line in lines {
        groups.entry((&line.drill, line.struck)).or_default().push(line);
    }
    let one = |((drill, struck), lines): ((&str, Chain), Vec<&Line>)| {
        let sum = |of: fn(&Line) -> u64| lines.iter().map(|line| of(line)).sum();
        let count = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
        let ran = || lines.iter().filter(|line| line.verdict != Verdict::Blocked);
        Worst {
            drill: drill.to_owned(),
            struck,
            runs: lines.len(),
            passed: count(Verdict::Pass),
            blocked: count(Verdict::Blocked),
            safe: lines.iter().all(|line| line.safe),
            backwards: sum(|line| line.backwards),
            lost: sum(|line| line.lost),
            doubled: sum(|line| line.doubled),
            gap_us: ran().filter_map(|line| line.gap_us).max(),
            errors_ppm: ran().map(|line| line.errors_ppm).max().unwrap_or(0),
            hidden: Slowest::of(ran().map(|line| line.hidden_us)),
            decided: Slowest::of(ran().map(|line| line.decided_us)),
            difference: Slowest::of(ran().map(|line| line.difference_us)),
        }
    };
    groups.into_iter().map(one).collect()
}

fn markdown(worst: &[Worst]) -> String {
    let mut text = String::from(
        "| drill | chain | runs | passed | backwards | lost | doubled | longest gap | errors | hidden | decided | differ |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in worst {
        let passed = match row.blocked {
            0 => row.passed.to_string(),
            blocked => format!("{} ({blocked} blocked)", row.passed),
        };
        let due = by_id(&row.drill).map(|drill| drill.expect);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {passed} | {} | {} | {} | {} | {} ppm | {} | {} | {} |",
            row.drill,
            row.struck,
            row.runs,
            row.backwards,
            row.lost,
            row.doubled,
            row.gap_us.map_or("–".to_owned(), ms),
            row.errors_ppm,
            row.hidden.text(due.is_some_and(|due| due.hidden_ms_max.is_some())),
            row.decided.text(due.is_some_and(|due| matches!(due.switch, Switch::Within(_) | Switch::Asked))),
            row.difference.text(due.is_some_and(|due| due.difference_ms_max.is_some()))
        );
    }
    text
}

fn ms(us: u64) -> String {
    format!("{:.0} ms", us as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(repeat: u32, gap_us: u64, decided_us: Option<u64>) -> Line {
        Line {
            drill: "crash".to_owned(),
            struck: Chain::A,
            repeat,
            length: "short".to_owned(),
            stand: embedded(),
            seed: 1,
            verdict: Verdict::Pass,
            safe: true,
            backwards: 0,
            lost: 0,
            doubled: 0,
            gap_us: Some(gap_us),
            errors_ppm: 0,
            hidden_us: Some(5_000),
            decided_us,
            adopted_us: None,
            difference_us: None,
            hedges_ppm_before: None,
            p99_before_us: None,
            p99_during_us: None,
            reasons: Vec::new(),
        }
    }

    #[test]
    fn the_worst_counts_and_never_is_worse_than_late() {
        let lines = [line(0, 90_000, Some(700_000)), line(1, 240_000, None), line(2, 10_000, Some(400_000))];
        let worst = worst(&lines);
        assert_eq!((worst.len(), worst[0].gap_us, worst[0].passed), (1, Some(240_000), 3));
        assert_eq!(worst[0].decided, Slowest { us: Some(700_000), never: 1 });
        let table = markdown(&worst);
        assert!(table.contains("| 240 ms |") && table.contains("700 ms (1 never)"), "{table}");
    }

    #[test]
    fn what_is_in_the_file_is_read_again_but_for_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        assert!(read(&path).unwrap().is_empty());
        for repeat in 0..2 {
            append(&path, &line(repeat, 1, None)).unwrap();
        }
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"drill\":").unwrap();
        assert_eq!(read(&path).unwrap(), [line(0, 1, None), line(1, 1, None)]);
        assert_ne!(seed(1, "crash", Chain::A, 0), seed(1, "crash", Chain::B, 0));
    }
}
