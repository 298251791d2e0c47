//! `POST /internal/v1/repairs`: rows of this chain are to be computed again from the log.
//!
//! The order is kept with the rows, where the chain's compute finds it. The gateway has checked who
//! asks; this node is nothing that users reach.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use tandem_model::PartitionId;
use tandem_model::problem::Problem;
use tandem_model::repair::{RepairOrdered, RepairRequest};
use tandem_storage::{OrderError, RepairWish};

use crate::Query;
use crate::answer::Failure;

/// Largest body that is read, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024;

/// Keeps an order; answers once it is kept for good.
pub(crate) async fn order(State(query): State<Arc<Query>>, body: Bytes) -> Result<Response, Failure> {
    let request: RepairRequest = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("this is no order: {error}")))?;
    request.check().map_err(Problem::bad_parameter)?;
    let RepairRequest { chain, partition, session_id, reason } = request;
    if chain != query.chain {
        let detail = format!("this node is of chain {}, not of {chain}", query.chain);
        return Err(Problem::bad_parameter(detail).into());
    }
    let wish = RepairWish { partition: partition.map(PartitionId), session_id, reason };
    let ordered = wish.order(&*query.stores.rows, query.log.partitions(), wall_ms()).await;
    let partitions = ordered.map_err(|error| match error {
        OrderError::NoSuchPartition(..) => Failure::from(Problem::bad_parameter(error.to_string())),
        OrderError::Store(error) => error.into(),
    })?;
    tracing::warn!(%chain, ?partitions, session = ?wish.session_id, reason = wish.reason, "a repair is ordered");
    for partition in &partitions {
        query.health.note_repair(*partition, true);
    }
    let partitions = partitions.into_iter().map(|partition| partition.0).collect();
    Ok((StatusCode::ACCEPTED, axum::Json(RepairOrdered { chain, partitions })).into_response())
}

/// The wall clock, in milliseconds since the epoch.
fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
