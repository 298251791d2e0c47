//! `GET /v1/status`, public: which chain serves, how far both are, and whether they agree.
//!
//! Composed from what the chains say of themselves. It asks both, so a short memory keeps a
//! crowd in front of this page from becoming a load on them.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use tandem_ingest::wall_ms;
use tandem_model::SessionId;
use tandem_model::route::Chain;
use tandem_model::status::{Beat, ChainStatus, PATH, PartitionStatus, RepairState, RepairStatus};
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

/// How the latest repair of a partition stands.
#[derive(Serialize)]
struct RepairReport<'a> {
    partition: u32,
    state: RepairState,
    ordered_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a SessionId>,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
}

impl<'a> From<&'a RepairStatus> for RepairReport<'a> {
    fn from(status: &'a RepairStatus) -> Self {
        let RepairStatus { partition, session_id, reason, ordered_ms, state, failure } = status;
        Self {
            partition: *partition,
            state: *state,
            ordered_ms: *ordered_ms,
            session_id: session_id.as_ref(),
            reason,
            failure: failure.as_deref(),
        }
    }
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
///
/// What is wrong is shown whole to operators only: figures are not everybody's.
pub(crate) async fn answer(shared: &Shared, is_operator: bool) -> Answer {
    let mut status = current(shared).await;
    if is_operator {
        return json_answer(StatusCode::OK, &status);
    }
    let parity = &mut status["parity"];
    if let Some(findings) = parity["findings"].as_array_mut() {
        findings.iter_mut().for_each(hide_figures);
    }
    for chain in status["chains"].as_array_mut().into_iter().flatten() {
        chain["repairs"].as_array_mut().into_iter().flatten().for_each(hide_reasons);
    }
    json_answer(StatusCode::OK, &status)
}

/// Leaves of a finding what everybody may know.
fn hide_figures(finding: &mut Value) {
    const PUBLIC: [&str; 7] = ["wrong", "level", "store", "partition", "beat", "table", "since_ms"];
    if let Some(finding) = finding.as_object_mut() {
        finding.retain(|name, _| PUBLIC.contains(&name.as_str()));
    }
}

/// Leaves of a repair what everybody may know.
fn hide_reasons(repair: &mut Value) {
    if let Some(repair) = repair.as_object_mut() {
        repair.retain(|name, _| !["session_id", "reason", "failure"].contains(&name.as_str()));
    }
}

/// The status of this moment or nearly so, for operators.
async fn current(shared: &Shared) -> Value {
    let mut memory = shared.status.0.lock().await;
    if let Some((made, status)) = &*memory
        && made.elapsed() < MEMORY
    {
        return status.clone();
    }
    let reports = chains(shared).await;
    let status = compose(shared, &reports, wall_ms());
    *memory = Some((Instant::now(), status.clone()));
    status
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
    let report = shared.parity.get().map(|reports| reports.borrow().clone()).unwrap_or_default();
    // What the stores hold counts as well as what was computed.
    let verdict = if report.findings.culprit().is_some() { Verdict::Different } else { verdict };
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
    let [a, b] = shared.chains.views();
    let mut gateway = json!(shared.counters.read());
    gateway["route_source"] = json!(shared.chains.route_source());
    gateway["health"] = json!({ "a": a, "b": b });
    json!({
        "route": shared.chains.route(),
        "clock": shared.clock.name(),
        "log": { "id": log_id, "partitions": log.partitions() },
        "chains": chains,
        "parity": parity_status(shared, &parity),
        "gateway": gateway,
    })
}

/// What the digests of this moment say, and what whoever compares the chains found.
fn parity_status(shared: &Shared, parity: &Parity) -> Value {
    let report = shared.parity.get().map(|reports| reports.borrow().clone());
    let first = report.as_ref().and_then(|report| report.findings.first());
    let verdict = if first.is_some() { Verdict::Different } else { parity.verdict };
    let findings: Vec<_> = report.iter().flat_map(|report| report.findings.iter()).collect();
    json!({
        "verdict": verdict,
        "beat": parity.beat,
        "partitions": parity.partitions,
        "level": first.map(|finding| finding.level),
        "wrong": report.as_ref().and_then(|report| report.findings.culprit()),
        "findings": findings,
        "scan": report.as_ref().map(|report| report.scan),
    })
}

fn chain_status(chain: Chain, report: Option<&ChainStatus>, clock: ClockMode, now_ms: u64) -> Value {
    let Some(report) = report else {
        return json!({
            "chain": chain, "ready": false, "degraded": [], "partitions": [],
            "as_of": null, "freshness_ms": null, "repairs": [],
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
        "repairs": report.repairs.iter().map(RepairReport::from).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
