//! Headers that say what a part is. The names stand in the description of the port too.

use http::HeaderName;

/// The cursor of the next part; not there on the last one.
pub(crate) const NEXT: HeaderName = HeaderName::from_static("tandem-export-next");
/// How many rows are in it.
pub(crate) const ROWS: HeaderName = HeaderName::from_static("tandem-export-rows");
/// Of a piece of a large session: how many of its rows came in the parts before.
pub(crate) const FIRST_ROW: HeaderName = HeaderName::from_static("tandem-export-first-row");
/// Where the rows are from (RFC 9651): log, positions, chain, epoch, definitions.
pub(crate) const PROVENANCE: HeaderName = HeaderName::from_static("tandem-provenance");
/// The SHA-256 of the part (RFC 9530).
pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
