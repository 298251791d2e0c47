//! A client: it reads sessions over any gateway, one answer at a time, and brings its token along.

use rand::Rng;

use crate::context::Context;
use crate::event::{Message, Timer, Told};
use crate::log::{Cut, PARTITIONS, SESSIONS, join};
use crate::place::Place;

/// A client waits for so long, then it asks another gateway, in milliseconds.
const PATIENCE_MS: u64 = 1_500;

/// See the head of this module.
pub(crate) struct Client {
    number: usize,
    gateway: usize,
    token: Cut,
    /// The request that is under way, and since when.
    open: Option<(u64, u64)>,
}

impl Client {
    pub(crate) fn new(context: &mut Context, number: usize) -> Self {
        let gateway = context.rng.random_range(0..context.gateways);
        Self { number, gateway, token: [0; PARTITIONS], open: None }
    }

    fn place(&self) -> Place {
        Place::Client(self.number)
    }

    pub(crate) fn start(&mut self, context: &mut Context) {
        context.wake(self.place(), 1 + 17 * self.number as u64, Timer::Step);
    }

    /// Asks, unless it waits for an answer.
    pub(crate) fn wake(&mut self, context: &mut Context) {
        let ms = context.rng.random_range(60..140);
        context.wake(self.place(), ms, Timer::Step);
        if let Some((_, since_ms)) = self.open {
            if context.now_ms < since_ms + PATIENCE_MS {
                return;
            }
            context.watch.unanswered(context.now_ms, self.number);
            self.move_on(context);
        }
        if context.rng.random_range(0..10) == 0 {
            self.gateway = context.rng.random_range(0..context.gateways);
        }
        let request = context.number();
        let session = context.rng.random_range(0..SESSIONS);
        self.open = Some((request, context.now_ms));
        let message = Message::Read { request, session, token: self.token };
        context.send(self.place(), Place::Gateway(self.gateway), message);
    }

    fn move_on(&mut self, context: &Context) {
        self.gateway = (self.gateway + 1) % context.gateways;
        self.open = None;
    }

    pub(crate) fn receive(&mut self, context: &mut Context, from: Place, message: Message) {
        let Message::Told { request, answer } = message else { return };
        if self.open.is_none_or(|(open, _)| open != request) {
            return;
        }
        self.open = None;
        match answer {
            Some(told) => self.told(context, from, told),
            None => {
                context.watch.unanswered(context.now_ms, self.number);
                self.move_on(context);
            }
        }
    }

    fn told(&mut self, context: &mut Context, gateway: Place, told: Told) {
        context.watch.told(context.now_ms, self.number, gateway, told);
        self.token = join(self.token, told.cut);
    }
}
