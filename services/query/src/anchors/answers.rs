//! What the calls about anchors answer.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tandem_model::catalogue::{Kind, Metric};
use tandem_model::{SessionRow, Stored};
use utoipa::ToSchema;

use super::history::History;
use crate::figures::Figures;
use crate::sessions::Session;
use crate::wire::Meta;

/// An anchor (主播), as the newest of their sessions says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Anchor<'a> {
    /// The anchor's id.
    id: &'a str,
    /// The name that the newest session gives.
    name: &'a str,
    /// Followers when the newest session started.
    fans: u64,
    /// The newest session's category.
    category: &'a str,
}

impl<'a> Anchor<'a> {
    /// The anchor `id`, whose newest session has this row.
    pub(super) fn new(id: &'a str, newest: &'a SessionRow) -> Self {
        let known = newest.attributes.as_ref();
        Self {
            id,
            name: known.map_or(id, |known| known.anchor_name.as_str()),
            fans: known.map_or(0, |known| known.anchor_fans),
            category: known.map_or("", |known| known.category.as_str()),
        }
    }
}

/// An anchor's figures over days.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnchorHistory<'a> {
    pub(super) anchor: Anchor<'a>,
    /// Sessions that started at or after this moment, in milliseconds,
    pub(super) from: u64,
    /// and before this one.
    pub(super) to: u64,
    /// The time zone of the days.
    #[schema(example = "Asia/Shanghai")]
    pub(super) time_zone: &'a str,
    /// How many sessions that are.
    pub(super) sessions: u64,
    /// What the sessions' reports say, added up. Distinct counts are the sum over the sessions: who came to two
    /// is counted twice. Gauges are the highest, ratios follow from the sums.
    #[schema(schema_with = crate::schemas::metrics)]
    pub(super) totals: Figures<'a>,
    /// The distinct counts of the totals, and whether every count that was added up is exact.
    #[schema(schema_with = crate::schemas::distinct)]
    pub(super) distinct: SummedUsers<'a>,
    /// Every day of the range, in order, and before and after it those that a session reached.
    pub(super) days: Vec<AnchorDay<'a>>,
    /// What came after a session was final, and counts in the totals but on no day: refunds and presale
    /// balances. Of each sum, days and this together are the total exactly.
    #[schema(schema_with = crate::schemas::metrics)]
    pub(super) follow_ups: Figures<'a>,
    /// What was not counted and so has no day, as in the totals: late, future, duplicate and malformed events.
    #[schema(schema_with = crate::schemas::metrics)]
    pub(super) refused: Figures<'a>,
    /// Of each distinct count how much more the days are together than the total: users who were in one
    /// session on several days.
    #[schema(schema_with = crate::schemas::metrics)]
    pub(super) repeated: Figures<'a>,
    /// About the answer.
    pub(super) meta: &'a Meta,
}

/// One day of an anchor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnchorDay<'a> {
    /// The date in the time zone of the answer; `null` beyond the year 9999.
    #[schema(required, example = "2024-11-21")]
    pub(super) date: Option<String>,
    /// Its first millisecond.
    pub(super) from: u64,
    /// The first millisecond after it.
    pub(super) to: u64,
    /// How many of the sessions had an accepted event on it.
    pub(super) sessions: u64,
    /// Their figures on this day. Distinct counts are the sum over the sessions of their users on this day.
    #[schema(schema_with = crate::schemas::metrics)]
    pub(super) metrics: Figures<'a>,
}

/// A page of an anchor's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnchorSessions<'a> {
    /// Newest first; those that started at the same moment in the order of their ids.
    pub(super) sessions: Vec<AnchorSession<'a>>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required)]
    pub(super) next_cursor: Option<String>,
    /// About the answer.
    pub(super) meta: &'a Meta,
}

/// One of an anchor's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnchorSession<'a> {
    pub(super) session: Session<'a>,
    /// What its report says.
    #[schema(schema_with = crate::schemas::metrics)]
    pub(super) metrics: Figures<'a>,
}

/// The distinct counts of a history: `{"viewers":{"value":98,"exact":true},…}`.
#[derive(Debug)]
pub(crate) struct SummedUsers<'a> {
    pub(super) metrics: &'a [Metric],
    pub(super) history: &'a History,
}

#[derive(Serialize)]
struct Users {
    value: u64,
    exact: bool,
}

impl Serialize for SummedUsers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for stored in self.metrics.iter().filter_map(|metric| distinct(*metric)) {
            let (value, exact) =
                (self.history.totals[stored as usize], self.history.is_exact[stored as usize]);
            map.serialize_entry(stored.id(), &Users { value, exact })?;
        }
        map.end()
    }
}

fn distinct(metric: Metric) -> Option<Stored> {
    match metric {
        Metric::Stored(stored) if stored.kind() == Kind::Distinct => Some(stored),
        _ => None,
    }
}

/// The metrics of a selection, by how totals and days differ in them.
#[derive(Debug)]
pub(super) struct Sorted {
    /// Those that days have.
    pub(super) by_day: Vec<Metric>,
    /// Sums that days have, and differences of such.
    pub(super) follow_ups: Vec<Metric>,
    /// Sums that no day has.
    pub(super) refused: Vec<Metric>,
    /// Distinct counts.
    pub(super) repeated: Vec<Metric>,
}

impl Sorted {
    pub(super) fn new(metrics: &[Metric]) -> Self {
        let those = |wanted: &dyn Fn(Metric) -> bool| {
            metrics.iter().copied().filter(|metric| wanted(*metric)).collect::<Vec<_>>()
        };
        let is_added_up = |metric: Metric| match metric {
            Metric::Stored(stored) => stored.kind() == Kind::Sum,
            // As its two sums add up, so does it.
            Metric::Computed(computed) => computed.formula.adds_up(),
        };
        Self {
            by_day: those(&Metric::has_trend),
            follow_ups: those(&|metric| metric.has_trend() && is_added_up(metric)),
            refused: those(&|metric| !metric.has_trend() && is_added_up(metric)),
            repeated: those(&|metric| distinct(metric).is_some()),
        }
    }
}
