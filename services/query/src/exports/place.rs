//! Where an export goes on: opaque to clients, and of use for this one export only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tandem_model::SessionId;
use tandem_model::problem::Problem;

use crate::request::Given;

/// Where a part begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The session's place in the list.
    pub(super) sort_ts: u64,
    pub(super) session_id: SessionId,
    /// Where in it; nothing after it.
    pub(super) within: Option<Within>,
}

/// Where in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Within {
    /// The first row of the part.
    pub(super) row: usize,
    /// The rows of the pieces before: a hash of all of the session's.
    pub(super) hash: u128,
}

/// The cursor of this place, for an export with these parameters, of which `export` is a hash.
pub(super) fn encode(place: &Place, export: u64) -> String {
    let within = place.within.map_or_else(|| ".".to_owned(), |at| format!("{}.{:032x}", at.row, at.hash));
    BASE64.encode(format!("x1.{export:016x}.{within}.{}.{}", place.sort_ts, place.session_id))
}

/// The place that a cursor stands for.
pub(super) fn decode(given: Given<'_>, export: u64) -> Result<Option<Place>, Problem> {
    let Some(text) = given.text() else { return Ok(None) };
    let wrong = || {
        given
            .problem("the `Tandem-Export-Next` of a part of this same export, with the same other parameters")
    };
    let decoded = BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let place = decoded.as_deref().and_then(|text| parse(text, export));
    place.map(Some).ok_or_else(wrong)
}

fn parse(text: &str, export: u64) -> Option<Place> {
    let mut parts = text.splitn(6, '.');
    let mut next = || parts.next();
    if next()? != "x1" || u64::from_str_radix(next()?, 16).ok()? != export {
        return None;
    }
    let within = match (next()?, next()?) {
        ("", "") => None,
        (row, hash) => Some(Within { row: row.parse().ok()?, hash: u128::from_str_radix(hash, 16).ok()? }),
    };
    Some(Place { within, sort_ts: next()?.parse().ok()?, session_id: SessionId::new(next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::given;

    #[test]
    fn a_cursor_is_of_one_export_and_of_no_other() {
        let whole = Place { sort_ts: 7, session_id: SessionId::new("s.1").unwrap(), within: None };
        let within = Some(Within { row: 9, hash: 1 << 100 });
        for place in [whole.clone(), Place { within, ..whole }] {
            let cursor = Some(encode(&place, 5));
            assert_eq!(decode(given("cursor", &cursor), 5), Ok(Some(place)));
            assert!(decode(given("cursor", &cursor), 6).is_err());
        }
        for wrong in ["x", "eDEu", "czEuMTczMjE5MDQwMDAwMC5zLTIwMjQxMTIxLTAwMDE"] {
            assert!(decode(given("cursor", &Some(wrong.to_owned())), 5).is_err(), "{wrong}");
        }
        assert_eq!(decode(given("cursor", &None), 5), Ok(None));
    }
}
