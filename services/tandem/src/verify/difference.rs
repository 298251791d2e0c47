//! What can differ between a chain and the log, in words.

use std::fmt;

use tandem_model::route::Chain;
use tandem_model::{PartitionId, RowKey, SessionId};

use crate::terminal::utc;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The chain that says something else than the log.
    pub chain: Chain,
    /// Where.
    pub partition: PartitionId,
    /// Compared after all records below this offset.
    pub position: u64,
    /// What differs.
    pub what: What,
    /// What the log gives.
    pub expected: String,
    /// What the chain holds.
    pub found: String,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A session as a whole.
    Session(SessionId),
    /// A field of a session's own row.
    SessionField(SessionId, &'static str),
    /// A row of figures as a whole.
    Row(SessionId, RowKey),
    /// A column of a row, or its `offset`.
    Column(SessionId, RowKey, &'static str),
    /// A field of a partition's own row.
    PartitionField(&'static str),
    /// A rejected event.
    Rejected(u64),
    /// The digest of a table at a beat.
    Digest(&'static str, u64),
    /// How far the chain says it has read.
    Position,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, partition, position, what, expected, found } = self;
        write!(formatter, "chain {chain}, {what}: expected {expected}, found {found}")?;
        write!(formatter, " (partition {partition}, after all records below offset {position})")
    }
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Session(session) => write!(formatter, "session {session}"),
            What::SessionField(session, field) => {
                write!(formatter, "session {session}, table session, field {field}")
            }
            What::Row(session, key) => write!(formatter, "session {session}, {}", Key(key)),
            What::Column(session, key, column) => {
                write!(formatter, "session {session}, {}, metric {column}", Key(key))
            }
            What::PartitionField(field) => write!(formatter, "table partition, field {field}"),
            What::Rejected(offset) => write!(formatter, "the rejected event at offset {offset}"),
            What::Digest(table, beat) => {
                write!(formatter, "the digest of table {table} at the beat of {}", utc(*beat))
            }
            What::Position => formatter.write_str("its position"),
        }
    }
}

struct Key<'a>(&'a RowKey);

impl fmt::Display for Key<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RowKey { table, breakdown, key, bucket } = self.0;
        write!(formatter, "table {}, breakdown {}, key {key}", table.name(), breakdown.name())?;
        match bucket {
            0 => Ok(()),
            bucket => write!(formatter, ", bucket {bucket} ({})", utc(*bucket)),
        }
    }
}
