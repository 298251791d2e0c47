//! Schemas that can't be derived from a type: they follow from the catalogue and the model.

use tandem_model::catalogue::{Kind, Metric, STORED, Unit, Value};
use tandem_model::rejected::Reason;
use tandem_model::route::Chain;
use tandem_model::row::SessionState;
use tandem_model::time::Window;
use tandem_model::{Breakdown, Stored};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, Array, ArrayBuilder, Object, ObjectBuilder, Ref, Schema, SchemaType, Type,
};

/// Names of the hand-made components.
const METRICS: &str = "Metrics";
const KEY_METRICS: &str = "KeyMetrics";
const POINT: &str = "Point";
const DISTINCT: &str = "Distinct";
const DISTINCT_COUNT: &str = "DistinctCount";

/// The components that other schemas refer to by name.
pub(crate) fn components() -> Vec<(String, RefOr<Schema>)> {
    let distinct = Stored::ALL.iter().filter(|stored| stored.kind() == Kind::Distinct);
    let distinct = distinct.fold(
        ObjectBuilder::new()
            .description(Some("The distinct counts among the metrics, and whether they are exact.")),
        |object, stored| object.property(stored.id(), Ref::from_schema_name(DISTINCT_COUNT)),
    );
    let count = ObjectBuilder::new()
        .property("value", whole())
        .property("exact", ObjectBuilder::new().schema_type(Type::Boolean))
        .required("value")
        .required("exact")
        .description(Some(
            "A count of distinct users: exact up to 4,096, beyond that with a relative standard error of at most 1 %.",
        ));
    vec![
        (METRICS.to_owned(), metrics_object("The session's metrics.", |_| true).into()),
        (
            KEY_METRICS.to_owned(),
            metrics_object("The metrics of one key of a breakdown.", |metric| !metric.is_room_only()).into(),
        ),
        (
            POINT.to_owned(),
            metrics_object("The metrics of one bucket.", Metric::has_trend)
                .property("t", described(whole(), "Start of the bucket, in milliseconds."))
                .property(
                    "minute",
                    described(
                        ObjectBuilder::new().schema_type(Type::Integer),
                        "In comparisons aligned by start: minutes since the session's own, negative before it.",
                    ),
                )
                .required("t")
                .into(),
        ),
        (DISTINCT.to_owned(), distinct.into()),
        (DISTINCT_COUNT.to_owned(), count.into()),
    ]
}

fn metrics_object(description: &str, has: impl Fn(Metric) -> bool) -> ObjectBuilder {
    Metric::all()
        .filter(|metric| has(*metric))
        .fold(ObjectBuilder::new().description(Some(description)), |object, metric| {
            object.property(metric.id(), metric_schema(metric))
        })
}

/// What a metric's values can be follows from its value for nothing at all: a ratio has none then.
fn is_integer(metric: Metric) -> bool {
    matches!(metric.value(&[0; STORED]), Value::Integer(_))
}

fn metric_schema(metric: Metric) -> ObjectBuilder {
    let schema_type = match is_integer(metric) {
        true => SchemaType::Type(Type::Integer),
        false => SchemaType::from_iter([Type::Number, Type::Null]),
    };
    let unit = match metric.unit() {
        Unit::Fen => "minor units of money",
        Unit::Milliseconds => "milliseconds",
        Unit::Users => "users",
        Unit::Ratio => "fraction",
        Unit::Count => "count",
    };
    ObjectBuilder::new().schema_type(schema_type).description(Some(format!(
        "{} · {} ({unit}): {}",
        metric.en(),
        metric.zh(),
        metric.formula()
    )))
}

/// Reference to the metrics of a session as a whole.
pub(crate) fn metrics() -> RefOr<Schema> {
    Ref::from_schema_name(METRICS).into()
}

/// The metrics of a session in a comparison: each may be `null`.
pub(crate) fn compared_metrics() -> Object {
    let nullable = |metric: Metric| {
        let number = if is_integer(metric) { Type::Integer } else { Type::Number };
        ObjectBuilder::new().schema_type(SchemaType::from_iter([number, Type::Null]))
    };
    Metric::all()
        .fold(ObjectBuilder::new(), |object, metric| object.property(metric.id(), nullable(metric)))
        .build()
}

