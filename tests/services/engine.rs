//! What both ways of running servers (packages, Docker) can do with them.

use std::collections::BTreeMap;

use tandem_tests::services::{Addresses, ClusterAddresses, SentinelAddresses};

/// What each server is doing.
pub(crate) type Statuses = BTreeMap<String, String>;

/// Servers that run. Dropping it ends them all at once: their data go anyway.
pub(crate) trait Engine {
    fn addresses(&self) -> &Addresses;

    /// All of them at once, each at its old port with its old data, until they are ready. `all`
    /// is allowed.
    fn start(&mut self, names: &[&str]) -> anyhow::Result<()>;

    /// All of them at once, in good order. `all` is allowed.
    fn stop(&mut self, names: &[&str]) -> anyhow::Result<()>;

    /// At once. `all` is allowed.
    fn kill(&mut self, name: &str) -> anyhow::Result<()>;

    /// Frozen, its connections open.
    fn pause(&mut self, name: &str) -> anyhow::Result<()>;

    fn resume(&mut self, name: &str) -> anyhow::Result<()>;

    fn status(&mut self) -> anyhow::Result<Statuses>;

    /// A Redis with a replica and sentinels, started at the first call.
    fn sentinel(&mut self) -> anyhow::Result<SentinelAddresses>;

    /// A Redis Cluster, started at the first call.
    fn cluster(&mut self) -> anyhow::Result<ClusterAddresses>;
}
