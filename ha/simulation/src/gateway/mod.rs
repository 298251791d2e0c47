//! A gateway: it follows the route, hedges, breaks, holds every answer against the token, reports.

mod health;
mod requests;

use tandem_failover::{Chains, Observation, Symptoms};
use tandem_model::route::Chain;

use self::health::Health;
use self::requests::Pending;
use crate::context::Context;
use crate::event::{Message, Timer};
use crate::log::News;
use crate::mutant::Mutant;
use crate::place::Place;

use std::collections::BTreeMap;

/// How often it reports, in milliseconds.
const REPORT_MS: u64 = 100;
/// Hedges may be one in so many requests, after the first few.
const REQUESTS_PER_HEDGE: u64 = 10;

/// See the head of this module.
pub(crate) struct Gateway {
    number: usize,
    news: News,
    /// What it finds on its disk when it starts again.
    remembered: News,
    health: Chains<Health>,
    pending: BTreeMap<u64, Pending>,
    /// What hedges may still be spent, in tenths.
    hedges: u64,
}

impl Gateway {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            news: News::first(),
            remembered: News::first(),
            health: Chains::default(),
            pending: BTreeMap::new(),
            hedges: 0,
        }
    }

    fn place(&self) -> Place {
        Place::Gateway(self.number)
    }

    pub(crate) fn news(&self) -> News {
        self.news
    }

    pub(crate) fn start(&mut self, context: &mut Context) {
        if !context.is_mutant(Mutant::RouteForgotten) {
            self.news = self.remembered;
        }
        context.watch.follows(self.place(), self.news);
        context.wake(self.place(), REPORT_MS - 7 * self.number as u64, Timer::Step);
    }

    pub(crate) fn crash(&mut self) {
        let (number, remembered) = (self.number, self.remembered);
        *self = Self { remembered, ..Self::new(number) };
    }

    pub(crate) fn wake(&mut self, context: &mut Context, timer: Timer) {
        match timer {
            Timer::Step => {
                self.report(context);
                context.wake(self.place(), REPORT_MS, timer);
            }
            Timer::Request { id } => self.look_after(context, id),
            Timer::Again { id, chain } => self.again(context, id, chain),
            _ => {}
        }
    }

    pub(crate) fn receive(&mut self, context: &mut Context, from: Place, message: Message) {
        match message {
            Message::News(news) => self.adopt(context, news),
            Message::Read { request, session, token } => self.read(context, from, request, session, token),
            Message::Figure { id, answer, news } => {
                if let Some(news) = news {
                    self.adopt(context, news);
                }
                let Place::Chain(chain) = from else { return };
                self.figure(context, id, chain, answer);
            }
            _ => {}
        }
    }

    fn adopt(&mut self, context: &mut Context, news: News) {
        if self.news.adopt(news) {
            context.note(format!("{} follows epoch {}: {}", self.place(), self.news.epoch, self.news.active));
        }
        // On disk before it is followed.
        self.remembered = self.news;
        context.watch.follows(self.place(), self.news);
    }

    fn report(&mut self, context: &mut Context) {
        let observer = self.place().to_string();
        let seen: Vec<Observation> = Chain::ALL
            .into_iter()
            .map(|chain| {
                let health = self.health.of_mut(chain);
                let is_breaker_open = health.is_open();
                let answers = health.report(context.now_ms);
                Observation::Symptoms(Symptoms {
                    observer: observer.clone(),
                    chain,
                    answers,
                    is_breaker_open,
                })
            })
            .collect();
        let told = if context.is_mutant(Mutant::ReportsToOneNode) { 1 } else { context.controls };
        for number in 0..told {
            context.send(self.place(), Place::Control(number), Message::Observations(seen.clone()));
        }
    }
}
