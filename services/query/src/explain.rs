//! Why two readings of a session differ.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tandem_model::catalogue::{Metric, Value};
use tandem_model::row::SessionState;
use tandem_model::{Breakdown, SessionId, Stored, Values};
use tandem_past::{Cause, Explanation, Then};
use tandem_storage::Select;
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Failure, json};
use crate::definitions::InForce;
use crate::figures::{Number, Selection};
use crate::past::{Answer, At, unknown_then};
use crate::request::{Call, Named, Parameters, given};
use crate::schemas::{CauseName, MetricName, StateName};
use crate::wire::Meta;
use crate::{Query, sight};

/// Which readings.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainParameters {
    /// The first reading: the token of its answer, or a time in milliseconds, which stands for the newest
    /// beat that is not later.
    #[param(value_type = String, required = true)]
    from: Option<String>,
    /// The second one, not before the first; now when absent.
    #[param(value_type = Option<String>)]
    to: Option<String>,
    /// Only these metrics, and those that they are computed of; all when absent.
    #[param(style = Form, explode = false, value_type = Option<Vec<MetricName>>, example = json!(["views", "gmv_fen"]))]
    metrics: Option<String>,
}

/// Why two readings differ.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explained<'a> {
    #[schema(value_type = String)]
    session_id: &'a str,
    /// The first reading.
    from: ReadingThen,
    /// The second reading.
    to: ReadingThen,
    /// The metrics of the session as a whole that differ, in the order of the catalogue; `parts` of the
    /// stored ones add up to `difference` exactly.
    differences: Vec<Difference<'a>>,
    /// About the answer: as of the second reading.
    meta: &'a Meta,
}

/// A reading: what it was taken from, and what it comes to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadingThen {
    /// The clock of its cut, in milliseconds.
    as_of: u64,
    /// The session's partition of the log.
    partition: u32,
    /// The first offset that it does not hold.
    next: u64,
    /// How far the session had come.
    #[schema(value_type = StateName)]
    state: SessionState,
    /// The version of the metrics' definitions.
    definitions: u32,
    /// Digest of the session and its totals, worked out from the log: no chain has another one.
    digest: String,
}

/// What one metric gained or lost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Difference<'a> {
    #[schema(value_type = MetricName)]
    metric: &'static str,
    /// Its value in the first reading.
    #[schema(schema_with = crate::schemas::nullable_number)]
    from: Number,
    /// And in the second.
    #[schema(schema_with = crate::schemas::nullable_number)]
    to: Number,
    /// The second minus the first; `null` where one of them is.
    #[schema(schema_with = crate::schemas::nullable_number)]
    difference: Number,
    /// Computed metrics: what they are computed of. Their parts are those of these metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<MetricName>, required = false, nullable = false)]
    of: Option<Vec<&'static str>>,
    /// Computed metrics whose definition changed between the two readings: what comes of that alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    definition_change: Option<DefinitionChange>,
    /// Stored metrics: what the difference is made of. What is not listed is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    parts: Option<Vec<DifferencePart<'a>>>,
}

/// What a changed definition adds to a difference: the rest of it comes of what the metric is computed of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DefinitionChange {
    /// The version of the definition at the first reading.
    from: u32,
    /// And at the second.
    to: u32,
    from_formula: String,
    to_formula: String,
    /// The value at the second reading, had the definition stayed the same.
    #[schema(schema_with = crate::schemas::nullable_number)]
    unchanged: Number,
    /// What the definition adds: the value at the second reading minus that; `null` where one of them is.
    #[schema(schema_with = crate::schemas::nullable_number)]
    difference: Number,
}

/// What one cause adds to a difference.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DifferencePart<'a> {
    #[schema(value_type = CauseName)]
    cause: &'static str,
    /// How much; may be negative.
    #[schema(schema_with = crate::schemas::whole_number)]
    difference: Number,
    /// By how many records of the log; for verdicts about what the first reading had counted, how many
    /// verdicts.
    records: u64,
    /// The first of them, 5 at most.
    samples: Vec<RecordSample<'a>>,
}

