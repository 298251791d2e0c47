//! What is asked of a system that is verified.

use std::collections::BTreeSet;

use tandem_model::calendar::Calendar;
use tandem_model::rejected::Rejected;
use tandem_model::retention::Retention;
use tandem_model::route::Chain;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Cut, PartitionId, PseudonymKey, Record, Row, SessionId, SessionRow};

use crate::failure::Failure;

/// A system that is verified: a running one, or the data of one that is stopped.
pub(super) trait Subject {
    /// How many partitions its log has.
    fn partitions(&self) -> u32;

    /// The calendar of its rows.
    fn calendar(&self) -> &Calendar;

    /// The key of the pseudonyms, where it is known: rejected events can be compared with it.
    fn pseudonym_key(&self) -> Option<PseudonymKey>;

    /// Per partition the first offset that the chain's rows do not reflect.
    async fn progress(&self, chain: Chain) -> Result<Vec<u64>, Failure>;

    /// The newest digests of the chain, at most one per partition; none where they are not shown.
    async fn beats(&self, chain: Chain) -> Result<Vec<BeatDigest>, Failure>;

    /// The partitions' own rows, in order.
    async fn partition_rows(&self, chain: Chain) -> Result<Vec<PartitionClaim>, Failure>;

    /// Which buckets of trends the chain keeps.
    async fn retention(&self, chain: Chain) -> Result<Retention, Failure>;

    /// Sessions with all their rows, in the order of their ids.
    async fn sessions(&self, chain: Chain, after: Option<SessionId>) -> Result<SessionsPage, Failure>;

    /// Records from offset `from` on, in order; none at the end.
    async fn records(&self, partition: PartitionId, from: u64) -> Result<Vec<(u64, Record)>, Failure>;

    /// Rejected events of a partition after offset `after`, in order; none at the end.
    async fn rejected(
        &self,
        chain: Chain,
        partition: PartitionId,
        after: Option<u64>,
    ) -> Result<Vec<Rejected>, Failure>;

    /// What the system itself says about the equality of its chains.
    async fn parity(&self) -> Result<Option<String>, Failure>;
}

/// Some sessions.
pub(super) struct SessionsPage {
    pub(super) sessions: Vec<SessionClaim>,
    /// Where to go on, if more follow.
    pub(super) next_after: Option<SessionId>,
}

/// What a chain holds of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionClaim {
    pub(super) session_id: SessionId,
    pub(super) partition: PartitionId,
    /// It stands for every record of this prefix.
    pub(super) cut: Cut,
    pub(super) session: SessionRow,
    /// In the order of their keys.
    pub(super) rows: Vec<Row>,
}

/// What a chain holds of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartitionClaim {
    /// It stands for every record below this offset.
    pub(super) next: u64,
    pub(super) row: PartitionRow,
}

/// What a chain says beside its sessions' rows; everything in the order of the partitions.
pub(super) struct Claims {
    pub(super) progress: Vec<u64>,
    pub(super) retention: Retention,
    pub(super) beats: Vec<BeatDigest>,
    pub(super) partition_rows: Vec<PartitionClaim>,
    pub(super) listed: Vec<BTreeSet<SessionId>>,
}

/// Notes that a session was listed, under its partition if there is such a one.
pub(super) fn list(listed: &mut [BTreeSet<SessionId>], claim: &SessionClaim) {
    if let Some(listed) = listed.get_mut(claim.partition.0 as usize) {
        listed.insert(claim.session_id.clone());
    }
}
