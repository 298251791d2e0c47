//! Redis with a replica and sentinels, and Redis Cluster: what makes single servers into these.

use std::time::Duration;

use tandem_tests::services::{ClusterAddresses, SentinelAddresses};

use crate::probe::{Probe, redis};
use crate::process::Ending;

pub(crate) const SENTINELS: u16 = 3;
pub(crate) const CLUSTER_NODES: u16 = 3;
const SERVICE: &str = "tandem";
const SLOTS: u16 = 16_384;
const PATIENCE: Duration = Duration::from_secs(60);
const SENTINEL_CONFIGURATION: &str = include_str!("redis/sentinel.conf");

/// The sentinels' configuration; `@PORT@` and `@DATA@` remain to be filled in for each.
pub(crate) fn sentinel_configuration(primary: u16) -> String {
    SENTINEL_CONFIGURATION.replace("@SERVICE@", SERVICE).replace("@PRIMARY_PORT@", &primary.to_string())
}

/// Waits until the sentinels know each other and the replica: a failover would succeed.
pub(crate) fn await_sentinels(sentinels: &[u16], replica: u16, ending: &Ending) -> anyhow::Result<()> {
    Probe::Redis(replica, "INFO replication", "master_link_status:up").wait(PATIENCE, ending)?;
    for sentinel in sentinels {
        for (command, expected) in [
            ("SENTINEL CKQUORUM tandem", "OK 3 usable"),
            ("INFO sentinel", "status=ok"),
            ("INFO sentinel", "slaves=1"),
        ] {
            Probe::Redis(*sentinel, command, expected).wait(PATIENCE, ending)?;
        }
    }
    Ok(())
}

pub(crate) fn sentinel_addresses(sentinels: &[u16], primary: u16, replica: u16) -> SentinelAddresses {
    SentinelAddresses {
        sentinels: sentinels.iter().copied().map(loopback).collect(),
        service: SERVICE.to_owned(),
        primary: loopback(primary),
        replica: loopback(replica),
    }
}

/// Gives each node (its port, its bus port) its share of the slots, and makes them known to each
/// other.
pub(crate) fn join_cluster(nodes: &[(u16, u16)], ending: &Ending) -> anyhow::Result<()> {
    let count = u16::try_from(nodes.len())?;
    let slot = |index: u16| u32::from(SLOTS) * u32::from(index) / u32::from(count);
    for (index, (port, _)) in (0..count).zip(nodes) {
        redis(*port, &format!("CLUSTER ADDSLOTSRANGE {} {}", slot(index), slot(index + 1) - 1))?;
        redis(*port, &format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1))?;
        redis(nodes[0].0, &format!("CLUSTER MEET 127.0.0.1 {port} {}", nodes[usize::from(index)].1))?;
    }
    for (port, _) in nodes {
        Probe::Redis(*port, "CLUSTER INFO", "cluster_state:ok").wait(PATIENCE, ending)?;
        Probe::Redis(*port, "CLUSTER INFO", "cluster_known_nodes:3").wait(PATIENCE, ending)?;
    }
    Ok(())
}

pub(crate) fn cluster_addresses(nodes: &[(u16, u16)]) -> ClusterAddresses {
    ClusterAddresses { nodes: nodes.iter().map(|(port, _)| loopback(*port)).collect() }
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
