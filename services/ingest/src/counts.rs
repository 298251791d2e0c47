//! What ingest and the metronome count, for telemetry.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::accepted::Accepted;
use crate::error::IngestError;

/// What ingest has counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngestCounts {
    /// Bodies that were taken, malformed lines in them or not.
    pub accepted: u64,
    /// Bodies that had been taken before, by their idempotency key, and were answered as then.
    pub repeated: u64,
    /// Bodies that were refused for what they are: the sender's fault.
    pub refused: u64,
    /// Bodies for which there was no room, or whose first sending was still under way.
    pub busy: u64,
    /// Bodies that the log did not take, or that we failed to.
    pub failed: u64,
    /// Lines taken as events.
    pub events: u64,
    /// Those of them that were marked as suspect here.
    pub suspect: u64,
    /// Lines taken as beats.
    pub beats: u64,
    /// Lines that are neither.
    pub malformed: u64,
    /// Bodies that are being taken at this moment.
    pub waiting: usize,
    /// How many may be at one time.
    pub waiting_max: usize,
}

/// How a metronome stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetronomeCounts {
    /// Beats written to all partitions.
    pub beats: u64,
    /// Beats whose writing failed; they may be in the log all the same.
    pub failed: u64,
    /// Seconds without a beat because the wall clock was not to be trusted.
    pub refused: u64,
    /// The last beat that was written, in seconds since the epoch.
    pub last_second: Option<u64>,
}

/// The counts while they are counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    repeated: AtomicU64,
    refused: AtomicU64,
    busy: AtomicU64,
    failed: AtomicU64,
    events: AtomicU64,
    suspect: AtomicU64,
    beats: AtomicU64,
    malformed: AtomicU64,
}

impl Counters {
    /// Counts what became of a body.
    pub(crate) fn count(&self, outcome: &Result<Accepted, IngestError>) {
        let bodies = match outcome {
            Ok(accepted) if accepted.replayed => &self.repeated,
            Ok(accepted) => {
                self.events.fetch_add(accepted.events, Relaxed);
                self.suspect.fetch_add(accepted.suspect, Relaxed);
                self.beats.fetch_add(accepted.beats, Relaxed);
                self.malformed.fetch_add(accepted.malformed, Relaxed);
                &self.accepted
            }
            Err(IngestError::Busy | IngestError::UnderWay) => &self.busy,
            Err(IngestError::Log(_) | IngestError::Internal(_)) => &self.failed,
            Err(
                IngestError::TooManyBytes
                | IngestError::TooManyLines
                | IngestError::BadKey
                | IngestError::BeginningGone
                | IngestError::KeyReused,
            ) => &self.refused,
        };
        bodies.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, waiting: usize, waiting_max: usize) -> IngestCounts {
        IngestCounts {
            accepted: self.accepted.load(Relaxed),
            repeated: self.repeated.load(Relaxed),
            refused: self.refused.load(Relaxed),
            busy: self.busy.load(Relaxed),
            failed: self.failed.load(Relaxed),
            events: self.events.load(Relaxed),
            suspect: self.suspect.load(Relaxed),
            beats: self.beats.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            waiting,
            waiting_max,
        }
    }
}
