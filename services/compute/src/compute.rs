//! The compute of a chain: one thread per partition that this process owns.

use std::sync::Arc;

use tandem_model::{PartitionId, PseudonymKey, SessionId};
use tandem_storage::{ChainStores, EventLog, Ownership, RepairOrder, RowStore, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::crew::Crew;
use crate::repair;
use crate::settings::Settings;
use crate::status::Status;

/// The running compute of one chain.
pub struct Compute {
    stop: watch::Sender<bool>,
    statuses: Vec<watch::Receiver<Status>>,
    crew: JoinHandle<()>,
    rows: Arc<dyn RowStore>,
    orders: mpsc::Sender<PartitionId>,
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

/// What all partitions of a chain share.
pub(crate) struct Chain {
    pub(crate) settings: Settings,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) stores: ChainStores,
    pub(crate) key: PseudonymKey,
}

impl Compute {
    /// Starts a thread for each partition of `log` that is ours by `ownership`, and goes on to
    /// start and end threads as that changes. Must be called within a tokio runtime, whose timers
    /// and blocking threads the partitions use.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(
        settings: Settings,
        log: Arc<dyn EventLog>,
        stores: ChainStores,
        key: PseudonymKey,
        ownership: Arc<dyn Ownership>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let rows = Arc::clone(&stores.rows);
        // An order more for a partition that has not begun the one before is the same order.
        let (orders, ordered) = mpsc::channel(log.partitions() as usize);
        let mut crew = Crew::new(Chain { settings, log, stores, key }, ownership, stopped, ordered);
        let statuses = crew.statuses();
        // On an error the crew is dropped, and with it what keeps its threads going.
        crew.arrange()?;
        Ok(Self { stop, statuses, crew: tokio::spawn(crew.run()), rows, orders })
    }

    /// How far each partition has come, in their order.
    pub fn status(&self) -> Vec<Status> {
        self.statuses.iter().map(|status| status.borrow().clone()).collect()
    }

    /// The status of each partition, to wait for changes.
    pub fn statuses(&self) -> &[watch::Receiver<Status>] {
        &self.statuses
    }

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
        let partitions = self.statuses.len() as u32;
        let scope = repair::scope(partitions, partition, session_id.as_ref());
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

    /// Ends every partition after a last flush and snapshot, and waits for that.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.crew.await {
            tracing::error!(%error, "compute did not end in order");
        }
    }
}
