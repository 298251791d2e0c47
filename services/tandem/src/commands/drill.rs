//! `tandem drill`: what can be broken, breaking it, and what came of it.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use comfy_table::{ContentArrangement, Table, presets};
use futures::StreamExt;
use futures::stream;
use tandem_chaos::drill::{Drill, ErrorBudget, LoadPlan, Switch, Target, Timing, by_id, catalogue};
use tandem_chaos::report::{Class, Report, Verdict};
use tandem_model::route::Chain;
use tokio::sync::watch;

use crate::drill::{Between, Place, Plan, ProcessOptions, keep, keep_junit, kept, run_one};
use crate::failure::Failure;
use crate::terminal::{counted, remark, say};

/// What `tandem drill` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show every drill, with what should come of it
    List,
    /// Run drills; exit code 1 unless all of them pass
    Run(Run),
    /// Show the reports in a folder
    Report {
        /// Folder that `tandem drill run` wrote to
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// End a group of processes with the drill that started them
    #[command(hide = true)]
    Guard,
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Drills to run, by name; see `tandem drill list`
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    names: Vec<String>,
    /// Run every drill
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    stand: StandOption,
    /// Chain to strike
    #[arg(long, value_enum, default_value_t = Direction::A)]
    chain: Direction,
    /// How long: a fault minute; a few seconds; only as long as it takes to bite
    #[arg(long, value_enum, default_value_t = Length::Short)]
    length: Length,
    /// Seed of the load and of the moment of the fault [default: by the clock]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Folder for the reports
    #[arg(long, value_name = "DIR", default_value = "drills")]
    report: PathBuf,
    /// End a drill at once when so many reads have failed
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    error_budget: u64,
    /// Clients that read
    #[arg(long, value_name = "N", default_value_t = LoadPlan::default().readers, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    readers: u32,
    /// Drills at the same time, each on its own system; times then say little
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    at_once: u8,
}

/// Where drills run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StandOption {
    /// Where: a system of its own in this process on embedded storage; or processes of this program
    /// on the servers that --config names, with topics, keyspaces and keys of their own; or the same,
    /// each process on a host of its own
    #[arg(long, value_enum, default_value_t = StandKind::Embedded)]
    stand: StandKind,
    /// Configuration file that names the servers for --stand processes and namespaces; its other
    /// settings are drilled as they are
    #[arg(
        long,
        value_name = "FILE",
        env = "TANDEM_CONFIG",
        required_if_eq_any([("stand", "processes"), ("stand", "namespaces")])
    )]
    config: Option<PathBuf>,
    /// With processes: how many gateways
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    gateways: u8,
    /// With processes: the program with which a process that was killed comes back, so that drill
    /// `release` brings a second version [default: this one]
    #[arg(long, value_name = "PATH")]
    next_program: Option<PathBuf>,
    /// With --stand processes: the only broker's process on this machine, which drill `log-lost` stops
    /// and wakes
    #[arg(long, value_name = "PID")]
    kafka_pid: Option<u32>,
    /// With processes: a folder in which to keep what they say
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StandKind {
    /// All in this process
    Embedded,
    /// Real processes on real servers
    Processes,
    /// The same, each process on a host of its own: a network namespace (Linux, root)
    Namespaces,
}

impl StandOption {
    /// Where that is.
    ///
    /// # Errors
    ///
    /// When a program or a file is not there, or an option is of another stand.
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        let (between, config) = match (self.stand, &self.config) {
            (StandKind::Embedded, _) | (_, None) => return Ok(Place::Embedded),
            (StandKind::Processes, Some(config)) => (Between::Proxies, config),
            (StandKind::Namespaces, Some(config)) => (Between::Network, config),
        };
        if between == Between::Network && self.kafka_pid.is_some() {
            let why = "--kafka-pid is of --stand processes: between hosts the log is cut off, not stopped";
            return Err(Failure::usage(anyhow!(why)));
        }
        // As they are named: what stands beside the file is found beside it.
        let found = |path: &PathBuf| {
            let absolute = std::fs::metadata(path).and_then(|_| std::path::absolute(path));
            let absolute = absolute.with_context(|| format!("can't use {}", path.display()));
            absolute.map_err(Failure::configuration)
        };
        let program = std::env::current_exe().context("this program does not know where it is")?;
        Ok(Place::Processes(ProcessOptions {
            config: found(config)?,
            program,
            next_program: self.next_program.as_ref().map(found).transpose()?,
            gateways: self.gateways,
            between,
            kafka_pid: self.kafka_pid,
            logs: self.logs.clone(),
        }))
    }
}

/// Which chain is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Direction {
    /// Chain a
    A,
    /// Chain b
    B,
    /// Each once
    Both,
}

impl Direction {
    pub(crate) const fn chains(self) -> &'static [Chain] {
        match self {
            Direction::A => &[Chain::A],
            Direction::B => &[Chain::B],
            Direction::Both => &Chain::ALL,
        }
    }
}

/// How long runs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Length {
    /// With a whole fault minute
    Full,
    /// The switch, and what comes right after it
    Short,
    /// Only as long as it takes to bite
    Brief,
}

impl Length {
    pub(crate) const fn timing(self) -> Timing {
        match self {
            Length::Full => Timing::FULL,
            Length::Short => Timing::SHORT,
            Length::Brief => Timing::BRIEF,
        }
    }
}

/// Does what was asked for.
///
/// # Errors
///
/// When a drill does not pass, or reports can't be written or read.
pub async fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::List => {
            list();
            Ok(())
        }
        What::Run(run) => Box::pin(run_all(run)).await,
        What::Report { folder } => {
            let mut reports = Vec::new();
            for file in kept(&folder)? {
                match file.report {
                    Ok(report) => reports.push(report),
                    Err(why) => remark(format_args!("{}: {why}", file.path.display())),
                }
            }
            say(table(&reports));
            Ok(())
        }
        What::Guard => crate::drill::guard(),
    }
}

