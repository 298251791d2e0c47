//! Summaries: what partner teams read of us, as messages of the topic [`TOPIC`].
//!
//! The words stand here because three places need the same ones: the publisher writes messages,
//! the topic's adapters find the last [`Marker`] again, and the query node describes them all.
//! What a reader may rely on, and what may change, is in `docs/partners.md`.
//!
//! A message is a row as it is now: absolute, complete, under a key of its own, so the topic can be
//! compacted to the latest message per key. Rows come in transactions; each ends with a marker
//! that says up to which beat of which partition the rows of the topic now reach.

mod encode;
mod marker;

use bytes::Bytes;

use crate::Breakdown;
use crate::catalogue::Stored;
use crate::row::{RowKey, Table};
use crate::time::Window;

pub use marker::{Marker, MarkerError};

/// The name of the topic where nothing else is said.
pub const TOPIC: &str = "dws.live";
/// The version of the form of keys and values.
pub const VERSION: u32 = 1;
/// The header that names the media type of key and value, and what it says.
pub const CONTENT_TYPE: (&str, &str) = ("content-type", "application/json");
/// The header that names the schema of key and value; see [`Schema::name`].
pub const SCHEMA_HEADER: &str = "schema";

/// What is published of a row of figures: totals and the trends of 1 and 5 minutes, of every
/// breakdown users can see.
///
/// Not `trend_10s`: it exists for the live tail of our own screens, is kept for a short time only,
/// and would be most of the traffic; whoever needs a finer grain reads the API. Not
/// [`Breakdown::RawSource`], which is internal.
pub fn is_published(key: &RowKey) -> bool {
    TABLES.contains(&key.table) && key.breakdown != Breakdown::RawSource
}

/// The tables of figures that are published.
pub const TABLES: [Table; 3] =
    [Table::Total, Table::Trend(Window::Minute), Table::Trend(Window::FiveMinutes)];

/// The stored metrics that a published row of this kind has, in the order of the catalogue: gauges
/// and quality only the session as a whole, refused events only in the total.
pub fn metrics(table: Table, breakdown: Breakdown) -> impl Iterator<Item = Stored> {
    Stored::ALL.iter().copied().filter(move |stored| {
        (breakdown == Breakdown::Room || !stored.is_room_only())
            && (table == Table::Total || stored.has_trend())
    })
}

/// The form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Schema {
    /// A session itself: its attributes and state.
    Session,
    /// A row of a session's figures.
    Row,
    /// The end of a transaction.
    Marker,
}

impl Schema {
    /// All of them.
    pub const ALL: [Schema; 3] = [Schema::Session, Schema::Row, Schema::Marker];

    /// The `type` member of its key.
    pub const fn kind(self) -> &'static str {
        match self {
            Schema::Session => "session",
            Schema::Row => "row",
            Schema::Marker => "marker",
        }
    }

    /// What the header [`SCHEMA_HEADER`] says: the form and its version.
    pub const fn name(self) -> &'static str {
        match self {
            Schema::Session => "dws.live/session/1",
            Schema::Row => "dws.live/row/1",
            Schema::Marker => "dws.live/marker/1",
        }
    }
}

/// One message of the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its form.
    pub schema: Schema,
    /// Canonical JSON: the same row has the same bytes.
    pub key: Bytes,
    /// JSON; none where the row is withdrawn.
    pub value: Option<Bytes>,
}
