//! The metronome.

use super::seconds;
use crate::{Telemetry, catalogue};

/// How the metronome stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetronomeState {
    /// Beats written.
    pub beats: u64,
    /// Beats whose writing failed.
    pub failed: u64,
    /// Seconds without a beat because the clock was not to be trusted.
    pub refused: u64,
    /// The last beat written, in milliseconds since the epoch.
    pub last_ms: Option<u64>,
    /// How far our clock is ahead of the control node's, in milliseconds, where that is known.
    pub clock_offset_ms: Option<i64>,
}

/// Shows how the metronome stands.
pub fn metronome(telemetry: &Telemetry, state: impl Fn() -> MetronomeState + Send + Sync + 'static) {
    use catalogue::*;
    telemetry.source(move |samples| {
        let state = state();
        samples.set(&METRONOME_BEATS, &[], state.beats as f64);
        samples.set(&METRONOME_FAILED, &[], state.failed as f64);
        samples.set(&METRONOME_REFUSED, &[], state.refused as f64);
        if let Some(last_ms) = state.last_ms {
            samples.set(&METRONOME_LAST, &[], seconds(last_ms));
        }
        if let Some(offset_ms) = state.clock_offset_ms {
            samples.set(&METRONOME_OFFSET, &[], offset_ms as f64 / 1_000.0);
        }
    });
}
