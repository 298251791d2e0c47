//! A set of servers as containers, by `deploy/compose.yaml` with the official images.
//!
//! Ports of everything, the extras included, are chosen at start and handed to compose in a file;
//! a container keeps its port and its data while it is stopped. Containers do not die with this
//! process when that is killed: their project's name lies in the folder, and the next start that
//! sweeps the folder away takes them down first.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tandem_tests::services::{Addresses, ClusterAddresses, PerChain, SentinelAddresses};
use uuid::Uuid;

use crate::engine::{Engine, Statuses};
use crate::extras::{self, CLUSTER_NODES, SENTINELS};
use crate::ports::Ports;
use crate::probe::Probe;
use crate::process::{CommandLine, Ending, Spawner};

const COMPOSE: &str = include_str!("../../deploy/compose.yaml");
const COMPOSE_FILE: &str = "compose.yaml";
const PORTS_FILE: &str = "ports.env";
const PROJECT_FILE: &str = "project";
/// The five that everybody needs.
const BASIC: [&str; 5] = ["kafka", "cql-a", "cql-b", "redis-a", "redis-b"];
/// How long the engine may take to say that it is there.
const ENGINE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a command may take; the first one fetches images.
const COMMAND_PATIENCE: Duration = Duration::from_secs(1200);
/// How long a server may take until it is ready.
const READY_PATIENCE: Duration = Duration::from_secs(240);

/// Whether a Docker engine answers, and has the compose plugin. The program alone is not enough.
pub(crate) fn answers() -> bool {
    let says = |words: &[&str]| -> bool {
        let spawned = Command::new("docker")
            .args(words)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn();
        let Ok(mut child) = spawned else { return false };
        let start = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && start.elapsed() < ENGINE_PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        // It has ended, or has had its time.
        let _ = child.kill();
        child.wait_with_output().is_ok_and(|output| {
            // Some versions succeed without an engine, and say nothing.
            output.status.success() && !output.stdout.trim_ascii().is_empty()
        })
    };
    says(&["info", "--format", "{{.ServerVersion}}"]) && says(&["compose", "version"])
}

/// Takes down the containers that belong to a folder nobody holds any more.
pub(crate) fn clear(folder: &Path) {
    let Ok(project) = std::fs::read_to_string(folder.join(PROJECT_FILE)) else { return };
    // No engine, no containers.
    let _ = Command::new("docker").args(compose(folder, &project, &["down", "-v", "-t", "0"])).output();
}

/// Arguments of `docker`. Without naming the profiles, compose would not see their containers.
fn compose(folder: &Path, project: &str, words: &[&str]) -> Vec<String> {
    let path = |file: &str| folder.join(file).to_string_lossy().into_owned();
    let (file, ports) = (path(COMPOSE_FILE), path(PORTS_FILE));
    let start = ["compose", "-p", project, "-f", &file, "--env-file", &ports];
    let profiles = ["--profile", "sentinel", "--profile", "cluster"];
    start.iter().chain(&profiles).chain(words).map(|word| (*word).to_owned()).collect()
}

/// Servers that are containers of one compose project.
pub(crate) struct Docker {
    project: String,
    folder: PathBuf,
    ports: BTreeMap<String, u16>,
    /// What was started so far.
    names: Vec<String>,
    addresses: Addresses,
    spawner: Spawner,
    ending: Ending,
    sentinel: Option<SentinelAddresses>,
    cluster: Option<ClusterAddresses>,
    _held: Ports,
}

