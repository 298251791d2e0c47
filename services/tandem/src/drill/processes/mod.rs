//! The stands on real processes: every role a process of this program, on the operator's own
//! servers. Between them are proxies, on a machine with or without rights; or each of them has a
//! host of its own, a network namespace, and what is cut is the network.
//!
//! | file | what |
//! |---|---|
//! | `site.rs` | names, addresses, and what each process is told of them |
//! | `ground.rs` | topics, tables and keys on the servers: made, and removed |
//! | `ways.rs` | what lies between the processes, and can be disturbed |
//! | `proxies.rs` `hosts/` | the two kinds of it |
//! | `child.rs` `fleet.rs` | the processes, and their end whatever happens |
//! | `faults.rs` | signals, and what the ways can do, as faults |
//! | `wrong.rs` | rows that are made wrong |
//!
//! # What they can't do
//! Fill a disk. With proxies also: cut one chain alone off from Kafka, which tells everybody its own
//! address; stop a broker that was not shown (`--kafka-pid`). CQL clusters of several nodes and Redis
//! behind sentinels or as a cluster name their nodes themselves, so nothing can be put between; hosts
//! refuse to be set up for them.

mod child;
mod faults;
mod fleet;
mod ground;
mod hosts;
mod proxies;
mod site;
mod ways;
mod wrong;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use parking_lot::Mutex;
use rustix::process::{Pid, test_kill_process};
use tandem_chaos::fault::Fault;
use tandem_chaos::stand::{Decided, Injected, Stand, StandError};
use tandem_control::{Client, Control, OperatorKey, Remote, RemoteOptions};
use tandem_failover::Condition;
use tandem_model::route::{Chain, Route};
use tokio::task::JoinHandle;

use self::faults::InForce;
use self::fleet::{Fleet, Shared, Who};
use self::hosts::{Hosts, Network};
use self::proxies::Proxies;
use self::site::{Ports, Site, url};
use self::ways::Ways;
use super::decided::{self, said};
use crate::failure::Failure;

pub use self::child::guard;

/// How long the control group may take to find both chains well, and how often that is looked at.
const SETTLE_MAX: Duration = Duration::from_secs(60);
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// How often it is looked whether somebody else leads.
const LEADER_PAUSE: Duration = Duration::from_millis(50);

/// How processes are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The operator's configuration: it names the servers, and sets whatever is no place or name.
    pub config: PathBuf,
    /// The program that every process runs.
    pub program: PathBuf,
    /// The program with which a process that was killed comes back; the same where absent.
    pub next_program: Option<PathBuf>,
    /// How many gateways; at least 1.
    pub gateways: u8,
    /// What lies between the processes.
    pub between: Between,
    /// The process of the only broker, where it may be stopped; with proxies.
    pub kafka_pid: Option<u32>,
    /// A folder in which to keep what the processes say; nothing is kept where absent.
    pub logs: Option<PathBuf>,
}

/// What lies between the processes, and is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Proxies of ours, on loopback.
    Proxies,
    /// A network: each process lives on a host of its own. Linux and root only.
    Network,
}

/// A system of processes. Dropping it ends them; only [`stop`](Self::stop) also removes what is on
/// the servers.
pub struct Processes {
    fleet: Shared,
    ways: Arc<dyn Ways>,
    control: Remote,
    clients: Arc<Vec<Client>>,
    watching: JoinHandle<()>,
    site: Site,
}

