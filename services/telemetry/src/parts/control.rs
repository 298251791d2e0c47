//! A control node.

use tandem_model::route::Chain;

use crate::{Telemetry, catalogue};

/// How a control node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlState {
    /// The chain that serves by the newest decision.
    pub active: Chain,
    /// The epoch of that decision.
    pub epoch: u64,
    /// Decisions made by this node since its start.
    pub decisions: u64,
}

/// Shows how a control node stands.
pub fn control(telemetry: &Telemetry, state: impl Fn() -> ControlState + Send + Sync + 'static) {
    telemetry.source(move |samples| {
        let state = state();
        samples.set(&catalogue::CONTROL_EPOCH, &[], state.epoch as f64);
        samples.set(&catalogue::CONTROL_DECISIONS, &[], state.decisions as f64);
        for chain in Chain::ALL {
            let active = f64::from(u8::from(chain == state.active));
            samples.set(&catalogue::CONTROL_ACTIVE, &[chain.name()], active);
        }
    });
}
