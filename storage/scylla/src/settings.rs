//! What an operator says about the CQL store of one chain.

use std::collections::BTreeMap;

use serde::Deserialize;
use tandem_storage::{Result, StoreError};

/// How to reach the CQL store of one chain (ScyllaDB, or Apache Cassandra 4.1 and later), and how
/// it is used.
///
/// Secrets are no part of it: whoever reads the file puts them in from the environment or from
/// files of their own.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `host:port` of some nodes, 1 to 32; the others are found. Default: `127.0.0.1:9042`.
    pub addresses: Vec<String>,
    /// The keyspace of this chain: 1 to 48 characters out of `a-z 0-9 _`, a letter first. Two
    /// chains on one cluster need two. Default: `tandem`.
    pub keyspace: String,
    /// The data center whose nodes are asked; empty: any. Needed where there are several.
    /// Default: empty.
    pub datacenter: String,
    /// The user to log in as; empty: without. Default: empty.
    pub user: String,
    /// Copies of everything in each data center, 1 to 9. Used by `tandem schema apply` when it
    /// creates the keyspace. With fewer than 3 the loss of a machine loses rows. Default: 3.
    pub replicas: u8,
    /// The same for single data centers, by their names; where one is named, only the named ones
    /// hold copies. Default: none.
    pub replicas_by_datacenter: BTreeMap<String, u8>,
    /// Appended to `CREATE KEYSPACE`, as CQL. ScyllaDB with tablets before 2025.4 needs
    /// `AND tablets = {'enabled': false}`, as the schema's lock is a lightweight transaction.
    /// Default: empty.
    pub keyspace_options: String,
    /// How many copies answer before a read or write counts: `one`, `local_one`, `quorum`,
    /// `local_quorum`, `all`. Anything below a quorum may show a reader older rows than it saw.
    /// Default: `local_quorum`.
    pub consistency: Consistency,
    /// How long making a connection may take, in milliseconds, 1 to 60,000. Default: 5000.
    pub connect_timeout_ms: u64,
    /// How long a request may take, its repetitions on other nodes included, in milliseconds, 1
    /// to 600,000. What takes longer may have been done or not. Default: 5000.
    pub request_timeout_ms: u64,
    /// How long a request may wait for its turn before it is refused as unavailable, in
    /// milliseconds, 1 to 60,000. Default: 5000.
    pub turn_timeout_ms: u64,
    /// Requests under way at once for writing, and as many for reading; 1 to 8,192. Together with
    /// `batch_bytes_max` it bounds what the server has to hold of ours at once: a small one dies of
    /// too much. Default: 32.
    pub requests_max: usize,
    /// A read that has no answer after this long is sent to a second node as well, in
    /// milliseconds, 0 to 60,000; 0: never. Writes are not. Default: 100.
    pub speculative_after_ms: u64,
    /// Connections to each shard (Cassandra: to each node), 1 to 16. Default: 1.
    pub connections: usize,
    /// Whether requests and answers are compressed with LZ4. Worth it where the network costs
    /// more than the processor. Default: false.
    pub compress: bool,
    /// Largest batch, in bytes, 1,024 to 8,388,608. A session's change that is larger is written
    /// in parts; readers wait meanwhile. Must stay below half of the server's commit log
    /// segment. Default: 131072 (128 KiB).
    pub batch_bytes_max: usize,
    /// Rows of one page of an answer, 10 to 100,000. Default: 5000.
    pub page_rows: u32,
    /// How long a reader waits for a session that is being written in parts, or changes while it
    /// is read, in milliseconds, 0 to 60,000. Default: 1000.
    pub settle_ms_max: u64,
    /// Sessions remembered as known, 1,000 to 10,000,000; about 200 bytes each. Those beyond are
    /// looked up when they change. Default: 100000.
    pub known_sessions_max: usize,
    /// How long 10 s rows are kept after they were written, in seconds, 0 to 630,720,000; 0: for
    /// ever. Default: 172800 (48 hours).
    pub ten_seconds_expiry_s: u32,
    /// The same for 1 min rows. Default: 7776000 (90 days).
    pub minute_expiry_s: u32,
    /// The same for 5 min rows, totals, sessions and their lists. Default: 34560000 (400 days).
    pub total_expiry_s: u32,
    /// The same for dead letters. Default: 2592000 (30 days).
    pub dead_letter_expiry_s: u32,
    /// The password of `user`. Not in the file.
    #[serde(skip)]
    pub password: Option<String>,
}

/// How many copies answer before a read or write counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are CQL's own")]
pub enum Consistency {
    One,
    LocalOne,
    Quorum,
    #[default]
    LocalQuorum,
    All,
}

