//! Every connection that can be disturbed goes through a door of ours: a proxy in front of the
//! one who is asked.
//!
//! ```text
//! gateways, control nodes ──► query node of each chain
//! each gateway            ──► each control node
//! compute, query node     ──► CQL and Redis of their chain, a door for each of the two
//! ```
//! Kafka names its brokers' own addresses to whoever asks, so a proxy in front of it would be used
//! for one question only. Neither has a store that names other nodes a door.

use std::net::SocketAddr;

use anyhow::{Context, anyhow};
use tandem_chaos::tools::{Proxy, ProxyFault, ProxyGuard};
use tandem_model::route::Chain;
use tandem_redis::Mode;
use tokio::net::lookup_host;

use super::site::Site;
use crate::config::ComputeConfig;

/// All doors.
pub(super) struct Proxies {
    queries: [Proxy; 2],
    /// Of each gateway, one for each control node.
    controls: Vec<Vec<Proxy>>,
    stores: [Stores; 2],
}

/// The doors of one chain's stores; none where there can't be one.
struct Stores {
    compute_rows: Option<Proxy>,
    query_rows: Option<Proxy>,
    compute_hot: Option<Proxy>,
    query_hot: Option<Proxy>,
}

/// Where the doors of one chain's stores are.
pub(super) struct Doors {
    pub(super) compute_rows: Option<SocketAddr>,
    pub(super) query_rows: Option<SocketAddr>,
    pub(super) compute_hot: Option<SocketAddr>,
    pub(super) query_hot: Option<SocketAddr>,
}

/// Which doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// In front of the query node of a chain.
    Query(Chain),
    /// From every gateway to every control node.
    Control,
    /// From compute and query node of a chain to its row store.
    Rows(Chain),
    /// From the compute of a chain alone.
    ComputeRows(Chain),
    /// From compute and query node of a chain to its hot store.
    Hot(Chain),
}

impl Proxies {
    /// Opens all doors. `rows_alone`: whether the CQL cluster of chains a and b has one node only.
    pub(super) async fn start(site: &Site, rows_alone: [bool; 2]) -> anyhow::Result<Self> {
        let [a, b] = &site.chains;
        let stores = [Stores::start(a, rows_alone[0]).await?, Stores::start(b, rows_alone[1]).await?];
        let [a, b] = site.ports.queries;
        let queries = [door(a.listen).await?, door(b.listen).await?];
        let mut controls = Vec::new();
        for _ in &site.ports.gateways {
            let mut of_one = Vec::new();
            for port in site.ports.controls {
                of_one.push(door(port.listen).await?);
            }
            controls.push(of_one);
        }
        Ok(Self { queries, controls, stores })
    }

    pub(super) fn doors(&self, chain: Chain) -> Doors {
        let stores = &self.stores[chain as usize];
        let at = |proxy: &Option<Proxy>| proxy.as_ref().map(Proxy::address);
        Doors {
            compute_rows: at(&stores.compute_rows),
            query_rows: at(&stores.query_rows),
            compute_hot: at(&stores.compute_hot),
            query_hot: at(&stores.query_hot),
        }
    }

    pub(super) fn queries(&self) -> [SocketAddr; 2] {
        self.queries.each_ref().map(Proxy::address)
    }

    pub(super) fn controls(&self, gateway: usize) -> Vec<SocketAddr> {
        self.controls[gateway].iter().map(Proxy::address).collect()
    }

    /// How often somebody asked something of the query node of a chain.
    pub(super) fn asked(&self, chain: Chain) -> u64 {
        self.queries[chain as usize].asked()
    }

    /// Whether there are these doors.
    pub(super) fn has(&self, door: Door) -> bool {
        !self.of(door).is_empty()
    }

    /// Puts a fault in force at these doors.
    pub(super) fn begin(&self, door: Door, fault: ProxyFault) -> Vec<ProxyGuard> {
        self.of(door).into_iter().map(|proxy| proxy.begin(fault)).collect()
    }

    fn of(&self, door: Door) -> Vec<&Proxy> {
        match door {
            Door::Query(chain) => vec![&self.queries[chain as usize]],
            Door::Control => self.controls.iter().flatten().collect(),
            Door::Rows(chain) => {
                let Stores { compute_rows, query_rows, .. } = &self.stores[chain as usize];
                [compute_rows, query_rows].into_iter().flatten().collect()
            }
            Door::ComputeRows(chain) => self.stores[chain as usize].compute_rows.iter().collect(),
            Door::Hot(chain) => {
                let Stores { compute_hot, query_hot, .. } = &self.stores[chain as usize];
                [compute_hot, query_hot].into_iter().flatten().collect()
            }
        }
    }
}

impl Stores {
    async fn start(config: &ComputeConfig, is_rows_alone: bool) -> anyhow::Result<Self> {
        let rows = if is_rows_alone { config.rows.addresses.first() } else { None };
        let hot = if config.hot.mode == Mode::Single { config.hot.addresses.first() } else { None };
        Ok(Self {
            compute_rows: maybe(rows).await?,
            query_rows: maybe(rows).await?,
            compute_hot: maybe(hot).await?,
            query_hot: maybe(hot).await?,
        })
    }
}

async fn maybe(server: Option<&String>) -> anyhow::Result<Option<Proxy>> {
    let Some(server) = server else { return Ok(None) };
    let mut found = lookup_host(server).await.with_context(|| format!("{server} is not known"))?;
    let address = found.next().ok_or_else(|| anyhow!("{server} is not known"))?;
    Ok(Some(door(address).await?))
}

async fn door(server: SocketAddr) -> anyhow::Result<Proxy> {
    Proxy::start(server).await.context("no port for a proxy is free")
}
