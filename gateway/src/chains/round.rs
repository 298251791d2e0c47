//! One round: the chains are asked until one gives a good answer or none is left.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::StatusCode;
use tandem_model::route::Chain;
use tokio::sync::SemaphorePermit;

use super::ask::{Ask, Leave, Outcome};
use super::{ChainRouter, Order};
use crate::answer::Answer;

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
        let is_for_us = asked == 1 || first != StatusCode::SERVICE_UNAVAILABLE;
        (is_agreed && is_for_us).then(|| answers.swap_remove(0))
    }
}

impl ChainRouter {
    /// Asks the first chain, and the second when that fails or takes too long. Dropping the round
    /// drops the questions with it, and so does an answer for the one that is still open.
    pub(super) async fn round(&self, order: Order, ask: &Ask, leave: Leave) -> Round {
        let counts = &self.counters.reads;
        let mut open = FuturesUnordered::new();
        open.push(self.ask(order.first, order, ask, leave));
        let mut second = order.second;
        let mut failures = Failures::default();
        let mut hedge: Option<Chain> = None;
        let mut may_hedge = second.is_some();
        // Held until the round is over.
        let mut failover: Option<SemaphorePermit<'_>> = None;
        let delay = tokio::time::sleep(self.hedge_delay);
        tokio::pin!(delay);
        loop {
            tokio::select! {
                biased;
                answered = open.next() => match answered {
                    Some((chain, Outcome::Good(answer))) => {
                        if hedge == Some(chain) {
                            counts.hedges_won.add_one();
                        }
                        return Round::Good(answer);
                    }
                    Some(failure) => {
                        failures.0.push(failure);
                        if let Some(chain) = second.take() {
                            failover = self.failovers.try_acquire().ok();
                            if failover.is_some() {
                                counts.failovers.add_one();
                                open.push(self.ask(chain, order, ask, leave));
                            }
                        }
                    }
                    None => {
                        drop(failover);
                        return Round::Failed(failures);
                    }
                },
                () = &mut delay, if may_hedge && second.is_some() => {
                    may_hedge = false;
                    self.counters.chain(order.first).slow.add_one();
                    if !self.hedge_budget.take() {
                        counts.hedges_refused.add_one();
                    } else if let Some(chain) = second.take() {
                        counts.hedges.add_one();
                        hedge = Some(chain);
                        open.push(self.ask(chain, order, ask, leave));
                    }
                }
            }
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
            chains.iter().map(|chain| self.ask(*chain, order, ask, leave)).collect();
        while let Some((_, outcome)) = open.next().await {
            if let Outcome::Good(answer) = outcome {
                return Some(answer);
            }
        }
        None
    }

    async fn ask(&self, chain: Chain, order: Order, ask: &Ask, leave: Leave) -> (Chain, Outcome) {
        let counts = self.counters.chain(chain);
        counts.asked.add_one();
        let service = self.chains[chain as usize].clone();
        let outcome = ask.of(service, leave, order.timeout).await;
        match &outcome {
            Outcome::Good(_) => {}
            Outcome::Behind(_) => counts.behind.add_one(),
            Outcome::TimedOut => {
                counts.timeouts.add_one();
                counts.errors.add_one();
            }
            Outcome::Refused(_) | Outcome::Broken => counts.errors.add_one(),
        }
        (chain, outcome)
    }
}
