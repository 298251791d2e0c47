//! The row store: one chain's figures, durable and complete.

use std::ops::Range;

use async_trait::async_trait;
use tandem_model::retention::Retention;
use tandem_model::row::{BeatDigest, PartitionRow, SessionState};
use tandem_model::{Breakdown, Changes, Cut, PartitionId, Row, RowKey, SessionId, SessionRow, Table};

use crate::{Repair, RepairOrder, RepairState, Replacement, Result, StoreError};

/// How many beats' digests are kept per partition, at least.
pub const BEATS_KEPT: usize = 3_600;

/// Rows of one chain. One writer per partition; any number of readers.
///
/// - **Atomicity.** A session's rows of one [`apply`](RowStore::apply) become visible together.
///   A read of a session sees all of such a change or nothing of it.
/// - **Order.** A session's change does nothing where the store already holds that session at the
///   same cut or beyond: it may be left out, or written again, row by row what is newer there
///   stays. So an older writer, or a replay, does no harm and no row goes back. Progress becomes
///   visible after all rows of the change, and never goes back.
/// - **Completeness.** A session's first change carries the session's own row. One without it is
///   [`crate::StoreError::Refused`] and nothing of the call is done: the store does not hold what
///   its writer believes it holds.
/// - **Durability.** Implied by `Ok` for what [`durable`](RowStore::durable) reports; other
///   changes survive the death of our process, but perhaps not that of the machine.
#[async_trait]
pub trait RowStore: Send + Sync {
    /// Writes the changed rows, the partition's own row and its beats (not the rejected events).
    async fn apply(&self, changes: &Changes) -> Result<()>;

    /// The prefix of the log that the rows of `partition` reflect: every record of it, for every
    /// session. A single session may already be further.
    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>>;

    /// Makes everything applied so far durable, and says per partition up to where: snapshots
    /// may reach that far and no farther.
    async fn durable(&self, partition: PartitionId) -> Result<Option<Cut>>;

    /// One session, with the rows asked for, as of one moment.
    async fn session(&self, id: &str, select: &Select) -> Result<Option<SessionRows>>;

    /// Sessions, newest first: by [`SessionRow::sort_ts`] descending, then by id ascending.
    async fn sessions(&self, query: &SessionQuery) -> Result<Vec<(SessionId, SessionRow)>>;

    /// Up to `limit` session ids greater than `after`, ascending, whatever their partition.
    async fn session_ids(&self, after: Option<&str>, limit: usize) -> Result<Vec<SessionId>>;

    /// The partition's own row.
    async fn partition_row(&self, partition: PartitionId) -> Result<Option<PartitionRow>>;

    /// Digests at the latest beats of `partition`, ascending, at most `limit`: the latest
    /// [`BEATS_KEPT`] are kept.
    async fn beats(&self, partition: PartitionId, limit: usize) -> Result<Vec<BeatDigest>>;

    /// What it keeps of trends; it may free the rest at any time.
    fn retention(&self) -> Retention;

    /// Keeps an order, durably, to be carried out until [`end_repair`](RowStore::end_repair); one
    /// for each partition: an earlier one gives way.
    async fn order_repair(&self, order: &RepairOrder) -> Result<()> {
        Err(no_repairs(order.partition))
    }

    /// The latest order for `partition`, and how it stands. The latest one that was ended is kept,
    /// too, until another one is given.
    async fn repair(&self, partition: PartitionId) -> Result<Option<Repair>> {
        _ = partition;
        Ok(None)
    }

    /// The order for `partition` that is to be carried out.
    async fn repair_order(&self, partition: PartitionId) -> Result<Option<RepairOrder>> {
        let repair = self.repair(partition).await?;
        Ok(repair.filter(|repair| repair.state == RepairState::Ordered).map(|repair| repair.order))
    }

    /// Notes durably how an order ended (done, or failed), unless another one was given meanwhile.
    async fn end_repair(&self, order: &RepairOrder, ending: &RepairState) -> Result<()> {
        _ = ending;
        Err(no_repairs(order.partition))
    }

    /// Puts what is right in the place of what is there, whatever version that has. Only for the
    /// partition's one writer, when it has written everything up to `cut`.
    ///
    /// Of each session all rows but those given go. A session is replaced as a whole: a reader sees
    /// what was there or what is given. The same call may be repeated.
    async fn replace(&self, replacement: &Replacement) -> Result<()> {
        Err(no_repairs(replacement.partition))
    }
}

fn no_repairs(partition: PartitionId) -> StoreError {
    StoreError::Refused(format!("this store can't repair partition {partition}"))
}

/// Which of a session's rows to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// None: the session's own row only.
    Session,
    /// All totals.
    Totals,
    /// Some tables and breakdowns, each cut to a range of buckets; at most a handful.
    Parts(Vec<Part>),
    /// Everything.
    All,
}

/// The rows of one table and breakdown in a range of buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which table.
    pub table: Table,
    /// Split by what.
    pub breakdown: Breakdown,
    /// Buckets with `start <= bucket < end`, in milliseconds; totals stand in bucket 0.
    pub buckets: Range<u64>,
}

impl Part {
    /// Whether a row with this key belongs to it.
    pub fn has(&self, key: &RowKey) -> bool {
        key.table == self.table && key.breakdown == self.breakdown && self.buckets.contains(&key.bucket)
    }
}

impl Select {
    /// Whether a row is asked for.
    pub fn wants(&self, key: &RowKey) -> bool {
        match self {
            Select::Session => false,
            Select::Totals => key.table == Table::Total,
            Select::Parts(parts) => parts.iter().any(|part| part.has(key)),
            Select::All => true,
        }
    }
}

/// A session as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRows {
    /// Which session.
    pub session_id: SessionId,
    /// The partition it lives in.
    pub partition: PartitionId,
    /// The prefix of the log it was written at: its rows reflect all of that.
    pub cut: Cut,
    /// The session's own row.
    pub session: SessionRow,
    /// The rows asked for, each once, in the order of their keys.
    pub rows: Vec<Row>,
}

/// Which sessions to list.
#[derive(Clone, Debug, Default)]
pub struct SessionQuery {
    /// Only this anchor's.
    pub anchor_id: Option<String>,
    /// Only in this state.
    pub state: Option<SessionState>,
    /// Only with `sort_ts >= from`, in milliseconds.
    pub from: Option<u64>,
    /// Only with `sort_ts < to`, in milliseconds.
    pub to: Option<u64>,
    /// Only after this one, in the order of the list: its `sort_ts` and id.
    pub after: Option<(u64, SessionId)>,
    /// How many at most.
    pub limit: usize,
}

impl SessionQuery {
    /// Whether a session belongs into the list, its `limit` aside.
    pub fn matches(&self, id: &SessionId, row: &SessionRow) -> bool {
        let sort_ts = row.sort_ts();
        let anchor_id = row.attributes.as_ref().map(|attributes| attributes.anchor_id.as_str());
        self.anchor_id.as_deref().is_none_or(|wanted| anchor_id == Some(wanted))
            && self.state.is_none_or(|state| row.state == state)
            && self.from.is_none_or(|from| sort_ts >= from)
            && self.to.is_none_or(|to| sort_ts < to)
            && self.after.as_ref().is_none_or(|(after_ts, after_id)| {
                sort_ts < *after_ts || (sort_ts == *after_ts && id > after_id)
            })
    }
}
