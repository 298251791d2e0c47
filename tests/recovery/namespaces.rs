//! `tandem drill run --stand namespaces`: the same drills with every process on a host of its own,
//! and partitions of the network between them.
//!
//! What is asserted is what `stand.rs` asserts; that a chain can be cut off from the log alone, which
//! proxies can't do; and that no host is left, also of a drill that was killed in the middle of a
//! partition. Where there is no root, it is skipped, and says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tandem_tests::program::{DEADLINE, Process, binary, lines_of, run, run_with, until};
use tandem_tests::services::PerChain;

use crate::alone;
use crate::refusals::shared;
use crate::stand::{check, configuration, keys, processes_given};

/// The drills, those beside each other at once.
const DRILLS: [[&str; 2]; 3] = [
    ["blackhole", "log-cut"],
    ["blackhole-in", "gateway-cut-off"],
    ["blackhole-out", "crash-without-leader"],
];
/// Processes of a stand with one gateway, each on a host of its own.
const PROCESSES: usize = 9;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drills_between_hosts_in_namespaces_lose_and_double_nothing_and_leave_nothing() {
    if let Err(why) = is_possible() {
        println!("skipped: no network namespaces here: {why}");
        return;
    }
    let _alone = alone().await;
    // Nothing is done to the servers here, and the drills remove what is theirs.
    let addresses = shared().addresses();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = configuration(addresses, folder.path());
    let config = file.to_str().expect("temporary folders have plain names");
    let reports = folder.path().join("reports");
    let report = reports.to_str().expect("temporary folders have plain names");

    a_killed_drill_takes_its_hosts_along(config, report).await;

    let PerChain { a, b } = &addresses.redis;
    let before = [keys(a), keys(b)];
    let arguments = ["--stand", "namespaces", "--config", config, "--gateways", "1", "--at-once", "2"];
    let options = ["--length", "brief", "--readers", "4", "--seed", "44", "--report", report];
    for drills in DRILLS {
        let ran = run(&[&["drill", "run"], &drills[..], &arguments, &options].concat()).await;
        // Whether every aim was reached is not asked here.
        assert!(matches!(ran.code, Some(0 | 1)), "a verdict, and nothing else: {ran:?}");
        println!("{}", ran.stdout);
        for drill in drills {
            check(&reports.join(format!("{drill}-a-44.json")));
        }
        let left = processes_given(config);
        assert!(left.is_empty(), "every process ends with its drill: {left:?}");
        assert!(!ran.stderr.contains("could not be"), "{}", ran.stderr);
        assert_eq!([keys(a), keys(b)], before, "what was on the servers is removed");
        assert_eq!(interfaces_of_ours(), BTreeSet::new(), "the machine's network is not touched");
    }
}

/// SIGKILL to the drill itself, while its network is cut.
async fn a_killed_drill_takes_its_hosts_along(config: &str, report: &str) {
    let mut command = Command::new(binary());
    command.args(["drill", "run", "blackhole", "--stand", "namespaces", "--config", config]);
    command.args(["--gateways", "1", "--length", "brief", "--seed", "45", "--report", report]);
    command.env("RUST_LOG", "off,tandem_chaos=info").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let lines = lines_of(process.child().stderr.take().expect("it is piped"));
    while !lines.recv_timeout(DEADLINE).expect("it says when the fault is in force").contains("in force") {}
    let ours = fs::read_link("/proc/self/ns/net").expect("we have a network");
    let homes: Vec<PathBuf> = homes(config).into_iter().filter(|home| *home != ours).collect();
    assert_eq!(homes.iter().collect::<BTreeSet<_>>().len(), PROCESSES, "one host for each: {homes:?}");
    assert_eq!(homes.len(), PROCESSES, "one process on each: {homes:?}");
    assert_eq!(interfaces_of_ours(), BTreeSet::new(), "the machine's network is not touched");
    process.kill();
    until("all processes of a killed drill have ended, and nobody lives on its hosts", async || {
        let everybody = homes_of_all();
        (processes_given(config).is_empty() && !homes.iter().any(|home| everybody.contains(home)))
            .then_some(())
    })
    .await;
    assert_eq!(interfaces_of_ours(), BTreeSet::new(), "nothing comes back to the machine");
}

#[tokio::test]
async fn what_a_network_of_hosts_needs_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("operator.toml");
    fs::write(&file, "").expect("a file in our own folder");
    let config = file.to_str().expect("temporary folders have plain names");
    let arguments = ["drill", "run", "blackhole", "--stand", "namespaces"];
    let with_file = [&arguments[..], &["--config", config]].concat();
    let ran = run_with(&with_file, &[("PATH", "/nowhere")]).await;
    assert_eq!(ran.code, Some(64), "{ran:?}");
    assert!(ran.stderr.contains("need Linux, root") && ran.stderr.contains("unshare"), "{}", ran.stderr);
    assert_eq!(run(&arguments).await.code, Some(2), "it needs servers");
    let ran = run(&[&with_file[..], &["--kafka-pid", "1"]].concat()).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

/// Whether we may make networks.
fn is_possible() -> Result<(), String> {
    let can = |program: &str, arguments: &[&str]| {
        let ended = Command::new(program).args(arguments).output();
        let ended = ended.map_err(|error| format!("{program}: {error}"))?;
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        if ended.status.success() { Ok(()) } else { Err(said) }
    };
    can("unshare", &["--net", "true"])?;
    can("ip", &["-Version"])
}

/// The networks in which processes live that were given this file.
fn homes(config: &str) -> Vec<PathBuf> {
    let folders = processes_given(config).into_iter().map(|(folder, _)| folder);
    folders.filter_map(|folder| fs::read_link(folder.join("ns/net")).ok()).collect()
}

/// The networks in which anybody lives.
fn homes_of_all() -> BTreeSet<PathBuf> {
    let entries = fs::read_dir("/proc").expect("Linux lists its processes");
    entries.filter_map(|entry| fs::read_link(entry.ok()?.path().join("ns/net")).ok()).collect()
}

/// Interfaces of the machine that are named or addressed as those of hosts.
fn interfaces_of_ours() -> BTreeSet<String> {
    let entries = fs::read_dir("/sys/class/net").expect("Linux lists its interfaces");
    let is_ours = |folder: &PathBuf| {
        let is_named = folder.file_name().is_some_and(|name| name == "bridge" || name == "port0");
        let address = fs::read_to_string(folder.join("address")).unwrap_or_default();
        is_named || address.starts_with("02:4d:00")
    };
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_ours);
    folders.map(|folder| folder.display().to_string()).collect()
}
