//! A copy of a session as one store of one chain holds it, and where two copies can't both be
//! right.
//!
//! Copies are read at different moments, so they stand for different prefixes of the log. Yet they
//! can be compared exactly, since each row carries the offset of the last record that changed it:
//!
//! - Equal offsets: the same record changed it last, so all columns must be equal.
//! - Different offsets: the copy with the smaller one must not have read the record of the greater
//!   one yet; if it stands for a prefix that contains it, one of the two is wrong.
//!
//! Which one, only the log can tell.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};
use tandem_model::retention::Retention;
use tandem_model::route::Chain;
use tandem_model::{Cut, PartitionId, Row, RowKey, SessionId, SessionRow, Stored, Table, Values};
use tandem_plain::Figures;

/// Which store of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// The hot store: a session's own row and its totals.
    Hot,
    /// The row store: everything.
    Rows,
}

impl Store {
    /// Its name in reports and as a parameter: `hot` or `rows`.
    pub const fn name(self) -> &'static str {
        match self {
            Store::Hot => "hot",
            Store::Rows => "rows",
        }
    }
}

/// What one store of one chain holds of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The chain.
    pub chain: Chain,
    /// Its store.
    pub store: Store,
    /// The session.
    pub session_id: SessionId,
    /// The partition it lives in.
    pub partition: PartitionId,
    /// It stands for every record of this prefix.
    pub cut: Cut,
    /// What the store keeps of trends.
    pub retention: Retention,
    /// The session's own row; none where the store knows no such session.
    pub session: Option<SessionRow>,
    /// Rows of figures in the order of their keys.
    pub rows: Vec<Row>,
}

/// Where something differs. The order is that in which differences are named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Whether the session is there at all.
    Session,
    /// A field of the session's own row.
    Field(&'static str),
    /// Whether a row is there at all.
    Row(RowKey),
    /// A column of a row, or its `offset`.
    Column(RowKey, &'static str),
}

/// The name of a row's version among its columns.
pub(crate) const OFFSET: &str = "offset";

impl Place {
    /// The row it is about; none for the session's own.
    pub fn key(&self) -> Option<&RowKey> {
        match self {
            Place::Row(key) | Place::Column(key, _) => Some(key),
            Place::Session | Place::Field(_) => None,
        }
    }

    /// The column or field; none where a whole row is missing or superfluous.
    pub fn column(&self) -> Option<&'static str> {
        match self {
            Place::Field(column) | Place::Column(_, column) => Some(column),
            Place::Session | Place::Row(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key() {
            None => formatter.write_str("table session")?,
            Some(RowKey { table, breakdown, key, bucket }) => {
                write!(formatter, "table {}, breakdown {}/{key}", table.name(), breakdown.name())?;
                if *bucket > 0 {
                    write!(formatter, ", bucket {bucket}")?;
                }
            }
        }
        match self.column() {
            Some(column) => write!(formatter, ", column {column}"),
            None => Ok(()),
        }
    }
}

impl Claim {
    /// Whether a row with this key can be expected in it, as far as its kind of store goes.
    fn covers(&self, key: &RowKey) -> bool {
        self.store == Store::Rows || key.table == Table::Total
    }

    /// The row with this key.
    pub fn row(&self, key: &RowKey) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == *key)
    }

    /// What it says at `place`, in words.
    pub fn text(&self, place: &Place) -> String {
        let row = place.key().and_then(|key| self.row(key));
        text(place, self.session.as_ref(), row.map(|row| (&row.values, row.offset)))
    }
}

/// What a session and one row of it say at `place`, in words.
pub(crate) fn text(place: &Place, session: Option<&SessionRow>, row: Option<(&Values, u64)>) -> String {
    let none = || "none".to_owned();
    match place {
        Place::Session => session.map_or_else(none, |_| "a session".to_owned()),
        Place::Field(name) => {
            let field = |session| fields(session).into_iter().find(|(field, _)| field == name);
            session.and_then(field).map_or_else(none, |(_, text)| text)
        }
        Place::Row(_) => row.map_or_else(none, |_| "a row".to_owned()),
        Place::Column(_, OFFSET) => row.map_or_else(none, |(_, offset)| offset.to_string()),
        Place::Column(_, column) => {
            let value = |(values, _): (&Values, u64)| Some(values[Stored::from_id(column)? as usize]);
            row.and_then(value).map_or_else(none, |value| value.to_string())
        }
    }
}

