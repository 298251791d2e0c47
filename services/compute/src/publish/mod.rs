//! The publisher: the active chain's rows for partner teams, each change once.
//!
//! A follower of its own, beside the chain's compute: it folds the log again, from the newest
//! snapshot at or before the last published [`Marker`](tandem_model::summary::Marker), and at each
//! beat publishes what changed since the marker before, in one transaction that ends with the next
//! marker. So what is published is a function of the log and its beats alone: it does not depend
//! on when the chain flushes, nor on which chain publishes, and a chain that has never published
//! goes on exactly where the other one stopped.
//!
//! One thread per partition works while the partition is ours and our chain is active
//! ([`partition`]). What keeps two writers apart:
//!
//! 1. The route is read from whoever decides it, not from memory, **before** a partition is begun:
//!    a demoted chain that wakes up fences nobody.
//! 2. Beginning fences whoever wrote before, and its answer is the last marker there will be of
//!    them.
//! 3. The route is read **again** before the first transaction. A switch that was decided by then
//!    shows; one that is decided later makes the other chain begin after us, and then we are
//!    fenced. So nothing is published under an epoch after a later epoch's publisher has begun.
//! 4. A marker of a later epoch than ours ends it in any case, until a newer route is known.
//!
//! A reader of the topic sees each change once: a transaction whose outcome is unknown is looked
//! up by beginning again and comparing the marker ([`follower`] keeps what it held).
//!
//! While the publisher has to catch up, the beats of one read of the log share a transaction
//! (bounded, see [`Settings`]): each transaction brings the topic's rows to what they are as of its
//! marker's beat, whether that is one beat later or many.

mod follower;
mod partition;
mod pins;
mod routes;
mod settings;
mod status;
mod term;

use std::sync::Arc;
use std::thread::JoinHandle;

use tandem_model::route::Chain;
use tandem_model::{PartitionId, Rules};
use tandem_storage::{EventLog, Ownership, SnapshotStore, SummaryTopic};
use tokio::runtime::Handle;

use crate::poison::SeededFault;
use tokio::sync::watch;

pub use pins::{Pin, Pins};
pub use routes::Routes;
pub use settings::Settings;
pub use status::{State, Status};

/// What a publisher works with.
#[derive(Clone)]
pub struct Parts {
    /// The chain it publishes for.
    pub chain: Chain,
    /// The log that both chains follow: a reader of its own, where readers keep a place (Kafka's
    /// do), since it stands elsewhere than compute's.
    pub log: Arc<dyn EventLog>,
    /// The chain's own snapshots.
    pub snapshots: Arc<dyn SnapshotStore>,
    /// Where to.
    pub topic: Arc<dyn SummaryTopic>,
    /// Which chain is active.
    pub routes: Arc<dyn Routes>,
    /// Which partitions this process works on: the same as for its compute.
    pub ownership: Arc<dyn Ownership>,
    /// What figures depend on besides the log, the same for both chains.
    pub rules: Rules,
    /// Tells compute which snapshots are still needed: the same as in its settings.
    pub pins: Pins,
    /// A fault that is put into the fold on purpose, for drills: the same as for compute.
    pub seeded_fault: SeededFault,
}

/// The running publisher of one chain in one process.
pub struct Publisher {
    stop: watch::Sender<bool>,
    statuses: Vec<watch::Receiver<Status>>,
    threads: Vec<JoinHandle<()>>,
}

impl Publisher {
    /// Starts a thread per partition of the log. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(settings: Settings, parts: Parts) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut publisher = Self { stop, statuses: Vec::new(), threads: Vec::new() };
        for id in (0..parts.log.partitions()).map(PartitionId) {
            let (status, receiver) = watch::channel(Status::new(id));
            let context = partition::Context {
                settings: settings.clone(),
                parts: parts.clone(),
                partition: id,
                status,
                stopped: stopped.clone(),
            };
            // Folding is work for a core, not for the runtime that answers requests.
            let runtime = Handle::current();
            let name = format!("publish-{}-{id}", parts.chain);
            let thread =
                std::thread::Builder::new().name(name).spawn(move || partition::run(&runtime, &context))?;
            publisher.statuses.push(receiver);
            publisher.threads.push(thread);
        }
        Ok(publisher)
    }

    /// How each partition stands.
    pub fn status(&self) -> Vec<Status> {
        self.statuses.iter().map(|status| status.borrow().clone()).collect()
    }

    /// The status of each partition, to wait for changes.
    pub fn statuses(&self) -> &[watch::Receiver<Status>] {
        &self.statuses
    }

    /// Ends every partition; a transaction under way is finished first.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().filter_map(|thread| thread.join().err()).count()
        });
        if joined.await.is_ok_and(|failed| failed > 0) {
            tracing::error!("a partition's publisher did not end in order");
        }
    }
}
