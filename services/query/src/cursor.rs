//! Cursors: where a list goes on, opaque to clients.
//!
//! A cursor is the last entry's place in the list's own order, not a count: entries that come in
//! at the top neither repeat nor hide others on the pages after.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tandem_model::problem::Problem;
use tandem_model::{PartitionId, SessionId};
use tandem_storage::Place;

use crate::request::Given;

/// The cursor after a session.
pub(crate) fn after_session(sort_ts: u64, id: &SessionId) -> String {
    BASE64.encode(format!("s1.{sort_ts}.{id}"))
}

/// The session a cursor stands after.
pub(crate) fn session(given: Given<'_>) -> Result<Option<(u64, SessionId)>, Problem> {
    parse(given, "s1", |sort_ts, id| Some((sort_ts.parse().ok()?, SessionId::new(id)?)))
}

/// The cursor after a place in the log.
pub(crate) fn after_place(place: Place) -> String {
    BASE64.encode(format!("p1.{}.{}", place.partition, place.offset))
}

/// The place a cursor stands after.
pub(crate) fn place(given: Given<'_>) -> Result<Option<Place>, Problem> {
    parse(given, "p1", |partition, offset| {
        Some(Place { partition: PartitionId(partition.parse().ok()?), offset: offset.parse().ok()? })
    })
}

/// The cursor of a board's rows from `place` on, in the edition cut at `edition_at`.
pub(crate) fn after_rank(edition_at: u64, place: u64) -> String {
    BASE64.encode(format!("r1.{edition_at}.{place}"))
}

/// The edition and the place that a cursor of a board stands at.
pub(crate) fn rank(given: Given<'_>) -> Result<Option<(u64, u64)>, Problem> {
    parse(given, "r1", |edition_at, place| Some((edition_at.parse().ok()?, place.parse().ok()?)))
}

fn parse<T>(
    given: Given<'_>,
    kind: &str,
    read: impl Fn(&str, &str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = given.text() else { return Ok(None) };
    let decoded = BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let mut parts = decoded.as_deref().unwrap_or_default().splitn(3, '.');
    let found = match (parts.next(), parts.next(), parts.next()) {
        (Some(found), Some(first), Some(second)) if found == kind => read(first, second),
        _ => None,
    };
    found.map(Some).ok_or_else(|| given.problem("the `next_cursor` of an answer of this same list"))
}
