//! A chain's own view of itself, for gateway and control group.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use futures::future::try_join_all;
use tandem_model::row::BeatDigest;
use tandem_model::status::{self, BEATS_REPORTED, Beat, ChainStatus, PartitionStatus, RepairStatus};
use tandem_model::{Cut, PartitionId};
use tandem_storage::{Repair, RepairState, StoreError};

use crate::Query;
use crate::answer::Failure;
use crate::health::HOT_LOOK;
use crate::reading::Source;
use crate::request::Parameters;
use crate::sessions::NoParameters;

/// A log that ends so many offsets ahead is not asked whether they hold records: they do.
const TAIL_MAX: u64 = 10_000;
/// How long that question may take; without an answer they count as records.
const TAIL_LOOK: Duration = Duration::from_millis(100);

/// `GET /internal/v1/status`.
pub(crate) async fn status(
    State(query): State<Arc<Query>>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<axum::Json<ChainStatus>, Failure> {
    let ends = query.log.ends().borrow().clone();
    let partitions = (0..query.log.partitions()).map(PartitionId);
    let looks = partitions.map(|id| look(&query, id, ends.get(id.0 as usize).copied().unwrap_or(0)));
    let looks = try_join_all(looks).await?;
    let is_degraded = looks.iter().any(|look| look.is_begun && look.status.hot_next.is_none());
    Ok(axum::Json(ChainStatus {
        chain: query.chain,
        ready: looks.iter().all(|look| !look.is_repairing && (look.is_begun || look.status.lag_records == 0)),
        degraded: is_degraded.then(|| Source::Hot.name().to_owned()).into_iter().collect(),
        log: query.log.id().to_string(),
        time_zone: query.rankings.calendar().zone().to_owned(),
        partitions: looks.iter().map(|look| look.status).collect(),
        beats: looks.iter().flat_map(|look| look.beats.iter().map(Beat::from)).collect(),
        repairs: looks.into_iter().filter_map(|look| look.repair).map(repair_status).collect(),
    }))
}

struct Look {
    status: PartitionStatus,
    /// Whether the row store holds anything of it.
    is_begun: bool,
    is_repairing: bool,
    repair: Option<Repair>,
    beats: Vec<BeatDigest>,
}

async fn look(query: &Query, id: PartitionId, log_end: u64) -> Result<Look, StoreError> {
    let hot = query.health.hot.call(HOT_LOOK, query.stores.hot.progress(id));
    let (hot, rows) = futures::join!(hot, query.stores.rows.progress(id));
    let rows = rows?;
    let repair = query.stores.rows.repair(id).await?;
    let is_repairing = repair.as_ref().is_some_and(|repair| repair.state == RepairState::Ordered);
    query.health.note_repair(id, is_repairing);
    query.health.note_rows(id, rows.unwrap_or_default().next);
    // A report comes from the hot store, which may be a moment behind. One that lost everything
    // answers nothing, and one that is away or stands still holds nobody up: then the row store
    // answers.
    let hot = hot.ok().flatten().filter(|hot| !query.health.is_behind(id, hot.next));
    let complete = rows.map(|rows| hot.map_or(rows, |hot| rows.min(hot)));
    let Cut { next, clock } = complete.unwrap_or_default();
    let row = query.stores.rows.partition_row(id).await?.unwrap_or_default();
    let status = PartitionStatus {
        partition: id.0,
        next,
        clock,
        log_end,
        lag_records: lag(query, id, next, log_end).await,
        hot_next: hot.map(|hot| hot.next),
        late_events: row.late_events,
        malformed_events: row.malformed_events,
        ignored_beats: row.ignored_beats,
    };
    let beats = query.stores.rows.beats(id, BEATS_REPORTED).await?;
    Ok(Look { status, is_begun: rows.is_some(), is_repairing, repair, beats })
}

fn repair_status(repair: Repair) -> RepairStatus {
    let (state, failure) = match repair.state {
        RepairState::Ordered => (status::RepairState::Ordered, None),
        RepairState::Done => (status::RepairState::Done, None),
        RepairState::Failed(why) => (status::RepairState::Failed, Some(why)),
    };
    let order = repair.order;
    RepairStatus {
        partition: order.partition.0,
        session_id: order.session_id,
        reason: order.reason,
        ordered_ms: order.ordered_ms,
        state,
        failure,
    }
}

/// How many records lie between `next` and the end of the log, at most. The last offsets before
/// the end may hold none (Kafka's transaction markers): only reading tells, and it is remembered,
/// so a quiet log is read once.
async fn lag(query: &Query, id: PartitionId, next: u64, log_end: u64) -> u64 {
    let offsets = log_end.saturating_sub(next);
    if offsets == 0 || offsets > TAIL_MAX {
        return offsets;
    }
    if query.health.is_empty(id, next, log_end) {
        return 0;
    }
    // A log that is away is not waited for each time: whoever asks judges the chain by it.
    match query.health.log.call(TAIL_LOOK, query.log.read(id, next, 1)).await {
        // Everything below the end that was known before could be read.
        Ok(records) if records.is_empty() => {
            query.health.note_empty(id, next, log_end);
            0
        }
        _ => offsets,
    }
}
