//! One request after the other: which chain is asked first, when the other one is asked too, and
//! which answers are let through.

use rand::Rng;
use tandem_failover::Chains;
use tandem_model::route::Chain;

use super::{Gateway, REQUESTS_PER_HEDGE};
use crate::context::Context;
use crate::event::{Message, Timer, Told};
use crate::log::{Cut, covers};
use crate::mutant::Mutant;
use crate::place::Place;

/// After so long the other chain is asked too, in milliseconds.
const HEDGE_MS: u64 = 60;
/// After so long a chain has failed to answer, in milliseconds.
const ATTEMPT_MS: u64 = 400;
/// After so long there is no answer to be had, in milliseconds.
const REQUEST_MS: u64 = 1_200;
/// So long a chain that is behind the token is waited for, in milliseconds.
const BEHIND_MS: u64 = 300;
/// How often it is asked meanwhile, in milliseconds.
const AGAIN_MS: u64 = 40;
/// So many of 100 requests are put to the other chain first, to know it and to keep it warm.
const SHARE_PERCENT: u32 = 8;
/// How many hedges may be saved up, in tenths.
const HEDGES_MAX: u64 = 100;

/// A request that is under way.
pub(super) struct Pending {
    client: Place,
    request: u64,
    session: u64,
    token: Cut,
    since_ms: u64,
    attempts: Chains<Attempt>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Attempt {
    #[default]
    No,
    Waiting {
        sent_ms: u64,
        is_hedge: bool,
        /// Since when it is behind the token.
        behind_ms: Option<u64>,
    },
    Failed,
}

impl Gateway {
    pub(super) fn read(
        &mut self,
        context: &mut Context,
        client: Place,
        request: u64,
        session: u64,
        token: Cut,
    ) {
        // A client has one request at a time, so an earlier one is not waited for any more.
        if self.pending.values().any(|pending| pending.client == client && pending.request >= request) {
            return;
        }
        self.pending.retain(|_, pending| pending.client != client);
        let id = context.number();
        let since_ms = context.now_ms;
        let attempts = Chains::default();
        self.pending.insert(id, Pending { client, request, session, token, since_ms, attempts });
        self.hedges = (self.hedges + 10 / REQUESTS_PER_HEDGE).min(HEDGES_MAX);
        let first = self.first(context);
        self.ask(context, id, first, false);
        context.wake(self.place(), HEDGE_MS, Timer::Request { id });
    }

    /// An open breaker beats the route; both open: the route.
    fn first(&mut self, context: &mut Context) -> Chain {
        let active = self.news.active;
        let other = active.other();
        let may_ask_other = !self.is_shunned(context, other) && !self.health.of(other).is_open();
        if self.health.of(active).is_open() && may_ask_other {
            return if self.health.of_mut(active).try_now(context.now_ms) { active } else { other };
        }
        let is_share = context.rng.random_range(0..100) < SHARE_PERCENT;
        let is_trial = self.health.of(other).is_open()
            && !self.is_shunned(context, other)
            && self.health.of_mut(other).try_now(context.now_ms);
        if is_trial || (is_share && may_ask_other) { other } else { active }
    }

    /// Whether a chain beside the active one is not to be asked.
    fn is_shunned(&self, context: &Context, chain: Chain) -> bool {
        let is_distrusted = self.is_distrusted(chain) && !context.is_mutant(Mutant::QuarantineIgnored);
        is_distrusted || (chain != self.news.active && self.news.is_drained[chain as usize])
    }

    /// Whether its answers are not to be let through: it is quarantined, and there is another one.
    fn is_distrusted(&self, chain: Chain) -> bool {
        chain != self.news.active && self.news.is_quarantined[chain as usize]
    }

    fn ask(&mut self, context: &mut Context, id: u64, chain: Chain, is_hedge: bool) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        let sent_ms = context.now_ms;
        *pending.attempts.of_mut(chain) = Attempt::Waiting { sent_ms, is_hedge, behind_ms: None };
        let message = Message::Query { id, session: pending.session, news: self.news };
        context.send(self.place(), Place::Chain(chain), message);
    }

    /// Asks the chain that was not asked yet, if it may be.
    fn ask_other(&mut self, context: &mut Context, id: u64) -> bool {
        let Some(pending) = self.pending.get(&id) else { return false };
        let left = Chain::ALL.into_iter().find(|chain| *pending.attempts.of(*chain) == Attempt::No);
        let Some(chain) = left.filter(|chain| !self.is_shunned(context, *chain)) else { return false };
        context.watch.counters.second_asks += 1;
        self.ask(context, id, chain, true);
        true
    }

