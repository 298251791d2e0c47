//! Runs and their reports in a folder.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::Context;
use tandem_chaos::drill::{Drill, ErrorBudget, LoadPlan, Timing};
use tandem_chaos::report::{Report, html, junit};
use tandem_chaos::run::Request;
use tandem_chaos::{judge, run};
use tandem_model::route::Chain;

use super::{Between, Embedded, ProcessOptions, Processes};
use crate::failure::Failure;

/// The commit this was built from, where the build says so.
const COMMIT: Option<&str> = option_env!("TANDEM_COMMIT");
/// Reports that are read from one folder.
const KEPT_MAX: usize = 10_000;

/// How runs are made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long each part takes.
    pub timing: Timing,
    /// How much load.
    pub load: LoadPlan,
    /// When a run ends at once.
    pub budget: ErrorBudget,
}

/// Where drills run. Each has a system of its own there.
#[derive(Clone, Debug)]
pub enum Place {
    /// All in this process, on embedded storage.
    Embedded,
    /// Real processes on real servers.
    Processes(ProcessOptions),
}

impl Place {
    /// Its name, as commands take it.
    pub const fn name(&self) -> &'static str {
        match self {
            Place::Embedded => "embedded",
            Place::Processes(options) => match options.between {
                Between::Proxies => "processes",
                Between::Network => "namespaces",
            },
        }
    }
}

/// Runs a drill about `struck` on a system of its own.
///
/// # Errors
///
/// When there can be no such system.
pub async fn run_one(
    place: &Place,
    drill: Drill,
    struck: Chain,
    seed: u64,
    plan: Plan,
    broken_off: impl Future<Output = ()> + Send,
) -> Result<Report, Failure> {
    let Plan { timing, load, budget } = plan;
    let request = Request { drill, struck, seed, timing, load, budget };
    let mut broken_off = pin!(broken_off);
    // A brief one only asks whether it is safe.
    let is_hurried = timing == Timing::BRIEF;
    let evidence = match place {
        Place::Embedded => {
            let stand = Embedded::start(seed).await?;
            if !is_hurried {
                stand.settle().await;
            }
            let evidence = Box::pin(run(&stand, request, broken_off)).await;
            stand.stop().await;
            evidence
        }
        Place::Processes(options) => {
            let stand = Box::pin(Processes::start(options, &mut broken_off)).await?;
            if !is_hurried {
                stand.settle().await;
            }
            let evidence = Box::pin(run(&stand, request, broken_off)).await;
            stand.stop().await;
            evidence
        }
    };
    Ok(judge(&evidence, env!("CARGO_PKG_VERSION"), COMMIT.unwrap_or("commit not told by the build")))
}

/// Writes a report into `folder`, for people and for machines; returns the page's path.
///
/// # Errors
///
/// When it can't be written.
pub fn keep(folder: &Path, report: &Report) -> Result<PathBuf, Failure> {
    let write = |ending: &str, text: String| {
        let path = folder.join(format!("{}.{ending}", report.name()));
        std::fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
        anyhow::Ok(path)
    };
    std::fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
    write("json", report.json())?;
    Ok(write("html", html(report))?)
}

/// Writes `reports` for build servers.
///
/// # Errors
///
/// When it can't be written.
pub fn keep_junit(folder: &Path, reports: &[Report]) -> Result<(), Failure> {
    let path = folder.join("junit.xml");
    std::fs::write(&path, junit(reports)).with_context(|| format!("can't write {}", path.display()))?;
    Ok(())
}

/// A file that should hold a report.
pub struct Kept {
    /// Where it is.
    pub path: PathBuf,
    /// The report, or why it is none.
    pub report: Result<Report, String>,
}

/// The reports in `folder`, by name.
///
/// # Errors
///
/// When the folder can't be read.
pub fn kept(folder: &Path) -> Result<Vec<Kept>, Failure> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .take(KEPT_MAX)
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).map_err(|error| error.to_string());
        let report = bytes.and_then(|bytes| Report::read(&bytes).map_err(|error| error.to_string()));
        Kept { path, report }
    };
    Ok(paths.into_iter().map(read).collect())
}
