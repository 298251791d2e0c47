//! Every connection that can be disturbed goes through a door of ours: a proxy in front of the
//! one who is asked.
//!
//! ```text
//! gateways, control nodes ──► query node of each chain
//! each gateway            ──► each control node
//! compute, query node     ──► CQL and Redis of their chain, a door for each of the two
//! ```
//! Kafka names its brokers' own addresses to whoever asks, so a proxy in front of it would be used
//! for one question only: it is lost when its only broker stands still. Neither has a store that
//! names other nodes a door.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use tandem_chaos::fault::{ERRORS_PERCENT, Fault, SLOW_MS_MIN};
use tandem_chaos::stand::{Injected, StandError};
use tandem_chaos::tools::{Proxy, ProxyFault};
use tandem_model::route::Chain;
use tandem_redis::Mode;
use tokio::net::lookup_host;

use super::site::Site;
use super::ways::{Doors, Held, Ways};
use crate::config::ComputeConfig;

/// All doors.
pub(super) struct Proxies {
    queries: [Proxy; 2],
    /// Of each gateway, one for each control node.
    controls: Vec<Vec<Proxy>>,
    stores: [Stores; 2],
    /// The only broker, where it may be stopped.
    broker: Option<Pid>,
}

/// The doors of one chain's stores; none where there can't be one.
struct Stores {
    compute_rows: Option<Proxy>,
    query_rows: Option<Proxy>,
    compute_hot: Option<Proxy>,
    query_hot: Option<Proxy>,
}

/// Which doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
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

/// How the doors of a chain's query node are disturbed, so that its answers are that slow. Ten times
/// what an answer takes on one machine is less than this.
pub(super) const SLOW: ProxyFault =
    ProxyFault::Latency { delay: Duration::from_millis(SLOW_MS_MIN / 2), jitter: Duration::ZERO };
/// The same, so that its answers are errors.
pub(super) const ERRORS: ProxyFault = ProxyFault::Cut { percent: ERRORS_PERCENT };

impl Proxies {
    /// Opens all doors. `rows_alone`: whether the CQL cluster of chains a and b has one node only;
    /// `broker`: the process of the only broker, where it may be stopped.
    pub(super) async fn start(
        site: &Site,
        rows_alone: [bool; 2],
        broker: Option<Pid>,
    ) -> anyhow::Result<Self> {
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
        Ok(Self { queries, controls, stores, broker })
    }

    /// Whether both chains have these doors.
    fn has(&self, door: fn(Chain) -> Door) -> bool {
        Chain::ALL.into_iter().all(|chain| !self.of(door(chain)).is_empty())
    }

    fn disturb(&self, doors: &[Door], fault: ProxyFault) -> Held {
        let proxies = doors.iter().flat_map(|door| self.of(*door));
        proxies.map(|proxy| Box::new(proxy.begin(fault)) as Box<dyn Injected>).collect()
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

impl Ways for Proxies {
    fn name(&self) -> &'static str {
        "signals and TCP proxies"
    }

    fn queries(&self) -> [SocketAddr; 2] {
        self.queries.each_ref().map(Proxy::address)
    }

    fn controls(&self, gateway: usize) -> Vec<SocketAddr> {
        self.controls[gateway].iter().map(Proxy::address).collect()
    }

    fn stores(&self, chain: Chain) -> Doors {
        let stores = &self.stores[chain as usize];
        let at = |proxy: &Option<Proxy>| proxy.as_ref().map(Proxy::address);
        Doors {
            compute_rows: at(&stores.compute_rows),
            query_rows: at(&stores.query_rows),
            compute_hot: at(&stores.compute_hot),
            query_hot: at(&stores.query_hot),
        }
    }

    fn asked(&self, chain: Chain) -> u64 {
        self.queries[chain as usize].asked()
    }

    fn cannot(&self, fault: Fault) -> Option<&'static str> {
        let rows = "a CQL cluster of several nodes names them itself, so no proxy can stand between";
        let hot =
            "Redis behind sentinels or as a cluster names its nodes itself, so no proxy can stand between";
        match fault {
            Fault::LogCut => {
                Some("Kafka tells everybody its own address, so one chain alone can't be cut off from it")
            }
            Fault::LogLost if self.broker.is_none() => {
                Some("the broker is not ours to stop: show it with --kafka-pid")
            }
            Fault::RowsLost | Fault::DiskStall | Fault::Blackhole if !self.has(Door::Rows) => Some(rows),
            Fault::HotLost | Fault::Blackhole if !self.has(Door::Hot) => Some(hot),
            _ => None,
        }
    }

    fn begin(&self, fault: Fault, chain: Option<Chain>) -> Result<Held, StandError> {
        Ok(match (fault, chain) {
            (Fault::GatewayCutOff, _) => self.disturb(&[Door::Control], ProxyFault::Blackhole),
            (Fault::LogLost, _) => {
                let broker =
                    self.broker.ok_or_else(|| StandError("there is no broker of ours".to_owned()))?;
                vec![Box::new(Stopped::begin(broker)?)]
            }
            (Fault::BlackholeIn, Some(chain)) => self.disturb(&[Door::Query(chain)], ProxyFault::BlackholeIn),
            (Fault::BlackholeOut, Some(chain)) => {
                self.disturb(&[Door::Query(chain)], ProxyFault::BlackholeOut)
            }
            (Fault::Blackhole, Some(chain)) => {
                let doors = [Door::Query(chain), Door::Rows(chain), Door::Hot(chain)];
                self.disturb(&doors, ProxyFault::Blackhole)
            }
            (Fault::Slow, Some(chain)) => self.disturb(&[Door::Query(chain)], SLOW),
            (Fault::Errors, Some(chain)) => self.disturb(&[Door::Query(chain)], ERRORS),
            (Fault::HotLost, Some(chain)) => self.disturb(&[Door::Hot(chain)], ProxyFault::Reset),
            (Fault::RowsLost, Some(chain)) => self.disturb(&[Door::Rows(chain)], ProxyFault::Reset),
            (Fault::DiskStall, Some(chain)) => self.disturb(&[Door::ComputeRows(chain)], ProxyFault::Hang),
            _ => return Err(StandError(format!("{fault} is not done with proxies"))),
        })
    }
}

/// A broker that stands still. Dropping it wakes the broker.
struct Stopped {
    broker: Pid,
    is_over: bool,
}

impl Stopped {
    fn begin(broker: Pid) -> Result<Self, StandError> {
        kill_process(broker, Signal::STOP)
            .map_err(|error| StandError(format!("the broker can't be stopped: {error}")))?;
        Ok(Self { broker, is_over: false })
    }
}

impl Injected for Stopped {
    fn heal(&mut self) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        if let Err(error) = kill_process(self.broker, Signal::CONT) {
            let id = self.broker;
            crate::terminal::remark(format_args!(
                "the broker (process {id}) could not be woken: {error}; kill -CONT it"
            ));
        }
    }

    fn struck(&self) -> Option<u64> {
        Some(1)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.heal();
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
