//! Boards as JSON.

use serde::{Serialize, Serializer};
use tandem_boards::{Fraction, Moved, Place, Subject};
use tandem_model::catalogue::boards::Board;
use tandem_model::time::DAY_MS;
use utoipa::ToSchema;

use super::edition::Edition;
use crate::wire::Meta;

/// All boards.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Boards<'a> {
    boards: Vec<BoardEntry>,
    /// The time zone that periods are of.
    time_zone: &'a str,
    /// About the answer. It depends on no figures: `as_of` is 0.
    meta: &'a Meta,
}

/// One board.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BoardDefinition)]
pub(crate) struct BoardEntry {
    id: &'static str,
    /// Its Chinese name.
    zh: &'static str,
    /// Its English name.
    en: &'static str,
    /// `anchor`, `growth`, `session`, `item`, `commerce` or `region`.
    group: &'static str,
    /// Whom it lists: `anchor`, `session`, `item`, `category`, `brand`, `merchant`, `region` or
    /// `region:category`.
    subject: &'static str,
    /// What scores count in: `count`, `users`, `ms`, `fen` or `ratio`.
    unit: &'static str,
    /// `descending`: the highest score stands first. So it is with all of them.
    direction: &'static str,
    /// How the score is computed.
    formula: String,
    /// Below this a subject is not listed; `null` where one event is enough.
    #[schema(required)]
    smallest_sample: Option<SmallestSample>,
    /// What may narrow it.
    filters: [&'static str; 4],
    /// The periods that it has.
    periods: [&'static str; 4],
    /// The version of this definition.
    definition: u32,
}

/// The smallest sample.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SmallestSample {
    /// The metric.
    metric: &'static str,
    /// At least so much of it.
    count: u64,
}

/// The parameters that narrow a board.
pub(super) const FILTERS: [&str; 4] = ["category", "fan_tier", "content_type", "region"];

impl<'a> Boards<'a> {
    pub(super) fn new(boards: &[Board], time_zone: &'a str, meta: &'a Meta) -> Self {
        let periods = tandem_model::calendar::Period::ALL.map(tandem_model::calendar::Period::name);
        let entry = |board: &Board| BoardEntry {
            id: board.id,
            zh: board.zh,
            en: board.en,
            group: board.group.name(),
            subject: board.subject.name(),
            unit: board.unit.name(),
            direction: "descending",
            formula: board.formula(),
            smallest_sample: board
                .smallest
                .map(|smallest| SmallestSample { metric: smallest.of.id(), count: smallest.count }),
            filters: FILTERS,
            periods,
            definition: board.definition,
        };
        Self { boards: boards.iter().map(entry).collect(), time_zone, meta }
    }
}

/// The top of a board.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ranking<'a> {
    pub(super) board: &'static str,
    /// `hour`, `day`, `week` or `month`.
    pub(super) period: &'static str,
    /// The period's first millisecond.
    pub(super) from: u64,
    /// The first millisecond after it.
    pub(super) to: u64,
    pub(super) edition: Edition,
    /// How many are listed in all.
    pub(super) listed: usize,
    /// The highest score first; equal scores share a rank, in the order of their ids.
    pub(super) rows: Vec<RankingRow>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required)]
    pub(super) next_cursor: Option<String>,
    /// How many a correction moved; `null` where there is none, or where it can't be told (the log does not
    /// reach back to the beginning of a session, say).
    #[schema(required)]
    pub(super) moved_count: Option<usize>,
    /// Whom a correction moved since the edition was closed, at most 1,000: first those whose own figures it
    /// changed, then those who were pushed, in the order of their ranks. `null` as above.
    #[schema(required)]
    pub(super) moved: Option<Vec<MovedSubject>>,
    /// About the answer.
    pub(super) meta: &'a Meta,
}

/// Whom a correction moved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MovedSubject {
    subject: RankedSubject,
    /// Where it stood when the edition was closed; `null` if not listed there.
    #[schema(required)]
    before: Option<Stood>,
    /// Where it stands; `null` if not listed any more.
    #[schema(required)]
    after: Option<Stood>,
}

/// Where somebody stood.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stood {
    /// 1 is the highest.
    rank: u64,
    #[schema(value_type = f64)]
    score: Score,
    /// The integers that the score is made of.
    #[schema(value_type = std::collections::BTreeMap<String, i64>)]
    parts: Parts,
}

/// How many of those who were moved an answer lists.
pub(super) const MOVED_MAX: usize = 1_000;

