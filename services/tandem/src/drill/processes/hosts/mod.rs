//! The ways between processes that have a host each: a real network, really cut.
//!
//! | file | what |
//! |---|---|
//! | `namespace.rs` | one network namespace: what is made there |
//! | `network.rs` | all hosts, the network between them, ways that are cut |
//! | `cuts.rs` | which ways a fault cuts |
//! | `servers.rs` | how the operator's servers come to be on that network |
//!
//! What is not of the network is done at doors of ours: the front of each query node, a proxy on its
//! own host through which every question comes, makes its answers slow or errors. We ourselves live
//! on the machine, and come to gateways, control nodes and admin ports through doors on its loopback
//! that go on from the host `Outside`.

mod cuts;
mod namespace;
mod network;
mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use tandem_chaos::fault::Fault;
use tandem_chaos::stand::{Injected, StandError};
use tandem_chaos::tools::{Proxy, ProxyFault};
use tandem_model::route::Chain;
use tokio::net::TcpListener;

use self::network::{Host, Sink, Way};
use super::fleet::Who;
use super::proxies::{ERRORS, SLOW};
use super::site::{Ports, Site};
use super::ways::{Doors, Held, Ways};
use crate::failure::Failure;

pub(super) use self::namespace::Namespace;
pub(super) use self::network::Network;

/// The hosts of a stand, and the ways between them.
pub(super) struct Hosts {
    network: Arc<Network>,
    controls: Vec<SocketAddr>,
    /// In front of the query node of each chain, on its host.
    fronts: [Proxy; 2],
    /// On the machine's loopback, in front of what listens on hosts.
    doors: BTreeMap<SocketAddr, Proxy>,
    /// From the hosts to the operator's servers.
    _servers: Vec<Proxy>,
}

impl Hosts {
    /// Brings the operator's servers to the hosts, and opens all doors. `rows_alone`: whether the CQL
    /// cluster of chains a and b has one node only.
    ///
    /// # Errors
    ///
    /// When a server can't be brought there: it is not on loopback of this machine, or names other
    /// nodes.
    pub(super) async fn start(network: Network, site: &Site, rows_alone: [bool; 2]) -> Result<Self, Failure> {
        let network = Arc::new(network);
        let servers = servers::bring(&network, site, rows_alone).await?;
        let [a, b] =
            Chain::ALL.map(|chain| front(&network, chain, site.ports.queries[chain as usize].listen));
        let outside = network.namespace(Host::Outside);
        let mut doors = BTreeMap::new();
        for address in asked_from_outside(&site.ports) {
            let doing = "no port for a door is free";
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context(doing)?;
            let door = Proxy::between(listener, address, outside.sockets(address)).context(doing)?;
            doors.insert(address, door);
        }
        let controls = site.ports.controls.iter().map(|port| port.listen).collect();
        Ok(Self { network, controls, fronts: [a?, b?], doors, _servers: servers })
    }
}

fn front(network: &Network, chain: Chain, behind: SocketAddr) -> anyhow::Result<Proxy> {
    let home = network.namespace(Host::Process(Who::Query(chain)));
    let listener = home.listen(network.front(chain)).context("a query node has no front")?;
    Proxy::between(listener, behind, home.sockets(behind)).context("a query node has no front")
}

/// What we and the clients ask.
fn asked_from_outside(ports: &Ports) -> Vec<SocketAddr> {
    let both = ports.gateways.iter().chain(&ports.controls).flat_map(|port| [port.listen, port.admin]);
    let admin = ports.queries.iter().map(|port| port.admin);
    both.chain(admin).chain(ports.computes).chain([ports.metronome]).collect()
}

impl Ways for Hosts {
    fn name(&self) -> &'static str {
        "each on a host of its own (network namespaces), signals and partitions"
    }

    fn home(&self, who: Who) -> Option<Arc<Namespace>> {
        Some(Arc::clone(self.network.namespace(Host::Process(who))))
    }

    fn reached_from_here(&self, address: SocketAddr) -> SocketAddr {
        self.doors.get(&address).map_or(address, Proxy::address)
    }

    fn queries(&self) -> [SocketAddr; 2] {
        Chain::ALL.map(|chain| self.network.front(chain))
    }

    fn controls(&self, _gateway: usize) -> Vec<SocketAddr> {
        self.controls.clone()
    }

    /// The servers are on each host where the operator's file says.
    fn stores(&self, _chain: Chain) -> Doors {
        Doors::default()
    }

    fn asked(&self, chain: Chain) -> u64 {
        self.fronts[chain as usize].asked()
    }

    fn cannot(&self, _fault: Fault) -> Option<&'static str> {
        None
    }

    fn begin(&self, fault: Fault, chain: Option<Chain>) -> Result<Held, StandError> {
        let at_front = |chain, fault: ProxyFault| -> Held {
            let front: &Proxy = &self.fronts[chain as usize];
            vec![Box::new(front.begin(fault))]
        };
        match (fault, chain) {
            (Fault::Slow, Some(chain)) => return Ok(at_front(chain, SLOW)),
            (Fault::Errors, Some(chain)) => return Ok(at_front(chain, ERRORS)),
            _ => {}
        }
        let ways = cuts::ways(fault, chain, &self.network.all());
        let ways = ways.ok_or_else(|| StandError(format!("{fault} is not done to a network")))?;
        Ok(vec![self.cut(ways, chain.map_or(Sink::Common, Sink::Of))?])
    }

    fn isolate(&self, control: usize) -> Result<Held, StandError> {
        let host = Host::Process(Who::Control(control));
        Ok(vec![self.cut(cuts::alone(host, &self.network.all()), Sink::Common)?])
    }
}

impl Hosts {
    fn cut(&self, ways: BTreeSet<Way>, sink: Sink) -> Result<Box<dyn Injected>, StandError> {
        Ok(Box::new(self.network.cut(ways, sink)?))
    }
}
