//! Where a stand is: names on the servers that nobody else has, addresses of the processes, and what
//! each of them is told of both.
//!
//! All processes read the operator's own file. What must differ is said in variables of their
//! environment, which come before the file: so every setting that is not a place or a name (time
//! limits, credentials, the hedge) is drilled as it stands there, and no secret is copied.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, anyhow};
use tandem_model::route::Chain;
use tempfile::TempDir;

use super::ways::Doors;
use crate::config::{ComputeConfig, Role, RoleConfig, Values, environment};
use crate::failure::Failure;
use crate::key::Key;

/// Enough for sessions to spread, few enough for two cores.
const PARTITIONS: u32 = 4;
/// How many control nodes there are.
pub(super) const CONTROLS: usize = 3;

/// Variables of an environment.
pub(super) type Variables = BTreeMap<String, String>;

/// Names and places of one stand.
pub(super) struct Site {
    /// What all names of ours on the servers begin with.
    pub(super) name: String,
    /// The operator's key of this stand.
    pub(super) key: Key,
    /// What compute processes of chains a and b read: it names every server, directly.
    pub(super) chains: [ComputeConfig; 2],
    pub(super) ports: Ports,
    /// What every process is told.
    common: Variables,
    /// Decisions, snapshots, what processes say; goes with the stand.
    folder: TempDir,
}

/// Where the processes listen: fixed, so that one that was killed comes back where the others look
/// for it.
pub(super) struct Ports {
    pub(super) gateways: Vec<Port>,
    pub(super) controls: [Port; CONTROLS],
    pub(super) queries: [Port; 2],
    pub(super) computes: [SocketAddr; 2],
    pub(super) metronome: SocketAddr,
}