    /// The answer of a chain; none when it failed.
    pub(super) fn figure(&mut self, context: &mut Context, id: u64, chain: Chain, answer: Option<Told>) {
        // Named wrong after it was asked, maybe.
        let is_distrusted = self.is_distrusted(chain) && !context.is_mutant(Mutant::QuarantineIgnored);
        let Some(pending) = self.pending.get_mut(&id) else { return };
        let attempt = pending.attempts.of_mut(chain);
        let Attempt::Waiting { sent_ms, is_hedge, behind_ms } = *attempt else { return };
        let Some(told) = answer else {
            return self.attempt_failed(context, id, chain, sent_ms);
        };
        if is_distrusted {
            *attempt = Attempt::Failed;
            return self.ask_other_or_give_up(context, id);
        }
        let is_checked = !(is_hedge && context.is_mutant(Mutant::TokenIgnoredOnHedge));
        if is_checked && !covers(told.cut, pending.token) {
            context.watch.counters.behind += 1;
            let since_ms = behind_ms.unwrap_or(context.now_ms);
            *attempt = Attempt::Waiting { sent_ms, is_hedge, behind_ms: Some(since_ms) };
            if context.now_ms < since_ms + BEHIND_MS {
                context.wake(self.place(), AGAIN_MS, Timer::Again { id, chain });
            } else {
                // Behind the token is no failure of the chain.
                *attempt = Attempt::Failed;
                self.ask_other_or_give_up(context, id);
            }
            return;
        }
        // Only the first question counts: the times of the others hold the waiting for the token.
        if behind_ms.is_none() {
            self.health.of_mut(chain).good(context.now_ms - sent_ms);
        }
        let loser = chain.other();
        if let Attempt::Waiting { sent_ms, .. } = *pending.attempts.of(loser) {
            self.health.of_mut(loser).slow(context.now_ms - sent_ms);
        }
        self.finish(context, id, Some(told));
    }

    /// Asks a chain again that was behind the token.
    pub(super) fn again(&mut self, context: &mut Context, id: u64, chain: Chain) {
        let Some(pending) = self.pending.get(&id) else { return };
        if let Attempt::Waiting { .. } = *pending.attempts.of(chain) {
            let message = Message::Query { id, session: pending.session, news: self.news };
            context.send(self.place(), Place::Chain(chain), message);
        }
    }

    fn attempt_failed(&mut self, context: &mut Context, id: u64, chain: Chain, sent_ms: u64) {
        if let Some(pending) = self.pending.get_mut(&id) {
            *pending.attempts.of_mut(chain) = Attempt::Failed;
        }
        let is_opening = self.health.of_mut(chain).failed(sent_ms);
        if is_opening {
            context.watch.counters.breakers += 1;
            context.note(format!("{} opens the breaker of chain {chain}", self.place()));
            let waiting: Vec<u64> = self.pending.keys().copied().filter(|waiting| *waiting != id).collect();
            for waiting in waiting {
                self.ask_other(context, waiting);
            }
        }
        self.ask_other_or_give_up(context, id);
    }

    fn ask_other_or_give_up(&mut self, context: &mut Context, id: u64) {
        if self.ask_other(context, id) {
            return;
        }
        let Some(pending) = self.pending.get(&id) else { return };
        let is_waiting = |chain: Chain| matches!(pending.attempts.of(chain), Attempt::Waiting { .. });
        if !Chain::ALL.into_iter().any(is_waiting) {
            self.finish(context, id, None);
        }
    }

    /// Whether it is time to hedge, to call a chain silent, or to give up.
    pub(super) fn look_after(&mut self, context: &mut Context, id: u64) {
        let Some(pending) = self.pending.get(&id) else { return };
        let now_ms = context.now_ms;
        if now_ms >= pending.since_ms + REQUEST_MS {
            return self.finish(context, id, None);
        }
        for chain in Chain::ALL {
            let Some(pending) = self.pending.get(&id) else { return };
            if let Attempt::Waiting { sent_ms, behind_ms: None, .. } = *pending.attempts.of(chain)
                && now_ms >= sent_ms + ATTEMPT_MS
            {
                self.attempt_failed(context, id, chain, sent_ms);
            }
        }
        if self.hedges >= 10 && self.ask_other(context, id) {
            self.hedges -= 10;
        }
        if self.pending.contains_key(&id) {
            context.wake(self.place(), HEDGE_MS, Timer::Request { id });
        }
    }

    fn finish(&mut self, context: &mut Context, id: u64, answer: Option<Told>) {
        let Some(pending) = self.pending.remove(&id) else { return };
        // Whatever is served comes from a chain that may serve, as far as this gateway knows.
        if let Some(told) = answer {
            context.watch.served(context.now_ms, self.place(), self.is_distrusted(told.chain), told);
        }
        let message = Message::Told { request: pending.request, answer };
        context.send(self.place(), pending.client, message);
    }
}
