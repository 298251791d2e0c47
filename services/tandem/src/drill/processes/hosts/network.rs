//! The hosts of a stand and the network between them, cut where and as long as it is asked for.
//!
//! ```text
//!   control-1 .. 3   compute-a query-a ..   gateway-1 ..   log   rows-a hot-a ..   outside
//!       |eth0             |      |             |            |       |     |          |
//!   ====+=================+======+=============+============+=======+=====+==========+====  bridge
//!                                                            sinks |  |  |
//! ```
//! Each host is a namespace with one interface; a further one holds the bridge and nothing else, and
//! the machine's own network has no part in it.
//!
//! # How a way is cut
//! The sender is given a permanent neighbour entry for the receiver, with the hardware address of a
//! sink. Its packets leave it and arrive where nobody wants them: nobody is told, as on a network
//! that loses them, and connections that are open are struck like new ones. The other way goes on.
//! It takes no packet filter and no traffic control, which not every kernel has.
//!
//! A sink is a host without an address, so each packet that is cut counts there as one for somebody
//! else (`InAddrErrors`): how many vanished is told by the kernel, and is no guess.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use parking_lot::Mutex;
use tandem_chaos::stand::{Injected, StandError};
use tandem_model::route::Chain;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::super::fleet::Who;
use super::super::site::{CONTROLS, Port, Ports};
use super::namespace::{Ip, Namespace};
use crate::failure::Failure;
use crate::terminal::remark;

/// Where processes serve, and tell how they are.
const LISTEN: u16 = 7_000;
const ADMIN: u16 = 7_001;
/// Where the query nodes themselves listen, each behind the front of its host. No server is there:
/// those are on loopback of this machine, and so at the first addresses of this range.
const BEHIND: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);
/// Where what counts the lost packets of each host is kept.
const COUNTERS: &str = "/proc/thread-self/net/snmp";
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Who lives on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    Process(Who),
    /// The way to a server of the machine.
    Log,
    Rows(Chain),
    Hot(Chain),
    /// Clients, operators, and whoever asks how somebody is.
    Outside,
}

/// Which way is cut: from the first to the second.
pub(super) type Way = (Host, Host);

/// Where the packets of a fault vanish: a sink for the faults of each chain, and one for those of
/// everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    Of(Chain),
    Common,
}

/// All hosts. The kernel removes them when this, what was made there and who lives there are gone.
pub(in crate::drill::processes) struct Network {
    /// In the order of their addresses.
    hosts: Vec<(Host, Arc<Namespace>)>,
    sinks: [Namespace; SINKS],
    /// Holds the bridge.
    _switch: Namespace,
    /// How many faults cut each way.
    cuts: Mutex<BTreeMap<Way, u32>>,
}

const SINKS: usize = 3;

impl Network {
    /// Sets up all hosts, for so many gateways.
    ///
    /// # Errors
    ///
    /// Exit code 64 where this machine or who we are does not allow it.
    pub(in crate::drill::processes) async fn build(gateways: u8) -> Result<Self, Failure> {
        let building = tokio::task::spawn_blocking(move || Self::built(gateways.into()));
        let built = building.await.context("the hosts were not set up")?;
        built.map_err(|error| {
            Failure::configuration(error.context(
                "drills on network namespaces need Linux, root, and the programs ip (iproute2) and unshare \
                 (util-linux)",
            ))
        })
    }

