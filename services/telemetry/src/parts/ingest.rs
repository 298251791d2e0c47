//! Ingest: bodies of events into the log.

use crate::{Telemetry, catalogue};

/// What ingest counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngestCounts {
    /// Bodies taken, malformed lines in them or not.
    pub accepted: u64,
    /// Bodies that had been taken before, answered as then.
    pub repeated: u64,
    /// Bodies that were refused for what they are.
    pub refused: u64,
    /// Bodies for which there was no room.
    pub busy: u64,
    /// Bodies the log did not take, or we failed to.
    pub failed: u64,
    /// Lines taken as events.
    pub events: u64,
    /// Those marked as suspect here.
    pub suspect: u64,
    /// Lines taken as beats.
    pub beats: u64,
    /// Lines that are no events.
    pub malformed: u64,
    /// Bodies being taken right now.
    pub waiting: usize,
    /// How many may be.
    pub waiting_max: usize,
}

/// Shows what ingest counts.
pub fn ingest(telemetry: &Telemetry, counts: impl Fn() -> IngestCounts + Send + Sync + 'static) {
    use catalogue::*;
    telemetry.source(move |samples| {
        let counts = counts();
        for (outcome, bodies) in [
            ("accepted", counts.accepted),
            ("repeated", counts.repeated),
            ("refused", counts.refused),
            ("busy", counts.busy),
            ("failed", counts.failed),
        ] {
            samples.set(&INGEST_BODIES, &[outcome], bodies as f64);
        }
        samples.set(&INGEST_EVENTS, &[], counts.events as f64);
        samples.set(&INGEST_SUSPECT, &[], counts.suspect as f64);
        samples.set(&INGEST_BEATS, &[], counts.beats as f64);
        samples.set(&INGEST_MALFORMED, &[], counts.malformed as f64);
        samples.set(&INGEST_WAITING, &[], counts.waiting as f64);
        samples.set(&INGEST_WAITING_MAX, &[], counts.waiting_max as f64);
    });
}
