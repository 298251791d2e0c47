//! What an operator says about Kafka.

use std::time::Duration;

use serde::Deserialize;
use tandem_model::calendar::{Calendar, DEFAULT_ZONE};
use tandem_storage::{Result, StoreError};

/// How to reach Kafka, what the topics are called and how they should be, and how they are used.
///
/// Secrets are no part of it: whoever reads the file puts them in from the environment or from
/// files of their own.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `host:port` of some brokers, 1 to 32; the others are found. Default: `127.0.0.1:9092`.
    pub brokers: Vec<String>,
    /// How brokers are spoken to: `plaintext`, or `sasl_plaintext` (user and password, mechanism
    /// PLAIN, unencrypted: for a network that encrypts by itself). This build has no TLS.
    /// Default: `plaintext`.
    pub security: Security,
    /// The user to log in as, with `sasl_plaintext`. Default: empty.
    pub user: String,

    /// The topic of events. Default: `dwd.live`.
    pub events_topic: String,
    /// The topic of summary rows for partner teams. Default: `dws.live`.
    pub summaries_topic: String,
    /// The topic of receipts (idempotency keys). Default: `tandem.receipts`.
    pub receipts_topic: String,
    /// The topic that says which log this is. Default: `tandem.meta`.
    pub meta_topic: String,
    /// Begins the names of transactions and consumer groups. Two installations on one cluster need
    /// two, and topics of their own. Default: `tandem`.
    pub prefix: String,

    /// Partitions of the events and of the summaries, 1 to 1,024. Fixed for the life of the log: it
    /// decides which session lives where. Default: 12.
    pub partitions: u32,
    /// The time zone of the boards, by its name in the IANA database: where hours, days, weeks and months
    /// begin. Fixed for the life of the log, so that both chains count alike. Default: `Asia/Shanghai`.
    pub time_zone: String,
    /// Copies of every partition, 1 to 9. Default: 3.
    pub replicas: u16,
    /// How many copies must have a record before it counts, 1 to `replicas`. With 1, the loss of a
    /// broker loses acknowledged events. Default: 2.
    pub in_sync_replicas: u16,
    /// How long events are kept, in seconds, 3,600 or more; 0: for ever. `tandem verify`, time
    /// travel and a chain that starts from nothing reach back as far as that. Default: 2592000
    /// (30 days).
    pub events_retention_s: u64,
    /// How long receipts are kept, in seconds, 90,000 or more: an idempotency key holds for a day.
    /// Default: 93600 (26 hours).
    pub receipts_retention_s: u64,

    /// Appends are spread over that many transactional ids, which all gateways share, 1 to 64; also
    /// the partitions of the receipts. An id is used by one gateway at a time, so there should be
    /// at least twice as many as gateways. Fixed once receipts were written. Default: 8.
    pub slots: u32,
    /// How long an append may take, its waiting included, in milliseconds, 100 to 60,000. Default:
    /// 10000.
    pub append_timeout_ms: u64,
    /// After how long Kafka ends a transaction whose writer died, in milliseconds, 1,000 to 60,000.
    /// Until then (or until somebody takes the writer's slot over, which is the usual case) nothing
    /// that was appended after it can be read. Default: 10000.
    pub transaction_timeout_ms: u64,
    /// How many bytes of appends may wait in this process, 1,048,576 to 1,073,741,824. What comes
    /// beyond that waits for its place until `append_timeout_ms`. Default: 67108864 (64 MiB).
    pub append_waiting_bytes_max: usize,
    /// How events are compressed: `none`, `lz4`, `gzip` or `snappy`. Default: `lz4`.
    pub compression: Compression,

    /// How long a look at Kafka may take before it counts as unavailable, in milliseconds, 100 to
    /// 60,000. Default: 5000.
    pub request_timeout_ms: u64,
    /// How much is read ahead of what was asked for, per partition that is read, in bytes, 65,536
    /// to 268,435,456. Default: 8388608 (8 MiB).
    pub read_ahead_bytes: usize,
    /// How long the broker holds a request for events when there are none, in milliseconds, 1 to
    /// 10,000. Events that come are sent at once. Lower costs requests, higher delays the first
    /// read from another place. Default: 100.
    pub fetch_wait_ms: u64,
    /// How often the log's ends are asked for, in milliseconds, 10 to 60,000. Default: 1000.
    pub ends_interval_ms: u64,
    /// How many receipts are remembered, 1,000 to 100,000,000, at about 100 bytes each; the oldest
    /// are forgotten first, and a key that is sent again after that counts again. Default:
    /// 2000000.
    pub receipts_max: usize,

    /// After how long without a sign of life a member of a consumer group loses its partitions, in
    /// milliseconds, 6,000 to 1,800,000 unless the broker allows others
    /// (`group.min.session.timeout.ms`). Default: 6000.
    pub session_timeout_ms: u64,

    /// The password of `user`. Not in the file.
    #[serde(skip)]
    pub password: Option<String>,
}

