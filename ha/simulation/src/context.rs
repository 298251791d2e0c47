//! What every place has of the world around it.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tandem_model::route::Chain;

use crate::event::{Event, Message, Timer, What};
use crate::invariants::Watch;
use crate::log::Log;
use crate::mutant::Mutant;
use crate::network::{Network, Quality};
use crate::place::{PLACES, Place};
use crate::queue::Queue;
use crate::trace::Trace;

/// Something that a place does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A place crashes, and starts again after so long, in milliseconds.
    Crash { place: Place, for_ms: u64 },
    /// A chain pauses for so long, and then hears of nobody but the live topic for a while.
    Haunt { chain: Chain, for_ms: u64 },
}

/// See the head of this module.
pub(crate) struct Context {
    pub(crate) now_ms: u64,
    pub(crate) rng: SmallRng,
    pub(crate) queue: Queue<Event>,
    pub(crate) network: Network,
    pub(crate) log: Log,
    pub(crate) watch: Watch,
    pub(crate) trace: Trace,
    pub(crate) mutant: Option<Mutant>,
    /// How many there are.
    pub(crate) controls: usize,
    pub(crate) gateways: usize,
    pub(crate) clients: usize,
    /// How often each place has started.
    pub(crate) starts: [u64; PLACES],
    /// To be done once the present event is.
    pub(crate) deeds: Vec<Deed>,
    /// The next leader that sees a switch committed crashes before it can tell anybody.
    pub(crate) is_switch_deadly: bool,
    /// The next publisher that is told to take over pauses for so long before it does.
    pub(crate) haunt_ms: Option<u64>,
    pub(crate) is_calm: bool,
    numbers: u64,
}

impl Context {
    pub(crate) fn new(seed: u64, quality: Quality, mutant: Option<Mutant>) -> Self {
        Self {
            now_ms: 0,
            rng: SmallRng::seed_from_u64(seed),
            queue: Queue::new(),
            network: Network::new(quality),
            log: Log::default(),
            watch: Watch::default(),
            trace: Trace::default(),
            mutant,
            controls: 0,
            gateways: 0,
            clients: 0,
            starts: [0; PLACES],
            deeds: Vec::new(),
            is_switch_deadly: false,
            haunt_ms: None,
            is_calm: false,
            numbers: 0,
        }
    }

    /// A number that nobody else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn send(&mut self, from: Place, to: Place, message: Message) {
        self.send_after(0, from, to, message);
    }

    /// Sends once `ms` have passed at the sender.
    pub(crate) fn send_after(&mut self, ms: u64, from: Place, to: Place, message: Message) {
        let [first, double] = self.network.delays(&mut self.rng, from, to);
        let at_ms = self.now_ms + ms;
        if let Some(delay_ms) = double {
            let what = What::Message { from, message: message.clone() };
            self.queue.push(at_ms + delay_ms, Event { to, what });
        }
        if let Some(delay_ms) = first {
            self.queue.push(at_ms + delay_ms, Event { to, what: What::Message { from, message } });
        }
    }

    /// Wakes `place` after `ms`, unless it crashes before.
    pub(crate) fn wake(&mut self, place: Place, ms: u64, timer: Timer) {
        let start = self.starts[place.index()];
        self.queue.push(self.now_ms + ms, Event { to: place, what: What::Timer { start, timer } });
    }

    /// Notes something worth reading.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        self.trace.line(self.now_ms, text.as_ref());
    }
}
