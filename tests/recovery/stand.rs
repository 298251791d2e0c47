//! `tandem drill run --stand processes`: drills on processes of the program, on real servers.
//!
//! What is asserted is safety, that every fault bit, and that nothing of it is left: no process, no
//! topic, no key. How fast anything was noticed is for the benchmark.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tandem_tests::program::{DEADLINE, Process, binary, lines_of, run, until};
use tandem_tests::services::{Addresses, PerChain};

use crate::alone;
use crate::refusals::shared;

/// The drills that are run on one set of servers, and one that can't be.
const DRILLS: [&str; 10] = [
    "crash",
    "pause",
    "blackhole",
    "errors",
    "stuck-compute",
    "wrong-data",
    "crash-without-leader",
    "switch",
    "rolling-restart",
    BLOCKED,
];
/// What processes and proxies can't do.
const BLOCKED: &str = "log-cut";
/// Stands at the same time: they mostly wait.
const AT_ONCE: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drills_on_processes_lose_and_double_nothing_and_leave_nothing() {
    let _alone = alone().await;
    // Nothing is done to the servers here, and the drills remove what is theirs.
    let addresses = shared().addresses();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = configuration(addresses, folder.path());
    let config = file.to_str().expect("temporary folders have plain names");
    let reports = folder.path().join("reports");
    let report = reports.to_str().expect("temporary folders have plain names");

    a_killed_drill_takes_its_processes_along(config, report).await;

    let PerChain { a, b } = &addresses.redis;
    let before = [keys(a), keys(b)];
    let at_once = AT_ONCE.to_string();
    let arguments = ["--stand", "processes", "--config", config, "--gateways", "1", "--at-once", &at_once];
    let options = ["--length", "brief", "--readers", "4", "--seed", "42", "--report", report];
    for drills in DRILLS.chunks(AT_ONCE) {
        let ran = run(&[&["drill", "run"], drills, &arguments, &options].concat()).await;
        // Whether every aim was reached is not asked here.
        assert!(matches!(ran.code, Some(0 | 1)), "a verdict, and nothing else: {ran:?}");
        for drill in drills {
            let report = reports.join(format!("{drill}-a-42.json"));
            if *drill == BLOCKED { check_blocked(&report) } else { check(&report) }
        }
        assert_eq!(processes_with(config), Vec::<String>::new(), "every process ends with its drill");
        assert!(!ran.stderr.contains("could not be removed"), "{}", ran.stderr);
        assert_eq!([keys(a), keys(b)], before, "what was on the servers is removed");
    }
}