    fn built(gateways: usize) -> anyhow::Result<Self> {
        let namespace = |host| anyhow::Ok((host, Arc::new(Namespace::new()?)));
        let hosts: Vec<_> = hosts(gateways).into_iter().map(namespace).collect::<Result<_, _>>()?;
        let sinks = [Namespace::new()?, Namespace::new()?, Namespace::new()?];
        let switch = Namespace::new()?;
        let ends = hosts.iter().enumerate().map(|(place, (_, host))| (hardware(place), host.path()));
        let sink_ends = sinks.iter().enumerate().map(|(place, sink)| (sink_hardware(place), sink.path()));
        let mut lines = "link add bridge type bridge\nlink set bridge up\n".to_owned();
        for (number, (hardware, path)) in ends.chain(sink_ends).enumerate() {
            let port = format!("port{number}");
            lines += &format!("link add {port} type veth peer name eth0 address {hardware} netns {path}\n");
            lines += &format!("link set {port} master bridge up\n");
        }
        switch.ip(&lines)?.done()?;
        for (place, (_, host)) in hosts.iter().enumerate() {
            let address = address(place);
            let up = "link set lo up\nlink set eth0 up\n";
            host.ip(&format!("{up}address add {address}/16 dev eth0\n"))?.done()?;
        }
        for sink in &sinks {
            sink.ip("link set eth0 up\n")?.done()?;
            // One that forwards would tell senders that it can't.
            if sink.read(FORWARDING)?.trim() != "0" {
                sink.within(|| std::fs::write(FORWARDING, "0")).context(FORWARDING)?;
            }
        }
        Ok(Self { hosts, sinks, _switch: switch, cuts: Mutex::default() })
    }

    /// Where the processes listen.
    pub(in crate::drill::processes) fn ports(&self) -> Ports {
        let at = |who, port| SocketAddr::from((self.address(Host::Process(who)), port));
        let port = |who| Port { listen: at(who, LISTEN), admin: at(who, ADMIN) };
        let is_gateway = |host: &Host| matches!(host, Host::Process(Who::Gateway(_)));
        let gateways = self.hosts.iter().filter(|(host, _)| is_gateway(host)).count();
        let behind = SocketAddr::from((BEHIND, LISTEN));
        Ports {
            gateways: (0..gateways).map(|number| port(Who::Gateway(number))).collect(),
            controls: std::array::from_fn(|place| port(Who::Control(place))),
            queries: Chain::ALL.map(|chain| Port { listen: behind, ..port(Who::Query(chain)) }),
            computes: Chain::ALL.map(|chain| at(Who::Compute(chain), ADMIN)),
            metronome: at(Who::Metronome, ADMIN),
        }
    }

    /// Where others find the query node of a chain.
    pub(super) fn front(&self, chain: Chain) -> SocketAddr {
        SocketAddr::from((self.address(Host::Process(Who::Query(chain))), LISTEN))
    }

    /// All hosts of processes.
    pub(super) fn processes(&self) -> Vec<Host> {
        let hosts = self.hosts.iter().map(|(host, _)| *host);
        hosts.filter(|host| matches!(host, Host::Process(_))).collect()
    }

    /// All hosts.
    pub(super) fn all(&self) -> Vec<Host> {
        self.hosts.iter().map(|(host, _)| *host).collect()
    }

    pub(super) fn namespace(&self, host: Host) -> &Arc<Namespace> {
        &self.hosts[self.place(host)].1
    }

    pub(super) fn address(&self, host: Host) -> IpAddr {
        address(self.place(host)).into()
    }

    fn place(&self, host: Host) -> usize {
        let place = self.hosts.iter().position(|(is, _)| *is == host);
        place.expect("hosts are named by those who asked for them to be set up")
    }

    /// Cuts these ways, until the guard ends.
    ///
    /// # Errors
    ///
    /// When that can't be done; then none is cut.
    pub(super) fn cut(self: &Arc<Self>, ways: BTreeSet<Way>, sink: Sink) -> Result<Cut, StandError> {
        let sink = match sink {
            Sink::Of(chain) => chain as usize,
            Sink::Common => SINKS - 1,
        };
        let mut cuts = self.cuts.lock();
        let whole: Vec<Way> = ways.iter().filter(|way| !cuts.contains_key(*way)).copied().collect();
        let before = self.vanished(sink);
        let hardware = sink_hardware(sink);
        let begun = self.neighbours(&whole, |to| {
            format!("neighbour replace {to} lladdr {hardware} dev eth0 nud permanent\n")
        });
        if let Err(error) = begun {
            // Some of it may be in force.
            let _ = self.mend(&whole);
            return Err(StandError(format!("the network can't be cut: {error:#}")));
        }
        ways.iter().for_each(|way| *cuts.entry(*way).or_default() += 1);
        drop(cuts);
        Ok(Cut { network: Arc::clone(self), ways, sink, before, struck: None })
    }

