//! All processes of a stand.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::anyhow;
use parking_lot::Mutex;
use tandem_model::route::Chain;
use tokio::time::Instant;

use super::Options;
use super::child::{Group, Node, Programs};
use super::site::Site;
use super::ways::Ways;
use crate::client::{Client, ServerUrl};
use crate::terminal::remark;

/// How long all of them may take to be ready: a slow machine, with servers that were just started.
const READY_WITHIN: Duration = Duration::from_secs(180);
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// How long an admin port may take: a process that hangs never answers.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How soon somebody who ended is started again: about as soon as orchestrators are.
const WATCH_PAUSE: Duration = Duration::from_millis(500);

/// Which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Compute(Chain),
    Query(Chain),
    /// By its place in the list of nodes.
    Control(usize),
    Gateway(usize),
    Metronome,
}

/// All processes. Dropping it ends them.
pub(super) struct Fleet {
    nodes: Vec<(Who, Node)>,
    /// Those that are away on purpose.
    killed: Vec<Who>,
    programs: Programs,
    /// Ends last, and everything that was left with it.
    group: Group,
}

impl Who {
    /// Whether it belongs to a chain.
    pub(super) const fn is_of_a_chain(self) -> bool {
        matches!(self, Who::Compute(_) | Who::Query(_))
    }
}

impl Fleet {
    /// Prepares all of them, without starting any.
    pub(super) fn new(options: &Options, site: &Site, ways: &dyn Ways) -> anyhow::Result<Self> {
        let logs = options.logs.as_deref().map(|folder| folder.join(&site.name));
        let logs = logs.as_deref().unwrap_or(site.folder());
        std::fs::create_dir_all(logs)?;
        Ok(Self {
            nodes: nodes(&options.config, site, ways, logs),
            killed: Vec::new(),
            programs: Programs {
                first: options.program.clone(),
                next: options.next_program.clone().unwrap_or_else(|| options.program.clone()),
            },
            group: Group::start(&options.program)?,
        })
    }