/// Reference to the metrics of one key.
pub(crate) fn key_metrics() -> RefOr<Schema> {
    Ref::from_schema_name(KEY_METRICS).into()
}

/// Reference to the distinct counts.
pub(crate) fn distinct() -> RefOr<Schema> {
    Ref::from_schema_name(DISTINCT).into()
}

/// Per breakdown the rows of its keys.
pub(crate) fn breakdowns() -> Object {
    let rows = || ArrayBuilder::new().items(Ref::from_schema_name("BreakdownRow"));
    Breakdown::PUBLIC
        .into_iter()
        .fold(ObjectBuilder::new(), |object, breakdown| {
            let (zh, en) = breakdown.titles();
            object.property(breakdown.name(), rows().description(Some(format!("{en} · {zh}"))))
        })
        .build()
}

/// Points of a series.
pub(crate) fn points() -> Array {
    ArrayBuilder::new().items(Ref::from_schema_name(POINT)).build()
}

/// Per metric the difference from the first session.
pub(crate) fn differences() -> Object {
    let number = || SchemaType::from_iter([Type::Number, Type::Null]);
    let difference = || {
        ObjectBuilder::new()
            .property("absolute", ObjectBuilder::new().schema_type(number()))
            .property("relative", ObjectBuilder::new().schema_type(number()))
            .required("absolute")
            .required("relative")
    };
    let object =
        Metric::all().fold(ObjectBuilder::new(), |object, metric| object.property(metric.id(), difference()));
    object.schema_type(SchemaType::from_iter([Type::Object, Type::Null])).build()
}

/// Per stored metric what an event would have added.
pub(crate) fn would_add() -> Object {
    Stored::ALL
        .iter()
        .fold(ObjectBuilder::new(), |object, stored| object.property(stored.id(), whole()))
        .build()
}

/// Metrics whose totals can't be cut at a moment, as an answer's list.
pub(crate) fn metric_ids() -> Array {
    ArrayBuilder::new().items(one_of(Metric::all().map(Metric::id))).build()
}

/// A list of breakdowns, as a parameter.
pub(crate) fn breakdown_names() -> Array {
    ArrayBuilder::new().items(breakdown()).build()
}

/// One breakdown.
pub(crate) fn breakdown() -> Object {
    one_of(Breakdown::PUBLIC.into_iter().map(Breakdown::name))
}

/// The step of a trend.
pub(crate) fn step() -> Object {
    one_of(Window::ALL.into_iter().map(Window::name))
}

/// How far a session has come.
pub(crate) fn state() -> Object {
    let all = [SessionState::Live, SessionState::Final, SessionState::Corrected];
    one_of(all.into_iter().map(SessionState::name))
}

/// Why an event was not counted.
pub(crate) fn reason() -> Object {
    one_of(Reason::NAMES.into_iter())
}

/// One of the chains.
pub(crate) fn chain() -> Object {
    one_of(Chain::ALL.into_iter().map(Chain::name))
}

/// How series are laid side by side.
pub(crate) fn align() -> Object {
    one_of(["start", "clock"].into_iter())
}

/// Rows on the wire.
pub(crate) fn rows() -> Array {
    let row = ArrayBuilder::new()
        .items(ObjectBuilder::new().schema_type(SchemaType::AnyValue))
        .min_items(Some(6))
        .max_items(Some(6))
        .description(Some("`[table, breakdown, key, bucket, offset, {column: value}]`, zeros left out"));
    ArrayBuilder::new().items(row).build()
}

/// A problem's own shape: RFC 9457.
pub(crate) fn problem() -> Object {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    ObjectBuilder::new()
        .property("type", described(text(), "Stable, for programs: `urn:tandem:problem:` and a name."))
        .property("title", described(text(), "The same for people."))
        .property("status", described(whole(), "The HTTP status."))
        .property("detail", described(text(), "What happened here, and what to do about it."))
        .required("type")
        .required("title")
        .required("status")
        .required("detail")
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .description(Some("RFC 9457. Some kinds have further members."))
        .build()
}

fn described(object: ObjectBuilder, description: &str) -> ObjectBuilder {
    object.description(Some(description))
}

fn whole() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0))
}

fn one_of(names: impl Iterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}