/// SIGKILL to the drill itself, while a process of its stand stands still.
async fn a_killed_drill_takes_its_processes_along(config: &str, report: &str) {
    let mut command = Command::new(binary());
    command.args(["drill", "run", "pause", "--stand", "processes", "--config", config, "--gateways", "1"]);
    command.args(["--length", "brief", "--seed", "43", "--report", report]);
    command.env("RUST_LOG", "off,tandem_chaos=info").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let lines = lines_of(process.child().stderr.take().expect("it is piped"));
    while !lines.recv_timeout(DEADLINE).expect("it says when the fault is in force").contains("in force") {}
    assert!(processes_with(config).len() > 8, "a drill runs: {:?}", processes_with(config));
    process.kill();
    until("all processes of a killed drill have ended", async || {
        processes_with(config).is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn servers_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Nobody listens at port 1.
    let nowhere = || "127.0.0.1:1".to_owned();
    let of_both = || PerChain { a: nowhere(), b: nowhere() };
    let addresses = Addresses {
        kafka: nowhere(),
        cql: of_both(),
        redis: of_both(),
        folder: folder.path().to_owned(),
        engine: "none".to_owned(),
    };
    let file = configuration(&addresses, folder.path());
    let config = file.to_str().expect("temporary folders have plain names");
    let ran = run(&["drill", "run", "crash", "--stand", "processes", "--config", config]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for missing in ["[log] brokers", "[chains.a.rows] addresses", "[chains.b.hot] addresses"] {
        assert!(ran.stderr.contains(missing), "{missing}: {}", ran.stderr);
    }
    assert_eq!(run(&["drill", "run", "crash", "--stand", "processes"]).await.code, Some(2));
    let nothing = ["drill", "run", "crash", "--stand", "processes", "--config", "no-such-file"];
    assert_eq!(run(&nothing).await.code, Some(64));
    // By hand, in a group of somebody else, the guard ends nobody.
    assert_eq!(run(&["drill", "guard"]).await.code, Some(2));
}

/// The operator's file: where the servers are, and that they have one copy of everything.
pub(crate) fn configuration(servers: &Addresses, folder: &Path) -> PathBuf {
    let chain = |chain: &str, cql: &str, redis: &str| {
        format!(
            "[chains.{chain}.rows]\naddresses = [\"{cql}\"]\nreplicas = 1\n\
             [chains.{chain}.hot]\naddresses = [\"{redis}\"]\n"
        )
    };
    let text = format!(
        "[log]\nbrokers = [\"{}\"]\nreplicas = 1\nin_sync_replicas = 1\n{}{}",
        servers.kafka,
        chain("a", &servers.cql.a, &servers.redis.a),
        chain("b", &servers.cql.b, &servers.redis.b),
    );
    let file = folder.join("operator.toml");
    fs::write(&file, text).expect("a file in our own folder");
    file
}

/// How many keys a Redis has.
pub(crate) fn keys(address: &str) -> u64 {
    let mut stream = TcpStream::connect(address).expect("the server runs");
    stream.write_all(b"DBSIZE\r\n").expect("it takes a question");
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).expect("it answers");
    answer.trim().trim_start_matches(':').parse().unwrap_or_else(|_| panic!("{answer}"))
}

/// Command lines of processes that were given this file.
fn processes_with(config: &str) -> Vec<String> {
    processes_given(config).into_iter().map(|(_, line)| line).collect()
}

/// Folders in `/proc`, and command lines, of processes that were given this file.
pub(crate) fn processes_given(config: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir("/proc").expect("Linux lists its processes");
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let lines = folders.filter_map(|folder| {
        let line = fs::read(folder.join("cmdline")).ok()?;
        Some((folder, String::from_utf8_lossy(&line).replace('\0', " ")))
    });
    lines.filter(|(_, line)| line.contains(config)).collect()
}

/// Safety of a report, and that every fault bit.
pub(crate) fn check(path: &Path) {
    let report = read(path);
    let whole = || format!("{path:?}: {} {}", report["verdict"], report["reasons"]);
    // A crowded machine answers too little in a moment to judge how fast it was.
    let verdict = report["verdict"].as_str();
    assert!(matches!(verdict, Some("PASS" | "FAIL" | "INCONCLUSIVE")), "{}", whole());
    assert!(report["marks"]["settled_us"].is_u64(), "everything is well again: {}", whole());
    assert_eq!(report["ending"]["how"], "done", "{}", whole());
    assert_eq!(report["backwards"]["count"], 0, "{}", whole());
    for kind in ["lost", "doubled", "ahead", "unread"] {
        assert_eq!(report["counted"][kind]["count"], 0, "{}", whole());
    }
    assert!(report["counted"]["events_acknowledged"].as_u64() > Some(0), "{}", whole());
    let mut bites = 0;
    for check in report["checks"].as_array().expect("checks") {
        let is_bite = check["name"].as_str().is_some_and(|name| name.contains(" bit "));
        bites += usize::from(is_bite);
        let must_hold = is_bite || check["class"] == "safety" || check["name"] == "the end was counted";
        assert!(!must_hold || check["held"] == true, "{}: {check}", whole());
    }
    let strikes = report["strikes"].as_array().expect("strikes");
    assert_eq!(bites, strikes.len(), "{}", whole());
    for strike in strikes {
        assert!(strike["to_us"].is_u64(), "every fault is ended: {}", whole());
    }
}

/// That a drill was not run, and says why.
fn check_blocked(path: &Path) {
    let report = read(path);
    assert_eq!(report["verdict"], "BLOCKED", "{path:?}: {}", report["reasons"]);
    assert!(report["reasons"].to_string().contains("Kafka"), "it says why: {}", report["reasons"]);
}

fn read(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_slice(&bytes).expect("JSON")
}