/// The ports of one process.
#[derive(Clone, Copy)]
pub(super) struct Port {
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Site {
    /// A stand whose processes listen at `ports`, on the servers that `file` names. Nothing is
    /// created there yet.
    pub(super) fn new(file: &Path, ports: Ports) -> Result<Self, Failure> {
        let random = |error| Failure::failed(anyhow!("the machine gives no random numbers: {error}"));
        let name = format!("drill_{:08x}", getrandom::u32().map_err(random)?);
        let (key, pseudonyms) = (Key::random().map_err(random)?, getrandom::u64().map_err(random)?);
        let folder = tempfile::Builder::new().prefix("tandem-drill-").tempdir();
        let folder = folder.context("no temporary folder for the processes")?;
        let mut common = own(&name, folder.path(), &ports);
        common.insert(variable("operator", "key"), key.as_str().to_owned());
        common.insert(variable("pseudonyms", "key"), format!("{pseudonyms:016x}{pseudonyms:016x}"));
        let mut variables: Variables = environment().into_iter().collect();
        variables.extend(common.clone());
        let values = Values::load(file, variables).map_err(Failure::configuration)?;
        let read = |chain| match values.of(Role::Compute, Some(chain)).map_err(Failure::configuration)? {
            RoleConfig::Compute(config) => Ok(*config),
            _ => Err(Failure::failed(anyhow!("the configuration of compute is not that of compute"))),
        };
        let chains = [read(Chain::A)?, read(Chain::B)?];
        Ok(Self { name, key, chains, ports, common, folder })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a compute process is told.
    pub(super) fn compute(&self, chain: Chain, doors: &Doors) -> Variables {
        let admin = self.ports.computes[chain as usize].to_string();
        let mut variables = self.of_chain(chain, doors.compute_rows, doors.compute_hot);
        variables.insert(variable(&format!("chains.{chain}.compute"), "admin"), admin);
        variables
    }

    /// What a query node is told.
    pub(super) fn query(&self, chain: Chain, doors: &Doors) -> Variables {
        let port = self.ports.queries[chain as usize];
        let mut variables = self.of_chain(chain, doors.query_rows, doors.query_hot);
        let section = format!("chains.{chain}.query");
        variables.extend(port.variables(&section));
        variables
    }

    /// The same for both kinds of process; a store without a door is reached directly.
    fn of_chain(&self, chain: Chain, rows: Option<SocketAddr>, hot: Option<SocketAddr>) -> Variables {
        let mut variables = self.common.clone();
        for (store, door) in [("rows", rows), ("hot", hot)] {
            let name = variable(&format!("chains.{chain}.{store}"), "addresses");
            variables.extend(door.map(|door| (name, door.to_string())));
        }
        variables
    }

    /// What a gateway is told: where it finds everybody.
    pub(super) fn gateway(
        &self,
        number: usize,
        controls: &[SocketAddr],
        queries: [SocketAddr; 2],
    ) -> Variables {
        let mut variables = self.common.clone();
        let memory = self.folder().join(format!("route-{number}")).display().to_string();
        variables.extend(self.ports.gateways[number].variables("gateway"));
        variables.extend(to_queries("gateway", queries));
        variables.insert(variable("gateway", "route_memory"), memory);
        variables.insert(variable("control", "nodes"), listed(controls.iter().copied()));
        variables
    }

    /// What a control node is told, by its place; the nodes reach each other directly.
    pub(super) fn control(&self, place: usize, queries: [SocketAddr; 2]) -> Variables {
        let mut variables = self.common.clone();
        let data = self.folder().join(format!("control-{}", place + 1)).display().to_string();
        variables.extend(self.ports.controls[place].variables("control"));
        variables.extend(to_queries("control", queries));
        variables.insert(variable("control", "id"), (place + 1).to_string());
        variables.insert(variable("control", "data"), data);
        variables
    }

    /// What the metronome is told.
    pub(super) fn metronome(&self) -> Variables {
        let mut variables = self.common.clone();
        variables.insert(variable("metronome", "admin"), self.ports.metronome.to_string());
        variables
    }
}

/// What is ours and the same for every process.
fn own(name: &str, folder: &Path, ports: &Ports) -> Variables {
    let mut own: Vec<(String, String)> = vec![
        (variable("log", "events_topic"), format!("{name}.events")),
        (variable("log", "summaries_topic"), format!("{name}.summaries")),
        (variable("log", "receipts_topic"), format!("{name}.receipts")),
        (variable("log", "meta_topic"), format!("{name}.meta")),
        (variable("log", "prefix"), name.to_owned()),
        (variable("log", "partitions"), PARTITIONS.to_string()),
        (variable("gateway", "clock"), "live".to_owned()),
        (variable("control", "join"), "false".to_owned()),
        (variable("control", "nodes"), listed(ports.controls.iter().map(|port| port.listen))),
    ];
    for chain in Chain::ALL {
        let of = |section: &str, key| variable(&format!("chains.{chain}.{section}"), key);
        own.push((of("rows", "keyspace"), format!("{name}_{chain}")));
        own.push((of("hot", "key_prefix"), format!("{name}_{chain}")));
        own.push((of("snapshots", "url"), format!("file://{}", folder.join("snapshots").display())));
    }
    own.into_iter().collect()
}

impl Port {
    fn variables(self, section: &str) -> [(String, String); 2] {
        [
            (variable(section, "listen"), self.listen.to_string()),
            (variable(section, "admin"), self.admin.to_string()),
        ]
    }
}

impl Ports {
    /// Free ports of this machine, on loopback.
    pub(super) fn free(gateways: u8) -> Result<Self, Failure> {
        let port = || anyhow::Ok(Port { listen: free_port()?, admin: free_port()? });
        Ok(Self {
            gateways: (0..gateways).map(|_| port()).collect::<Result<_, _>>()?,
            controls: [port()?, port()?, port()?],
            queries: [port()?, port()?],
            computes: [free_port()?, free_port()?],
            metronome: free_port()?,
        })
    }
}

/// A free port outside the range from which systems hand out ports by themselves: nobody takes it
/// while a process of ours is away.
fn free_port() -> anyhow::Result<SocketAddr> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        // Far enough apart that two drills on one machine do not try the same one at once.
        let tried = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + ((u32::from(start) * 37 + u32::from(tried)) % u32::from(COUNT)) as u16;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(anyhow!("no port of this machine from {FIRST} to {} is free", FIRST + COUNT - 1))
}

fn to_queries(section: &str, [a, b]: [SocketAddr; 2]) -> [(String, String); 2] {
    [(variable(section, "chain_a"), url(a)), (variable(section, "chain_b"), url(b))]
}

fn listed(addresses: impl Iterator<Item = SocketAddr>) -> String {
    addresses.map(url).collect::<Vec<_>>().join(",")
}

/// The URL of what listens there.
pub(super) fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The variable of an option.
fn variable(section: &str, key: &str) -> String {
    format!("TANDEM__{}__{key}", section.replace('.', "__")).to_uppercase()
}

#[cfg(test)]
mod tests {
    use tandem_chaos::fault::Fault;

