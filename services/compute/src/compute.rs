//! The compute of a whole chain: one thread per partition.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use tandem_model::{PartitionId, PseudonymKey};
use tandem_storage::{ChainStores, EventLog};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::partition::{self, Context};
use crate::settings::Settings;
use crate::status::{Phase, Status};

/// The running compute of one chain.
pub struct Compute {
    stop: watch::Sender<bool>,
    statuses: Vec<watch::Receiver<Status>>,
    threads: Vec<JoinHandle<()>>,
}

impl Compute {
    /// Starts a thread per partition of `log`. Must be called within a tokio runtime, whose
    /// timers and blocking threads the partitions use.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(
        settings: Settings,
        log: Arc<dyn EventLog>,
        stores: ChainStores,
        key: PseudonymKey,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut compute = Self { stop, statuses: Vec::new(), threads: Vec::new() };
        for id in (0..log.partitions()).map(PartitionId) {
            let (status, receiver) = watch::channel(Status::new(id));
            let context = Context {
                settings: settings.clone(),
                log: Arc::clone(&log),
                stores: stores.clone(),
                key,
                partition: id,
                status,
                stopped: stopped.clone(),
            };
            // Folding is work for a core, not for the runtime that answers requests.
            let runtime = Handle::current();
            let name = format!("fold-{}-{id}", settings.chain);
            let thread = std::thread::Builder::new().name(name).spawn(move || run(&runtime, context))?;
            compute.statuses.push(receiver);
            compute.threads.push(thread);
        }
        Ok(compute)
    }

    /// How far each partition has come.
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
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().filter_map(|thread| thread.join().err()).count()
        });
        if joined.await.is_ok_and(|failed| failed > 0) {
            tracing::error!("a partition did not end in order");
        }
    }
}

fn run(runtime: &Handle, context: Context) {
    let status = context.status.clone();
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(partition::run(context))));
    status.send_modify(|status| {
        status.phase = match ended {
            Ok(Ok(())) => Phase::Stopped,
            Ok(Err(error)) => Phase::Failed(error.to_string()),
            Err(_) => Phase::Failed("the fold panicked: a bug of ours".to_owned()),
        };
    });
    if let Phase::Failed(reason) = &status.borrow().phase {
        tracing::error!(partition = %status.borrow().partition, reason, "compute has ended");
    }
}
