//! What whoever compares both chains has found, and how the comparing gets on.

use super::seconds;
use crate::{Telemetry, catalogue};

/// How the comparing stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParityState {
    /// What is wrong and not mended: how many findings name this one (`a`, `b` or `both`), at this level
    /// (`computed` or `stored`).
    pub findings: Vec<(&'static str, &'static str, usize)>,
    /// Rounds through all sessions that came to their end.
    pub rounds: u64,
    /// When the last one did, in milliseconds since the epoch.
    pub last_round_ms: Option<u64>,
    /// Sessions compared in all stores; one counts each time.
    pub sessions: u64,
    /// Third votes taken.
    pub votes: u64,
}

/// Shows how the comparing of both chains stands.
pub fn parity(telemetry: &Telemetry, state: impl Fn() -> ParityState + Send + Sync + 'static) {
    use catalogue::*;
    telemetry.source(move |samples| {
        let state = state();
        for (wrong, level, count) in state.findings {
            samples.set(&PARITY_FINDINGS, &[wrong, level], count as f64);
        }
        samples.set(&PARITY_ROUNDS, &[], state.rounds as f64);
        if let Some(last_round_ms) = state.last_round_ms {
            samples.set(&PARITY_ROUND, &[], seconds(last_round_ms));
        }
        samples.set(&PARITY_SESSIONS, &[], state.sessions as f64);
        samples.set(&PARITY_VOTES, &[], state.votes as f64);
    });
}
