//! The compute of a chain: one thread per partition that this process owns.

use std::sync::Arc;

use tandem_model::Rules;
use tandem_storage::{ChainStores, EventLog, Ownership};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::crew::Crew;
use crate::settings::Settings;
use crate::status::Status;

/// The running compute of one chain.
pub struct Compute {
    stop: watch::Sender<bool>,
    statuses: Vec<watch::Receiver<Status>>,
    crew: JoinHandle<()>,
}

/// What all partitions of a chain share.
pub(crate) struct Chain {
    pub(crate) settings: Settings,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) stores: ChainStores,
    pub(crate) rules: Rules,
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
        rules: impl Into<Rules>,
        ownership: Arc<dyn Ownership>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut crew = Crew::new(Chain { settings, log, stores, rules: rules.into() }, ownership, stopped);
        let statuses = crew.statuses();
        // On an error the crew is dropped, and with it what keeps its threads going.
        crew.arrange()?;
        Ok(Self { stop, statuses, crew: tokio::spawn(crew.run()) })
    }

    /// How far each partition has come, in their order.
    pub fn status(&self) -> Vec<Status> {
        self.statuses.iter().map(|status| status.borrow().clone()).collect()
    }

    /// The status of each partition, to wait for changes.
    pub fn statuses(&self) -> &[watch::Receiver<Status>] {
        &self.statuses
    }

    /// Ends every partition after a last flush and snapshot, and waits for that.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.crew.await {
            tracing::error!(%error, "compute did not end in order");
        }
    }
}
