//! Events in.
//!
//! - [`Ingest`] turns an HTTP body (one JSON object per line) into records and appends all of them
//!   in one go, with a receipt where the sender gave an idempotency key.
//! - [`metronome()`] moves time: a beat into every partition, once a second.
//! - [`replay`] works out the beats of a recorded file, so that a replay moves time as the
//!   recording did. It is pure; the command line feeds it.
//!
//! Bad lines are not lost: they go into the log too, with the reason, so that both chains count
//! them alike. Nothing here decides what an event means; that is the fold's.

mod accepted;
mod counts;
mod error;
mod idempotency;
mod ingest;
pub mod lines;
mod metronome;
pub mod replay;
mod suspect;

#[cfg(test)]
mod fake;

pub use accepted::{Accepted, LINE_ERRORS_MAX, LineError};
pub use counts::{IngestCounts, MetronomeCounts};
pub use error::IngestError;
pub use idempotency::{KEPT_MS, forget_receipts, parse_key};
pub use ingest::{BODY_BYTES_MAX, Ingest, LINES_MAX, Post};
pub use metronome::{metronome, metronome_counted, wall_ms};
