//! A server's public status, as the commands read it: `GET /v1/status`.

use serde::Deserialize;
use tandem_model::route::{Chain, Route};
use tandem_model::status::RepairState;
use tandem_model::{PartitionId, Token};

use crate::client::{Client, ClientError};

/// Where it is read.
pub const PATH: &str = "/v1/status";

/// Which chain serves, how far both are, and whether they agree.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The chain that serves.
    pub route: Route,
    /// What moves time: `live` or `replay`.
    pub clock: String,
    /// The log both chains follow.
    pub log: LogStatus,
    /// Both chains.
    pub chains: Vec<ChainStatus>,
    /// Whether they agree.
    pub parity: Parity,
}

/// The log.
#[derive(Clone, Debug, Deserialize)]
pub struct LogStatus {
    /// Its identity, in hexadecimal.
    pub id: String,
    /// How many partitions it has.
    pub partitions: u32,
}

/// One chain.
#[derive(Clone, Debug, Deserialize)]
pub struct ChainStatus {
    /// Which.
    pub chain: Chain,
    /// Whether it may be asked.
    pub ready: bool,
    /// Stores that it can't use right now; its answers come without them.
    #[serde(default)]
    pub degraded: Vec<String>,
    /// How far it is in each partition; empty where it does not answer.
    pub partitions: Vec<PartitionStatus>,
    /// Everything up to this moment of event time is in.
    pub as_of: Option<u64>,
    /// How far that is behind the wall clock, in milliseconds; not in a replay.
    pub freshness_ms: Option<u64>,
    /// The latest repair of each partition that ever had one.
    #[serde(default)]
    pub repairs: Vec<Repair>,
}

/// How the latest repair of a partition stands. Whoever has no operator's key sees no session and no
/// reasons.
#[derive(Clone, Debug, Deserialize)]
pub struct Repair {
    /// The partition.
    pub partition: u32,
    /// How it stands.
    pub state: RepairState,
    /// When it was ordered, in milliseconds.
    pub ordered_ms: u64,
    /// Only this session.
    #[serde(default)]
    pub session_id: Option<String>,
    /// Why it was ordered.
    #[serde(default)]
    pub reason: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub failure: Option<String>,
}

/// How far a chain is in one partition.
#[derive(Clone, Debug, Deserialize)]
pub struct PartitionStatus {
    /// Which.
    pub partition: u32,
    /// The first offset it has not read.
    pub next: u64,
    /// Records it has still to read.
    #[serde(default)]
    pub lag_records: u64,
}

/// Whether the chains agree.
#[derive(Clone, Debug, Deserialize)]
pub struct Parity {
    /// `equal`, `different`, or `indeterminate` where nothing could be compared yet.
    pub verdict: String,
    /// Up to which beat all partitions were compared, in milliseconds of event time.
    pub beat: Option<u64>,
    /// The partitions.
    #[serde(default)]
    pub partitions: Vec<PartitionParity>,
    /// What is wrong, after the third vote.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The scan of the stores; absent where nobody scans.
    #[serde(default)]
    pub scan: Option<Scan>,
}

/// Something that is wrong. Whoever has no operator's key sees no session and no figures.
#[derive(Clone, Debug, Deserialize)]
pub struct Finding {
    /// Whom the third vote names: `a`, `b` or `both`.
    pub wrong: String,
    /// How it showed: `computed` or `stored`.
    pub level: String,
    /// The store with the wrong copy.
    pub store: Option<String>,
    /// The partition.
    pub partition: u32,
    /// The table.
    pub table: Option<String>,
    /// The session.
    #[serde(default)]
    pub session_id: Option<String>,
    /// The breakdown.
    #[serde(default)]
    pub breakdown: Option<String>,
    /// The key within the breakdown.
    #[serde(default)]
    pub key: Option<String>,
    /// The start of the bucket, in milliseconds.
    #[serde(default)]
    pub bucket: Option<u64>,
    /// The column.
    #[serde(default)]
    pub column: Option<String>,
    /// What chain a has there.
    #[serde(default)]
    pub a: Option<String>,
    /// What chain b has there.
    #[serde(default)]
    pub b: Option<String>,
    /// What the log gives there.
    #[serde(default)]
    pub log: Option<String>,
    /// Since when it is known, in milliseconds.
    pub since_ms: u64,
}

/// How the scan of the stores gets on.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Scan {
    /// Sessions compared since the start.
    pub sessions_compared: u64,
    /// When the last round through all sessions ended, in milliseconds.
    pub last_round_at_ms: Option<u64>,
}

/// Whether the chains agree in one partition.
#[derive(Clone, Debug, Deserialize)]
pub struct PartitionParity {
    /// Which.
    pub partition: u32,
    /// The verdict on it.
    pub verdict: String,
    /// The tables that differ.
    #[serde(default)]
    pub tables: Vec<String>,
}

impl Status {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// When the server does not answer as it should.
    pub async fn read(client: &Client) -> Result<Self, ClientError> {
        client.get_json(PATH, &[]).await
    }

    /// How many offsets of what `token` stands for the chains have still to read, together: 0 once both have
    /// read all of it. A chain that does not answer has read nothing.
    pub fn left(&self, token: &Token) -> u64 {
        let of = |chain: Chain| {
            let found = self.chains.iter().find(|found| found.chain == chain);
            let left = |(id, next): (&PartitionId, &u64)| {
                next.saturating_sub(found.map_or(0, |found| found.next(*id)))
            };
            token.next.iter().map(left).sum::<u64>()
        };
        Chain::ALL.into_iter().map(of).sum()
    }
}

impl ChainStatus {
    /// The first offset of a partition that it has not read.
    fn next(&self, id: PartitionId) -> u64 {
        let found = self.partitions.iter().find(|partition| partition.partition == id.0);
        found.map_or(0, |partition| partition.next)
    }

    /// Records it has still to read, over all partitions.
    pub fn lag_records(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.lag_records).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_model::LogId;

    fn status(nexts: [u64; 2]) -> Status {
        let chain = |chain: &str, next: u64| {
            serde_json::json!({"chain": chain, "ready": true, "as_of": null, "freshness_ms": null,
                "partitions": [{"partition": 0, "next": 9, "clock": 0}, {"partition": 1, "next": next, "clock": 0}]})
        };
        serde_json::from_value(serde_json::json!({
            "route": {"active": "a", "epoch": 1, "reason": "first start"},
            "clock": "live",
            "log": {"id": "00", "partitions": 2},
            "chains": [chain("a", nexts[0]), chain("b", nexts[1])],
            "parity": {"verdict": "equal", "beat": 5},
            "gateway": {"whatever": 1},
        }))
        .unwrap()
    }

    #[test]
    fn both_chains_must_have_read_it() {
        let mut token = Token::new(LogId([0; 16]));
        token.advance(PartitionId(1), 7);
        assert_eq!(status([7, 8]).left(&token), 0);
        assert_eq!(status([5, 6]).left(&token), 3);
        token.advance(PartitionId(5), 1);
        assert_eq!(status([7, 8]).left(&token), 2, "no chain knows partition 5");
        let mut alone = status([7, 8]);
        alone.chains.pop();
        assert_eq!(alone.left(&token), 9, "the other does not answer");
    }
}