/// 20 years: the longest time to live a CQL store takes.
const EXPIRY_S_MAX: u64 = 630_720_000;

impl Default for Settings {
    fn default() -> Self {
        Self {
            addresses: vec!["127.0.0.1:9042".to_owned()],
            keyspace: "tandem".to_owned(),
            datacenter: String::new(),
            user: String::new(),
            replicas: 3,
            replicas_by_datacenter: BTreeMap::new(),
            keyspace_options: String::new(),
            consistency: Consistency::LocalQuorum,
            connect_timeout_ms: 5_000,
            request_timeout_ms: 5_000,
            turn_timeout_ms: 5_000,
            requests_max: 32,
            speculative_after_ms: 100,
            connections: 1,
            compress: false,
            batch_bytes_max: 128 << 10,
            page_rows: 5_000,
            settle_ms_max: 1_000,
            known_sessions_max: 100_000,
            ten_seconds_expiry_s: 48 * 3_600,
            minute_expiry_s: 90 * 86_400,
            total_expiry_s: 400 * 86_400,
            dead_letter_expiry_s: 30 * 86_400,
            password: None,
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
        for address in &self.addresses {
            let is_good = address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
            if !is_good {
                return wrong(format!("addresses: {address:?} is not host:port"));
            }
        }
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let starts_well = self.keyspace.starts_with(|first: char| first.is_ascii_lowercase());
        if !starts_well || self.keyspace.len() > 48 || !self.keyspace.bytes().all(is_word) {
            return wrong(format!(
                "keyspace: {:?} is not 1 to 48 of a-z 0-9 _ with a letter first",
                self.keyspace
            ));
        }
        for (name, replicas) in &self.replicas_by_datacenter {
            if !(1..=9).contains(replicas) || name.is_empty() || name.contains('\'') {
                return wrong(format!("replicas_by_datacenter: {name:?} = {replicas} can't be, 1 to 9 can"));
            }
        }
        if self.password.is_some() && self.user.is_empty() {
            return wrong("user: there is a password, but no user".to_owned());
        }
        let ranges = [
            ("replicas", u64::from(self.replicas), 1, 9),
            ("connect_timeout_ms", self.connect_timeout_ms, 1, 60_000),
            ("request_timeout_ms", self.request_timeout_ms, 1, 600_000),
            ("turn_timeout_ms", self.turn_timeout_ms, 1, 60_000),
            ("requests_max", self.requests_max as u64, 1, 8_192),
            ("speculative_after_ms", self.speculative_after_ms, 0, 60_000),
            ("connections", self.connections as u64, 1, 16),
            ("batch_bytes_max", self.batch_bytes_max as u64, 1_024, 8 << 20),
            ("page_rows", u64::from(self.page_rows), 10, 100_000),
            ("settle_ms_max", self.settle_ms_max, 0, 60_000),
            ("known_sessions_max", self.known_sessions_max as u64, 1_000, 10_000_000),
            ("ten_seconds_expiry_s", u64::from(self.ten_seconds_expiry_s), 0, EXPIRY_S_MAX),
            ("minute_expiry_s", u64::from(self.minute_expiry_s), 0, EXPIRY_S_MAX),
            ("total_expiry_s", u64::from(self.total_expiry_s), 0, EXPIRY_S_MAX),
            ("dead_letter_expiry_s", u64::from(self.dead_letter_expiry_s), 0, EXPIRY_S_MAX),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return wrong(format!("{name}: {value} is not between {low} and {high}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed_and_what_is_not_is_named() {
        Settings::default().check().expect("defaults");
        let refusal = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            match settings.check() {
                Err(StoreError::Refused(text)) => text,
                other => panic!("{other:?}"),
            }
        };
        assert!(refusal(|settings| settings.addresses.clear()).starts_with("addresses"));
        assert!(refusal(|settings| settings.addresses = vec!["host".to_owned()]).contains("host:port"));
        for bad in ["", "1a", "A", "a-b", "a\"b"] {
            let mut settings = Settings { keyspace: bad.to_owned(), ..Settings::default() };
            assert!(settings.check().is_err(), "{bad:?}");
            settings.keyspace = "a".repeat(49);
            assert!(settings.check().is_err());
        }
        assert!(refusal(|settings| settings.replicas = 0).starts_with("replicas: 0 is not between 1 and 9"));
        assert!(refusal(|settings| settings.password = Some(String::new())).starts_with("user"));
        assert!(refusal(|settings| settings.batch_bytes_max = 1).starts_with("batch_bytes_max"));
    }
}
