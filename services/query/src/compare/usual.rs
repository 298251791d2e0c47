//! What is usual: the anchor's own median, and where a figure stands among peers.
//!
//! # Peers can't be told
//!
//! Peers are final sessions of the same category, of other anchors, that started in the last 30 days: the
//! newest [`PEERS_MAX`] among the newest [`WALK_MAX`] sessions. Of them an answer holds, per figure, only how
//! many in a hundred lie below; not who they are, not how many, no figure of theirs. For fewer than five of
//! them, or of fewer than five anchors, not even that.
//!
//! The walk is the same whoever asks. Peers are read without the asker's scope, which is why nothing else of
//! them may leave this file.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde::Serialize;
use tandem_model::catalogue::{Metric, Value};
use tandem_model::row::{Attributes, SessionState};
use tandem_model::time::DAY_MS;
use tandem_model::{Breakdown, SessionId, SessionRow, Table, Values};
use tandem_storage::{Select, SessionQuery, SessionRows};
use utoipa::ToSchema;

use super::shown::{Shown, fraction, order};
use super::sides::{has_minutes, is_told_at, select, sum};
use crate::Query;
use crate::answer::Failure;
use crate::report::room_values;

/// How many of an anchor's own sessions a median is of, at most.
const OWN_MAX: usize = 20;
/// How many of the anchor's sessions are looked at for them.
const OWN_LOOKED_MAX: usize = 40;
/// How many peers a figure is held against, at most.
const PEERS_MAX: usize = 100;
/// The fewest peers, and the fewest anchors they are of, that anything is told of.
const PEERS_MIN: usize = 5;
/// How many sessions are looked at for peers, at most.
const WALK_MAX: usize = 2_000;
/// How many are read in one go.
const PAGE: usize = 500;
/// How far back peers may have started.
const PEERS_MS: u64 = 30 * DAY_MS;
/// The farthest moment since the start at which others are looked at: their minutes have to be read.
const AT_MS_MAX: u64 = DAY_MS;

/// What is usual beside the first session's figures.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usual<'a> {
    /// How many of the anchor's final sessions before this one the medians are of: the last 20 at most.
    median_of: usize,
    /// Per metric the median of those; `null` without any, or where it can't be told.
    #[schema(schema_with = crate::schemas::numbers)]
    median: Shown<'a>,
    /// Per metric the share of peers that lie below this session, in hundredths; those that are equal count
    /// half. Peers are the category's final sessions of other anchors, of the last 30 days (the newest
    /// hundred). `null` where it can't be told, and for fewer than five peers or anchors.
    #[schema(schema_with = crate::schemas::numbers)]
    percentile: Shown<'a>,
    /// Why no percentile is told: `no-category`, `too-few-peers`, or `moment-too-late` (over 24 hours after
    /// the start; then there are no medians either).
    #[schema(required, example = "too-few-peers")]
    reason: Option<&'static str>,
}

/// What was read for it.
#[derive(Default)]
pub(super) struct Others {
    own: Vec<SessionRows>,
    peers: Vec<SessionRows>,
    reason: Option<&'static str>,
}

impl Others {
    /// All sessions that were read.
    pub(super) fn all(&self) -> impl Iterator<Item = &SessionRows> {
        self.own.iter().chain(&self.peers)
    }

    /// What is usual beside these figures, at the same moment since the start.
    pub(super) fn usual<'a>(&self, shown: &Shown<'a>, at_ms: Option<u64>) -> Usual<'a> {
        let figures = |session: &SessionRows| {
            let is_told = |metric: Metric| at_ms.is_none() || is_told_at(metric);
            let anchor = session.session.attributes.as_ref().map(|known| known.anchor_id.clone());
            (anchor.unwrap_or_default(), Shown::new(shown.metrics, &values(session, at_ms), is_told).values)
        };
        let own: Vec<Vec<Value>> = self.own.iter().map(|session| figures(session).1).collect();
        let peers: Vec<(String, Vec<Value>)> = self.peers.iter().map(figures).collect();
        let columns = 0..shown.metrics.len();
        let medians = columns.clone().map(|column| median(own.iter().map(|values| values[column]).collect()));
        let percentiles = columns.map(|column| {
            let peers = peers.iter().map(|(anchor, values)| (anchor.as_str(), values[column]));
            percentile(shown.values[column], peers)
        });
        Usual {
            median_of: own.len(),
            median: Shown { metrics: shown.metrics, values: medians.collect() },
            percentile: Shown { metrics: shown.metrics, values: percentiles.collect() },
            reason: self.reason,
        }
    }
}

