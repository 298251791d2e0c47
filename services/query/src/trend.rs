//! Trends: a session's figures per bucket of event time.

use std::ops::Range;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tandem_model::catalogue::{Metric, ROOM};
use tandem_model::problem::Problem;
use tandem_model::retention::Retention;
use tandem_model::time::Window;
use tandem_model::{Breakdown, Row, Table};
use tandem_storage::{Part, Select};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Failure, json};
use crate::buckets::{Points, Series, check_points, clip, count, span};
use crate::figures::rank;
use crate::reading::Reading;
use crate::request::{Call, Named, Parameters, given};
use crate::schemas::{BreakdownName, StepName, TrendMetricName};
use crate::wire::Meta;
use crate::{Query, sight};

/// Which trend.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TrendParameters {
    /// Only these metrics, separated by commas; all that have a trend when absent. Those that only the
    /// session as a whole has can't be split: not together with `by`.
    #[param(style = Form, explode = false, value_type = Option<Vec<TrendMetricName>>, example = json!(["views", "gmv_fen"]))]
    metrics: Option<String>,
    /// How long a bucket is; `1m` when absent.
    #[param(value_type = Option<StepName>, default = "1m")]
    step: Option<String>,
    /// One series per key of this breakdown; one of the session as a whole when absent. A key that
    /// sees a part of the session must name the breakdown it sees.
    #[param(value_type = Option<BreakdownName>)]
    by: Option<String>,
    /// Only buckets that end after this moment, in milliseconds.
    #[param(value_type = Option<u64>)]
    from: Option<String>,
    /// Only buckets that begin before this moment, in milliseconds; after `from`.
    #[param(value_type = Option<u64>)]
    to: Option<String>,
}

/// A session's figures over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trend<'a> {
    /// The session's id.
    session_id: &'a str,
    /// How long a bucket is, in milliseconds.
    step_ms: u64,
    /// One with the key `room`, or one per key of the breakdown that has anything in the range.
    series: Vec<Series<'a>>,
    /// Only where the session's first buckets of this length are not kept any more: the start of the
    /// first that can still be there, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_from: Option<u64>,
    /// About the answer.
    meta: &'a Meta,
}

/// A session's figures over time.
///
/// Every bucket from that of the first to that of the last accepted event is there, zeros
/// included; each series has all of them. Sums over buckets equal those of coarser ones
/// exactly. Distinct counts are those of the bucket alone. What came after the session was
/// final is in the report, not in the trend. All series are of one consistent cut.
///
/// `tandem up` keeps every bucket. A system on ScyllaDB keeps one until its end is 2 days (10 s),
/// 90 days (1 min) or 400 days (5 min) behind the log's clock; a trend of which buckets are gone
/// begins with the first that is there and says so (`kept_from`). Totals are kept for good.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/trend",
    tag = "figures",
    params(("id" = String, Path, description = "The session's id.", example = "s-20241121-0001"), TrendParameters),
    responses((status = 200, description = "The trend.", body = Trend)),
)]
pub(crate) async fn trend(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(id): Named,
    Parameters(parameters): Parameters<TrendParameters>,
) -> Result<Response, Failure> {
    let window = given("step", &parameters.step).one_of(Window::ALL, Window::name)?.unwrap_or(Window::Minute);
    let by = given("by", &parameters.by).one_of(Breakdown::PUBLIC, Breakdown::name)?;
    let possible: Vec<Metric> = Metric::all()
        .filter(|metric| metric.has_trend() && !(by.is_some() && metric.is_room_only()))
        .collect();
    let metrics = given("metrics", &parameters.metrics).several(&possible, Metric::id)?.unwrap_or(possible);
    let from = given("from", &parameters.from).moment()?;
    let to = given("to", &parameters.to).moment()?;
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(given("from", &parameters.from).problem("before `to`").into());
    }

    // The session's own rows say where the trend begins and ends, whatever part is asked for;
    // both parts come from one read, so they are of one moment.
    let table = Table::Trend(window);
    let mut parts = vec![Part { table, breakdown: Breakdown::Room, buckets: 0..u64::MAX }];
    if let Some(breakdown) = by {
        parts.push(Part { table, breakdown, buckets: clip(0..u64::MAX, window, from, to) });
    }
    let reading = query.session(&call, &id, &Select::Parts(parts)).await?;
    sight::check(call.asker.view(&reading.rows.session), &[by.unwrap_or(Breakdown::Room)])?;
    let meta = query.meta_of(&call, &reading);
    let metrics = query.in_force(meta.as_of).metrics(metrics);
    let rows = &reading.rows.rows;
    let (room, keyed) = rows.split_at(rows.partition_point(|row| row.key.breakdown == Breakdown::Room));
    let span = clip(span(room, window), window, from, to);
    let groups = match by {
        None => vec![(ROOM, room)],
        Some(breakdown) => by_key(keyed, breakdown, &span),
    };
    check_size(&span, window, groups.len())?;
    let points = |rows| Points { rows, metrics: &metrics, window, span: span.clone(), origin: None };
    let answer = Trend {
        session_id: &id,
        step_ms: window.length_ms(),
        series: groups.into_iter().map(|(key, rows)| Series { key, points: points(rows) }).collect(),
        kept_from: kept_from(&reading, window, query.stores.rows.retention()),
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}

/// The start of the first bucket that can still be there, where earlier ones are not.
fn kept_from(reading: &Reading, window: Window, retention: Retention) -> Option<u64> {
    let first_kept = retention.first_kept(window, reading.cut.clock);
    let first = window.bucket(reading.rows.session.first_ts?);
    (first < first_kept).then_some(first_kept)
}

/// The keys that have rows in the span, in the order of the report, with their rows.
fn by_key<'a>(rows: &'a [Row], breakdown: Breakdown, span: &Range<u64>) -> Vec<(&'a str, &'a [Row])> {
    let mut groups: Vec<(&str, &[Row])> = rows
        .chunk_by(|one, next| one.key.key == next.key.key)
        .filter(|rows| rows.iter().any(|row| span.contains(&row.key.bucket)))
        .map(|rows| (&*rows[0].key.key, rows))
        .collect();
    groups.sort_by_key(|(key, _)| rank(breakdown, key));
    groups
}

fn check_size(span: &Range<u64>, window: Window, series: usize) -> Result<(), Problem> {
    let points = count(span, window).saturating_mul(series as u64);
    check_points(points, "narrow it with `from` and `to`, or take a longer `step`")
}