impl Docker {
    /// Fetches the images and creates containers with chosen ports; starts nothing yet.
    pub(crate) fn create(folder: PathBuf, ending: &Ending) -> anyhow::Result<Self> {
        let mut held = Ports::new()?;
        let mut ports = BTreeMap::new();
        for variable in variables() {
            ports.insert(variable, held.take()?);
        }
        let project = format!("tandem-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let mut lines = String::new();
        for (variable, port) in &ports {
            writeln!(lines, "{variable}={port}")?;
        }
        std::fs::write(folder.join(PORTS_FILE), lines)?;
        std::fs::write(folder.join(COMPOSE_FILE), COMPOSE)?;
        std::fs::write(folder.join(PROJECT_FILE), &project)?;
        let at = |name: &str| format!("127.0.0.1:{}", ports[&variable(name)]);
        let addresses = Addresses {
            kafka: at("kafka"),
            cql: PerChain { a: at("cql-a"), b: at("cql-b") },
            redis: PerChain { a: at("redis-a"), b: at("redis-b") },
            folder: folder.clone(),
            engine: "docker".to_owned(),
        };
        let docker = Self {
            project,
            folder,
            ports,
            names: BASIC.map(str::to_owned).to_vec(),
            addresses,
            spawner: Spawner::new(),
            ending: ending.clone(),
            sentinel: None,
            cluster: None,
            _held: held,
        };
        docker.run(&[["create"].as_slice(), &BASIC].concat())?;
        Ok(docker)
    }

    /// Creates and starts containers, and waits for them.
    fn add(&mut self, names: &[String]) -> anyhow::Result<()> {
        let words: Vec<&str> = ["up", "-d"].into_iter().chain(names.iter().map(String::as_str)).collect();
        self.run(&words)?;
        self.names.extend_from_slice(names);
        names.iter().try_for_each(|name| self.await_ready(name))
    }

    fn run(&self, words: &[&str]) -> anyhow::Result<()> {
        let arguments = compose(&self.folder, &self.project, words);
        let line = CommandLine { program: "docker".into(), arguments };
        self.spawner.run(&line, &self.folder.join("log"), COMMAND_PATIENCE, &self.ending)
    }

    fn port(&self, name: &str) -> u16 {
        self.ports[&variable(name)]
    }

    fn await_ready(&self, name: &str) -> anyhow::Result<()> {
        let port = match name {
            "redis-sentinel-net" | "redis-cluster-net" => return Ok(()),
            _ => self.port(name),
        };
        let probe = match name {
            "kafka" => Probe::Kafka(port),
            "cql-a" | "cql-b" => Probe::Cql(port),
            _ => Probe::Redis(port, "PING", "PONG"),
        };
        probe.wait(READY_PATIENCE, &self.ending).with_context(|| name.to_owned())
    }

    /// The names a command is about.
    fn named<'a>(&'a self, names: &[&'a str]) -> anyhow::Result<Vec<&'a str>> {
        let known: Vec<&str> = self.names.iter().map(String::as_str).collect();
        if let Some(name) = names.iter().find(|name| **name != "all" && !known.contains(name)) {
            bail!("no server `{name}`; there are {}", known.join(", "));
        }
        Ok(if names.contains(&"all") { known } else { names.to_vec() })
    }

    fn on(&self, words: &[&str], names: &[&str]) -> anyhow::Result<()> {
        // Without names, compose would mean all.
        let names = self.named(names)?;
        if names.is_empty() { Ok(()) } else { self.run(&[words, &names].concat()) }
    }

    fn in_state(&self, state: &str) -> anyhow::Result<Vec<String>> {
        let words = ["ps", "--services", "--status", state];
        let output = Command::new("docker").args(compose(&self.folder, &self.project, &words)).output()?;
        if !output.status.success() {
            bail!("docker compose ps: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// A frozen container can neither be started nor stopped.
    fn wake(&self, names: &[&str]) -> anyhow::Result<()> {
        let frozen = self.in_state("paused")?;
        let names = self.named(names)?;
        let names: Vec<&str> = names.into_iter().filter(|name| frozen.iter().any(|it| it == name)).collect();
        self.on(&["unpause"], &names)
    }
}

impl Engine for Docker {
    fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    fn start(&mut self, names: &[&str]) -> anyhow::Result<()> {
        self.wake(names)?;
        self.on(&["start"], names)?;
        self.named(names)?.iter().try_for_each(|name| self.await_ready(name))
    }

    fn stop(&mut self, names: &[&str]) -> anyhow::Result<()> {
        self.wake(names)?;
        self.on(&["stop"], names)
    }

    fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        self.wake(&[name])?;
        self.on(&["kill", "-s", "SIGKILL"], &[name])
    }

    fn pause(&mut self, name: &str) -> anyhow::Result<()> {
        self.on(&["pause"], &[name])
    }

    fn resume(&mut self, name: &str) -> anyhow::Result<()> {
        self.wake(&[name])
    }

    fn status(&mut self) -> anyhow::Result<Statuses> {
        let (running, paused) = (self.in_state("running")?, self.in_state("paused")?);
        let status = |name: &String| match name {
            name if paused.contains(name) => "paused",
            name if running.contains(name) => "running",
            _ => "stopped",
        };
        Ok(self.names.iter().map(|name| (name.clone(), status(name).to_owned())).collect())
    }

    fn sentinel(&mut self) -> anyhow::Result<SentinelAddresses> {
        if let Some(sentinel) = &self.sentinel {
            return Ok(sentinel.clone());
        }
        let sentinels: Vec<String> =
            (1..=SENTINELS).map(|number| format!("redis-sentinel-{number}")).collect();
        self.add(&["redis-sentinel-net", "redis-primary", "redis-replica"].map(str::to_owned))?;
        self.add(&sentinels)?;
        let (primary, replica) = (self.port("redis-primary"), self.port("redis-replica"));
        let ports: Vec<u16> = sentinels.iter().map(|name| self.port(name)).collect();
        extras::await_sentinels(&ports, replica, &self.ending)?;
        let sentinel = extras::sentinel_addresses(&ports, primary, replica);
        self.sentinel = Some(sentinel.clone());
        Ok(sentinel)
    }

    fn cluster(&mut self) -> anyhow::Result<ClusterAddresses> {
        if let Some(cluster) = &self.cluster {
            return Ok(cluster.clone());
        }
        let names: Vec<String> =
            (1..=CLUSTER_NODES).map(|number| format!("redis-cluster-{number}")).collect();
        self.add(&["redis-cluster-net".to_owned()])?;
        self.add(&names)?;
        let bus = |name: &String| self.port(&format!("{name}-bus"));
        let nodes: Vec<(u16, u16)> = names.iter().map(|name| (self.port(name), bus(name))).collect();
        extras::join_cluster(&nodes, &self.ending)?;
        let cluster = extras::cluster_addresses(&nodes);
        self.cluster = Some(cluster.clone());
        Ok(cluster)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        clear(&self.folder);
    }
}

/// The variable of compose.yaml that holds a server's port.
fn variable(name: &str) -> String {
    format!("TANDEM_{}_PORT", name.to_uppercase().replace('-', "_"))
}

fn variables() -> Vec<String> {
    let mut names: Vec<String> = BASIC.map(str::to_owned).to_vec();
    names.extend(["cql-a-shard", "cql-b-shard", "redis-primary", "redis-replica"].map(str::to_owned));
    names.extend((1..=SENTINELS).map(|number| format!("redis-sentinel-{number}")));
    for number in 1..=CLUSTER_NODES {
        names.extend([format!("redis-cluster-{number}"), format!("redis-cluster-{number}-bus")]);
    }
    names.iter().map(|name| variable(name)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn compose_asks_for_the_ports_that_are_chosen() {
        let asked = COMPOSE.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next());
        let asked: BTreeSet<String> = asked.map(str::to_owned).collect();
        assert_eq!(asked, variables().into_iter().collect());
    }
}