/// One row of a board.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RankingRow {
    /// 1 is the highest.
    rank: u64,
    /// The rank in the closed edition of the period before; `null` if not listed there.
    #[schema(required)]
    previous_rank: Option<u64>,
    /// For how many periods in a row it has been listed, this one included; 10 stands for more, too.
    #[schema(minimum = 1, maximum = 10)]
    listed_periods: u32,
    subject: RankedSubject,
    /// A fraction where it is a rate or a growth, not per cent.
    #[schema(value_type = f64)]
    score: Score,
    /// The integers that the score is made of.
    #[schema(value_type = std::collections::BTreeMap<String, i64>)]
    parts: Parts,
}

/// Who is ranked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RankedSubject {
    id: String,
    /// What people call it; the id where it has no other name.
    name: String,
}

/// Where somebody stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standing<'a> {
    pub(super) board: &'static str,
    /// `hour`, `day`, `week` or `month`.
    pub(super) period: &'static str,
    /// The period's first millisecond.
    pub(super) from: u64,
    /// The first millisecond after it.
    pub(super) to: u64,
    pub(super) edition: Edition,
    /// Whether it is listed; all that follows but `subject` is `null` where it is not.
    pub(super) listed: bool,
    /// How many are listed in all.
    pub(super) of: usize,
    /// 1 is the highest.
    #[schema(required)]
    pub(super) rank: Option<u64>,
    /// The rank in the closed edition of the period before; `null` if not listed there.
    #[schema(required)]
    pub(super) previous_rank: Option<u64>,
    /// For how many periods in a row it has been listed, this one included; 10 stands for more, too.
    #[schema(required, minimum = 1, maximum = 10)]
    pub(super) listed_periods: Option<u32>,
    pub(super) subject: RankedSubject,
    #[schema(required, value_type = Option<f64>)]
    pub(super) score: Option<Score>,
    /// The integers that the score is made of.
    #[schema(required, value_type = Option<std::collections::BTreeMap<String, i64>>)]
    pub(super) parts: Option<Parts>,
    /// The share of those listed who do not stand higher, itself among them: 1 at the top.
    #[schema(required)]
    pub(super) percentile: Option<f64>,
    /// How far the score of the rank above is; `null` at the top.
    #[schema(required)]
    pub(super) to_next: Option<f64>,
    /// How a correction moved this one since the edition was closed; `null` where it did not.
    #[schema(required)]
    pub(super) moved: Option<MovedSubject>,
    /// About the answer.
    pub(super) meta: &'a Meta,
}

/// A score as a number: a whole one without a decimal point.
#[derive(Debug)]
pub(crate) struct Score(pub(super) Fraction);

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_integer() {
            Some(whole) => serializer.serialize_i128(whole),
            None => serializer.serialize_f64(self.0.to_number()),
        }
    }
}

/// Integers by name, in the order in which the score names them.
#[derive(Debug)]
pub(crate) struct Parts(pub(super) Vec<(String, i128)>);

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl RankingRow {
    pub(super) fn new(place: Place, previous_rank: Option<u64>, listed_periods: u32) -> Self {
        Self {
            rank: place.rank,
            previous_rank,
            listed_periods,
            subject: place.subject.into(),
            score: Score(place.score),
            parts: Parts(place.parts),
        }
    }
}

impl MovedSubject {
    /// Of somebody who stands somewhere before or after.
    pub(super) fn new(moved: &Moved) -> Option<Self> {
        let subject = moved.after.as_ref().or(moved.before.as_ref())?.subject.clone().into();
        let stood = |place: &Place| Stood {
            rank: place.rank,
            score: Score(place.score),
            parts: Parts(place.parts.clone()),
        };
        Some(Self {
            subject,
            before: moved.before.as_ref().map(stood),
            after: moved.after.as_ref().map(stood),
        })
    }

    /// Whether it is about the subject of this id.
    pub(super) fn is_of(&self, id: &str) -> bool {
        self.subject.id == id
    }
}

impl From<Subject> for RankedSubject {
    fn from(subject: Subject) -> Self {
        Self { id: subject.id, name: subject.name }
    }
}

/// The farthest moment that can be asked for: a year beyond what people use, so that periods exist.
pub(super) const AT_MAX: u64 = 130 * 366 * DAY_MS;

impl RankedSubject {
    /// Of whom nothing is known here.
    pub(super) fn unknown(id: String) -> Self {
        Self { name: id.clone(), id }
    }
}
