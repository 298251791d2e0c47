//! What a repair asks of a row store.

use serde::{Deserialize, Serialize};
use tandem_model::partition::partition_of;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Cut, PartitionId, SessionId};

use crate::{RowStore, SessionRows, StoreError};

/// An operator's order to compute rows of a partition again, from the beginning of the log. It is
/// kept with the rows until it is done, so that a repair survives whoever carries it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairOrder {
    /// The partition.
    pub partition: PartitionId,
    /// Only this session's rows; all of the partition's where absent.
    pub session_id: Option<SessionId>,
    /// Why, for people.
    pub reason: String,
    /// When, by the wall clock, in milliseconds since the epoch. Names the order, too: an order is
    /// ended only where no other one was given meanwhile.
    pub ordered_ms: u64,
}

/// How an order stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RepairState {
    /// It is waited for, or under way.
    Ordered,
    /// What it was about has been computed again.
    Done,
    /// It came to its end without that: why, for people. Nobody tries again.
    Failed(String),
}

/// The latest order for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What was ordered.
    pub order: RepairOrder,
    /// How it stands.
    pub state: RepairState,
}

/// What an operator wants computed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairWish {
    /// Only this partition; all of them where neither this nor a session is named.
    pub partition: Option<PartitionId>,
    /// Only this session.
    pub session_id: Option<SessionId>,
    /// Why, for people.
    pub reason: String,
}

/// Why a wish was not ordered.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no such partition.
    #[error("there is no partition {0}: the log has {1}")]
    NoSuchPartition(PartitionId, u32),
    /// The row store did not take the order.
    #[error("the order was not kept")]
    Store(#[from] StoreError),
}

impl RepairWish {
    /// Has `rows`, whose log has `partitions`, keep an order for each partition that this is about,
    /// as of `ordered_ms` (wall clock, milliseconds since the epoch). Whoever computes a partition
    /// finds its order within seconds, and finds it again wherever it is cut short. Answers the
    /// partitions.
    ///
    /// # Errors
    ///
    /// When there is no such partition, or when the row store does not keep an order; those for
    /// the partitions before are kept then.
    pub async fn order(
        &self,
        rows: &dyn RowStore,
        partitions: u32,
        ordered_ms: u64,
    ) -> Result<Vec<PartitionId>, OrderError> {
        let scope = self.scope(partitions);
        if let Some(stranger) = scope.iter().find(|partition| partition.0 >= partitions) {
            return Err(OrderError::NoSuchPartition(*stranger, partitions));
        }
        for partition in &scope {
            let latest = rows.repair(*partition).await?;
            // An order that is under way is never narrowed: two sessions are the whole partition.
            let session_id = match &latest {
                Some(Repair { order, state: RepairState::Ordered })
                    if order.session_id != self.session_id =>
                {
                    None
                }
                _ => self.session_id.clone(),
            };
            // A clock that is behind gives no order that counts for an earlier one.
            let after_latest = latest.map_or(0, |latest| latest.order.ordered_ms.saturating_add(1));
            let (reason, ordered_ms) = (self.reason.clone(), ordered_ms.max(after_latest));
            rows.order_repair(&RepairOrder { partition: *partition, session_id, reason, ordered_ms }).await?;
        }
        Ok(scope)
    }

    fn scope(&self, partitions: u32) -> Vec<PartitionId> {
        match (&self.session_id, self.partition) {
            (Some(id), _) => vec![partition_of(id.as_str().as_bytes(), partitions)],
            (None, Some(partition)) => vec![partition],
            (None, None) => (0..partitions).map(PartitionId).collect(),
        }
    }
}

/// What is right, in the place of what is there. See [`crate::RowStore::replace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The partition.
    pub partition: PartitionId,
    /// What the rows reflect: the store's own progress.
    pub cut: Cut,
    /// Sessions with all their rows; those without are to go.
    pub sessions: Vec<(SessionId, Option<SessionRows>)>,
    /// The partition's own row and its latest beats, in order; as they are where absent.
    pub partition_row: Option<(PartitionRow, Vec<BeatDigest>)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryRowStore;

    const PARTITIONS: u32 = 3;

    fn wish(partition: Option<u32>, session: Option<&str>) -> RepairWish {
        RepairWish {
            partition: partition.map(PartitionId),
            session_id: session.map(|id| SessionId::new(id).expect("an id")),
            reason: "test".to_owned(),
        }
    }

    async fn kept(rows: &MemoryRowStore) -> Vec<Option<(Option<String>, u64)>> {
        let mut kept = Vec::new();
        for partition in (0..PARTITIONS).map(PartitionId) {
            let order = rows.repair_order(partition).await.expect("an order");
            kept.push(order.map(|order| (order.session_id.map(|id| id.to_string()), order.ordered_ms)));
        }
        kept
    }

    #[tokio::test]
    async fn a_wish_is_ordered_for_each_partition_it_is_about() {
        let rows = MemoryRowStore::new();
        let order = async |wish: RepairWish, at| wish.order(&rows, PARTITIONS, at).await;
        let refused = order(wish(Some(3), None), 1).await;
        assert!(matches!(refused, Err(OrderError::NoSuchPartition(PartitionId(3), 3))), "{refused:?}");
        assert_eq!(kept(&rows).await, [None, None, None]);
        assert_eq!(order(wish(Some(2), None), 2).await.expect("ordered"), [PartitionId(2)]);
        assert_eq!(kept(&rows).await, [None, None, Some((None, 2))]);
        assert_eq!(order(wish(None, None), 3).await.expect("ordered").len(), 3);
        assert_eq!(kept(&rows).await, [(); 3].map(|()| Some((None, 3))));
    }

    #[tokio::test]
    async fn an_order_that_is_under_way_is_never_narrowed() {
        let rows = MemoryRowStore::new();
        let place = partition_of(b"s1", PARTITIONS);
        let here = async || kept(&rows).await[place.0 as usize].clone();
        for at in 1..3 {
            assert_eq!(wish(None, Some("s1")).order(&rows, PARTITIONS, at).await.expect("ordered"), [place]);
            assert_eq!(here().await, Some((Some("s1".to_owned()), at)), "the same again is the same");
        }
        let other = (0..).map(|number| format!("t{number}"));
        let other = other.into_iter().find(|id| partition_of(id.as_bytes(), PARTITIONS) == place);
        let other = other.expect("some session is in that partition");
        wish(None, Some(&other)).order(&rows, PARTITIONS, 3).await.expect("ordered");
        assert_eq!(here().await, Some((None, 3)), "two sessions are the whole partition");
        let order = rows.repair_order(place).await.expect("an order").expect("kept");
        rows.end_repair(&order, &RepairState::Done).await.expect("ended");
        wish(None, Some("s1")).order(&rows, PARTITIONS, 4).await.expect("ordered");
        assert_eq!(here().await, Some((Some("s1".to_owned()), 4)), "what is done is not widened");
        wish(None, Some("s1")).order(&rows, PARTITIONS, 1).await.expect("ordered");
        assert_eq!(here().await, Some((Some("s1".to_owned()), 5)), "a clock that went back");
    }
}
