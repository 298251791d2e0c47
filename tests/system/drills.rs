//! `tandem drill`: every drill once, briefly, on embedded storage.
//!
//! What is asserted is safety only: nothing lost, nothing doubled, nobody backwards, every fault
//! ended, reports that can be read. How fast anything was noticed is for the benchmark.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{DEADLINE, Process, binary, lines_of, run};

/// Drills at the same time: they mostly wait.
const AT_ONCE: &str = "5";

#[tokio::test(flavor = "multi_thread")]
async fn every_drill_once_briefly_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let listed = run(&["drill", "list"]).await;
    assert_eq!(listed.code, Some(0));
    let names: BTreeSet<String> =
        listed.stdout.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();

    let report = folder.path().to_str().expect("a path of letters");
    let arguments = ["drill", "run", "--all", "--length", "brief", "--readers", "4", "--seed", "42"];
    let ran = run(&[&arguments[..], &["--at-once", AT_ONCE, "--report", report]].concat()).await;
    assert!(matches!(ran.code, Some(0 | 1)), "a verdict, and nothing else: {ran:?}");

    let mut judged = 0;
    let mut drills = BTreeSet::new();
    for file in std::fs::read_dir(folder.path()).expect("the folder is there") {
        let path = file.expect("it can be listed").path();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => judged += usize::from(check(&path, &mut drills)),
            Some("html") => {
                let page = std::fs::read_to_string(&path).expect("a page");
                assert!(
                    page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"),
                    "{path:?}"
                );
            }
            Some("xml") => {
                let suites = std::fs::read_to_string(&path).expect("a file for build servers");
                assert!(suites.trim_end().ends_with("</testsuites>"), "{suites}");
            }
            _ => panic!("{path:?} is no report"),
        }
    }
    assert!(
        drills.len() >= 20 && drills.iter().all(|drill| names.contains(drill)),
        "{drills:?} of {names:?}"
    );
    assert!(judged * 10 >= drills.len() * 9, "{judged} of {} could begin", drills.len());

    let table = run(&["drill", "report", report]).await;
    assert_eq!(table.code, Some(0));
    assert!(drills.iter().all(|drill| table.stdout.contains(drill.as_str())), "{table:?}");
}

#[tokio::test]
async fn a_drill_that_does_not_exist_is_wrong_usage() {
    assert_eq!(run(&["drill", "run", "no-such-drill"]).await.code, Some(2));
    assert_eq!(run(&["drill", "run"]).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_ends_at_once_when_its_budget_is_spent_and_everything_is_well_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = folder.path().to_str().expect("a path of letters");
    // Both chains away for 20 s, but for the budget.
    let arguments =
        ["drill", "run", "both-at-once", "--length", "full", "--error-budget", "3", "--seed", "7"];
    let ran = run(&[&arguments[..], &["--report", report]].concat()).await;
    assert_eq!(ran.code, Some(1));
    let report = only_report(folder.path(), "both-at-once-a-7");
    assert_eq!((&report["verdict"], &report["ending"]["how"]), (&"FAIL".into(), &"budget-spent".into()));
    let lasted_us = |from: &str, to: &str| {
        let mark = |name: &str| report["marks"][name].as_u64().expect("a moment");
        mark(to) - mark(from)
    };
    assert!(lasted_us("began_us", "healed_us") < 15_000_000, "{}", report["marks"]);
    assert!(report["marks"]["settled_us"].is_u64(), "it came back: {}", report["marks"]);
    assert_eq!(report["backwards"]["count"], 0);
    assert_eq!(report["counted"]["lost"]["count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_that_is_broken_off_ends_its_faults_and_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(binary());
    command.args(["drill", "run", "crash", "--length", "full", "--seed", "8", "--report"]).arg(folder.path());
    command.env("RUST_LOG", "off,tandem_chaos=info").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let lines = lines_of(process.child().stderr.take().expect("it is piped"));
    loop {
        let line = lines.recv_timeout(DEADLINE).expect("it says when the fault is in force");
        if line.contains("in force") {
            break;
        }
    }
    process.interrupt();
    assert_eq!(process.ended().await.code(), Some(1));
    let report = only_report(folder.path(), "crash-a-8");
    assert_eq!(report["verdict"], "INTERRUPTED", "{}", report["reasons"]);
    assert!(report["strikes"][0]["to_us"].is_u64(), "{}", report["strikes"]);
}

/// The report of the only drill that was run.
fn only_report(folder: &Path, name: &str) -> Value {
    let bytes = std::fs::read(folder.join(format!("{name}.json"))).expect("a report");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Safety of a report; returns whether the drill could begin.
fn check(path: &Path, drills: &mut BTreeSet<String>) -> bool {
    let report: Value = serde_json::from_slice(&std::fs::read(path).expect("a report")).expect("JSON");
    assert_eq!(report["format"], 1);
    drills.insert(report["drill"].as_str().expect("a name").to_owned());
    if report["verdict"] == "BLOCKED" {
        return false;
    }
    assert_ne!(report["verdict"], "INTERRUPTED", "{path:?}: {}", report["reasons"]);
    assert_eq!(report["backwards"]["count"], 0, "{path:?}: {}", report["backwards"]);
    for kind in ["lost", "doubled", "ahead", "unread"] {
        assert_eq!(report["counted"][kind]["count"], 0, "{path:?}: {}", report["counted"]);
    }
    assert_eq!(report["counted"]["bodies_open"], 0, "{path:?}: all that was sent is acknowledged at the end");
    assert!(report["counted"]["events_acknowledged"].as_u64() > Some(0), "{path:?}");
    for check in report["checks"].as_array().expect("checks") {
        let held = check["class"] != "safety" || check["held"] == true;
        assert!(held, "{path:?}: {check}");
    }
    let strikes = report["strikes"].as_array().expect("strikes");
    for strike in strikes {
        assert!(strike["to_us"].is_u64(), "{path:?}: every fault is ended: {strike}");
        assert!(strike["struck"].as_u64() > Some(0), "{path:?}: it bit: {strike}");
    }
    true
}
