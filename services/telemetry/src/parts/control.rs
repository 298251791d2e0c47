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
    /// Whether it leads.
    pub leads: bool,
    /// The group's term, as it knows it.
    pub term: u64,
    /// Members that vote, and members that only learn.
    pub members: [usize; 2],
    /// Decisions it has applied, ever.
    pub decisions: u64,
    /// The place of the log up to which it knows entries to be committed.
    pub committed: u64,
    /// The place of the log up to which it has applied entries.
    pub applied: u64,
}

/// Shows how a control node stands.
pub fn control(telemetry: &Telemetry, state: impl Fn() -> ControlState + Send + Sync + 'static) {
    telemetry.source(move |samples| {
        let state = state();
        samples.set(&catalogue::CONTROL_EPOCH, &[], state.epoch as f64);
        samples.set(&catalogue::CONTROL_LEADS, &[], f64::from(u8::from(state.leads)));
        samples.set(&catalogue::CONTROL_TERM, &[], state.term as f64);
        for (kind, count) in ["voter", "learner"].into_iter().zip(state.members) {
            samples.set(&catalogue::CONTROL_MEMBERS, &[kind], count as f64);
        }
        samples.set(&catalogue::CONTROL_DECISIONS, &[], state.decisions as f64);
        samples.set(&catalogue::CONTROL_COMMITTED, &[], state.committed as f64);
        samples.set(&catalogue::CONTROL_APPLIED, &[], state.applied as f64);
        for chain in Chain::ALL {
            let active = f64::from(u8::from(chain == state.active));
            samples.set(&catalogue::CONTROL_ACTIVE, &[chain.name()], active);
        }
    });
}
