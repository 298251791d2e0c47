//! Schemas that can't be derived from a type: they follow from the catalogue and the model.

use std::borrow::Cow;

use tandem_model::catalogue::{COMPUTED, Kind, Metric, STORED, Unit, Value};
use tandem_model::rejected::Reason;
use tandem_model::route::Chain;
use tandem_model::row::SessionState;
use tandem_model::time::Window;
use tandem_model::{Breakdown, Stored};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, Array, ArrayBuilder, Object, ObjectBuilder, Ref, Schema, SchemaType, Type,
};
use utoipa::{PartialSchema, ToSchema};

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
    let mut components = name_components();
    components.extend([
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
    ]);
    components
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

/// A number, or none.
pub(crate) fn nullable_number() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Number, Type::Null])).build()
}

/// A whole number, also below 0.
pub(crate) fn whole_number() -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).build()
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

/// Per metric a number or nothing.
pub(crate) fn numbers() -> Object {
    let number = || ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Number, Type::Null]));
    Metric::all().fold(ObjectBuilder::new(), |object, metric| object.property(metric.id(), number())).build()
}

/// The metrics in which a session is the best or the worst.
pub(crate) fn marks() -> Object {
    let mark = || ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["best", "worst"]));
    Metric::all().fold(ObjectBuilder::new(), |object, metric| object.property(metric.id(), mark())).build()
}

/// Per breakdown the keys side by side.
pub(crate) fn compared_breakdowns() -> Object {
    let rows = || ArrayBuilder::new().items(Ref::from_schema_name("ComparedKey"));
    let all = Breakdown::PUBLIC.into_iter();
    all.fold(ObjectBuilder::new(), |object, breakdown| object.property(breakdown.name(), rows())).build()
}

/// Per stored metric what an event would have added.
pub(crate) fn would_add() -> Object {
    Stored::ALL
        .iter()
        .fold(ObjectBuilder::new(), |object, stored| object.property(stored.id(), whole()))
        .build()
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

/// Declares closed sets of names as components of their own: each is spelt out once.
macro_rules! names {
    ($($(#[$meta:meta])* $type:ident $name:literal $values:expr;)+) => {
        $($(#[$meta])*
        pub(crate) struct $type;

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let values = $values;
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values)).into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        })+

        fn name_components() -> Vec<(String, RefOr<Schema>)> {
            vec![$(($name.to_owned(), $type::schema())),+]
        }
    };
}

names! {
    /// A metric.
    MetricName "MetricName" Metric::all().map(Metric::id);
    /// A metric that is computed when read.
    ComputedName "ComputedMetricName" COMPUTED.iter().map(|computed| computed.id);
    /// A metric that has a trend.
    TrendMetricName "TrendMetricName" Metric::all().filter(|metric| metric.has_trend()).map(Metric::id);
    /// A breakdown.
    BreakdownName "BreakdownName" Breakdown::PUBLIC.into_iter().map(Breakdown::name);
    /// The step of a trend.
    StepName "Step" Window::ALL.into_iter().map(Window::name);
    /// How far a session has come.
    StateName "State" [SessionState::Live, SessionState::Final, SessionState::Corrected].map(SessionState::name);
    /// Why an event was not counted.
    ReasonName "Reason" Reason::NAMES;
    /// One of the chains.
    ChainName "Chain" Chain::ALL.map(Chain::name);
    /// How series are laid side by side.
    AlignName "Align" ["start", "clock"];
    /// What a difference between two readings comes of.
    CauseName "Cause" tandem_past::Cause::ALL.map(tandem_past::Cause::name);
    /// What may be the clock of events that come in.
    ClockName "Clock" ["replay"];
}

fn described(object: ObjectBuilder, description: &str) -> ObjectBuilder {
    object.description(Some(description))
}

fn whole() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0))
}
