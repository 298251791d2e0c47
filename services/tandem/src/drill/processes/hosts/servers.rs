//! How the operator's servers come to the hosts.
//!
//! They run where they are, on loopback of this machine, and name themselves so to whoever asks
//! (Kafka above all). So on each host that needs one there is, at that very address of its own
//! loopback, a door of ours; behind it the way goes over the network to the host of the server, where
//! a second door goes on to the server itself:
//!
//! ```text
//! compute-a [127.0.0.1:9092]──eth0══ bridge ══eth0──[10.77.0.11:7000] log ──► machine's 127.0.0.1:9092
//! ```
//! Nobody is told anything, and what is cut between the two hosts is cut from the server.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tandem_chaos::tools::Proxy;
use tandem_model::route::Chain;
use tandem_redis::Mode;
use tokio::net::{TcpStream, lookup_host};

use super::super::fleet::of_chain;
use super::super::site::Site;
use super::namespace::socket_for;
use super::network::{Host, Network};
use crate::failure::Failure;
use crate::servers;

/// The first port of a server's host; it has one for each address of the server.
const FIRST: u16 = 7_000;
/// Addresses of one server.
const ADDRESSES_MAX: usize = 64;
/// How long a server may take to take a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A server that hosts need.
struct Server<'a> {
    host: Host,
    /// For sentences.
    what: String,
    addresses: &'a [String],
    users: Vec<Host>,
}

/// Brings every server to those who need it, until the proxies are dropped. `rows_alone`: whether the
/// CQL cluster of chains a and b has one node only.
///
/// # Errors
///
/// Exit code 64 when one is not on loopback of this machine, or names nodes that are not known here.
pub(super) async fn bring(
    network: &Network,
    site: &Site,
    rows_alone: [bool; 2],
) -> Result<Vec<Proxy>, Failure> {
    let mut brokers = site.chains[0].log.brokers.clone();
    // They are asked where they say they are, whoever told us of them.
    brokers.extend(servers::brokers(&site.chains[0].log).await?);
    let mut all = vec![Server {
        host: Host::Log,
        what: "[log] brokers".to_owned(),
        addresses: &brokers,
        users: network.processes(),
    }];
    for (config, is_alone) in site.chains.iter().zip(rows_alone) {
        let (chain, users) = (config.chain, || of_chain(config.chain).map(Host::Process).to_vec());
        if !is_alone {
            return Err(several(chain, "rows", "a cluster of several nodes"));
        }
        if config.hot.mode != Mode::Single {
            return Err(several(chain, "hot", "a cluster, or behind sentinels"));
        }
        let what = |section| format!("[chains.{chain}.{section}] addresses");
        let (rows, hot) = (&config.rows.addresses, &config.hot.addresses);
        all.push(Server { host: Host::Rows(chain), what: what("rows"), addresses: rows, users: users() });
        all.push(Server { host: Host::Hot(chain), what: what("hot"), addresses: hot, users: users() });
    }
    let mut proxies = Vec::new();
    for server in &all {
        proxies.extend(server.bring(network).await?);
    }
    Ok(proxies)
}

fn several(chain: Chain, section: &str, what: &str) -> Failure {
    Failure::configuration(anyhow!(
        "[chains.{chain}.{section}] is {what}, and names its nodes itself: drills on network namespaces need \
         a single server"
    ))
}

impl Server<'_> {
    async fn bring(&self, network: &Network) -> Result<Vec<Proxy>, Failure> {
        let home = network.namespace(self.host);
        let mut proxies = Vec::new();
        for (number, address) in (FIRST..).zip(self.found().await?) {
            let there = SocketAddr::from((network.address(self.host), number));
            let listener = home.listen(there).with_context(|| self.doing(there))?;
            let reached_from_here = Arc::new(move || socket_for(address));
            proxies.push(
                Proxy::between(listener, address, reached_from_here).with_context(|| self.doing(there))?,
            );
            for user in &self.users {
                let user = network.namespace(*user);
                let listener = user.listen(address).with_context(|| self.doing(address))?;
                let proxy = Proxy::between(listener, there, user.sockets(there));
                proxies.push(proxy.with_context(|| self.doing(address))?);
            }
        }
        Ok(proxies)
    }

    fn doing(&self, address: SocketAddr) -> String {
        format!("{}: no door at {address} of a host", self.what)
    }

    /// Where it takes connections, on loopback of this machine.
    async fn found(&self) -> Result<BTreeSet<SocketAddr>, Failure> {
        let mut found = BTreeSet::new();
        for name in self.addresses.iter().take(ADDRESSES_MAX) {
            let addresses = lookup_host(name).await.with_context(|| format!("{}: {name}", self.what))?;
            for address in addresses {
                if !address.ip().is_loopback() {
                    return Err(self.elsewhere(name, address));
                }
                // A name may stand for more addresses than the server has.
                let connecting = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address));
                if matches!(connecting.await, Ok(Ok(_))) {
                    found.insert(address);
                }
            }
        }
        match found.is_empty() {
            true => Err(Failure::failed(anyhow!("{} can't be reached", self.what))),
            false => Ok(found),
        }
    }

    fn elsewhere(&self, name: &str, address: SocketAddr) -> Failure {
        Failure::configuration(anyhow!(
            "{} has {name} ({}), which is not on loopback: drills on network namespaces bring the servers to \
             each host themselves, and need them on loopback of this machine",
            self.what,
            address.ip()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn servers_are_on_loopback_of_this_machine_or_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let found = async |names: &[&str]| {
            let addresses: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let what = "[log] brokers".to_owned();
            Server { host: Host::Log, what, addresses: &addresses, users: Vec::new() }.found().await
        };
        // A name may stand for more than one address: those count where somebody is.
        let names = [address.to_string(), format!("localhost:{}", address.port())];
        let names = names.each_ref().map(String::as_str);
        assert_eq!(found(&names).await.expect("it is here"), [address].into());
        // Nobody is asked there.
        let refused = found(&["192.0.2.1:9092"]).await.expect_err("elsewhere");
        assert_eq!(refused.code(), 64);
        assert!(refused.to_string().contains("[log] brokers has 192.0.2.1:9092"), "{refused}");
        assert_eq!(found(&["127.0.0.1:1"]).await.expect_err("nobody").code(), 1);
    }
}
