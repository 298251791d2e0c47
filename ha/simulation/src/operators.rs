//! Who operates all this: switches, drains, freezes, looks; and tidies up before the calm.

use rand::Rng;
use tandem_failover::Action;
use tandem_group::{Answer, Ask, AskError, MemberId};
use tandem_model::route::Chain;

use crate::context::{Context, Deed};
use crate::control::wish;
use crate::event::{Message, Timer};
use crate::invariants::action_words;
use crate::place::Place;

/// Between two looks at what has been decided, in milliseconds.
const LOOK_MS: u64 = 200;
/// So often the same is asked of another node, when one does not lead.
const TRIES: u32 = 4;
/// An answer is waited for so long, in milliseconds.
const PATIENCE_MS: u64 = 6_000;

/// See the head of this module.
pub(crate) struct Operators {
    /// Whether they do anything but look.
    pub(crate) are_busy: bool,
    next_ms: u64,
    open: Option<Open>,
    /// A drained chain that is worked on, and until when.
    work: Option<(Chain, u64)>,
    tidying: usize,
}

struct Open {
    ticket: u64,
    ask: Ask,
    tries: u32,
    since_ms: u64,
}

impl Operators {
    pub(crate) fn new(are_busy: bool) -> Self {
        Self { are_busy, next_ms: 3_000, open: None, work: None, tidying: 0 }
    }

    pub(crate) fn start(&mut self, context: &mut Context) {
        context.wake(Place::Operator, LOOK_MS, Timer::Step);
    }

    pub(crate) fn wake(&mut self, context: &mut Context, is_wrong: [bool; 2]) {
        context.wake(Place::Operator, LOOK_MS, Timer::Step);
        let ticket = context.number();
        let node = context.rng.random_range(0..context.controls);
        context.send(Place::Operator, Place::Control(node), Message::AskRoute { ticket });
        if self.open.as_ref().is_some_and(|open| context.now_ms >= open.since_ms + PATIENCE_MS) {
            self.open = None;
        }
        if !self.are_busy || self.open.is_some() {
            return;
        }
        if let Some((chain, until_ms)) = self.work
            && (context.now_ms >= until_ms || context.is_calm)
        {
            self.work = None;
            context.watch.work_ends(chain);
            return self.ask(context, decide(Action::Undrain(chain)));
        }
        if context.is_calm {
            return self.tidy(context, is_wrong);
        }
        // While they work on a chain they want nothing else.
        if context.now_ms >= self.next_ms && self.work.is_none() {
            self.next_ms = context.now_ms + context.rng.random_range(800..4_000);
            let ask = Self::think(context);
            self.ask(context, ask);
        }
    }

    fn think(context: &mut Context) -> Ask {
        let chain = if context.rng.random() { Chain::A } else { Chain::B };
        match context.rng.random_range(0..20) {
            0..=6 => wish(chain, false, 2_000),
            7 => wish(chain, true, 0),
            8..=12 => decide(Action::Drain(chain)),
            13 => decide(Action::Undrain(chain)),
            14 => decide(Action::Freeze),
            15 | 16 => decide(Action::Unfreeze),
            17 => decide(Action::Release(chain)),
            _ => Ask::HandOver(MemberId(context.rng.random_range(1..=context.controls as u64))),
        }
    }

    /// So that nothing but the chains themselves keeps the group from deciding.
    fn tidy(&mut self, context: &mut Context, is_wrong: [bool; 2]) {
        let mut asks = vec![Action::Unfreeze];
        asks.extend(Chain::ALL.map(Action::Undrain));
        asks.extend(Chain::ALL.into_iter().filter(|chain| !is_wrong[*chain as usize]).map(Action::Release));
        let action = asks[self.tidying % asks.len()].clone();
        self.tidying += 1;
        self.ask(context, decide(action));
    }

    fn ask(&mut self, context: &mut Context, ask: Ask) {
        let ticket = context.number();
        let node = context.rng.random_range(0..context.controls);
        let message = Message::Ask { ticket, ask: Box::new(ask.clone()) };
        context.send(Place::Operator, Place::Control(node), message);
        // What is tidied up can wait for the next round.
        let since_ms = if context.is_calm {
            (context.now_ms + 1_000).saturating_sub(PATIENCE_MS)
        } else {
            context.now_ms
        };
        self.open = Some(Open { ticket, ask, tries: 1, since_ms });
    }

    pub(crate) fn receive(&mut self, context: &mut Context, message: Message) {
        let Message::Asked { ticket, answer } = message else { return };
        let Some(open) = self.open.as_mut().filter(|open| open.ticket == ticket) else { return };
        match &*answer {
            Err(AskError::NotLeader { leader }) if open.tries < TRIES => {
                open.tries += 1;
                open.ticket = context.number();
                let random = context.rng.random_range(0..context.controls);
                let node = leader.map_or(random, |leader| leader.0 as usize - 1);
                let message = Message::Ask { ticket: open.ticket, ask: Box::new(open.ask.clone()) };
                context.send(Place::Operator, Place::Control(node), message);
                return;
            }
            Ok(Answer::Decided(decision)) => {
                context.note(format!("operator: {} is done", action_words(&decision.entry.action)));
                if let Action::Drain(chain) = decision.entry.action
                    && !context.is_calm
                    && context.watch.work_begins(chain)
                {
                    let for_ms = context.rng.random_range(500..2_500);
                    self.work = Some((chain, context.now_ms + for_ms + 300));
                    context.deeds.push(Deed::Crash { place: Place::Chain(chain), for_ms });
                }
            }
            _ => {}
        }
        self.open = None;
    }
}

fn decide(action: Action) -> Ask {
    Ask::Decide { by: "operator".to_owned(), reason: "work".to_owned(), action }
}
