//! Sessions side by side: their figures, how far they differ, and their series laid over each
//! other.
//!
//! # Figures at a minute
//!
//! With `at` every session is shown as of the same time since its start. Sums then come from
//! the trend's minutes, so they are exact at the precision of a minute: every minute that begins
//! before the moment counts, those before the start included. Distinct users can't be added up
//! over minutes (the same viewer is in many), and what was refused has no minute at all: those
//! metrics are `null` and named in `not_at`, with all that are computed from them. Reading
//! them as of a moment needs a replay from the log.

use std::ops::Range;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use tandem_model::catalogue::{Kind, Metric, STORED, Value};
use tandem_model::problem::Problem;
use tandem_model::retention::Retention;
use tandem_model::row::SessionState;
use tandem_model::time::{DAY_MS, Window};
use tandem_model::{Breakdown, Row, SessionId, Stored, Table, Values};
use tandem_storage::{Part, Select};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Failure, json};
use crate::buckets::{Points, Series, check_points, count, span};
use crate::figures::{Number, Selection};
use crate::reading::Reading;
use crate::report::room_values;
use crate::request::{Call, Given, Named, Parameters, given};
use crate::schemas::{AlignName, MetricName};
use crate::sessions::Session;
use crate::wire::Meta;
use crate::{Query, sight};

/// How many sessions stand side by side, the first included.
const SESSIONS_MAX: usize = 10;
/// The farthest moment since the start that can be asked for, in milliseconds.
const AT_MS_MAX: u64 = 366 * DAY_MS;

/// What to compare with, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CompareParameters {
    /// The other sessions' ids, separated by commas; up to 9, each once.
    #[param(required, style = Form, explode = false, value_type = Vec<String>, example = json!(["s2", "s3"]))]
    with: Option<String>,
    /// Only these metrics, separated by commas; all when absent.
    #[param(style = Form, explode = false, value_type = Option<Vec<MetricName>>, example = json!(["views", "gmv_fen"]))]
    metrics: Option<String>,
    /// `start` (when absent) counts minutes from each session's own start, `clock` leaves them
    /// where they are.
    #[param(value_type = Option<AlignName>, default = "start")]
    align: Option<String>,
    /// Figures as of this long after each session's start, in milliseconds; the present ones when
    /// absent.
    #[param(value_type = Option<u64>, maximum = 31_622_400_000_u64, example = 600_000)]
    at: Option<String>,
}

/// Sessions side by side.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Comparison<'a> {
    #[schema(value_type = AlignName)]
    align: &'static str,
    /// How long after their start the sessions are shown, in milliseconds; `null` for the present.
    #[schema(required)]
    at_ms: Option<u64>,
    /// The metrics that can't be told as of a moment, and are `null` therefore.
    #[schema(value_type = Vec<MetricName>)]
    not_at: Vec<&'static str>,
    /// The first is the one in the path; the others follow as they were named.
    sessions: Vec<Compared<'a>>,
    /// Per session its minutes, under its id; up to the moment where one is asked for.
    series: Vec<Series<'a>>,
    /// About the answer: the earliest of the sessions' moments, the liveliest of their states.
    meta: &'a Meta,
}

/// One of the sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Compared<'a> {
    session: Session<'a>,
    #[schema(schema_with = crate::schemas::compared_metrics)]
    metrics: Shown<'a>,
    /// Per metric the difference from the first session: absolute, and relative to the first
    /// session's value (`null` where that is 0 or undefined). `null` for the first itself.
    #[schema(schema_with = crate::schemas::differences)]
    difference: Option<Differences<'a>>,
}

