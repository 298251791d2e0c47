//! What one place in the log holds.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::malformed::Malformed;
use crate::partition::partition_of;
use crate::position::PartitionId;

/// Longest line that may be an event, in bytes, without its line end.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// How much of a malformed line the log keeps, in bytes.
pub const MALFORMED_BYTES_MAX: usize = 4 * 1024;

/// A record: a line as it was sent, or the beginning of a line that was refused, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The bytes of the line, without its line end.
    pub value: Bytes,
    /// Set by whoever wrote a line that is no event (Kafka: record headers). A record without it
    /// is decoded by the reader, and may turn out malformed there.
    pub malformed: Option<Box<Refusal>>,
}

/// What stands beside the beginning of a refused line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why, and for which session where that is known.
    pub reason: Malformed,
    /// How long the line was, in bytes.
    pub line_bytes: u64,
}

impl Record {
    /// A line to be decoded by whoever reads it.
    pub fn line(value: Bytes) -> Self {
        Self { value, malformed: None }
    }

    /// The record of a refused line: its first [`MALFORMED_BYTES_MAX`] bytes and the reason.
    pub fn refused(line: &Bytes, reason: Malformed) -> Self {
        let kept = line.slice(..line.len().min(MALFORMED_BYTES_MAX));
        Self { value: kept, malformed: Some(Box::new(Refusal { reason, line_bytes: line.len() as u64 })) }
    }

    /// A beat at `second` (seconds since the epoch), as it stands in the log.
    pub fn beat(second: u64) -> Self {
        let ts = second * crate::time::SECOND_MS;
        Self::line(Bytes::from(format!("{{\"type\":\"beat\",\"beat\":{second},\"ts\":{ts}}}")))
    }
}

/// The partition that a refused line goes to: that of its session where it names one, else one
/// chosen by its bytes.
pub fn partition_of_refused(record: &Record, partitions: u32) -> PartitionId {
    let session = record.malformed.as_ref().and_then(|refusal| refusal.reason.session_id.as_ref());
    match session {
        Some(session) => partition_of(session.as_str().as_bytes(), partitions),
        None => partition_of(&record.value, partitions),
    }
}