/// One record that changed a figure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordSample<'a> {
    /// Where it stands.
    partition: u32,
    /// Where it stands; of a verdict, where that stands.
    offset: u64,
    /// Verdicts: the record that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    about: Option<u64>,
    /// The type of the event; `beat`, `malformed`, `quarantine`, `release` for what is none.
    what: &'static str,
    /// The event's id, where it has one. Its viewer is not shown.
    #[schema(required)]
    event_id: Option<&'a str>,
    /// When it happened, in milliseconds, where that is known.
    #[schema(required)]
    ts: Option<u64>,
    /// What it added to the metric; `null` where several verdicts changed it together.
    #[schema(schema_with = crate::schemas::nullable_number)]
    added: Option<Number>,
}

/// Why two readings of a session differ.
///
/// Every record between the two readings is applied by itself, and what the session's totals gain or
/// lose by it is put down to one cause, so the parts of a stored metric add up to its difference exactly:
///
/// - `new_events`: accepted events whose `ts` is at or after the clock of the first reading (`from.as_of`).
/// - `late_arrivals`: accepted events whose `ts` is before that clock: of time that was covered already.
/// - `refunds`: accepted `order_refunded` events, whatever their `ts`.
/// - `beats`: samples of `online_viewers` and `online_peak`.
/// - `refused`: late, future, duplicate and malformed events, which count in the metrics of that name.
/// - `quarantine`: what verdicts took away or gave back of what the first reading had counted, and records
///   that are refused because of one.
///
/// Stored metrics never change their meaning. A computed one may be defined anew between the two readings
/// (`from.definitions`, `to.definitions`): then `definition_change` says what comes of that alone. And both
/// chains compute the same from the same log: which of them a reading came from changes nothing, and `digest`
/// is what either of them had.
///
/// The session is computed again from the log, so this may take a while: 503 `in-preparation` then, and the
/// same question a second later finds it done.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/explain",
    tag = "figures",
    params(("id" = String, Path, description = "The session's id.", example = "s-20241121-0001"), ExplainParameters),
    responses((status = 200, description = "What the differences are made of.", body = Explained)),
)]
pub(crate) async fn explain(
    State(query): State<Arc<Query>>,
    call: Call,
    Named(id): Named,
    Parameters(parameters): Parameters<ExplainParameters>,
) -> Result<Response, Failure> {
    let (first, second) = (given("from", &parameters.from), given("to", &parameters.to));
    let selection = Selection::of(given("metrics", &parameters.metrics))?;
    let (from, to) = (query.at(first, &id)?, query.at(second, &id)?);
    let from = from.ok_or_else(|| first.problem("a token, or a time in milliseconds"))?;
    if let (At::Moment(from), Some(At::Moment(to))) = (from, to)
        && from >= to
    {
        return Err(first.problem("before `to`").into());
    }
    let live = query.session(&call, &id, &Select::Session).await?;
    sight::check(call.asker.view(&live.rows.session), &[Breakdown::Room])?;
    from.check(first, live.cut)?;
    to.unwrap_or(from).check(second, live.cut)?;
    let to = to.unwrap_or(At::Position(live.cut.next));
    let explanation = match query.past(&live, Some(from), to).await? {
        Answer::Explained(Some(explanation)) => explanation,
        Answer::Explained(None) => return Err(first.problem("before `to`").into()),
        Answer::Unknown | Answer::Session(_) => return Err(unknown_then(&call, &id)),
    };
    let Explanation { from, to, .. } = &*explanation;
    let partition = live.rows.partition;
    let meta = query.meta(&call, &[(partition, to.cut)], to.session.state, false);
    let [first, second] = [from, to].map(|then| query.in_force(then.cut.clock));
    let reading = |then: &Then, in_force: &InForce| {
        ReadingThen::new(&live.rows.session_id, partition.0, then, in_force.version())
    };
    let answer = Explained {
        session_id: &id,
        from: reading(from, &first),
        to: reading(to, &second),
        differences: differences(&explanation, [&first, &second], &selection, partition.0),
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}

impl ReadingThen {
    fn new(session_id: &SessionId, partition: u32, then: &Then, definitions: u32) -> Self {
        Self {
            as_of: then.cut.clock,
            partition,
            next: then.cut.next,
            state: then.session.state,
            definitions,
            digest: format!("{:032x}", then.digest(session_id)),
        }
    }
}

/// The metrics of the selection that differ, with those that they are computed of.
fn differences<'a>(
    explanation: &'a Explanation,
    [first, second]: [&InForce; 2],
    selection: &Selection,
    partition: u32,
) -> Vec<Difference<'a>> {
    let (from, to) = (explanation.from.room(), explanation.to.room());
    let inputs = |metric: Metric| -> Vec<Stored> {
        let Metric::Computed(computed) = metric else { return Vec::new() };
        let formulas = [first, second].map(|in_force| in_force.computed(computed).formula);
        Stored::ALL
            .iter()
            .copied()
            .filter(|stored| formulas.iter().any(|formula| formula.inputs().any(|input| input == *stored)))
            .collect()
    };
    let is_wanted = |metric: &Metric| {
        selection.room.iter().any(|asked| {
            asked.id() == metric.id()
                || matches!(metric, Metric::Stored(stored) if inputs(*asked).contains(stored))
        })
    };
    Metric::all()
        .filter(is_wanted)
        .filter_map(|metric| {
            let (before, after) = (first.metric(metric), second.metric(metric));
            let definition_change = DefinitionChange::of(before, after, &to);
            let (from, to) = (before.value(&from), after.value(&to));
            let is_moved = definition_change.as_ref().is_some_and(|change| change.unchanged.0 != to);
            if from == to && !is_moved {
                return None;
            }
            let (of, parts) = match metric {
                Metric::Stored(stored) => (None, Some(parts(explanation, stored, partition))),
                Metric::Computed(_) => (Some(inputs(metric).into_iter().map(Stored::id).collect()), None),
            };
            Some(Difference {
                metric: metric.id(),
                from: Number(from),
                to: Number(to),
                difference: Number(difference(from, to)),
                of,
                definition_change,
                parts,
            })
        })
        .collect()
}

