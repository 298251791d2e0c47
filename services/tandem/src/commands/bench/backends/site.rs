//! A log and the stores behind it, whichever they are: everything after this is the same for
//! embedded storage and for real servers, so that their figures can be compared.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tandem_compute::{Compute, Hot, Phase, Settings, Status};
use tandem_embedded::Data;
use tandem_model::PseudonymKey;
use tandem_model::route::Chain;
use tandem_storage::{All, ChainStores, EventLog};
use tokio::sync::watch;

/// Longest time that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where the measurement takes place.
pub(super) struct Site {
    /// Takes the events.
    pub(super) writer: Arc<dyn EventLog>,
    /// Is read by compute and query; with Kafka a client of its own, as in a process of its own.
    pub(super) reader: Arc<dyn EventLog>,
    /// Chain a, and b where both are asked for.
    pub(super) chains: Vec<(Settings, ChainStores)>,
    pub(super) key: PseudonymKey,
    /// The folder of embedded storage, for as long as it is needed.
    pub(super) data: Option<Data>,
}

impl Site {
    /// Embedded storage in a temporary folder. Blocks for a moment.
    pub(super) fn embedded(partitions: u32, is_both: bool) -> anyhow::Result<Self> {
        let data = Data::temporary(partitions).context("embedded storage can't be opened")?;
        let mut chains = vec![(Settings::of(Chain::A), data.chains.a.clone())];
        if is_both {
            chains.push((Settings::of(Chain::B), data.chains.b.clone()));
        }
        let log: Arc<dyn EventLog> = data.log.clone();
        Ok(Self { writer: log.clone(), reader: log, chains, key: data.pseudonym_key, data: Some(data) })
    }

    /// The stores of chain a, which everything is read from.
    pub(super) fn stores(&self) -> &ChainStores {
        &self.chains[0].1
    }

    /// Starts the compute of every chain.
    pub(super) fn compute(&self) -> anyhow::Result<Running> {
        let started = self.chains.iter().map(|(settings, stores)| {
            let ownership = Arc::new(All::of(self.reader.partitions()));
            Compute::start(settings.clone(), self.reader.clone(), stores.clone(), self.key, ownership)
                .context("the system gives no threads")
        });
        Ok(Running(started.collect::<Result<_, _>>()?))
    }
}

/// The compute of every chain.
pub(super) struct Running(Vec<Compute>);

impl Running {
    /// Waits until row store and hot store of every chain reflect the log up to `ends`, one for
    /// each partition. Answers how many rows were written since the start.
    pub(super) async fn reached(&self, ends: &[u64]) -> anyhow::Result<u64> {
        let mut rows = 0;
        for compute in &self.0 {
            for (status, end) in compute.statuses().iter().zip(ends) {
                let mut status: watch::Receiver<Status> = status.clone();
                let waited = tokio::time::timeout(PATIENCE, status.wait_for(|now| is_done(now, *end))).await;
                let Ok(reached) = waited else {
                    let now = compute.status();
                    bail!("the stores did not come to the end of the log within {PATIENCE:?}: {now:?}");
                };
                let now = reached.context("compute ended")?;
                if let Phase::Failed(why) = &now.phase {
                    bail!("partition {} can't be computed: {why}", now.partition);
                }
                rows += now.rows;
            }
        }
        Ok(rows)
    }

    /// Ends in order: a last flush and snapshot.
    pub(super) async fn stop(self) {
        for compute in self.0 {
            compute.stop().await;
        }
    }
}

fn is_done(status: &Status, end: u64) -> bool {
    let is_hot_there =
        || matches!(&status.hot, Hot::Following { cut, missing: 0 } if cut.next >= status.cut.next);
    matches!(status.phase, Phase::Failed(_))
        || status.reached >= end && status.phase == Phase::Following && is_hot_there()
}
