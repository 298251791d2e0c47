//! The adapters, opened; and what their errors mean at a start.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use tandem_control::{Control, ControlError, Remote, RemoteOptions};
use tandem_kafka::{KafkaLog, Purpose};
use tandem_model::route::Chain;
use tandem_model::{Calendar, LogId};
use tandem_objects::Objects;
use tandem_redis::{Access, Hot};
use tandem_scylla::{LogIdentity, ScyllaStore};
use tandem_storage::StoreError;

use super::stage::{Ending, Stage};
use crate::config::ControlLink;
use crate::failure::Failure;

/// What the log is called in sentences.
pub(super) const LOG: &str = "the event log (Kafka, [log])";

/// Opens the log, and waits for it where it is away.
pub(super) async fn open_log(
    stage: &Stage,
    settings: &tandem_kafka::Settings,
    purpose: Purpose,
) -> Result<KafkaLog, Ending> {
    let open = async || KafkaLog::open(settings.clone(), purpose.clone()).await;
    stage.wait_for(LOG, open, is_log_retryable).await
}

/// Whether a log that can't be opened may be there later.
pub(super) const fn is_log_retryable(error: &tandem_kafka::Error) -> bool {
    matches!(error, tandem_kafka::Error::Unavailable(_))
}

/// What the row store of a chain is called in sentences.
pub(super) fn rows_named(chain: Chain) -> String {
    format!("the row store (CQL, [chains.{chain}.rows])")
}

/// Opens the row store to write what is computed from `log`, in its calendar.
pub(super) async fn note_log(
    stage: &Stage,
    chain: Chain,
    settings: &tandem_scylla::Settings,
    log: LogIdentity,
    calendar: &Calendar,
) -> Result<ScyllaStore, Ending> {
    let open = async || Box::pin(ScyllaStore::note_log(settings, log, calendar)).await;
    stage.wait_for_store(&rows_named(chain), open).await
}

/// Opens the row store to read it.
pub(super) async fn open_rows(
    stage: &Stage,
    chain: Chain,
    settings: &tandem_scylla::Settings,
) -> Result<ScyllaStore, Ending> {
    stage.wait_for_store(&rows_named(chain), async || Box::pin(ScyllaStore::open(settings)).await).await
}

/// The hot store. One that is away is no reason to wait: the row store answers meanwhile. One that
/// refuses would refuse for ever.
pub(super) async fn hot(
    chain: Chain,
    settings: tandem_redis::Settings,
    (log, generation): (LogId, u32),
    access: Access,
) -> Result<Hot, Failure> {
    let refused = |error: StoreError| {
        Failure::configuration(
            anyhow!(error).context(format!("the hot store (Redis, [chains.{chain}.hot]) can't be used")),
        )
    };
    let hot = Hot::new(settings, chain, log, generation).map_err(refused)?;
    match hot.check(access).await {
        Ok(()) => Ok(hot),
        Err(error) if error.is_retryable() => {
            tracing::warn!(%error, "the hot store is away; the row store answers until it is there");
            Ok(hot)
        }
        Err(error) => Err(refused(error)),
    }
}

/// The snapshot store. Without it nothing is lost but time at the next restart, so one that is
/// away is only remarked.
pub(super) async fn snapshots(
    chain: Chain,
    settings: &tandem_objects::Settings,
    log: LogId,
) -> Result<Objects, Failure> {
    let doing = || format!("the snapshot store ([chains.{chain}.snapshots]) can't be used");
    let refused = |error: anyhow::Error| Failure::configuration(error.context(doing()));
    let objects = Objects::open(settings, chain, log).map_err(|error| refused(anyhow!(error)))?;
    match objects.check().await {
        Ok(()) => {}
        Err(error) if error.is_retryable() => {
            tracing::warn!(%error, "no snapshots for now; a restart takes longer without them");
        }
        Err(error) => return Err(refused(anyhow!(error))),
    }
    Ok(objects)
}

/// A follower of the control nodes.
pub(super) fn follow_control(link: &ControlLink, memory: Option<PathBuf>) -> Result<Arc<Remote>, Failure> {
    let options = RemoteOptions { nodes: link.nodes.clone(), key: link.key.clone(), memory };
    let remote = Remote::start(options).map_err(refused_by_control)?;
    Ok(Arc::new(remote))
}

/// Finds out whether the control node takes our key. One that is away is no reason to wait: the
/// last route stays.
pub(super) async fn check_control(control: &dyn Control) -> Result<(), Failure> {
    match control.current().await {
        Ok(route) => {
            tracing::info!(active = %route.active, epoch = route.epoch, "the control node answers");
            Ok(())
        }
        Err(error @ ControlError::Refused { .. }) => Err(refused_by_control(error)),
        Err(error) => {
            tracing::warn!(%error, "going on without the control node until it is there");
            Ok(())
        }
    }
}

fn refused_by_control(error: ControlError) -> Failure {
    Failure::configuration(
        anyhow!(error).context("the control node can't be used: see [control] nodes and [operator] key"),
    )
}