    fn mend(&self, ways: &[Way]) -> anyhow::Result<()> {
        self.neighbours(ways, |to| format!("neighbour delete {to} dev eth0\n"))
    }

    /// Lets `ip` do what `line` says about each receiver, on the host of its sender: on all hosts at
    /// once.
    fn neighbours(&self, ways: &[Way], line: impl Fn(IpAddr) -> String) -> anyhow::Result<()> {
        let mut lines: BTreeMap<Host, String> = BTreeMap::new();
        for (from, to) in ways {
            *lines.entry(*from).or_default() += &line(self.address(*to));
        }
        aside(|| {
            let begin = |(host, lines): (&Host, &String)| (*host, self.namespace(*host).ip(lines));
            let begun: Vec<_> = lines.iter().map(begin).collect();
            // Each is waited for, also where another has failed.
            let done: Vec<_> = begun
                .into_iter()
                .map(|(host, ip)| ip.and_then(Ip::done).with_context(|| format!("{host:?}")))
                .collect();
            done.into_iter().collect()
        })
    }

    /// How many packets have come to a sink.
    fn vanished(&self, sink: usize) -> Option<u64> {
        of_counters(&self.sinks[sink].read(COUNTERS).ok()?, "Ip:", "InAddrErrors")
    }
}

/// Ways that are cut. They are mended with [`Injected::heal`], or when this is dropped.
pub(super) struct Cut {
    network: Arc<Network>,
    ways: BTreeSet<Way>,
    sink: usize,
    before: Option<u64>,
    /// Said when it has ended, so that what others do later does not count.
    struck: Option<Option<u64>>,
}

impl Injected for Cut {
    fn heal(&mut self) {
        if self.struck.is_some() {
            return;
        }
        self.struck = Some(self.struck());
        let mut cuts = self.network.cuts.lock();
        let mut whole = Vec::new();
        for way in &self.ways {
            let left = cuts.get(way).map_or(0, |faults| faults - 1);
            match left {
                0 => {
                    cuts.remove(way);
                    whole.push(*way);
                }
                _ => _ = cuts.insert(*way, left),
            }
        }
        if let Err(error) = self.network.mend(&whole) {
            remark(format_args!("the network between the hosts could not be mended: {error:#}"));
        }
    }

    /// How many packets have vanished.
    fn struck(&self) -> Option<u64> {
        self.struck.unwrap_or_else(|| Some(self.network.vanished(self.sink)?.saturating_sub(self.before?)))
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.heal();
    }
}

/// Does what takes a while, and lets the others of this runtime go on meanwhile: our doors are among
/// them.
fn aside<T>(act: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(act),
        _ => act(),
    }
}

/// Everybody who has a host.
fn hosts(gateways: usize) -> Vec<Host> {
    let processes = (0..CONTROLS)
        .map(Who::Control)
        .chain(Chain::ALL.map(Who::Compute))
        .chain(Chain::ALL.map(Who::Query))
        .chain([Who::Metronome])
        .chain((0..gateways).map(Who::Gateway))
        .map(Host::Process);
    let stores = Chain::ALL.into_iter().flat_map(|chain| [Host::Rows(chain), Host::Hot(chain)]);
    processes.chain([Host::Log]).chain(stores).chain([Host::Outside]).collect()
}

/// The address of the host at this place. There are fewer than 30.
fn address(place: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, octet(place))
}

fn hardware(place: usize) -> String {
    format!("02:4d:00:00:00:{:02x}", octet(place))
}

fn sink_hardware(sink: usize) -> String {
    format!("02:4d:00:00:01:{:02x}", octet(sink))
}

fn octet(place: usize) -> u8 {
    u8::try_from(place + 1).unwrap_or(u8::MAX)
}

/// A number of the kernel's counters: a line of names and one of numbers for each protocol.
fn of_counters(text: &str, protocol: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.split_whitespace().next() == Some(protocol));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut found = names.split_whitespace().zip(numbers.split_whitespace());
    found.find_map(|(is, number)| (is == name).then(|| number.parse().ok()).flatten())
}

#[cfg(test)]
mod tests;
