//! Where repairs are ordered.

use std::sync::Arc;

use tandem_model::partition::partition_of;
use tandem_model::{PartitionId, SessionId};
use tandem_storage::{RepairOrder, RowStore, StoreError};
use tokio::sync::mpsc;

/// Takes orders to compute rows of one chain again. Cheap to clone.
#[derive(Clone)]
pub struct Repairer {
    pub(crate) partitions: u32,
    pub(crate) rows: Arc<dyn RowStore>,
    pub(crate) orders: mpsc::Sender<PartitionId>,
}

/// Why a repair was not ordered.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// There is no such partition.
    #[error("there is no partition {0}: the log has {1}")]
    NoSuchPartition(PartitionId, u32),
    /// The row store did not take the order.
    #[error("the order was not kept")]
    Store(#[from] StoreError),
}

impl Repairer {
    /// Orders that rows are computed again from the beginning of the log: those of one session, or
    /// of one partition, or all of them. It is kept with the rows, and begins at once where this
    /// process has the partition, else within seconds where that has it; wherever it is cut short,
    /// it begins again. Answers the partitions it is about.
    ///
    /// `ordered_ms` is now (wall clock, milliseconds since the epoch); `reason` is for people.
    ///
    /// # Errors
    ///
    /// When there is no such partition, or when the row store does not keep an order; those for
    /// the partitions before are kept then.
    pub async fn repair(
        &self,
        partition: Option<PartitionId>,
        session_id: Option<SessionId>,
        reason: &str,
        ordered_ms: u64,
    ) -> Result<Vec<PartitionId>, RepairError> {
        let partitions = self.partitions;
        let scope = scope_of(partitions, partition, session_id.as_ref());
        for partition in &scope {
            if partition.0 >= partitions {
                return Err(RepairError::NoSuchPartition(*partition, partitions));
            }
            // An order that is under way is never narrowed: two sessions are the whole partition.
            let session_id = match self.rows.repair_order(*partition).await? {
                Some(known) if known.session_id != session_id => None,
                _ => session_id.clone(),
            };
            let order =
                RepairOrder { partition: *partition, session_id, reason: reason.to_owned(), ordered_ms };
            self.rows.order_repair(&order).await?;
            // Full: the crew has not come to it yet, and the order is found all the same.
            _ = self.orders.try_send(*partition);
        }
        Ok(scope)
    }
}

/// The partitions an order for this session, or this partition, or all of them is about.
fn scope_of(
    partitions: u32,
    partition: Option<PartitionId>,
    session_id: Option<&SessionId>,
) -> Vec<PartitionId> {
    match (session_id, partition) {
        (Some(id), _) => vec![partition_of(id.as_str().as_bytes(), partitions)],
        (None, Some(partition)) => vec![partition],
        (None, None) => (0..partitions).map(PartitionId).collect(),
    }
}