fn fields(row: &SessionRow) -> [(&'static str, String); 5] {
    // Taken apart, so that a field that is added can't be forgotten here.
    let SessionRow { attributes, ended_at, first_ts, state, offset } = row;
    let number = |number: &Option<u64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
    [
        ("attributes", attributes.as_ref().map_or_else(|| "none".to_owned(), |some| format!("{some:?}"))),
        ("ended_at", number(ended_at)),
        ("first_ts", number(first_ts)),
        ("state", state.name().to_owned()),
        (OFFSET, offset.to_string()),
    ]
}

/// The first place where the two copies can't both be right, whatever the log says; none where
/// one may just be behind the other.
pub fn contradiction(left: &Claim, right: &Claim) -> Option<Place> {
    if left.session_id != right.session_id || left.partition != right.partition {
        return None;
    }
    session(left, right).or_else(|| rows(left, right))
}

fn session(left: &Claim, right: &Claim) -> Option<Place> {
    match (&left.session, &right.session) {
        (None, None) => None,
        (Some(one), Some(other)) => match one.offset.cmp(&other.offset) {
            Ordering::Equal => differing_field(one, other),
            Ordering::Less => (left.cut.next > other.offset).then_some(Place::Field(OFFSET)),
            Ordering::Greater => (right.cut.next > one.offset).then_some(Place::Field(OFFSET)),
        },
        (None, Some(other)) => (left.cut.next > other.offset).then_some(Place::Session),
        (Some(one), None) => (right.cut.next > one.offset).then_some(Place::Session),
    }
}

fn differing_field(one: &SessionRow, other: &SessionRow) -> Option<Place> {
    if one == other {
        return None;
    }
    let mut pairs = fields(one).into_iter().zip(fields(other));
    pairs.find(|(one, other)| one != other).map(|((name, _), _)| Place::Field(name))
}

fn rows(left: &Claim, right: &Claim) -> Option<Place> {
    // A session that is missing has no rows that could be; and each frees what is old on its own.
    let is_compared = |key: &RowKey| {
        left.covers(key)
            && right.covers(key)
            && [left, right].iter().all(|claim| {
                let clock = left.cut.clock.max(right.cut.clock);
                claim.retention.keeps(key, clock)
            })
    };
    let mut ones = left.rows.iter().filter(|row| is_compared(&row.key)).peekable();
    let mut others = right.rows.iter().filter(|row| is_compared(&row.key)).peekable();
    loop {
        let order = match (ones.peek(), others.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.key.cmp(&other.key),
        };
        let one = if order.is_le() { ones.next() } else { None };
        let other = if order.is_ge() { others.next() } else { None };
        let place = match (one, other) {
            (Some(one), Some(other)) => pair(left, one, right, other),
            (Some(one), None) => missing(one, right),
            (None, Some(other)) => missing(other, left),
            (None, None) => None,
        };
        if place.is_some() {
            return place;
        }
    }
}

fn pair(left: &Claim, one: &Row, right: &Claim, other: &Row) -> Option<Place> {
    let is_wrong = match one.offset.cmp(&other.offset) {
        Ordering::Equal => return differing_column((&one.values, one.offset), other),
        Ordering::Less => left.cut.next > other.offset,
        Ordering::Greater => right.cut.next > one.offset,
    };
    // The figures say more than the version, if they differ as well.
    let column = || differing_column((&one.values, one.offset), other);
    if is_wrong { column() } else { None }
}

fn missing(row: &Row, from: &Claim) -> Option<Place> {
    (from.cut.next > row.offset).then(|| Place::Row(row.key.clone()))
}

fn differing_column((values, offset): (&Values, u64), row: &Row) -> Option<Place> {
    let mut pairs = Stored::ALL.iter().zip(values.iter().zip(&row.values));
    let column = pairs.find(|(_, (one, other))| one != other).map(|(stored, _)| stored.id());
    let column = column.or_else(|| (offset != row.offset).then_some(OFFSET))?;
    Some(Place::Column(row.key.clone(), column))
}

/// The first difference between a claim and what the log gives at its cut, and how many places
/// differ in all.
pub(crate) fn against_log(claim: &Claim, figures: Option<&Figures>) -> (Option<Place>, u64) {
    let (row, figures) = match (&claim.session, figures) {
        (None, None) => return (None, 0),
        (None, Some(_)) | (Some(_), None) => return (Some(Place::Session), 1),
        (Some(row), Some(figures)) => (row, figures),
    };
    let mut first = differing_field(row, &figures.session);
    let mut count = u64::from(first.is_some());
    let mut note = |place: Option<Place>| {
        count += u64::from(place.is_some());
        if first.is_none() {
            first = place;
        }
    };
    let is_compared = |key: &RowKey| claim.covers(key) && claim.retention.keeps(key, claim.cut.clock);
    let mut found = claim.rows.iter().filter(|row| is_compared(&row.key)).peekable();
    for (key, (values, offset)) in figures.rows.iter().filter(|(key, _)| is_compared(key)) {
        // Rows that the log does not give come before the next one that it does.
        while let Some(row) = found.next_if(|row| row.key < *key) {
            note(Some(Place::Row(row.key.clone())));
        }
        match found.next_if(|row| row.key == *key) {
            Some(row) => note(differing_column((values, *offset), row)),
            None => note(Some(Place::Row(key.clone()))),
        }
    }
    found.for_each(|row| note(Some(Place::Row(row.key.clone()))));
    (first, count)
}
