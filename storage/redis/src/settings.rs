//! What an operator says about the Redis of one chain.

use std::fmt;

use serde::Deserialize;
use tandem_storage::{Result, StoreError};

/// How to reach the Redis of one chain, and how it is used.
///
/// Secrets are no part of it: whoever reads the file puts them in from the environment or from
/// files of their own.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What stands behind the addresses: `single` (one server, or anything that looks like one),
    /// `sentinel` (addresses are those of the sentinels), `cluster` (addresses are those of some
    /// of its nodes, the others are found). Default: `single`.
    pub mode: Mode,
    /// `host:port` of the server, the sentinels or the cluster's nodes; 1 to 32. With `single`
    /// exactly one. Default: `127.0.0.1:6379`.
    pub addresses: Vec<String>,
    /// With `sentinel`: the name under which the sentinels know the master. Default: `mymaster`.
    pub service_name: String,
    /// The user to log in as; empty: Redis' own default user. Default: empty.
    pub user: String,
    /// The number of the database, from 0; a cluster has only 0. Default: 0.
    pub database: u16,
    /// What every key begins with, inside the hash tag; 1 to 64 characters out of
    /// `A-Z a-z 0-9 . _ -`. Two installations on one server need two. Default: `tandem`.
    pub key_prefix: String,
    /// How long making a connection may take, in milliseconds, 1 to 60,000. Default: 1000.
    pub connect_timeout_ms: u64,
    /// How long a call may take, waiting for its turn included, in milliseconds, 1 to 60,000.
    /// Default: 2000.
    pub call_timeout_ms: u64,
    /// How long a session stays after its last change, in seconds, 60 to 2,592,000 (30 days).
    /// Default: 172800 (48 hours).
    pub session_expiry_s: u64,
    /// Connections to each server, shared by all calls, 1 to 64. A large answer holds up what
    /// comes behind it on its connection only. Default: 4.
    pub connections: usize,
    /// Calls under way at once, the others wait for their turn; 1 to 65,536. Default: 1024.
    pub calls_max: usize,
    /// The password of `user`. Not in the file.
    #[serde(skip)]
    pub password: Option<String>,
    /// With `sentinel`: the password of the sentinels themselves. Not in the file.
    #[serde(skip)]
    pub sentinel_password: Option<String>,
}

/// What stands behind the addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One server.
    #[default]
    Single,
    /// A master and its replicas, watched by sentinels.
    Sentinel,
    /// A cluster.
    Cluster,
}

impl fmt::Debug for Settings {
    /// Without the passwords.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("mode", &self.mode)
            .field("addresses", &self.addresses)
            .field("service_name", &self.service_name)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("key_prefix", &self.key_prefix)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("call_timeout_ms", &self.call_timeout_ms)
            .field("session_expiry_s", &self.session_expiry_s)
            .field("connections", &self.connections)
            .field("calls_max", &self.calls_max)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Single,
            addresses: vec!["127.0.0.1:6379".to_owned()],
            service_name: "mymaster".to_owned(),
            user: String::new(),
            database: 0,
            key_prefix: "tandem".to_owned(),
            connect_timeout_ms: 1_000,
            call_timeout_ms: 2_000,
            session_expiry_s: 48 * 3_600,
            connections: 4,
            calls_max: 1_024,
            password: None,
            sentinel_password: None,
        }
    }
}

impl Settings {
    /// Refuses what can't be, naming the setting and what may stand there.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: String| Err(StoreError::Refused(text));
        if !(1..=32).contains(&self.addresses.len()) {
            return wrong(format!("addresses: {} of them, 1 to 32 can be", self.addresses.len()));
        }
        if self.mode == Mode::Single && self.addresses.len() > 1 {
            return wrong(
                "addresses: mode `single` knows one; several servers need mode `sentinel` or `cluster`"
                    .to_owned(),
            );
        }
        for address in &self.addresses {
            host_and_port(address)?;
        }
        if self.mode == Mode::Sentinel && self.service_name.is_empty() {
            return wrong("service_name: mode `sentinel` needs the master's name".to_owned());
        }
        if self.mode == Mode::Cluster && self.database != 0 {
            return wrong("database: a cluster has only 0".to_owned());
        }
        let is_prefix_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !(1..=64).contains(&self.key_prefix.len()) || !self.key_prefix.bytes().all(is_prefix_char) {
            return wrong(format!("key_prefix: {:?} is not 1 to 64 of A-Z a-z 0-9 . _ -", self.key_prefix));
        }
        let ranges = [
            ("connect_timeout_ms", self.connect_timeout_ms, 1, 60_000),
            ("call_timeout_ms", self.call_timeout_ms, 1, 60_000),
            ("session_expiry_s", self.session_expiry_s, 60, 30 * 86_400),
            ("connections", self.connections as u64, 1, 64),
            ("calls_max", self.calls_max as u64, 1, 65_536),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return wrong(format!("{name}: {value} is not between {low} and {high}"));
            }
        }
        Ok(())
    }
}

/// The parts of `host:port`; IPv6 as `[::1]:6379`.
pub(crate) fn host_and_port(address: &str) -> Result<(String, u16)> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| {
        let host = host.strip_prefix('[').map_or(Some(host), |inner| inner.strip_suffix(']'))?;
        Some((host.to_owned(), port.parse().ok()?)).filter(|(host, port)| !host.is_empty() && *port != 0)
    });
    parts.ok_or_else(|| StoreError::Refused(format!("addresses: {address:?} is not host:port")))
}