/// Sessions side by side.
///
/// Each session's figures are one consistent cut of their own. The key must see all of each session,
/// not a part.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/compare",
    tag = "figures",
    params(("id" = String, Path, description = "The first session's id.", example = "s1"), CompareParameters),
    responses((status = 200, description = "The sessions side by side.", body = Comparison)),
)]
pub(crate) async fn compare(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(id): Named,
    Parameters(parameters): Parameters<CompareParameters>,
) -> Result<Response, Failure> {
    let metrics = Selection::of(given("metrics", &parameters.metrics))?.room;
    let aligns = ["start", "clock"];
    let align = given("align", &parameters.align).one_of(aligns, |name| name)?.unwrap_or("start");
    let at_ms = given("at", &parameters.at).integer(0, AT_MS_MAX)?;
    let ids = ids(&id, given("with", &parameters.with))?;

    // One after the other: there are few, and none is on the hot path.
    let minutes = Table::Trend(Window::Minute);
    let parts = [(Table::Total, 0..1), (minutes, 0..u64::MAX)];
    let parts = parts.map(|(table, buckets)| Part { table, breakdown: Breakdown::Room, buckets });
    let select = Select::Parts(parts.to_vec());
    let mut readings = Vec::with_capacity(ids.len());
    for id in &ids {
        let reading = query.session(&call, id, &select).await?;
        sight::check(call.asker.view(&reading.rows.session), &[Breakdown::Room])?;
        readings.push(reading);
    }

    for (id, reading) in ids.iter().zip(&readings).filter(|_| at_ms.is_some()) {
        check_minutes_are_kept(id, reading, query.stores.rows.retention())?;
    }
    let sides: Vec<Side<'_>> = readings.iter().map(|reading| Side::new(reading, at_ms)).collect();
    let points = sides.iter().map(|side| count(&side.span, Window::Minute)).fold(0, u64::saturating_add);
    check_points(points, "compare fewer sessions, or take an earlier `at`")?;

    let is_told = |metric: Metric| at_ms.is_none() || is_told_at(metric);
    let shown: Vec<Shown<'_>> =
        sides.iter().map(|side| Shown::new(&metrics, &side.values, is_told)).collect();
    let trended: Vec<Metric> = metrics.iter().copied().filter(|metric| metric.has_trend()).collect();
    let meta = meta(&query, &call, &readings);
    let answer = Comparison {
        align,
        at_ms,
        not_at: metrics.iter().filter(|metric| !is_told(**metric)).map(|metric| metric.id()).collect(),
        sessions: (0..sides.len())
            .map(|index| Compared {
                session: Session::new(ids[index], &readings[index].rows.session),
                difference: (index > 0).then(|| Differences { base: &shown[0], other: &shown[index] }),
                metrics: shown[index].clone(),
            })
            .collect(),
        series: (0..sides.len())
            .map(|index| {
                let side = &sides[index];
                let points = Points {
                    rows: side.minutes,
                    metrics: &trended,
                    window: Window::Minute,
                    span: side.span.clone(),
                    origin: (align == "start").then_some(Window::Minute.bucket(side.start)),
                };
                Series { key: ids[index], points }
            })
            .collect(),
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}

fn ids<'a>(first: &'a str, with: Given<'a>) -> Result<Vec<&'a str>, Failure> {
    let rule = format!("1 to {} ids of other sessions, separated by commas, each once", SESSIONS_MAX - 1);
    let mut ids = vec![first];
    for id in with.text().unwrap_or_default().split(',') {
        if SessionId::new(id).is_none() || ids.contains(&id) || ids.len() == SESSIONS_MAX {
            return Err(with.problem(&rule).into());
        }
        ids.push(id);
    }
    Ok(ids)
}

/// One session, cut to the moment asked for.
struct Side<'a> {
    /// When it started, in milliseconds.
    start: u64,
    values: Values,
    minutes: &'a [Row],
    span: Range<u64>,
}

impl<'a> Side<'a> {
    fn new(reading: &'a Reading, at_ms: Option<u64>) -> Self {
        let rows = &reading.rows.rows;
        let (totals, minutes) = rows.split_at(rows.partition_point(|row| row.key.table == Table::Total));
        let whole = span(minutes, Window::Minute);
        let start = reading.rows.session.attributes.as_ref().map_or(whole.start, |known| known.started_at);
        let Some(at_ms) = at_ms else {
            return Self { start, values: *room_values(totals), minutes, span: whole };
        };
        let end = start.saturating_add(at_ms);
        let counted = &minutes[..minutes.partition_point(|row| row.key.bucket < end)];
        let until = end.next_multiple_of(Window::Minute.length_ms()).clamp(whole.start, whole.end);
        Self { start, values: sum(counted), minutes, span: whole.start..until }
    }
}

/// Refuses to add up minutes of which the first can't be read any more: the sum would be untrue.
fn check_minutes_are_kept(id: &str, reading: &Reading, retention: Retention) -> Result<(), Problem> {
    let session = &reading.rows.session;
    let started = session.attributes.as_ref().map(|known| known.started_at);
    let first = started.into_iter().chain(session.first_ts).min().unwrap_or(u64::MAX);
    let Some(kept_ms) = retention.kept_ms(Window::Minute) else { return Ok(()) };
    if first >= retention.first_kept(Window::Minute, reading.cut.clock) {
        return Ok(());
    }
    let days = kept_ms / DAY_MS;
    Err(Problem::bad_parameter(format!(
        "the minutes of session {id} are not kept any more ({days} days): compare without `at`"
    )))
}

/// The totals of some minutes; distinct counts are left out.
fn sum(minutes: &[Row]) -> Values {
    let mut values = [0; STORED];
    for row in minutes {
        for &stored in Stored::ALL {
            let (value, new) = (&mut values[stored as usize], row.values[stored as usize]);
            match stored.kind() {
                Kind::Sum => *value += new,
                Kind::GaugeLast => *value = new,
                Kind::GaugePeak => *value = (*value).max(new),
                Kind::Distinct | Kind::Computed => {}
            }
        }
    }
    values
}

