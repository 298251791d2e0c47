//! Decided once calm: when nothing breaks any more, the group agrees, a chain that is down is left,
//! every gateway follows, and every client is answered.

use tandem_failover::Decided;
use tandem_model::route::Chain;

use super::{Held, LeftOver};
use crate::log::News;
use crate::place::CLIENTS_MAX;
use crate::place::Place;

/// So long after it got calm all of it must be so, in milliseconds: an election, a judge that begins
/// with nothing, operators who tidy up, 1.2 s until a chain is taken to be down.
pub(crate) const BOUND_MS: u64 = 10_000;
/// A client that hears nothing for so long is not served, in milliseconds.
const SILENCE_MS: u64 = 2_000;

#[derive(Default)]
pub(super) struct Calm {
    calm_ms: Option<u64>,
    left_over: Option<(Chain, LeftOver)>,
    has_switched: bool,
    answered_ms: [u64; CLIENTS_MAX],
}

impl Calm {
    pub(super) fn begin(&mut self, now_ms: u64, left_over: Option<(Chain, LeftOver)>) {
        self.calm_ms = Some(now_ms);
        self.left_over = left_over;
    }

    /// An automatic switch was decided: a later one must wait for the cool-down, unless the chain
    /// is down.
    pub(super) fn switched_automatically(&mut self) {
        self.has_switched |= self.calm_ms.is_none();
    }

    pub(super) fn answered(&mut self, now_ms: u64, client: usize) {
        self.answered_ms[client] = now_ms;
    }

    /// Each request is answered, once all of it is so.
    pub(super) fn unanswered(&self, now_ms: u64, client: usize) -> Held {
        match self.calm_ms.filter(|calm_ms| now_ms >= calm_ms + BOUND_MS) {
            None => Ok(()),
            Some(calm_ms) => Err(format!(
                "{} got no answer, {} ms after it got calm",
                Place::Client(client),
                now_ms - calm_ms
            )),
        }
    }

    pub(super) fn end(
        &self,
        now_ms: u64,
        decided: &Decided,
        gateways: &[(Place, News)],
        clients: usize,
    ) -> Held {
        let Some(calm_ms) = self.calm_ms.filter(|calm_ms| now_ms >= calm_ms + BOUND_MS) else {
            return Ok(());
        };
        let after_ms = now_ms - calm_ms;
        let active = decided.active();
        for (place, news) in gateways {
            if (news.epoch, news.active) != (decided.epoch(), active) {
                return Err(format!(
                    "{place} follows {} in epoch {}, decided is {active} in epoch {}, {after_ms} ms after it got \
                     calm",
                    news.active,
                    news.epoch,
                    decided.epoch()
                ));
            }
        }
        match self.left_over {
            Some((chain, LeftOver::Down)) if active == chain => {
                return Err(format!("{chain} is down and serves, {after_ms} ms after it got calm"));
            }
            Some((chain, LeftOver::Wrong)) if !decided.quarantined().of(chain) => {
                return Err(format!("{chain} is wrong and nobody named it, {after_ms} ms after it got calm"));
            }
            // Who broke the glass to get there meant it.
            Some((chain, LeftOver::Wrong))
                if active == chain && decided.is_active_distrusted() && !self.has_switched =>
            {
                return Err(format!("{chain} is named wrong and serves, {after_ms} ms after it got calm"));
            }
            _ => {}
        }
        match (0..clients).find(|client| now_ms > self.answered_ms[*client] + SILENCE_MS) {
            None => Ok(()),
            Some(client) => Err(format!("{} is not served any more", Place::Client(client))),
        }
    }
}
