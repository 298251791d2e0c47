//! `GET /v1/status`, public: which chain serves, how far both are, and whether they agree.
//!
//! Composed from what the chains say of themselves. It asks both, so a short memory keeps a
//! crowd in front of this page from becoming a load on them.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use tandem_ingest::wall_ms;
use tandem_model::route::Chain;
use tandem_model::status::{Beat, ChainStatus, PATH, PartitionStatus};
use tandem_parity::{Parity, Verdict};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::answer::{Answer, json as json_answer};
use crate::config::ClockMode;
use crate::stack::Shared;

/// How long a chain may take for that.
const CHAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a status is given out again.
const MEMORY: Duration = Duration::from_millis(100);

/// The last status, and when it was made. Who comes while one is being made waits for that one.
#[derive(Default)]
pub(crate) struct StatusCache(Mutex<Option<(Instant, Value)>>);

/// How far a chain is in one partition, as everybody may know it.
#[derive(Serialize)]
struct PartitionReport {
    partition: u32,
    next: u64,
    clock: u64,
    late_events: u64,
    malformed_events: u64,
    ignored_beats: u64,
    lag_records: u64,
}

impl From<&PartitionStatus> for PartitionReport {
    fn from(status: &PartitionStatus) -> Self {
        let PartitionStatus {
            partition,
            next,
            clock,
            late_events,
            malformed_events,
            ignored_beats,
            lag_records,
            ..
        } = *status;
        Self { partition, next, clock, late_events, malformed_events, ignored_beats, lag_records }
    }
}

/// Answers with a status of this moment or nearly so.
pub(crate) async fn answer(shared: &Shared) -> Answer {
    let mut memory = shared.status.0.lock().await;
    if let Some((made, status)) = &*memory
        && made.elapsed() < MEMORY
    {
        return json_answer(StatusCode::OK, status);
    }
    let reports = chains(shared).await;
    let status = compose(shared, &reports, wall_ms());
    let answer = json_answer(StatusCode::OK, &status);
    *memory = Some((Instant::now(), status));
    answer
}

/// What both chains say of themselves; nothing of one that does not answer.
pub(crate) async fn chains(shared: &Shared) -> [Option<ChainStatus>; 2] {
    let ask = async |chain| {
        let answer = shared.chains.internal(chain, PATH, CHAIN_TIMEOUT).await?;
        let report = serde_json::from_slice::<ChainStatus>(answer.body());
        report.inspect_err(|error| tracing::warn!(%chain, %error, "a chain's status is unreadable")).ok()
    };
    futures::join!(ask(Chain::A), ask(Chain::B)).into()
}

/// How both chains stand, as the gateway sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// How their digests compare.
    pub verdict: Verdict,
    /// The beat up to which every partition has been compared, in milliseconds since the epoch;
    /// absent where one has not.
    pub beat: Option<u64>,
    /// Whether chains a and b say that they are ready.
    pub is_ready: [bool; 2],
}

/// Asks both chains and compares what they say.
pub(crate) async fn agreement(shared: &Shared) -> Agreement {
    let reports = chains(shared).await;
    let Parity { verdict, beat, .. } = compare(shared, &reports);
    let is_ready = reports.map(|report| report.is_some_and(|report| report.ready));
    Agreement { verdict, beat, is_ready }
}

/// Digests of another log than ours would compare what has nothing to do with each other.
fn compare(shared: &Shared, reports: &[Option<ChainStatus>; 2]) -> Parity {
    let log = shared.ingest.log();
    let log_id = log.id().to_string();
    let none: &[Beat] = &[];
    let [a, b] = reports.each_ref().map(|report| match report {
        Some(report) if report.log == log_id => report.beats.as_slice(),
        _ => none,
    });
    tandem_parity::compare(a, b, log.partitions())
}

fn compose(shared: &Shared, reports: &[Option<ChainStatus>; 2], now_ms: u64) -> Value {
    let log = shared.ingest.log();
    let log_id = log.id().to_string();
    let chains: Vec<Value> = Chain::ALL
        .iter()
        .zip(reports)
        .map(|(chain, report)| chain_status(*chain, report.as_ref(), shared.clock, now_ms))
        .collect();
    let parity = compare(shared, reports);
    json!({
        "route": shared.chains.route(),
        "clock": shared.clock.name(),
        "log": { "id": log_id, "partitions": log.partitions() },
        "chains": chains,
        "parity": parity,
        "gateway": shared.counters.read(),
    })
}

fn chain_status(chain: Chain, report: Option<&ChainStatus>, clock: ClockMode, now_ms: u64) -> Value {
    let Some(report) = report else {
        return json!({
            "chain": chain, "ready": false, "degraded": [], "partitions": [],
            "as_of": null, "freshness_ms": null,
        });
    };
    let partitions: Vec<PartitionReport> = report.partitions.iter().map(PartitionReport::from).collect();
    // As of the slowest partition: everything up to there is in. No beat yet: as of no time.
    let as_of = partitions.iter().map(|part| part.clock).min().filter(|clock| *clock > 0);
    let freshness_ms = match clock {
        ClockMode::Live => as_of.map(|as_of| now_ms.saturating_sub(as_of)),
        // A replay's clock has nothing to do with ours.
        ClockMode::Replay => None,
    };
    json!({
        "chain": chain,
        "ready": report.ready,
        "degraded": report.degraded,
        "partitions": partitions,
        "as_of": as_of,
        "freshness_ms": freshness_ms,
    })
}

#[cfg(test)]
mod tests;