impl Processes {
    /// Creates what is needed on the servers, starts every process, and waits until all are ready;
    /// gives up when `broken_off` is done. What was begun is taken down where this fails.
    ///
    /// # Errors
    ///
    /// When there can be no such network, a server is not there or refuses, or a process does not get
    /// ready.
    pub async fn start(
        options: &Options,
        broken_off: &mut Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<Self, Failure> {
        let broker = options.kafka_pid.map(broker).transpose()?;
        let network = match options.between {
            Between::Proxies => None,
            Between::Network => Some(Network::build(options.gateways).await?),
        };
        let ports = match &network {
            Some(network) => network.ports(),
            None => Ports::free(options.gateways)?,
        };
        let site = Site::new(&options.config, ports)?;
        ground::reachable(&site).await?;
        let starting = async {
            let rows_alone = ground::create(&site).await?;
            let ways: Arc<dyn Ways> = match network {
                Some(network) => Arc::new(Hosts::start(network, &site, rows_alone).await?),
                None => Arc::new(Proxies::start(&site, rows_alone, broker).await?),
            };
            Ok::<_, Failure>(Box::pin(started(options, &site, ways)).await?)
        };
        let outcome = tokio::select! {
            outcome = starting => outcome,
            () = broken_off => Err(Failure::failed(anyhow!("broken off before it began"))),
        };
        match outcome {
            Ok(Started { fleet, ways, control, clients, watching }) => {
                Ok(Self { fleet, ways, control, clients, watching, site })
            }
            Err(failure) => {
                ground::remove(&site).await;
                Err(failure)
            }
        }
    }

    /// Waits until the control group has seen both chains well for a calm time, as it has in a
    /// system that was not started a moment ago. Gives up after a while; the report then shows what
    /// that led to.
    pub async fn settle(&self) {
        let settled = async {
            while !self.is_well().await {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        if tokio::time::timeout(SETTLE_MAX, settled).await.is_err() {
            tracing::warn!("the control group does not find both chains well; going on all the same");
        }
    }

    async fn is_well(&self) -> bool {
        for client in self.clients.iter() {
            let outlook = client.state(0, true).await.ok().and_then(|state| state.outlook);
            if let Some(outlook) = outlook {
                let found = [&outlook.evidence.active, &outlook.evidence.target];
                return found.iter().all(|finding| finding.condition == Condition::Healthy);
            }
        }
        false
    }

    /// Ends every process and removes what was created on the servers.
    pub async fn stop(self) {
        let Self { fleet, ways, control, clients, watching, site } = self;
        watching.abort();
        // The last hold on the processes ends them.
        drop((fleet, ways, control, clients));
        ground::remove(&site).await;
    }

    /// The number of the node that leads, by its place in the list of nodes.
    async fn leader(&self) -> Result<usize, StandError> {
        let leader = leader_but(&self.clients, None).await;
        leader.ok_or_else(|| StandError("nobody leads the control group".to_owned()))
    }

    async fn lose_leader(&self) -> Result<InForce, StandError> {
        let leader = self.leader().await?;
        let noticed = Arc::new(AtomicU64::new(0));
        let (clients, count) = (Arc::clone(&self.clients), Arc::clone(&noticed));
        let watching = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LEADER_PAUSE).await;
                if leader_but(&clients, Some(leader)).await.is_some_and(|now| now != leader) {
                    return count.store(1, Ordering::Relaxed);
                }
            }
        });
        InForce::without_leader(&self.fleet, &self.ways, leader, noticed, watching.abort_handle())
    }
}

struct Started {
    fleet: Shared,
    ways: Arc<dyn Ways>,
    control: Remote,
    clients: Arc<Vec<Client>>,
    watching: JoinHandle<()>,
}

