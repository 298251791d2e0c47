//! What a chain says of itself: from a query node to gateway and control group.
//!
//! Both sides use these types, so neither can drift. What the public reads at `GET /v1/status` is
//! made of it by the gateway.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::SessionId;
use crate::digest::{Digests, TABLES};
use crate::position::PartitionId;
use crate::route::Chain;
use crate::row::BeatDigest;

/// Where a query node answers with a [`ChainStatus`].
pub const PATH: &str = "/internal/v1/status";

/// How many beats of each partition [`ChainStatus`] holds.
pub const BEATS_REPORTED: usize = 30;

/// One chain's own view of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainStatus {
    /// The chain.
    pub chain: Chain,
    /// Whether it may be asked: its row store answers, and every partition that holds anything
    /// has been begun, and none is being computed again.
    pub ready: bool,
    /// Stores that can't be used right now, as in an answer's `meta`; answers come without them.
    pub degraded: Vec<String>,
    /// The identity of its log, in hexadecimal.
    pub log: String,
    /// The time zone of its hours and days.
    #[serde(default = "default_zone")]
    pub time_zone: String,
    /// In the order of the partitions.
    pub partitions: Vec<PartitionStatus>,
    /// The latest [`BEATS_REPORTED`] of each partition, ascending.
    pub beats: Vec<Beat>,
    /// The latest repair of each partition that ever had one.
    #[serde(default)]
    pub repairs: Vec<RepairStatus>,
}

/// That of nodes from before there were others.
fn default_zone() -> String {
    crate::calendar::DEFAULT_ZONE.to_owned()
}

/// How the latest order to repair a partition stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairStatus {
    /// The partition.
    pub partition: u32,
    /// Only this session; all of the partition where absent.
    pub session_id: Option<SessionId>,
    /// Why it was ordered, for people.
    pub reason: String,
    /// When, by the wall clock, in milliseconds since the epoch.
    pub ordered_ms: u64,
    /// How it stands.
    pub state: RepairState,
    /// Why it failed, for people.
    pub failure: Option<String>,
}

/// How a repair stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepairState {
    /// It is waited for, or under way.
    Ordered,
    /// What it was about has been computed again.
    Done,
    /// It ended without that, and nobody tries again.
    Failed,
}

/// How far one partition has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionStatus {
    /// Which.
    pub partition: u32,
    /// The first offset that answers do not reflect yet.
    pub next: u64,
    /// The clock there, in milliseconds since the epoch; 0 before the first beat.
    pub clock: u64,
    /// An offset below which all of the log lies; the last ones may hold no records.
    pub log_end: u64,
    /// Records still to be read: at most so many, since offsets may have holes; 0 where there are
    /// none.
    pub lag_records: u64,
    /// The first offset that the hot store does not reflect yet; absent where it is away.
    pub hot_next: Option<u64>,
    /// Events for sessions that were over for more than 30 days.
    pub late_events: u64,
    /// Malformed lines that name no session.
    pub malformed_events: u64,
    /// Beats that did not rise.
    pub ignored_beats: u64,
}

/// The digests of one partition after one beat, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The partition.
    pub partition: u32,
    /// `ts` of the beat, in milliseconds since the epoch.
    pub ts: u64,
    /// Offset of the beat.
    pub offset: u64,
    /// Per table of [`TABLES`], 32 hexadecimal digits.
    pub digests: BTreeMap<String, String>,
}

impl From<&BeatDigest> for Beat {
    fn from(beat: &BeatDigest) -> Self {
        let digests = TABLES.iter().zip(beat.digests.0);
        Self {
            partition: beat.partition.0,
            ts: beat.ts,
            offset: beat.offset,
            digests: digests.map(|(table, digest)| ((*table).to_owned(), format!("{digest:032x}"))).collect(),
        }
    }
}

impl Beat {
    /// As rows have it; nothing when a table is missing or no hexadecimal number.
    pub fn to_digest(&self) -> Option<BeatDigest> {
        let mut digests = Digests::default();
        for (digest, table) in digests.0.iter_mut().zip(TABLES) {
            *digest = u128::from_str_radix(self.digests.get(table)?, 16).ok()?;
        }
        Some(BeatDigest { partition: PartitionId(self.partition), ts: self.ts, offset: self.offset, digests })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_survive_the_way() {
        let digests = Digests([u128::MAX, 0, 1, 2, 3, 4, 5, 6]);
        let beat = BeatDigest { partition: PartitionId(3), ts: 5_000, offset: 8, digests };
        let text = serde_json::to_string(&Beat::from(&beat)).unwrap();
        let back: Beat = serde_json::from_str(&text).unwrap();
        assert_eq!(back.to_digest(), Some(beat));
        let mut short = back.clone();
        short.digests.pop_first();
        assert_eq!(short.to_digest(), None);
    }
}