impl DefinitionChange {
    /// What another definition makes of the second reading; nothing where it is the same one.
    fn of(before: Metric, after: Metric, to: &Values) -> Option<Self> {
        let unchanged = before.value(to);
        (before.definition() != after.definition()).then(|| Self {
            from: before.definition(),
            to: after.definition(),
            from_formula: before.formula(),
            to_formula: after.formula(),
            unchanged: Number(unchanged),
            difference: Number(difference(unchanged, after.value(to))),
        })
    }
}

fn difference(from: Value, to: Value) -> Value {
    match (from, to) {
        (Value::Integer(from), Value::Integer(to)) => Value::Integer(to - from),
        (Value::Fraction(from), Value::Fraction(to)) => Value::Fraction(to - from),
        _ => Value::Null,
    }
}

fn parts(explanation: &Explanation, stored: Stored, partition: u32) -> Vec<DifferencePart<'_>> {
    let part = |cause: Cause| Some((cause, explanation.parts.get(&(stored, cause))?));
    Cause::ALL
        .into_iter()
        .filter_map(part)
        .map(|(cause, part)| DifferencePart {
            cause: cause.name(),
            difference: Number(Value::Integer(part.difference)),
            records: part.records,
            samples: part
                .samples
                .iter()
                .map(|sample| RecordSample {
                    partition,
                    offset: sample.offset,
                    about: sample.about,
                    what: sample.what,
                    event_id: sample.event_id.as_deref(),
                    ts: sample.ts,
                    added: sample.added.map(|added| Number(Value::Integer(added))),
                })
                .collect(),
        })
        .collect()
}