    use super::super::proxies::Proxies;
    use super::super::ways::Ways;
    use super::*;
    use crate::config::Values;

    /// What a process reads of `file` and these variables.
    fn read(file: &Path, variables: Variables, role: Role, chain: Option<Chain>) -> RoleConfig {
        let values = Values::load(file, variables).expect("sound");
        values.of(role, chain).expect("complete")
    }

    #[tokio::test]
    async fn processes_are_told_of_doors_and_keep_the_rest_of_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("operator.toml");
        let text = "[log]\nevents_topic = \"precious\"\nappend_timeout_ms = 1234\n\
                    [chains.a.rows]\nkeyspace = \"precious\"\nrequest_timeout_ms = 777\n\
                    [chains.b.hot]\nmode = \"sentinel\"\nkey_prefix = \"precious\"\n\
                    [gateway]\nhedge_delay_ms = 33\nclock = \"replay\"\n";
        std::fs::write(&file, text).expect("a file");
        let ports = || Ports::free(2).expect("free ports");
        let site = Site::new(&file, ports()).expect("a site");
        let ways: Box<dyn Ways> = Box::new(Proxies::start(&site, [true, false], None).await.expect("doors"));

        let doors = ways.stores(Chain::A);
        let RoleConfig::Compute(compute) =
            read(&file, site.compute(Chain::A, &doors), Role::Compute, Some(Chain::A))
        else {
            panic!("of compute")
        };
        assert_eq!(compute.rows.addresses, [doors.compute_rows.expect("a door").to_string()]);
        assert_eq!(compute.hot.addresses, [doors.compute_hot.expect("a door").to_string()]);
        assert_ne!(doors.compute_rows, doors.query_rows, "a stalled disk is not one that can't be read");
        assert_eq!((compute.rows.request_timeout_ms, compute.log.append_timeout_ms), (777, 1234));
        let ours = [&compute.log.events_topic, &compute.rows.keyspace, &compute.hot.key_prefix];
        assert!(ours.iter().all(|name| name.starts_with(&site.name)), "{ours:?}");

        let RoleConfig::Gateway(gateway) =
            read(&file, site.gateway(1, &ways.controls(1), ways.queries()), Role::Gateway, None)
        else {
            panic!("of a gateway")
        };
        let nodes: Vec<String> = gateway.control.nodes.iter().map(ToString::to_string).collect();
        let doors: Vec<String> = ways.controls(1).iter().map(|door| format!("{}/", url(*door))).collect();
        assert_eq!(nodes, doors);
        assert_eq!(gateway.listen, site.ports.gateways[1].listen);
        assert_eq!(gateway.gateway.hedge_delay.as_millis(), 33);

        // Nothing can stand before nodes that are found by others, nor be done to both chains alike.
        let doors = ways.stores(Chain::B);
        assert_eq!((doors.query_rows, doors.query_hot), (None, None));
        for fault in [Fault::RowsLost, Fault::HotLost, Fault::Blackhole, Fault::LogLost, Fault::LogCut] {
            assert!(ways.cannot(fault).is_some(), "{fault}");
        }
        assert_eq!(ways.cannot(Fault::BlackholeIn), None);
        assert_ne!(site.name, Site::new(&file, ports()).expect("another").name);
    }
}