fn list() {
    let mut table = bare();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(110);
    table.set_header(["drill", "strikes", "switch", "hypothesis"]);
    for drill in catalogue() {
        let strikes = match drill.target {
            Target::Active => "the active chain",
            Target::Standby => "the standby",
            Target::Everybody => "everybody",
        };
        let switch = match drill.expect.switch {
            Switch::Within(ms) => format!("≤ {ms} ms"),
            Switch::May => "may be".to_owned(),
            Switch::Never => "never".to_owned(),
            Switch::Asked => "asked for".to_owned(),
        };
        table.add_row([drill.id, strikes.to_owned(), switch, drill.hypothesis]);
    }
    say(table);
}

/// The drills that were asked for.
pub(crate) fn chosen(names: &[String], all: bool) -> Result<Vec<Drill>, Failure> {
    if all {
        return Ok(catalogue());
    }
    let find = |name: &String| {
        by_id(name)
            .ok_or_else(|| Failure::usage(anyhow!("there is no drill `{name}`: see `tandem drill list`")))
    };
    names.iter().map(find).collect()
}

async fn run_all(args: Run) -> Result<(), Failure> {
    let drills = chosen(&args.names, args.all)?;
    let place = args.stand.place()?;
    let seed = args.seed.unwrap_or_else(tandem_chaos::load::wall_ms);
    let plan = Plan {
        timing: args.length.timing(),
        load: LoadPlan { readers: args.readers, ..LoadPlan::default() },
        budget: ErrorBudget { reads_max: args.error_budget },
    };
    let runs: Vec<(Drill, Chain)> = drills
        .into_iter()
        .flat_map(|drill| args.chain.chains().iter().map(move |chain| (drill.clone(), *chain)))
        .collect();
    remark(format_args!("{}, seed {seed}; Ctrl-C ends them in order", counted(runs.len() as u64, "run")));
    let interrupted = interrupted();
    let mut running = stream::iter(runs)
        .map(|(drill, chain)| {
            let (mut stop, place) = (interrupted.clone(), &place);
            async move {
                if *stop.borrow() {
                    return None;
                }
                let name = drill.id.clone();
                let broken_off = async move { _ = stop.wait_for(|stop| *stop).await };
                let report = Box::pin(run_one(place, drill, chain, seed, plan, broken_off)).await;
                Some((name, report))
            }
        })
        .buffer_unordered(args.at_once.into());
    let mut reports = Vec::new();
    while let Some(done) = running.next().await {
        let Some((name, report)) = done else { continue };
        let report = report.map_err(|failure| failure.context(format!("drill {name}")))?;
        let page = keep(&args.report, &report)?;
        remark(format_args!("{:12} {} on {}: {}", report.verdict, name, report.struck, page.display()));
        reports.push(report);
        // Whatever comes next, what is done so far is there.
        keep_junit(&args.report, &reports)?;
    }
    reports.sort_by(|one, other| (&one.drill, one.struck).cmp(&(&other.drill, other.struck)));
    say(table(&reports));
    let bad = reports.iter().filter(|report| report.verdict != Verdict::Pass).count() as u64;
    match (bad, *interrupted.borrow()) {
        (0, false) => Ok(()),
        (0, true) => Err(Failure::failed(anyhow!("broken off"))),
        (bad, _) => Err(Failure::failed(anyhow!(
            "{} did not pass; the pages in {} say why",
            counted(bad, "drill"),
            args.report.display()
        ))),
    }
}

/// Becomes true with the first Ctrl-C or SIGTERM.
pub(crate) fn interrupted() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let terminated = async {
            match signal(SignalKind::terminate()) {
                Ok(mut signal) => _ = signal.recv().await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = terminated => {}
        }
        stop.send_replace(true);
        // Kept, so that nobody takes its end for a signal.
        std::future::pending::<()>().await;
    });
    stopped
}

fn table(reports: &[Report]) -> Table {
    let mut table = bare();
    table.set_header([
        "drill",
        "chain",
        "verdict",
        "safe",
        "gap",
        "errors",
        "hidden",
        "decided",
        "backwards",
        "lost",
        "doubled",
        "seed",
    ]);
    for report in reports {
        let ms = |us: Option<u64>| us.map_or("–".to_owned(), |us| format!("{:.0} ms", us as f64 / 1e3));
        let (measured, counted) = (&report.measured, &report.counted);
        let is_safe = report.holds(Class::Safety) && !report.checks.is_empty();
        table.add_row([
            report.drill.clone(),
            report.struck.to_string(),
            report.verdict.to_string(),
            (if is_safe { "yes" } else { "no" }).to_owned(),
            ms(measured.gap.map(|gap| gap.lasted_us)),
            format!("{} ppm", measured.errors_ppm),
            ms(measured.hidden_us),
            ms(measured.decided_us),
            report.backwards.count.to_string(),
            counted.lost.count.to_string(),
            counted.doubled.count.to_string(),
            report.seed.to_string(),
        ]);
    }
    table
}

fn bare() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drills_are_chosen_by_name() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = chosen(&names(&["slow", "crash"]), false).map(|drills| drills.len());
        assert_eq!(found.ok(), Some(2));
        assert_eq!(chosen(&names(&["nothing"]), false).map(|_| ()).unwrap_err().code(), 2);
        assert_eq!(chosen(&[], true).map(|drills| drills.len()).ok(), Some(catalogue().len()));
    }
}
