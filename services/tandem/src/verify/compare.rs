//! A claim and what was recomputed: pure. Differences come out in the order of the rows; of a row
//! that differs in several columns each column is one.

use std::cmp::Ordering;
use std::fmt::Debug;

use tandem_model::digest::{Digests, TABLES};
use tandem_model::retention::Retention;
use tandem_model::row::PartitionRow;
use tandem_model::{Row, RowKey, SessionId, SessionRow, Stored, Values};
use tandem_plain::Figures;

use super::difference::What;
use super::subject::SessionClaim;

/// What differs, what was expected, what was found.
pub(super) type Found = (What, String, String);

/// A session's claim against its figures; none where the log knows no such session.
pub(super) fn session(
    claim: &SessionClaim,
    retention: Retention,
    figures: Option<&Figures>,
    out: &mut Vec<Found>,
) {
    let id = &claim.session_id;
    let Some(figures) = figures else {
        return out.push((What::Session(id.clone()), "no such session".to_owned(), "a session".to_owned()));
    };
    session_row(id, &figures.session, &claim.session, out);
    // A store may take its time to free what can't be read any more.
    let is_kept = |key: &RowKey| retention.keeps(key, claim.cut.clock);
    let mut expected = figures.rows.iter().filter(|(key, _)| is_kept(key)).peekable();
    let mut found = claim.rows.iter().filter(|row| is_kept(&row.key)).peekable();
    loop {
        let order = match (expected.peek(), found.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some(row)) => (*key).cmp(&row.key),
        };
        // Both sides are in the order of the keys: the smaller key has no partner.
        let expected = if order.is_le() { expected.next() } else { None };
        let found = if order.is_ge() { found.next() } else { None };
        match (expected, found) {
            (Some((_, (values, offset))), Some(row)) => columns(id, (values, *offset), row, out),
            (Some((key, _)), None) => {
                out.push((What::Row(id.clone(), key.clone()), "a row".to_owned(), "none".to_owned()));
            }
            (_, Some(row)) => {
                out.push((What::Row(id.clone(), row.key.clone()), "no row".to_owned(), "a row".to_owned()));
            }
            (None, None) => return,
        }
    }
}

fn columns(id: &SessionId, (values, offset): (&Values, u64), row: &Row, out: &mut Vec<Found>) {
    let mut column = |key: &RowKey, name, expected: u64, found: u64| {
        if expected != found {
            let what = What::Column(id.clone(), key.clone(), name);
            out.push((what, expected.to_string(), found.to_string()));
        }
    };
    for (stored, (expected, found)) in Stored::ALL.iter().zip(values.iter().zip(&row.values)) {
        column(&row.key, stored.id(), *expected, *found);
    }
    column(&row.key, "offset", offset, row.offset);
}

fn session_row(id: &SessionId, expected: &SessionRow, found: &SessionRow, out: &mut Vec<Found>) {
    // Taken apart, so that a field that is added can't be forgotten here.
    let SessionRow { attributes, ended_at, first_ts, state, offset } = expected;
    let mut field = |name, expected: &dyn Debug, found: &dyn Debug| {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        if expected != found {
            out.push((What::SessionField(id.clone(), name), expected, found));
        }
    };
    field("attributes", attributes, &found.attributes);
    field("ended_at", ended_at, &found.ended_at);
    field("first_ts", first_ts, &found.first_ts);
    field("state", state, &found.state);
    field("offset", offset, &found.offset);
}

/// A partition's own row.
pub(super) fn partition(expected: &PartitionRow, found: &PartitionRow, out: &mut Vec<Found>) {
    let PartitionRow { clock, beats, ignored_beats, malformed_events, late_events, offset } = expected;
    let mut field = |name, expected: u64, found: u64| {
        if expected != found {
            out.push((What::PartitionField(name), expected.to_string(), found.to_string()));
        }
    };
    field("clock", *clock, found.clock);
    field("beats", *beats, found.beats);
    field("ignored_beats", *ignored_beats, found.ignored_beats);
    field("malformed_events", *malformed_events, found.malformed_events);
    field("late_events", *late_events, found.late_events);
    field("offset", *offset, found.offset);
}

/// Digests after the beat at `ts`.
pub(super) fn digests(ts: u64, expected: &Digests, found: &Digests, out: &mut Vec<Found>) {
    for (table, (expected, found)) in TABLES.iter().zip(expected.0.iter().zip(&found.0)) {
        if expected != found {
            out.push((What::Digest(table, ts), format!("{expected:032x}"), format!("{found:032x}")));
        }
    }
}
