//! What operators and `tandem verify` read: raw records, all rows, progress. Others are refused,
//! before anything else is looked at.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use tandem_model::problem::Problem;
use tandem_model::row::SessionState;
use tandem_model::{Cut, PartitionId};
use tandem_storage::{Select, StoreError};
use utoipa::IntoParams;

use crate::Query;
use crate::answer::{Failure, json};
use crate::reading::{farther, numbered};
use crate::request::{Named, OperatorCall, Parameters, given};
use crate::sessions::NoParameters;
use crate::wire::{FigureRow, LogPage, LogRecord, PartitionDump, PartitionsPage, RowsPage, SessionDump};

/// How many bytes of records a page holds when nothing is said.
const LOG_BYTES: u64 = 1 << 20;
/// And at most; a page holds at least one record, whatever its length.
const LOG_BYTES_MAX: u64 = 8 << 20;
/// How many sessions a page of rows holds when nothing is said.
const DUMPS: u64 = 10;
/// And at most.
const DUMPS_MAX: u64 = 100;
/// A page of rows ends early once it holds this many rows: sessions differ by a factor of
/// thousands.
const ROWS_PER_PAGE: usize = 50_000;

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParameters {
    /// The first offset; 0 when absent.
    #[param(value_type = Option<u64>, default = 0)]
    from: Option<String>,
    /// About how many bytes of records at most; at least one record is sent where there is one.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 8_388_608, default = 1_048_576)]
    bytes: Option<String>,
}

/// Raw records of the log, for operators.
///
/// They hold users' ids as they were sent. Go on with `next` until it is `end`.
#[utoipa::path(
    get,
    path = "/v1/log/{partition}",
    tag = "operators",
    params(("partition" = u32, Path, description = "The partition, from 0.", example = 0), LogParameters),
    responses((status = 200, description = "Records.", body = LogPage)),
)]
pub(crate) async fn log(
    State(query): State<Arc<Query>>,
    OperatorCall(call): OperatorCall,
    Named(partition): Named,
    Parameters(parameters): Parameters<LogParameters>,
) -> Result<Response, Failure> {
    let from = given("from", &parameters.from).moment()?.unwrap_or(0);
    let bytes = given("bytes", &parameters.bytes).integer(1, LOG_BYTES_MAX)?.unwrap_or(LOG_BYTES);
    let partitions = query.log.partitions();
    let partition = partition.parse().ok().filter(|partition| *partition < partitions).ok_or_else(|| {
        Problem::not_found(format!("there is no such partition: the log has 0 to {}", partitions - 1))
    })?;
    // Everything below an end read before the records is in them, or farther on.
    let end = query.log.ends().borrow().get(partition as usize).copied().unwrap_or(0);
    let records = match query.log.read(PartitionId(partition), from, bytes as usize).await {
        // A log may take an offset beyond its end for damage; to whoever asks there is nothing yet.
        Err(StoreError::Damaged(_)) if from > end => Vec::new(),
        records => records?,
    };
    let next = records.last().map_or(from, |(offset, _)| offset + 1);
    let records = records.iter().map(|(offset, record)| LogRecord::new(*offset, record)).collect();
    let meta = query.meta(&call, &[], SessionState::Live, false);
    let page = LogPage { records, next, end: end.max(next), meta };
    Ok(json(&page, &page.meta))
}

/// Which sessions' rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RowsParameters {
    /// Only sessions with a greater id: `next_after` of the page before.
    after: Option<String>,
    /// How many sessions at most; a page may hold fewer, `next_after` tells whether more follow.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 100, default = 10)]
    limit: Option<String>,
}

/// Everything a chain holds of its sessions, in the order of their ids, for operators.
///
/// Each session is one consistent cut, named beside it, so that it can be recomputed from the
/// log up to there.
#[utoipa::path(
    get,
    path = "/v1/rows",
    tag = "operators",
    params(RowsParameters),
    responses((status = 200, description = "Sessions with all their rows.", body = RowsPage)),
)]
pub(crate) async fn rows(
    State(query): State<Arc<Query>>,
    OperatorCall(call): OperatorCall,
    Parameters(parameters): Parameters<RowsParameters>,
) -> Result<Response, Failure> {
    let after = given("after", &parameters.after).id()?;
    let limit = given("limit", &parameters.limit).integer(1, DUMPS_MAX)?.unwrap_or(DUMPS) as usize;
    let (mut cuts, is_stale) = query.positions(&call).await?;
    let ids = query.stores.rows.session_ids(after, limit + 1).await?;
    let mut sessions: Vec<SessionDump> = Vec::new();
    let mut rows_so_far = 0;
    for id in ids.iter().take(limit) {
        if rows_so_far >= ROWS_PER_PAGE {
            break;
        }
        let reading = query.session(&call, id.as_str(), &Select::All).await?;
        let partition = reading.rows.partition;
        if let Some(cut) = cuts.get_mut(partition.0 as usize) {
            *cut = farther(*cut, Some(reading.cut));
        }
        rows_so_far += reading.rows.rows.len();
        sessions.push(SessionDump {
            session_id: id.clone(),
            partition: partition.0,
            cut: reading.cut,
            session: reading.rows.session.clone(),
            rows: reading.rows.rows.iter().cloned().map(FigureRow).collect(),
        });
    }
    let has_more = sessions.len() < ids.len();
    let last = sessions.last().filter(|_| has_more);
    let next_after = last.map(|session| session.session_id.to_string());
    let meta = query.meta(&call, &numbered(&cuts), SessionState::Live, is_stale);
    let retention = query.stores.rows.retention();
    let page = RowsPage { sessions, next_after, retention, meta };
    Ok(json(&page, &page.meta))
}

/// The partitions' own rows, for operators.
///
/// What counts for a partition and for no session in it: its clock, its beats, lines that name no
/// session, events that came for sessions that are long over.
#[utoipa::path(
    get,
    path = "/v1/partitions",
    tag = "operators",
    responses((status = 200, description = "All partitions.", body = PartitionsPage)),
)]
pub(crate) async fn partitions(
    State(query): State<Arc<Query>>,
    OperatorCall(call): OperatorCall,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Failure> {
    let (mut cuts, is_stale) = query.positions(&call).await?;
    let mut partitions = Vec::new();
    for (id, cut) in (0_u32..).zip(&mut cuts) {
        let row = query.stores.rows.partition_row(PartitionId(id)).await?;
        if let Some(row) = &row {
            // As with sessions: read after the progress, the row is exactly that of the farther
            // of the progress and its own version.
            *cut = farther(Cut { next: row.offset + 1, clock: row.clock }, Some(*cut));
        }
        partitions.push(PartitionDump { partition: id, cut: *cut, row });
    }
    let meta = query.meta(&call, &numbered(&cuts), SessionState::Live, is_stale);
    let page = PartitionsPage { partitions, meta };
    Ok(json(&page, &page.meta))
}
