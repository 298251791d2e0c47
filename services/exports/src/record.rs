//! One row of a table, cell by cell.

use tandem_model::{PartitionId, Row, SessionRow};

/// A row of a DWS table, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The session.
    pub session_id: &'a str,
    /// The partition of the event log that its events are in.
    pub partition: PartitionId,
    /// The session's own row.
    pub session: &'a SessionRow,
    /// A row of its figures; none in the table of sessions.
    pub figures: Option<&'a Row>,
}

/// What stands in one column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Not known, or not counted in this breakdown.
    Null,
    /// Text.
    Text(&'a str),
    /// A whole number, or a moment in milliseconds since the epoch.
    Whole(u64),
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Cell::Null, Cell::Text)
    }
}

impl From<Option<u64>> for Cell<'_> {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Cell::Null, Cell::Whole)
    }
}
