//! The report: a session's figures as a whole and by every breakdown. The hot path.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use tandem_model::catalogue::{OTHER, STORED};
use tandem_model::scope::View;
use tandem_model::{Breakdown, Row, Values};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Failure, json};
use crate::figures::{DistinctFigures, Figures, RawSource, Selection, rank};
use crate::request::{Call, Named, Parameters, given};
use crate::schemas::{BreakdownName, MetricName};
use crate::sessions::Session;
use crate::wire::Meta;
use crate::{Query, sight};

/// What a report holds.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportParameters {
    /// Only these breakdowns, separated by commas; all that the key sees when absent, none when empty.
    #[param(style = Form, explode = false, value_type = Option<Vec<BreakdownName>>, example = json!(["source", "item"]))]
    breakdowns: Option<String>,
    /// Only these metrics, separated by commas; all when absent. Those that only the session as
    /// a whole has are left out of the breakdowns.
    #[param(style = Form, explode = false, value_type = Option<Vec<MetricName>>, example = json!(["views", "gmv_fen"]))]
    metrics: Option<String>,
    /// Described by [`ReportThen`]: streams have these parameters, too, but are of now.
    #[param(ignore)]
    at: Option<String>,
}

/// Which report.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is only described")]
pub(crate) struct ReportThen {
    /// As it was then: the token of an answer about the session, or a time in milliseconds, which stands for
    /// the newest beat that is not later; now when absent. What may be seen is decided as of today.
    at: Option<String>,
}

/// A session's figures.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Report<'a> {
    session: Session<'a>,
    /// Of the session as a whole: also gauges, quality, and distinct counts as plain numbers. Empty
    /// for a key that sees a part of the session.
    #[schema(schema_with = crate::schemas::metrics)]
    metrics: Figures<'a>,
    /// The distinct counts, and whether they are exact. Empty for a key that sees a part.
    #[schema(schema_with = crate::schemas::distinct)]
    distinct: DistinctFigures<'a>,
    /// Per breakdown its keys: `source` and `fan` in the order of the catalogue, others in that
    /// of their bytes. Not paged.
    #[schema(schema_with = crate::schemas::breakdowns)]
    breakdowns: Breakdowns<'a>,
    /// About the answer.
    meta: &'a Meta,
}

/// One key of a breakdown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BreakdownRow<'a> {
    /// The key; `~other` stands for keys beyond the first 1,000 (`item`: 5,000).
    key: &'a str,
    #[schema(schema_with = crate::schemas::key_metrics)]
    metrics: Figures<'a>,
    #[schema(schema_with = crate::schemas::distinct)]
    distinct: DistinctFigures<'a>,
    /// Source `other` only: the sources as they were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<RawSource<'a>>, required = false)]
    raw: Option<RawSources<'a>>,
}

/// The report of a session, live or off-air, now or as it was.
///
/// All figures are of one consistent cut: the session's log up to one position, and nothing
/// beyond it. Ratios are `null` where their divisor is 0.
///
/// A merchant's key reads breakdown `item` of sessions that sold for the merchant, an advertiser's its
/// own keys of breakdown `channel`; `metrics` and `distinct` are empty then.
///
/// With `at` the session is computed again from the log: the same figures to the byte on both chains, and
/// whenever it is asked. That may take a while: 503 `in-preparation` then, and the same question a second
/// later finds it done.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/report",
    tag = "figures",
    params(("id" = String, Path, description = "The session's id.", example = "s-20241121-0001"), ReportParameters, ReportThen),
    responses((status = 200, description = "The report.", body = Report)),
)]
pub(crate) async fn report(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(id): Named,
    Parameters(parameters): Parameters<ReportParameters>,
) -> Result<Response, Failure> {
    let given_at = given("at", &parameters.at);
    let at = query.at(given_at, &id)?;
    let selection = Selection::of(given("metrics", &parameters.metrics))?;
    let asked = given("breakdowns", &parameters.breakdowns);
    let asked = match asked.is_empty() {
        true => Some(Vec::new()),
        false => asked.several(&Breakdown::PUBLIC, Breakdown::name)?,
    };
    let reading = query.totals(&call, &id).await?;
    let view = call.asker.view(&reading.rows.session);
    let wanted = asked.unwrap_or_else(|| sight::breakdowns(view));
    sight::check(view, &wanted)?;
    let reading = match at {
        None => reading,
        Some(at) => {
            at.check(given_at, reading.cut)?;
            query.then(&call, reading, at).await?
        }
    };
    let meta = query.meta_of(&call, &reading);
    let selection = query.in_force(meta.as_of).selection(selection);
    let rows = &reading.rows.rows;
    let room_metrics = if view == View::Whole { selection.room.as_slice() } else { &[] };
    let room = Figures { metrics: room_metrics, values: room_values(rows) };
    let report = Report {
        session: Session::new(&id, &reading.rows.session),
        metrics: room,
        distinct: DistinctFigures(room),
        breakdowns: Breakdowns { wanted: &wanted, rows, selection: &selection },
        meta: &meta,
    };
    Ok(json(&report, &meta))
}

/// The figures of the session as a whole, among totals; zeros before the first.
pub(crate) fn room_values(totals: &[Row]) -> &Values {
    static NOTHING: Values = [0; STORED];
    of(totals, Breakdown::Room).first().map_or(&NOTHING, |row| &row.values)
}

/// The rows of one breakdown among rows of one table, which stand in the order of their keys.
fn of(rows: &[Row], breakdown: Breakdown) -> &[Row] {
    let start = rows.partition_point(|row| row.key.breakdown < breakdown);
    let end = rows.partition_point(|row| row.key.breakdown <= breakdown);
    &rows[start..end]
}

/// Per breakdown its rows.
#[derive(Debug)]
struct Breakdowns<'a> {
    wanted: &'a [Breakdown],
    rows: &'a [Row],
    selection: &'a Selection,
}

impl Serialize for Breakdowns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.wanted.len()))?;
        for &breakdown in self.wanted {
            let rows = BreakdownRows { breakdown, rows: self.rows, metrics: &self.selection.keyed };
            map.serialize_entry(breakdown.name(), &rows)?;
        }
        map.end()
    }
}

struct BreakdownRows<'a> {
    breakdown: Breakdown,
    rows: &'a [Row],
    metrics: &'a [tandem_model::Metric],
}

impl Serialize for BreakdownRows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows: Vec<&Row> = of(self.rows, self.breakdown).iter().collect();
        // Stable, so keys that the catalogue does not list keep the order of their bytes.
        rows.sort_by_key(|row| rank(self.breakdown, &row.key.key));
        let mut seq = serializer.serialize_seq(Some(rows.len()))?;
        for row in rows {
            let figures = Figures { metrics: self.metrics, values: &row.values };
            let is_other = self.breakdown == Breakdown::Source && &*row.key.key == OTHER;
            seq.serialize_element(&BreakdownRow {
                key: &row.key.key,
                metrics: figures,
                distinct: DistinctFigures(figures),
                raw: is_other.then(|| RawSources(of(self.rows, Breakdown::RawSource))),
            })?;
        }
        seq.end()
    }
}

/// The sources that count under `other`, as they were sent.
#[derive(Debug)]
struct RawSources<'a>(&'a [Row]);

impl Serialize for RawSources<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|row| RawSource {
            value: &row.key.key,
            events: row.values[tandem_model::Stored::Events as usize],
        }))
    }
}