/// All processes, ready.
async fn started(options: &Options, site: &Site, ways: Arc<dyn Ways>) -> anyhow::Result<Started> {
    let fleet = Arc::new(Mutex::new(Fleet::new(options, site, &*ways)?));
    // The chains first: a group that finds one of them a moment before the other begins with a
    // switch, and with the cool-down of one.
    fleet.lock().start(Who::is_of_a_chain)?;
    fleet::ready(&fleet).await?;
    fleet.lock().start(|who| !who.is_of_a_chain())?;
    fleet::ready(&fleet).await?;
    let watching = tokio::spawn(fleet::watch(Arc::downgrade(&fleet)));
    let key = OperatorKey::new(site.key.as_str());
    let nodes = site.ports.controls.iter().map(|port| url(ways.reached_from_here(port.listen)).parse());
    let nodes = nodes.collect::<Result<Vec<http::Uri>, _>>()?;
    let clients = nodes.iter().map(|node| Client::new(node.clone(), &key)).collect::<Result<_, _>>()?;
    let control = Remote::start(RemoteOptions { nodes, key, memory: None })?;
    let gateway = site.ports.gateways.first().context("a stand has a gateway")?;
    wrong::prepare(&ways.reached_from_here(gateway.listen).to_string(), site.key.as_str()).await?;
    Ok(Started { fleet, ways, control, clients: Arc::new(clients), watching })
}

/// Who leads, as the newest of the nodes says, but for the one that is not asked.
async fn leader_but(clients: &[Client], but: Option<usize>) -> Option<usize> {
    let asked = clients.iter().enumerate().filter(|(place, _)| Some(*place) != but);
    let answers = asked.map(|(_, client)| tokio::time::timeout(LOOK_PAUSE * 5, client.state(0, true)));
    let answers = futures::future::join_all(answers).await;
    let nodes = answers.into_iter().filter_map(|answer| Some(answer.ok()?.ok()?.node));
    let leader = nodes.max_by_key(|node| node.term)?.leader?;
    usize::try_from(leader.0).ok()?.checked_sub(1)
}

/// The broker's process, if it is one that we may stop.
fn broker(id: u32) -> Result<Pid, Failure> {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    let id = id.ok_or_else(|| Failure::usage(anyhow!("--kafka-pid takes the id of a process")))?;
    test_kill_process(id).map_err(|error| {
        Failure::configuration(anyhow!(error).context(format!("process {id} (--kafka-pid) can't be stopped")))
    })?;
    Ok(id)
}

#[async_trait]
impl Stand for Processes {
    fn name(&self) -> String {
        format!(
            "processes: {} of them on real servers (Kafka, CQL, Redis), {}",
            self.fleet.lock().len(),
            self.ways.name()
        )
    }

    fn gateways(&self) -> Vec<String> {
        let gateways = self.site.ports.gateways.iter();
        gateways.map(|port| self.ways.reached_from_here(port.listen).to_string()).collect()
    }

    fn key(&self) -> String {
        self.site.key.as_str().to_owned()
    }

    fn cannot(&self, fault: Fault) -> Option<String> {
        let why = match fault {
            Fault::DiskFull => "no disk is filled on purpose here",
            _ => self.ways.cannot(fault)?,
        };
        Some(format!("{fault} can't be done with these processes and servers: {why}"))
    }

    async fn inject(&self, fault: Fault, chain: Option<Chain>) -> Result<Box<dyn Injected>, StandError> {
        if let Some(why) = self.cannot(fault) {
            return Err(StandError(why));
        }
        let (fleet, ways) = (&self.fleet, &self.ways);
        let force = match (fault, chain) {
            (Fault::ControlLeaderLost, _) => self.lose_leader().await?,
            (fault, None) if fault.is_of_a_chain() => {
                return Err(StandError(format!("{fault} needs a chain")));
            }
            (Fault::WrongData, Some(chain)) => {
                let config = &self.site.chains[chain as usize];
                let rows = Box::pin(wrong::corrupt(&config.rows, config.log.partitions)).await?;
                InForce::wrong(fleet, ways, rows)
            }
            (fault, chain) => InForce::begin(fleet, ways, fault, chain)?,
        };
        Ok(Box::new(force))
    }

    async fn switch(&self, to: Chain, reason: String) -> Result<Route, StandError> {
        self.control.switch(to, reason).await.map_err(said)
    }

    async fn decisions(&self) -> Result<Vec<Decided>, StandError> {
        decided::decisions(&self.control).await
    }

    async fn rules(&self) -> Vec<String> {
        decided::rules(&self.control).await
    }
}