    /// Starts those that are wanted. They need not be ready yet.
    pub(super) fn start(&mut self, is_wanted: impl Fn(Who) -> bool) -> anyhow::Result<()> {
        for (_, node) in self.nodes.iter_mut().filter(|(who, _)| is_wanted(*who)) {
            node.start(&self.programs, &self.group)?;
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self, who: Who) {
        self.killed.push(who);
        self.each(who, |node, _, _| node.kill());
    }

    /// What was killed comes back.
    pub(super) fn start_again(&mut self, who: Who) {
        self.killed.retain(|killed| *killed != who);
        self.each(who, |node, programs, group| {
            if let Err(error) = node.start(programs, group) {
                remark(format_args!("{error:#}"));
            }
        });
    }

    /// SIGSTOP or SIGCONT; says whether it runs at all.
    pub(super) fn pause(&mut self, who: Who, is_paused: bool) -> bool {
        let mut is_taken = false;
        self.each(who, |node, _, _| is_taken |= node.pause(is_paused));
        is_taken
    }

    fn each(&mut self, who: Who, mut act: impl FnMut(&mut Node, &Programs, &Group)) {
        for (_, node) in self.nodes.iter_mut().filter(|(is, _)| *is == who) {
            act(node, &self.programs, &self.group);
        }
    }

    /// Starts again who ended by themselves; tells of each, with the end of what it said.
    fn revive(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for (who, node) in &mut self.nodes {
            if self.killed.contains(who) {
                continue;
            }
            let Some(status) = node.ended() else { continue };
            told.push(format!("{} has ended by itself ({status}):\n{}", node.name, node.said()));
            if let Err(error) = node.start(&self.programs, &self.group) {
                told.push(format!("{error:#}"));
            }
        }
        told
    }

    /// One that runs and is not among those that are ready: its name and admin port, and what it said.
    fn waiting(&self, ready: &[String]) -> Option<(String, std::net::SocketAddr, String)> {
        let is_missing = |node: &Node| node.is_started() && !ready.contains(&node.name);
        let (_, node) = self.nodes.iter().find(|(_, node)| is_missing(node))?;
        Some((node.name.clone(), node.admin, node.said()))
    }

    /// A process that has ended, and what it said.
    fn first_ended(&mut self) -> Option<String> {
        self.nodes.iter_mut().find_map(|(_, node)| {
            let status = node.ended()?;
            Some(format!("{} ended ({status}):\n{}", node.name, node.said()))
        })
    }
}

/// Waits until all that were started say that they are ready.
///
/// # Errors
///
/// When one ends, or takes too long; with what it said.
pub(super) async fn ready(fleet: &Mutex<Fleet>) -> anyhow::Result<()> {
    let until = Instant::now() + READY_WITHIN;
    let mut ready: Vec<String> = Vec::new();
    loop {
        let (waiting, ended) = {
            let mut fleet = fleet.lock();
            (fleet.waiting(&ready), fleet.first_ended())
        };
        if let Some(ended) = ended {
            return Err(anyhow!("{ended}"));
        }
        let Some((name, admin, said)) = waiting else { return Ok(()) };
        let client = Client::new(ServerUrl::at(admin), None);
        let answer = tokio::time::timeout(ADMIN_TIMEOUT, client.get("/readyz", &[])).await;
        let why = match answer {
            Ok(Ok(answer)) if answer.status.is_success() => {
                ready.push(name);
                continue;
            }
            Ok(Ok(answer)) => String::from_utf8_lossy(&answer.body).trim().to_owned(),
            Ok(Err(_)) | Err(_) => "its admin port does not answer".to_owned(),
        };
        if Instant::now() >= until {
            let seconds = READY_WITHIN.as_secs();
            return Err(anyhow!("{name} is not ready after {seconds} s: {why}\n{said}"));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Starts those again that end by themselves, as an orchestrator would, and says so.
pub(super) async fn watch(fleet: Weak<Mutex<Fleet>>) {
    loop {
        tokio::time::sleep(WATCH_PAUSE).await;
        let Some(fleet) = fleet.upgrade() else { return };
        let told = fleet.lock().revive();
        told.into_iter().for_each(remark);
    }
}

/// Those first whom others ask.
fn nodes(config: &Path, site: &Site, ways: &dyn Ways, logs: &Path) -> Vec<(Who, Node)> {
    let arguments = |role: &str, chain: Option<Chain>| -> Vec<String> {
        let mut arguments = vec![role.to_owned(), "--config".to_owned(), config.display().to_string()];
        arguments.extend(chain.into_iter().flat_map(|chain| ["--chain".to_owned(), chain.to_string()]));
        arguments
    };
    let (ports, queries) = (&site.ports, ways.queries());
    let mut nodes = Vec::new();
    let mut add = |who, name: String, arguments, variables, admin| {
        let node = Node::new(name, arguments, variables, ways.reached_from_here(admin), logs);
        nodes.push((who, node.living(ways.home(who))));
    };
    for (place, port) in ports.controls.iter().enumerate() {
        let (name, variables) = (format!("control-{}", place + 1), site.control(place, queries));
        add(Who::Control(place), name, arguments("control", None), variables, port.admin);
    }
    for chain in Chain::ALL {
        let doors = ways.stores(chain);
        let (variables, admin) = (site.compute(chain, &doors), ports.computes[chain as usize]);
        let of_chain = |role| (format!("{role}-{chain}"), arguments(role, Some(chain)));
        let (name, arguments) = of_chain("compute");
        add(Who::Compute(chain), name, arguments, variables, admin);
        let (variables, admin) = (site.query(chain, &doors), ports.queries[chain as usize].admin);
        let (name, arguments) = of_chain("query");
        add(Who::Query(chain), name, arguments, variables, admin);
    }
    let name = "metronome".to_owned();
    add(Who::Metronome, name, arguments("metronome", None), site.metronome(), ports.metronome);
    for (number, port) in ports.gateways.iter().enumerate() {
        let variables = site.gateway(number, &ways.controls(number), queries);
        let name = format!("gateway-{}", number + 1);
        add(Who::Gateway(number), name, arguments("gateway", None), variables, port.admin);
    }
    nodes
}

/// The processes of a chain.
pub(super) const fn of_chain(chain: Chain) -> [Who; 2] {
    [Who::Compute(chain), Who::Query(chain)]
}

/// All processes, shared by the stand and the faults in force.
pub(super) type Shared = Arc<Mutex<Fleet>>;