/// How brokers are spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Unencrypted, without a user.
    #[default]
    Plaintext,
    /// Unencrypted, with user and password.
    SaslPlaintext,
    /// Encrypted: not in this build.
    Ssl,
    /// Encrypted, with user and password: not in this build.
    SaslSsl,
}

/// How events are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are Kafka's own")]
pub enum Compression {
    None,
    #[default]
    Lz4,
    Gzip,
    Snappy,
}

impl Compression {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Lz4 => "lz4",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            brokers: vec!["127.0.0.1:9092".to_owned()],
            security: Security::Plaintext,
            user: String::new(),
            events_topic: "dwd.live".to_owned(),
            summaries_topic: "dws.live".to_owned(),
            receipts_topic: "tandem.receipts".to_owned(),
            meta_topic: "tandem.meta".to_owned(),
            prefix: "tandem".to_owned(),
            partitions: 12,
            time_zone: DEFAULT_ZONE.to_owned(),
            replicas: 3,
            in_sync_replicas: 2,
            events_retention_s: 30 * 86_400,
            receipts_retention_s: 26 * 3_600,
            slots: 8,
            append_timeout_ms: 10_000,
            transaction_timeout_ms: 10_000,
            append_waiting_bytes_max: 64 << 20,
            compression: Compression::Lz4,
            request_timeout_ms: 5_000,
            read_ahead_bytes: 8 << 20,
            fetch_wait_ms: 100,
            ends_interval_ms: 1_000,
            receipts_max: 2_000_000,
            session_timeout_ms: 6_000,
            password: None,
        }
    }
}

