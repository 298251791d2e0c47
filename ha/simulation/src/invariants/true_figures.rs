//! Figures are true: each is what the log says at the place that the answer names. Of a chain that
//! was made wrong on purpose, only until it is named and left, and whoever serves knows that.

use tandem_failover::Decided;
use tandem_model::route::Chain;

use crate::event::Told;
use crate::log::{figure, partition_of};
use crate::place::Place;

/// So long after it was named and left, a gateway may not have heard of it, if it can hear at all,
/// in milliseconds.
const NEWS_MS: u64 = 2_000;

#[derive(Default)]
pub(super) struct TrueFigures {
    /// Since when each chain is quarantined and not the active one.
    left_ms: [Option<u64>; 2],
    calm_ms: Option<u64>,
}

impl TrueFigures {
    pub(super) fn decided(&mut self, now_ms: u64, decided: &Decided) {
        for chain in Chain::ALL {
            let is_left = *decided.quarantined().of(chain) && decided.active() != chain;
            let left_ms = &mut self.left_ms[chain as usize];
            *left_ms = is_left.then(|| left_ms.unwrap_or(now_ms));
        }
    }

    pub(super) fn calms(&mut self, now_ms: u64) {
        self.calm_ms = Some(now_ms);
    }

    /// Says whether it was wrong, and might be.
    pub(super) fn served(
        &self,
        now_ms: u64,
        gateway: Place,
        is_distrusted: bool,
        told: Told,
    ) -> Result<bool, String> {
        let true_figure = figure(told.session, told.cut[partition_of(told.session)]);
        if told.figure == true_figure {
            return Ok(false);
        }
        let words = || {
            format!(
                "{gateway} served {:x} of session {} from chain {}, and {true_figure:x} is true",
                told.figure, told.session, told.chain
            )
        };
        if !told.is_marred {
            return Err(words());
        }
        if is_distrusted {
            return Err(format!("{}: it knew that the chain is quarantined", words()));
        }
        // Who is cut off from control keeps the old route; once all is calm, nobody is.
        let known_ms =
            self.left_ms[told.chain as usize].zip(self.calm_ms).map(|(left, calm)| left.max(calm) + NEWS_MS);
        if known_ms.is_some_and(|known_ms| now_ms > known_ms) {
            return Err(format!("{}: the chain was named and left long ago", words()));
        }
        Ok(true)
    }
}
