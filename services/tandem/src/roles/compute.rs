//! The compute of a chain: its share of the partitions, and publishing while the chain is active.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use tandem_compute::Compute;
use tandem_compute::publish::{Parts, Publisher, Routes};
use tandem_control::{Control, Remote};
use tandem_gateway::ClockMode;
use tandem_kafka::{Group, KafkaLog, KafkaSummaries, Purpose};
use tandem_model::Rules;
use tandem_model::route::{Chain, Route};
use tandem_redis::Access;
use tandem_scylla::{LogIdentity, ScyllaStore};
use tandem_storage::{ChainStores, EventLog, Ownership, SummaryTopic};
use tandem_telemetry::measured;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::backends::{check_control, follow_control, hot, note_log, open_log, snapshots};
use super::stage::{Ending, Stage};
use crate::config::ComputeConfig;
use crate::failure::Failure;
use crate::system::metrics;

/// How often the row store is asked whether it is still of our log.
const ROWS_CHECK: Duration = Duration::from_secs(5);

/// Everything that runs.
struct Running {
    compute: Compute,
    publisher: Option<Publisher>,
    group: Arc<Group>,
    _control: Arc<Remote>,
    watching: JoinHandle<()>,
}

pub(super) async fn run(config: ComputeConfig) -> Result<(), Failure> {
    let stage = Stage::begin("compute", config.admin).await?;
    let running = match start(&stage, config).await {
        Ok(running) => running,
        Err(ending) => return stage.give_up(ending).await,
    };
    stage.serves(None);
    stage.until_stopped(running.stop()).await
}

async fn start(stage: &Stage, config: ComputeConfig) -> Result<Running, Ending> {
    let chain = config.chain;
    let control = follow_control(&config.control, None)?;
    check_control(&*control).await?;
    // It writes nothing but verdicts about events that make the fold fail.
    let log = open_log(stage, &config.log, Purpose::Append(format!("compute-{chain}"))).await?;
    let kafka_identity = log.identity().clone();
    let identity = LogIdentity { id: log.id(), generation: log.generation(), partitions: log.partitions() };
    let rules = Rules { key: config.pseudonym_key, calendar: kafka_identity.calendar.clone() };
    let rows = note_log(stage, chain, &config.rows, identity, &rules.calendar).await?;
    let hot = hot(chain, config.hot.clone(), (log.id(), log.generation()), Access::Write).await?;
    let snapshots = snapshots(chain, &config.snapshots, log.id()).await?;
    tracing::info!(%chain, log = %identity, "computing");

    let log: Arc<dyn EventLog> = measured::log(&stage.telemetry, Some(chain), Arc::new(log));
    let stores = ChainStores {
        rows: Arc::new(rows.clone()),
        hot: Arc::new(hot),
        snapshots: Arc::new(snapshots),
        dead_letters: Arc::new(rows.clone()),
        editions: Arc::new(rows.clone()),
    };
    let stores = measured::stores(&stage.telemetry, chain, stores);
    let group =
        Group::join(&config.log, chain.name()).map_err(|error| Failure::configuration(anyhow!(error)))?;
    let group = Arc::new(group);
    let ownership: Arc<dyn Ownership> = group.clone();
    let pins = config.compute.pins.clone();
    let seeded_fault = config.compute.seeded_fault.clone();
    let compute = Compute::start(
        config.compute,
        Arc::clone(&log),
        stores.clone(),
        rules.clone(),
        Arc::clone(&ownership),
    )
    .map_err(no_threads)?;
    // Whether a replay moves time, only the gateway knows; a freshness of years tells.
    metrics::compute(&stage.telemetry, chain, ClockMode::Live, &*log, compute.statuses());
    metrics::check_compute(&stage.health, compute.statuses());
    metrics::route(&stage.telemetry, control.route());

    let publisher = if config.publish.enabled {
        // A reader keeps one place per partition, and the publisher's is not that of compute.
        let log = KafkaLog::with_identity(config.log.clone(), kafka_identity, Purpose::Read)
            .map_err(|error| Failure::configuration(anyhow!(error)))?;
        let log = measured::log(&stage.telemetry, Some(chain), Arc::new(log));
        let topic =
            KafkaSummaries::new(config.log).map_err(|error| Failure::configuration(anyhow!(error)))?;
        let topic: Arc<dyn SummaryTopic> = measured::summaries(&stage.telemetry, chain, Arc::new(topic));
        let parts = Parts {
            chain,
            log,
            snapshots: stores.snapshots.clone(),
            topic,
            routes: Arc::new(Followed(Arc::clone(&control))),
            ownership: Arc::clone(&ownership),
            rules,
            pins,
            seeded_fault,
        };
        let publisher = Publisher::start(config.publish, parts).map_err(no_threads)?;
        metrics::publisher(&stage.telemetry, chain, publisher.statuses());
        Some(publisher)
    } else {
        None
    };
    add_check(stage, &*ownership);
    let watching = tokio::spawn(watch_rows(rows, chain, stage.stopper()));
    Ok(Running { compute, publisher, group, _control: control, watching })
}

impl Running {
    /// First what is published, then what is computed, then others may have our partitions.
    async fn stop(self) {
        self.watching.abort();
        if let Some(publisher) = self.publisher {
            publisher.stop().await;
        }
        self.compute.stop().await;
        match Arc::try_unwrap(self.group) {
            Ok(group) => group.leave().await,
            // Somebody still looks at it: others hear of our end a little later.
            Err(_) => tracing::debug!("the group is left by silence"),
        }
    }
}

fn no_threads(error: std::io::Error) -> Failure {
    Failure::failed(anyhow!(error).context("the system gives no threads"))
}

/// Ready: some partitions are ours (and, by another check, follow the log).
fn add_check(stage: &Stage, ownership: &dyn Ownership) {
    let owned = ownership.owned();
    stage.health.check("partitions", move || {
        let why = "no partition is this process' own: the group has not answered yet, or others have all";
        std::future::ready(if owned.borrow().is_empty() { Err(why.to_owned()) } else { Ok(()) })
    });
}

/// Ends the process when its row store was given to another log: only a new start can help, and
/// whoever runs us does that.
pub(super) async fn watch_rows(rows: ScyllaStore, chain: Chain, stop: impl Fn(String)) {
    loop {
        tokio::time::sleep(ROWS_CHECK).await;
        match rows.check().await {
            Err(error) if !error.is_retryable() => {
                tracing::error!(%chain, %error, "the row store can't be used any more");
                return stop(format!("the row store can't be used any more: {error}"));
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// The control node, from a publisher's side.
struct Followed(Arc<Remote>);

#[async_trait]
impl Routes for Followed {
    fn known(&self) -> watch::Receiver<Route> {
        self.0.route()
    }

    async fn current(&self) -> Result<Route, String> {
        self.0.current().await.map_err(|error| error.to_string())
    }
}
