//! The configuration that all processes of a cluster read.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::free_port;
use crate::services::Addresses;

/// Partitions of the log: enough that two processes share a chain's work.
const PARTITIONS: u32 = 6;
/// Not the one that holds where nobody says any: whoever did not hear of it would count other hours.
pub const TIME_ZONE: &str = "Asia/Kolkata";

/// One file, for every role.
pub struct Configuration {
    /// Names topics, keyspaces and keys.
    pub name: String,
    pub(super) gateway_admin: u16,
    /// Listen and admin ports of the control nodes.
    pub(super) controls: [[u16; 2]; 3],
    pub(super) metronome_admin: u16,
    gateway: u16,
    file: PathBuf,
}

impl Configuration {
    pub(super) fn new(name: &str, servers: &Addresses, folder: &Path) -> Self {
        let [gateway, gateway_admin, metronome_admin, query_a, query_b] =
            std::array::from_fn(|_| free_port());
        let controls: [[u16; 2]; 3] = std::array::from_fn(|_| [free_port(), free_port()]);
        let nodes = controls.map(|[listen, _]| format!("\"http://127.0.0.1:{listen}\"")).join(", ");
        let folder_text = folder.to_str().expect("temporary folders have plain names");
        let chain = |chain: &str, query: u16, cql: &str, redis: &str, snapshot_ms: u32| {
            format!(
                r#"
[chains.{chain}.compute]
# Often, so that what comes back starts from one.
snapshot_interval_ms = {snapshot_ms}

[chains.{chain}.query]
listen = "127.0.0.1:{query}"

[chains.{chain}.rows]
addresses = ["{cql}"]
keyspace = "{name}_{chain}"
replicas = 1

[chains.{chain}.hot]
addresses = ["{redis}"]
key_prefix = "{name}"

[chains.{chain}.snapshots]
url = "file://{folder_text}/snapshots"
"#
            )
        };
        let text = format!(
            r#"
[log]
brokers = ["{kafka}"]
events_topic = "{name}.dwd.live"
summaries_topic = "{name}.dws.live"
receipts_topic = "{name}.receipts"
meta_topic = "{name}.meta"
prefix = "{name}"
partitions = {PARTITIONS}
time_zone = "{TIME_ZONE}"
replicas = 1
in_sync_replicas = 1

[control]
nodes = [{nodes}]
chain_a = ["http://127.0.0.1:{query_a}"]
chain_b = ["http://127.0.0.1:{query_b}"]
# Each node's own come from its variables.
data = "{folder_text}/control"

[gateway]
listen = "127.0.0.1:{gateway}"
admin = "127.0.0.1:{gateway_admin}"
chain_a = ["http://127.0.0.1:{query_a}"]
chain_b = ["http://127.0.0.1:{query_b}"]
route_memory = "{folder_text}/route"

[metronome]
admin = "127.0.0.1:{metronome_admin}"
{a}{b}"#,
            kafka = servers.kafka,
            a = chain("a", query_a, &servers.cql.a, &servers.redis.a, 2_000),
            b = chain("b", query_b, &servers.cql.b, &servers.redis.b, 3_000),
        );
        let file = folder.join("tandem.toml");
        fs::create_dir_all(folder.join("snapshots")).expect("a folder of our own");
        fs::write(&file, text).expect("a file in our own folder");
        Self { name: name.to_owned(), gateway_admin, controls, metronome_admin, gateway, file }
    }

    /// Partitions of the log.
    pub const fn partitions(&self) -> u32 {
        PARTITIONS
    }

    /// Where it is.
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn gateway_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway)
    }
}
