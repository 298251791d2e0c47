//! Names from the DNS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};

use super::Names;

/// How long one question to one server may take, and how often it is put.
const TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;

/// Asks resolvers of the DNS.
pub(crate) struct Dns(TokioResolver);

impl Dns {
    /// Asks `servers`; those of this machine where there are none.
    ///
    /// # Errors
    ///
    /// When this machine has none.
    pub(crate) fn new(servers: &[SocketAddr]) -> anyhow::Result<Self> {
        let mut builder = match servers {
            [] => TokioResolver::builder_tokio().context("this machine names no resolvers of the DNS")?,
            servers => {
                let servers = servers.iter().map(|server| {
                    let at = |mut connection: ConnectionConfig| {
                        connection.port = server.port();
                        connection
                    };
                    let both = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
                    NameServerConfig::new(server.ip(), true, both)
                });
                let config = ResolverConfig::from_name_servers(servers.collect());
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts) = (TIMEOUT, ATTEMPTS);
        Ok(Self(builder.build().context("no resolver of the DNS can be made")?))
    }
}

#[async_trait]
impl Names for Dns {
    async fn names_of(&self, address: IpAddr) -> anyhow::Result<Vec<String>> {
        let found = answers(self.0.reverse_lookup(Name::from(address.to_canonical())).await)?;
        let names = found.iter().filter_map(|data| match data {
            RData::PTR(name) => Some(name.to_ascii()),
            _ => None,
        });
        Ok(names.collect())
    }

    async fn addresses_of(&self, name: &str) -> anyhow::Result<Vec<IpAddr>> {
        let (v4, v6) = tokio::join!(self.0.ipv4_lookup(name), self.0.ipv6_lookup(name));
        let found = [answers(v4)?, answers(v6)?].concat();
        let addresses = found.iter().filter_map(|data| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        });
        Ok(addresses.collect())
    }
}

/// What was answered; that there is nothing is an answer.
fn answers(found: Result<Lookup, NetError>) -> anyhow::Result<Vec<RData>> {
    match found {
        Ok(found) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
