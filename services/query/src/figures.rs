//! Figures as JSON, straight from rows: no tree in between, since a live report is built for
//! every reader of a hot session.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tandem_model::catalogue::{EXACT_USERS_MAX, Kind, Metric, SOURCES, Value};
use tandem_model::problem::Problem;
use tandem_model::{Breakdown, Values, catalogue};

use crate::request::Given;

/// Which metrics an answer holds, in the order of the catalogue.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// For the session as a whole.
    pub(crate) room: Vec<Metric>,
    /// For a key of a breakdown: those that are not only the session's.
    pub(crate) keyed: Vec<Metric>,
}

impl Selection {
    /// Those asked for; all when none are named.
    pub(crate) fn of(given: Given<'_>) -> Result<Self, Problem> {
        let all: Vec<Metric> = Metric::all().collect();
        let room = given.several(&all, Metric::id)?.unwrap_or(all);
        let keyed = room.iter().copied().filter(|metric| !metric.is_room_only()).collect();
        Ok(Self { room, keyed })
    }
}

/// A metric's value as a JSON number: integers exactly, `null` where undefined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) Value);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Integer(integer) => match u64::try_from(integer) {
                Ok(integer) => serializer.serialize_u64(integer),
                Err(_) => serializer.serialize_i128(integer),
            },
            Value::Fraction(fraction) => serializer.serialize_f64(fraction),
            Value::Null => serializer.serialize_unit(),
        }
    }
}

/// A row's metrics: `{"views":123,…}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures<'a> {
    /// Which.
    pub(crate) metrics: &'a [Metric],
    /// Of which row.
    pub(crate) values: &'a Values,
}

impl Figures<'_> {
    /// Writes the metrics into a map that may hold more.
    pub(crate) fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        for metric in self.metrics {
            map.serialize_entry(metric.id(), &Number(metric.value(self.values)))?;
        }
        Ok(())
    }
}

impl Serialize for Figures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.metrics.len()))?;
        self.write(&mut map)?;
        map.end()
    }
}

/// The distinct counts among a row's metrics: `{"viewers":{"value":98,"exact":true},…}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DistinctFigures<'a>(pub(crate) Figures<'a>);

#[derive(Serialize)]
struct DistinctCount {
    value: u64,
    exact: bool,
}

impl Serialize for DistinctFigures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for metric in self.0.metrics {
            if let Metric::Stored(stored) = metric
                && stored.kind() == Kind::Distinct
            {
                let value = self.0.values[*stored as usize];
                map.serialize_entry(stored.id(), &DistinctCount { value, exact: value <= EXACT_USERS_MAX })?;
            }
        }
        map.end()
    }
}

/// Where a key stands among those of its breakdown: in the order of the catalogue where that
/// lists them, else in the order of the bytes (which is that of the rows).
pub(crate) fn rank(breakdown: Breakdown, key: &str) -> usize {
    let listed = closed_keys(breakdown).unwrap_or_default();
    listed.iter().position(|known| *known == key).unwrap_or(listed.len())
}

/// The keys a breakdown can have, where they are a closed set.
pub(crate) fn closed_keys(breakdown: Breakdown) -> Option<&'static [&'static str]> {
    match breakdown {
        Breakdown::Source => Some(&SOURCES),
        Breakdown::Fan => Some(&catalogue::FANS),
        _ => None,
    }
}

/// A source that is not listed, as it was sent.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RawSource<'a> {
    /// What was sent; `~other` stands for those beyond the first 1,000.
    pub(crate) value: &'a str,
    /// How many accepted events carry it.
    pub(crate) events: u64,
}
