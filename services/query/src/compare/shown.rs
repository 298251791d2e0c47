//! Figures side by side: values, differences, who is best. Pure.

use std::cmp::Ordering;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tandem_model::Values;
use tandem_model::catalogue::{Metric, Value};
use utoipa::ToSchema;

use crate::figures::Number;

/// Metrics of which less is better.
const LESS_IS_BETTER: [&str; 10] = [
    "unfollows",
    "refunds",
    "refund_fen",
    "late_events",
    "future_events",
    "duplicate_events",
    "malformed_events",
    "suspect_views",
    "late_share",
    "suspect_share",
];
/// Metrics of which neither more nor less is better: unpaid balances grow with presales, too.
const NEITHER: [&str; 1] = ["open_deposits"];

/// Figures of one session, `null` where they can't be told.
#[derive(Clone, Debug)]
pub(super) struct Shown<'a> {
    pub(super) metrics: &'a [Metric],
    pub(super) values: Vec<Value>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(metrics: &'a [Metric], values: &Values, is_told: impl Fn(Metric) -> bool) -> Self {
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

/// How far figures differ from those of the first session.
#[derive(Debug)]
pub(super) struct Differences<'a> {
    pub(super) metrics: &'a [Metric],
    pub(super) base: Vec<Value>,
    pub(super) other: Vec<Value>,
}

impl<'a> Differences<'a> {
    pub(super) fn new(base: &Shown<'a>, other: &Shown<'a>) -> Self {
        Self { metrics: base.metrics, base: base.values.clone(), other: other.values.clone() }
    }
}

/// How far one value differs from another.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = ValueDifference)]
pub(crate) struct Difference {
    /// The second minus the first; `null` where one of them is.
    #[schema(schema_with = crate::schemas::nullable_number)]
    absolute: Number,
    /// The same as a part of the size of the first; `null` where that is 0, too.
    #[schema(schema_with = crate::schemas::nullable_number)]
    relative: Number,
}

impl Serialize for Differences<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.metrics.len()))?;
        for (metric, (base, other)) in self.metrics.iter().zip(self.base.iter().zip(&self.other)) {
            map.serialize_entry(metric.id(), &difference(*base, *other))?;
        }
        map.end()
    }
}

/// How far `other` differs from `base`.
pub(crate) fn difference(base: Value, other: Value) -> Difference {
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

/// A value as a fraction; none where it is undefined.
pub(super) fn fraction(value: Value) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(integer as f64),
        Value::Fraction(fraction) => Some(fraction),
        Value::Null => None,
    }
}

/// Which of two values is higher; none where one is undefined.
pub(super) fn order(one: Value, other: Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => Some(one.cmp(&other)),
        _ => fraction(one)?.partial_cmp(&fraction(other)?),
    }
}

/// How a session stands in one metric among all of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mark {
    Best,
    Worst,
}

/// In which metrics a session is the best or the worst one.
#[derive(Debug)]
pub(super) struct Marks(Vec<(Metric, Mark)>);

impl Serialize for Marks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(metric, mark)| (metric.id(), mark)))
    }
}

/// Of each session its marks. Those that share a value share its mark; where all are the same, or fewer than
/// two are told, there is none.
pub(super) fn marks(shown: &[Shown<'_>]) -> Vec<Marks> {
    let metrics = shown.first().map_or(&[][..], |first| first.metrics);
    let mut marks: Vec<Vec<(Metric, Mark)>> = shown.iter().map(|_| Vec::new()).collect();
    for (index, metric) in metrics.iter().enumerate() {
        if NEITHER.contains(&metric.id()) {
            continue;
        }
        let told =
            || shown.iter().map(move |shown| shown.values[index]).filter(|value| *value != Value::Null);
        let by = |one: &Value, other: &Value| order(*one, *other).unwrap_or(Ordering::Equal);
        let (Some(lowest), Some(highest)) = (told().min_by(by), told().max_by(by)) else { continue };
        if order(lowest, highest) != Some(Ordering::Less) {
            continue;
        }
        let (high, low) = match LESS_IS_BETTER.contains(&metric.id()) {
            true => (Mark::Worst, Mark::Best),
            false => (Mark::Best, Mark::Worst),
        };
        for (marks, shown) in marks.iter_mut().zip(shown) {
            let is = |value| order(shown.values[index], value) == Some(Ordering::Equal);
            if is(highest) {
                marks.push((*metric, high));
            } else if is(lowest) {
                marks.push((*metric, low));
            }
        }
    }
    marks.into_iter().map(Marks).collect()
}

#[cfg(test)]
mod tests {
    use tandem_model::Stored;

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
    fn the_best_has_most_but_of_what_is_bad_the_least() {
        let metrics = [Metric::Stored(Stored::Views), Metric::Stored(Stored::Refunds)];
        let shown = |views, refunds| Shown { metrics: &metrics, values: vec![views, refunds] };
        let of = |number| Value::Integer(number);
        let all = [shown(of(5), of(1)), shown(of(7), of(3)), shown(of(5), Value::Null), shown(of(6), of(1))];
        let found: Vec<Vec<Mark>> =
            marks(&all).iter().map(|marks| marks.0.iter().map(|(_, mark)| *mark).collect()).collect();
        let (best, worst) = (Mark::Best, Mark::Worst);
        assert_eq!(found, [vec![worst, best], vec![best, worst], vec![worst], vec![best]]);
        assert!(marks(&all[..1])[0].0.is_empty(), "alone nobody is best");
        for id in LESS_IS_BETTER.iter().chain(&NEITHER) {
            assert!(Metric::from_id(id).is_some(), "{id}");
        }
    }
}