/// A session's figures at a moment, or as they are.
fn values(session: &SessionRows, at_ms: Option<u64>) -> Values {
    let rows = session.rows.iter().filter(|row| row.key.breakdown == Breakdown::Room);
    match at_ms {
        None => *room_values(&session.rows),
        Some(at_ms) => {
            let end = session.session.sort_ts().saturating_add(at_ms);
            sum(rows.filter(|row| row.key.table != Table::Total && row.key.bucket < end))
        }
    }
}

/// The middle value, of two the number half-way between; undefined ones are left out.
fn median(mut values: Vec<Value>) -> Value {
    values.retain(|value| *value != Value::Null);
    values.sort_by(|one, other| order(*one, *other).unwrap_or(Ordering::Equal));
    let middle = values.len() / 2;
    match (values.len() % 2, values.get(middle)) {
        (_, None) => Value::Null,
        (1, Some(value)) => *value,
        (_, Some(upper)) => match (values[middle - 1], *upper) {
            (Value::Integer(lower), Value::Integer(upper)) if (lower + upper) % 2 == 0 => {
                Value::Integer((lower + upper) / 2)
            }
            (lower, upper) => match (fraction(lower), fraction(upper)) {
                (Some(lower), Some(upper)) => Value::Fraction(lower.midpoint(upper)),
                _ => Value::Null,
            },
        },
    }
}

/// The share of peers below `value`, in hundredths; nothing for too few of them.
fn percentile<'a>(value: Value, peers: impl Iterator<Item = (&'a str, Value)>) -> Value {
    let (mut count, mut halves, mut anchors) = (0_usize, 0_usize, BTreeSet::new());
    for (anchor, peer) in peers {
        let Some(order) = order(peer, value) else { continue };
        count += 1;
        anchors.insert(anchor);
        halves += match order {
            Ordering::Less => 2,
            Ordering::Equal => 1,
            Ordering::Greater => 0,
        };
    }
    if count < PEERS_MIN || anchors.len() < PEERS_MIN {
        return Value::Null;
    }
    // Rounded to whole hundredths: halves / (2 · count), half up.
    let hundredths = (100 * halves + count) / (2 * count);
    Value::Fraction(hundredths as f64 / 100.0)
}

impl Query {
    /// What there is to hold `session` against, as of `clock`.
    pub(super) async fn others(
        &self,
        id: &str,
        session: &SessionRow,
        at_ms: Option<u64>,
        clock: u64,
    ) -> Result<Others, Failure> {
        let Some(known) = &session.attributes else {
            return Ok(Others { reason: Some("no-category"), ..Others::default() });
        };
        if at_ms.is_some_and(|at_ms| at_ms > AT_MS_MAX) {
            return Ok(Others { reason: Some("moment-too-late"), ..Others::default() });
        }
        let own = self.own_before(known).await?;
        let peers = self.peers_of(id, known, clock).await?;
        let own = self.at_moment(own, at_ms, clock).await?;
        let peers = self.at_moment(peers, at_ms, clock).await?;
        let anchor =
            |peer: &SessionRows| peer.session.attributes.as_ref().map(|known| known.anchor_id.clone());
        let anchors: BTreeSet<_> = peers.iter().filter_map(anchor).collect();
        let is_few = peers.len() < PEERS_MIN || anchors.len() < PEERS_MIN;
        Ok(Others { own, peers, reason: is_few.then_some("too-few-peers") })
    }

    /// The anchor's last final sessions before this one.
    async fn own_before(&self, known: &Attributes) -> Result<Vec<(SessionId, SessionRow)>, Failure> {
        let wanted = SessionQuery {
            anchor_id: Some(known.anchor_id.clone()),
            to: Some(known.started_at),
            limit: OWN_LOOKED_MAX,
            ..SessionQuery::default()
        };
        let mut found = self.stores.rows.sessions(&wanted).await?;
        found.retain(|(_, row)| row.state != SessionState::Live);
        found.truncate(OWN_MAX);
        Ok(found)
    }

