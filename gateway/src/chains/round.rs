//! One round: the chains are asked until one gives a good answer or none is left.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::StatusCode;
use tandem_model::route::Chain;
use tokio::sync::SemaphorePermit;

use super::ask::{Answered, Ask, Leave, Outcome};
use super::{ChainRouter, Order};
use crate::answer::Answer;

/// Of questions that no hedge stands against.
pub(super) static NEVER: AtomicBool = AtomicBool::new(false);

/// What came of a round.
pub(super) enum Round {
    /// Somebody had a good answer.
    Good(Answer),
    /// Nobody had.
    Failed(Failures),
}

/// What the chains said instead of a good answer, each at most once.
#[derive(Default)]
pub(super) struct Failures(Vec<(Chain, Outcome)>);

impl Failures {
    /// The chains that are only behind the token.
    pub(super) fn behind(&self) -> Vec<Chain> {
        let is_behind = |(_, outcome): &&(Chain, Outcome)| matches!(outcome, Outcome::Behind(_));
        self.0.iter().filter(is_behind).map(|(chain, _)| *chain).collect()
    }

    /// What a chain said, if that is what the client should hear. Where one chain was named, that
    /// is its answer. Else it is a 5xx that all agree on: 500 means a fault of ours that will come
    /// again, so it must not hide behind "try again", nor may a single chain's fault stand for all.
    pub(super) fn into_answer(self, order: Order) -> Option<Answer> {
        let mut answers = Vec::new();
        for (_, outcome) in self.0 {
            match outcome {
                Outcome::Good(answer) | Outcome::Behind(answer) | Outcome::Refused(answer) => {
                    answers.push(answer)
                }
                Outcome::TimedOut | Outcome::Broken => return None,
            }
        }
        let asked = 1 + usize::from(order.second.is_some());
        let first: StatusCode = answers.first()?.status();
        let is_agreed = answers.len() == asked && answers.iter().all(|answer| answer.status() == first);
        let is_for_us = order.is_named || first != StatusCode::SERVICE_UNAVAILABLE;
        (is_agreed && is_for_us).then(|| answers.swap_remove(0))
    }
}

impl ChainRouter {
    /// Asks the first chain, and the second when that fails, takes too long, or turns out to be in
    /// trouble. Dropping the round drops the questions with it, and so does an answer for the one
    /// that is still open.
    pub(super) async fn round(&self, order: Order, ask: &Ask, leave: Leave) -> Round {
        let counts = &self.counters.reads;
        // Before the look at the breakers, so that no change is missed in between.
        let changed = self.changes.notified();
        tokio::pin!(changed);
        let order = self.reconsider(order);
        let first = self.link(order.first);
        let is_hedged = AtomicBool::new(false);
        let mut open = FuturesUnordered::new();
        open.push(self.ask(order.first, order, ask, leave, &is_hedged));
        let mut second = order.second;
        let mut failures = Failures::default();
        let mut hedge: Option<Chain> = None;
        let mut may_hedge = second.is_some() && !order.is_bulk;
        // Held until the round is over.
        let mut failover: Option<SemaphorePermit<'_>> = None;
        let delay = tokio::time::sleep(first.hedge_delay());
        tokio::pin!(delay);
        loop {
            tokio::select! {
                biased;
                answered = open.next() => match answered {
                    // It was named while its answer was under way.
                    Some((chain, Outcome::Good(_)))
                        if !order.is_named && self.only_trusted() == Some(chain.other()) =>
                    {
                        failures.0.push((chain, Outcome::Broken));
                        if second.take().is_some() || order.second.is_none() {
                            open.push(self.ask(chain.other(), order, ask, leave, &NEVER));
                        }
                    }
                    Some((chain, Outcome::Good(answer))) => {
                        if hedge == Some(chain) {
                            counts.hedges_won.add_one();
                        }
                        return Round::Good(answer);
                    }
                    Some(failure) => {
                        failures.0.push(failure);
                        if let Some(chain) = second.take() {
                            failover = self.link(chain).failover();
                            if failover.is_some() {
                                counts.failovers.add_one();
                                open.push(self.ask(chain, order, ask, leave, &NEVER));
                            } else {
                                counts.failovers_refused.add_one();
                            }
                        }
                    }
                    None => {
                        drop(failover);
                        return Round::Failed(failures);
                    }
                },
                () = &mut changed, if second.is_some() => {
                    changed.set(self.changes.notified());
                    // Where there is no room, the first chain keeps its chance.
                    if let Some(chain) = second
                        && first.is_open()
                        && let Some(permit) = self.link(chain).failover()
                    {
                        second = None;
                        failover = Some(permit);
                        counts.moved.add_one();
                        open.push(self.ask(chain, order, ask, leave, &NEVER));
                    }
                }
                () = &mut delay, if may_hedge && second.is_some() => {
                    may_hedge = false;
                    self.counters.chain(order.first).slow.add_one();
                    // A chain in trouble is hedged to only where the first is no better, and by few.
                    let is_in_trouble = second.is_some_and(|chain| self.link(chain).is_open());
                    if is_in_trouble && first.is_open() {
                        failover = second.and_then(|chain| self.link(chain).failover());
                    }
                    let may_ask = !is_in_trouble || failover.is_some();
                    if let Some(chain) = second.filter(|_| may_ask && self.hedge_budget.take()) {
                        second = None;
                        counts.hedges.add_one();
                        hedge = Some(chain);
                        is_hedged.store(true, Ordering::Relaxed);
                        open.push(self.ask(chain, order, ask, leave, &NEVER));
                    } else {
                        counts.hedges_refused.add_one();
                        failover = None;
                    }
                }
            }
        }
    }

    /// Since the order was made, or since the round before, a breaker may have opened.
    fn reconsider(&self, order: Order) -> Order {
        match order.second {
            Some(second) if self.link(order.first).is_open() && !self.link(second).is_open() => {
                Order { first: second, second: Some(order.first), ..order }
            }
            _ => order,
        }
    }

    /// Asks all of `chains` at once; the first good answer wins.
    pub(super) async fn race(
        &self,
        chains: &[Chain],
        order: Order,
        ask: &Ask,
        leave: Leave,
    ) -> Option<Answer> {
        let mut open: FuturesUnordered<_> =
            chains.iter().map(|chain| self.ask(*chain, order, ask, leave, &NEVER)).collect();
        while let Some((_, outcome)) = open.next().await {
            if let Outcome::Good(answer) = outcome {
                return Some(answer);
            }
        }
        None
    }

    async fn ask(
        &self,
        chain: Chain,
        order: Order,
        ask: &Ask,
        leave: Leave,
        is_hedged: &AtomicBool,
    ) -> (Chain, Outcome) {
        let asking = self.link(chain).ask(ask, leave, order.timeout, order.purpose(), is_hedged);
        let answered = asking.await;
        self.learn(&answered);
        (chain, answered.outcome)
    }

    /// Adopts a newer route that came with an answer.
    pub(super) fn learn(&self, answered: &Answered) {
        if answered.signpost.is_some_and(|signpost| self.newest.learn(signpost)) {
            self.counters.reads.routes_learnt.add_one();
        }
    }
}