/// Whether a metric can be told as of a moment: by adding up minutes.
fn is_told_at(metric: Metric) -> bool {
    let is_summed = |stored: Stored| stored.has_trend() && stored.kind() != Kind::Distinct;
    match metric {
        Metric::Stored(stored) => is_summed(stored),
        Metric::Computed(computed) => computed.formula.inputs().all(is_summed),
    }
}

/// The metrics of one session, `null` where they can't be told.
#[derive(Clone, Debug)]
struct Shown<'a> {
    metrics: &'a [Metric],
    values: Vec<Value>,
}

impl<'a> Shown<'a> {
    fn new(metrics: &'a [Metric], values: &Values, is_told: impl Fn(Metric) -> bool) -> Self {
        let value = |metric: &Metric| if is_told(*metric) { metric.value(values) } else { Value::Null };
        Self { metrics, values: metrics.iter().map(value).collect() }
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.metrics.iter().zip(&self.values).map(|(metric, value)| (metric.id(), Number(*value))),
        )
    }
}

#[derive(Debug)]
struct Differences<'a> {
    base: &'a Shown<'a>,
    other: &'a Shown<'a>,
}

#[derive(Serialize)]
struct Difference {
    absolute: Number,
    relative: Number,
}

impl Serialize for Differences<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.base.metrics.len()))?;
        let pairs = self.base.values.iter().zip(&self.other.values);
        for (metric, (base, other)) in self.base.metrics.iter().zip(pairs) {
            map.serialize_entry(metric.id(), &difference(*base, *other))?;
        }
        map.end()
    }
}

fn difference(base: Value, other: Value) -> Difference {
    let absolute = match (base, other) {
        (Value::Integer(base), Value::Integer(other)) => Value::Integer(other - base),
        _ => match (fraction(base), fraction(other)) {
            (Some(base), Some(other)) => Value::Fraction(other - base),
            _ => Value::Null,
        },
    };
    let relative = match (fraction(absolute), fraction(base)) {
        // Relative to the size of the base: a loss that shrinks is a rise.
        (Some(absolute), Some(base)) if base != 0.0 => Value::Fraction(absolute / base.abs()),
        _ => Value::Null,
    };
    Difference { absolute: Number(absolute), relative: Number(relative) }
}

fn fraction(value: Value) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(integer as f64),
        Value::Fraction(fraction) => Some(fraction),
        Value::Null => None,
    }
}

fn meta(query: &Query, call: &Call, readings: &[Reading]) -> Meta {
    let cuts: Vec<_> = readings.iter().map(|reading| (reading.rows.partition, reading.cut)).collect();
    let states = readings.iter().map(|reading| reading.rows.session.state);
    // Whatever may still change makes the whole answer one that may.
    let state = states.min_by_key(|state| match state {
        SessionState::Live => 0,
        SessionState::Corrected => 1,
        SessionState::Final => 2,
    });
    let stale = readings.iter().any(|reading| reading.is_stale);
    let mut meta = query.meta(call, &cuts, state.unwrap_or_default(), stale);
    for reading in readings {
        for name in &reading.degraded {
            if !meta.degraded.iter().any(|known| known == name) {
                meta.degraded.push((*name).to_owned());
            }
        }
    }
    meta
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_exact_for_integers_and_null_where_undefined() {
        let check = |base, other, absolute, relative| {
            let found = difference(base, other);
            assert_eq!((found.absolute.0, found.relative.0), (absolute, relative), "{base:?} {other:?}");
        };
        let (integer, fraction) = (Value::Integer, Value::Fraction);
        check(integer(50), integer(45), integer(-5), fraction(-0.1));
        check(integer(0), integer(45), integer(45), Value::Null);
        check(integer(-10), integer(-5), integer(5), fraction(0.5));
        check(integer(1 << 60), integer((1 << 60) + 1), integer(1), fraction(1.0 / (1_u64 << 60) as f64));
        check(fraction(0.5), fraction(0.25), fraction(-0.25), fraction(-0.5));
        check(Value::Null, fraction(0.25), Value::Null, Value::Null);
        check(fraction(0.25), Value::Null, Value::Null, Value::Null);
    }

    #[test]
    fn what_needs_users_or_refused_events_is_not_told_at_a_moment() {
        let not: Vec<_> = Metric::all().filter(|metric| !is_told_at(*metric)).map(Metric::id).collect();
        for id in ["viewers", "late_events", "late_share", "conversion_rate", "watch_ms_avg"] {
            assert!(not.contains(&id), "{id}");
        }
        for id in ["views", "gmv_fen", "net_gmv_fen", "gpm_fen", "online_peak", "suspect_share"] {
            assert!(!not.contains(&id), "{id}");
        }
    }
}