    /// The category's newest final sessions of other anchors.
    async fn peers_of(
        &self,
        id: &str,
        known: &Attributes,
        clock: u64,
    ) -> Result<Vec<(SessionId, SessionRow)>, Failure> {
        let is_peer = |(peer, row): &(SessionId, SessionRow)| {
            row.state != SessionState::Live
                && peer.as_str() != id
                && row.attributes.as_ref().is_some_and(|other| {
                    other.category == known.category && other.anchor_id != known.anchor_id
                })
        };
        let mut page = SessionQuery {
            from: Some(clock.saturating_sub(PEERS_MS)),
            limit: PAGE,
            ..SessionQuery::default()
        };
        let (mut peers, mut looked) = (Vec::new(), 0);
        while looked < WALK_MAX && peers.len() < PEERS_MAX {
            let chunk = self.stores.rows.sessions(&page).await?;
            looked += chunk.len();
            let is_last = chunk.len() < page.limit;
            page.after = chunk.last().map(|(id, row)| (row.sort_ts(), id.clone()));
            peers.extend(chunk.into_iter().filter(is_peer));
            if is_last {
                break;
            }
        }
        peers.truncate(PEERS_MAX);
        Ok(peers)
    }

    /// The rows of these sessions up to a moment since their start; those whose minutes are gone are left out.
    async fn at_moment(
        &self,
        mut sessions: Vec<(SessionId, SessionRow)>,
        at_ms: Option<u64>,
        clock: u64,
    ) -> Result<Vec<SessionRows>, Failure> {
        let retention = self.stores.rows.retention();
        if at_ms.is_some() {
            sessions.retain(|(_, row)| has_minutes(row, clock, retention));
        }
        let wanted = sessions.into_iter().map(|(id, row)| {
            let until = at_ms.map_or(0, |at_ms| row.sort_ts().saturating_add(at_ms));
            (id, room_until(until))
        });
        self.gather(wanted.collect()).await
    }
}

/// A session as a whole, and its minutes up to a moment.
fn room_until(until: u64) -> Select {
    let Select::Parts(mut parts) = select(&[], false) else {
        return Select::Totals;
    };
    for part in parts.iter_mut().filter(|part| part.table != Table::Total) {
        part.buckets.end = until;
    }
    parts.retain(|part| !part.buckets.is_empty());
    Select::Parts(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_of_what_is_defined() {
        let of = |numbers: &[i128]| median(numbers.iter().map(|number| Value::Integer(*number)).collect());
        assert_eq!(of(&[]), Value::Null);
        assert_eq!(of(&[7]), Value::Integer(7));
        assert_eq!(of(&[9, 1, 5]), Value::Integer(5));
        assert_eq!((of(&[1, 3]), of(&[1, 2])), (Value::Integer(2), Value::Fraction(1.5)));
        let mixed = vec![Value::Null, Value::Fraction(0.5), Value::Null, Value::Fraction(0.25)];
        assert_eq!(median(mixed), Value::Fraction(0.375));
    }

    #[test]
    fn a_percentile_needs_five_peers_of_five_anchors() {
        let anchors = ["a", "b", "c", "d", "e", "f", "g"];
        let of = |value, peers: &[(usize, i128)]| {
            percentile(
                Value::Integer(value),
                peers.iter().map(|(anchor, peer)| (anchors[*anchor], Value::Integer(*peer))),
            )
        };
        let five = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)];
        assert_eq!(of(3, &five), Value::Fraction(0.5));
        assert_eq!((of(0, &five), of(6, &five)), (Value::Fraction(0.0), Value::Fraction(1.0)));
        assert_eq!(of(3, &five[1..]), Value::Null, "four peers");
        assert_eq!(of(3, &[(0, 1), (1, 2), (2, 3), (3, 4), (3, 5), (3, 6)]), Value::Null, "four anchors");
        assert_eq!(
            percentile(Value::Null, anchors.into_iter().map(|one| (one, Value::Integer(1)))),
            Value::Null
        );
        // Of seven one is below and one equal: 3/14.
        let seven: Vec<_> = (0..7).map(|number| (number, number as i128)).collect();
        assert_eq!(of(1, &seven), Value::Fraction(0.21));
    }
}
