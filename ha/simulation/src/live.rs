//! The topic that changes are published to, and a chain's publisher.
//!
//! Whoever initialises last fences the others, as Kafka's transactions do. What the topic does not
//! do is to look at epochs: that is up to the publishers, and to the invariant that watches them.

use tandem_model::route::Chain;

use crate::context::Context;
use crate::event::Message;
use crate::log::News;
use crate::mutant::Mutant;
use crate::place::Place;

/// A publisher that hears nothing for so long begins again, in milliseconds.
const PATIENCE_MS: u64 = 600;

/// What a transaction says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) epoch: u64,
    pub(crate) chain: Chain,
    /// Which beat's changes, from 0.
    pub(crate) beat: u64,
}

/// The topic.
#[derive(Default)]
pub(crate) struct LiveTopic {
    producer: u64,
    last: Option<Marker>,
    /// The first beat of the present producer.
    beats_from: u64,
}

impl LiveTopic {
    pub(crate) fn receive(&mut self, context: &mut Context, from: Place, message: Message) {
        let answer = match message {
            Message::Initialise { ticket } => {
                self.producer += 1;
                self.beats_from = self.last.map_or(0, |last| last.beat + 1);
                Message::Initialised { ticket, producer: self.producer, last: self.last }
            }
            Message::Publish { producer, marker } => {
                let is_fenced = producer != self.producer;
                // Sent twice, or late: the sequence number of the producer makes one of it.
                let is_known =
                    self.last.is_some_and(|last| self.beats_from <= marker.beat && marker.beat <= last.beat);
                if !is_fenced && !is_known {
                    context.watch.published(marker);
                    self.last = Some(marker);
                }
                Message::Published { producer, beat: marker.beat, is_fenced }
            }
            _ => return,
        };
        context.send(Place::Live, from, answer);
    }
}

/// Publishes for one chain while it is the active one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Publisher {
    /// Not the active chain, as far as it knows.
    #[default]
    Idle,
    /// Asks the group whether it is, so that no old news starts it.
    Asking { ticket: u64, since_ms: u64 },
    /// Takes over.
    Initialising { ticket: u64, since_ms: u64, epoch: u64 },
    /// Has taken over.
    Ready { producer: u64, epoch: u64, next: u64, sent_ms: Option<u64> },
}

impl Publisher {
    /// Does what is due. `beats` are reflected in the chain's rows.
    pub(crate) fn step(&mut self, context: &mut Context, chain: Chain, news: News, beats: usize) {
        let me = Place::Chain(chain);
        let now_ms = context.now_ms;
        if news.active != chain {
            *self = Publisher::Idle;
        }
        match *self {
            Publisher::Idle if news.active == chain => {
                let ticket = context.number();
                let node = ticket as usize % context.controls;
                context.send(me, Place::Control(node), Message::AskRoute { ticket });
                *self = Publisher::Asking { ticket, since_ms: now_ms };
            }
            Publisher::Asking { since_ms, .. } | Publisher::Initialising { since_ms, .. }
                if now_ms >= since_ms + PATIENCE_MS =>
            {
                *self = Publisher::Idle;
            }
            Publisher::Ready { sent_ms: Some(sent_ms), .. } if now_ms >= sent_ms + PATIENCE_MS => {
                *self = Publisher::Idle;
            }
            Publisher::Ready { producer, epoch, next, sent_ms: None } if next < beats as u64 => {
                let marker = Marker { epoch, chain, beat: next };
                context.send(me, Place::Live, Message::Publish { producer, marker });
                *self = Publisher::Ready { producer, epoch, next, sent_ms: Some(now_ms) };
            }
            _ => {}
        }
    }

    pub(crate) fn is_waiting_for(&self, answered: u64) -> bool {
        matches!(self, Publisher::Asking { ticket, .. } if *ticket == answered)
    }

    /// The group has said what is decided.
    pub(crate) fn route(&mut self, context: &mut Context, chain: Chain, ticket: u64, news: Option<News>) {
        let Publisher::Asking { ticket: asked, .. } = *self else { return };
        let Some(news) = news.filter(|_| asked == ticket) else { return };
        *self = Publisher::Idle;
        if news.active == chain {
            let ticket = context.number();
            context.send(Place::Chain(chain), Place::Live, Message::Initialise { ticket });
            *self = Publisher::Initialising { ticket, since_ms: context.now_ms, epoch: news.epoch };
        }
    }

    /// The topic has made this publisher the one that may publish.
    pub(crate) fn initialised(
        &mut self,
        context: &mut Context,
        ticket: u64,
        producer: u64,
        last: Option<Marker>,
    ) {
        let Publisher::Initialising { ticket: asked, epoch, .. } = *self else { return };
        if asked != ticket {
            return;
        }
        let is_stale = last.is_some_and(|last| last.epoch > epoch);
        if is_stale && !context.is_mutant(Mutant::EpochCheckLeftOut) {
            context.watch.counters.publishers_stopped += 1;
            *self = Publisher::Idle;
            return;
        }
        let next = last.map_or(0, |last| last.beat + 1);
        *self = Publisher::Ready { producer, epoch, next, sent_ms: None };
    }

    /// What was published last is in the topic, or somebody else has taken over.
    pub(crate) fn published(&mut self, answered: u64, beat: u64, is_fenced: bool) {
        let Publisher::Ready { producer, epoch, next, sent_ms: Some(_) } = *self else { return };
        if (producer, next) != (answered, beat) {
            return;
        }
        *self = if is_fenced {
            Publisher::Idle
        } else {
            Publisher::Ready { producer, epoch, next: next + 1, sent_ms: None }
        };
    }
}