impl Settings {
    /// Refuses what can't be, naming the setting and what may stand there.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: String| Err(StoreError::Refused(text));
        if !(1..=32).contains(&self.brokers.len()) {
            return wrong(format!("brokers: {} of them, 1 to 32 can be", self.brokers.len()));
        }
        for address in &self.brokers {
            let is_good = address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty()
                    && !host.contains([',', ' ', '/'])
                    && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
            if !is_good {
                return wrong(format!("brokers: {address:?} is not host:port"));
            }
        }
        self.check_security()?;
        Calendar::new(&self.time_zone).map_err(|error| StoreError::Refused(format!("time_zone: {error}")))?;
        let names = [
            ("events_topic", &self.events_topic),
            ("summaries_topic", &self.summaries_topic),
            ("receipts_topic", &self.receipts_topic),
            ("meta_topic", &self.meta_topic),
            ("prefix", &self.prefix),
        ];
        for (index, (setting, name)) in names.into_iter().enumerate() {
            let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if name.is_empty() || name.len() > 200 || name.starts_with('.') || !name.bytes().all(is_good) {
                return wrong(format!("{setting}: {name:?} is not 1 to 200 of A-Z a-z 0-9 . _ -"));
            }
            // The prefix is no topic.
            let is_topic = |index: usize| index < names.len() - 1;
            if is_topic(index) && names[..index].iter().any(|(_, other)| *other == name) {
                return wrong(format!("{setting}: {name:?} is used for another topic, too"));
            }
        }
        let ranges = [
            ("partitions", u64::from(self.partitions), 1, 1_024),
            ("replicas", u64::from(self.replicas), 1, 9),
            ("in_sync_replicas", u64::from(self.in_sync_replicas), 1, u64::from(self.replicas)),
            ("receipts_retention_s", self.receipts_retention_s, 90_000, u32::MAX.into()),
            ("slots", u64::from(self.slots), 1, 64),
            ("append_timeout_ms", self.append_timeout_ms, 100, 60_000),
            ("transaction_timeout_ms", self.transaction_timeout_ms, 1_000, 60_000),
            ("append_waiting_bytes_max", self.append_waiting_bytes_max as u64, 1 << 20, 1 << 30),
            ("request_timeout_ms", self.request_timeout_ms, 100, 60_000),
            ("read_ahead_bytes", self.read_ahead_bytes as u64, 64 << 10, 256 << 20),
            ("fetch_wait_ms", self.fetch_wait_ms, 1, 10_000),
            ("ends_interval_ms", self.ends_interval_ms, 10, 60_000),
            ("receipts_max", self.receipts_max as u64, 1_000, 100_000_000),
            ("session_timeout_ms", self.session_timeout_ms, 1_000, 1_800_000),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return wrong(format!("{name}: {value} is not between {low} and {high}"));
            }
        }
        if self.events_retention_s != 0 && !(3_600..=u64::from(u32::MAX)).contains(&self.events_retention_s) {
            let given = self.events_retention_s;
            return wrong(format!(
                "events_retention_s: {given} is neither 0 nor between 3600 and 4294967295"
            ));
        }
        Ok(())
    }

    fn check_security(&self) -> Result<()> {
        let wrong = |text: &str| Err(StoreError::Refused(text.to_owned()));
        let has_user = !self.user.is_empty();
        match self.security {
            Security::Ssl | Security::SaslSsl => wrong(
                "security: this build has no TLS: use plaintext or sasl_plaintext, over a network that \
                 encrypts by itself or through a proxy that does",
            ),
            Security::SaslPlaintext if !has_user || self.password.is_none() => {
                wrong("security: sasl_plaintext needs a user and a password")
            }
            Security::Plaintext if has_user || self.password.is_some() => {
                wrong("security: plaintext has no user and no password; sasl_plaintext has")
            }
            Security::Plaintext | Security::SaslPlaintext => Ok(()),
        }
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn append_timeout(&self) -> Duration {
        Duration::from_millis(self.append_timeout_ms)
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
        assert!(refusal(|settings| settings.brokers.clear()).starts_with("brokers"));
        for bad in ["host", ":9092", "host:0", "a:1,b", "kafka://a:1", "host:"] {
            let settings = Settings { brokers: vec![bad.to_owned()], ..Settings::default() };
            assert!(settings.check().is_err(), "{bad}");
        }
        assert!(refusal(|settings| settings.security = Security::SaslSsl).contains("no TLS"));
        assert!(refusal(|settings| settings.security = Security::SaslPlaintext).contains("needs a user"));
        assert!(refusal(|settings| settings.user = "somebody".to_owned()).contains("sasl_plaintext"));
        assert!(refusal(|settings| settings.events_topic = "a b".to_owned()).starts_with("events_topic"));
        assert!(
            refusal(|settings| settings.meta_topic = "dwd.live".to_owned())
                .contains("used for another topic")
        );
        assert!(
            refusal(|settings| settings.in_sync_replicas = 4)
                .starts_with("in_sync_replicas: 4 is not between 1 and 3")
        );
        assert!(refusal(|settings| settings.events_retention_s = 60).starts_with("events_retention_s"));
        assert!(
            refusal(|settings| settings.receipts_retention_s = 3_600).starts_with("receipts_retention_s")
        );
        let with_user = Settings {
            security: Security::SaslPlaintext,
            user: "somebody".to_owned(),
            password: Some("secret".to_owned()),
            ..Settings::default()
        };
        with_user.check().expect("allowed");
        Settings { events_retention_s: 0, prefix: "dwd.live".to_owned(), ..Settings::default() }
            .check()
            .expect("for ever, and a prefix that is called like a topic");
    }
}
