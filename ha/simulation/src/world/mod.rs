//! The world: everybody in it, what happens to them, and how it ends.

mod trouble;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::Rng;
use tandem_model::route::Chain;

use crate::chain::ModelChain;
use crate::client::Client;
use crate::context::{Context, Deed};
use crate::control::Control;
use crate::counters::Counters;
use crate::event::{Event, Message, Timer, What};
use crate::faults::{self, Shape};
use crate::gateway::Gateway;
use crate::invariants::Violation;
use crate::live::LiveTopic;
use crate::log::{BATCH_MS, BEAT_MS, Cut};
use crate::mutant::Mutant;
use crate::network::Quality;
use crate::operators::Operators;
use crate::place::{CLIENTS_MAX, PLACES, Place};

/// The last part of a storm, in which nothing breaks, in milliseconds.
pub const CALM_MS: u64 = 13_000;

/// What happens in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Everything breaks, then it is calm for [`CALM_MS`].
    Storm,
    /// What happens all the time and must not lead to anything.
    Noise,
    /// Both chains get slow, in turn.
    Turns,
    /// Control goes and stays away; then gateways start again, then the active chain goes too.
    NoControl,
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Where all chance comes from.
    pub seed: u64,
    /// What happens.
    pub weather: Weather,
    /// How long, in virtual milliseconds.
    pub duration_ms: u64,
    /// A mistake that is built in.
    pub mutant: Option<Mutant>,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Of everything that happened: the same for the same scenario, always.
    pub hash: u64,
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
    /// What happened last, one line each.
    pub trace: Vec<String>,
    /// How often things happened.
    pub counters: Counters,
}

/// Runs a scenario, to its end or until an invariant does not hold. A panic on the way is one that
/// does not hold.
pub fn run(scenario: &Scenario) -> Report {
    let mut world = World::new(scenario);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run(scenario))) {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        let what = format!("a panic: {}", text.unwrap_or_default());
        world.context.watch.stopped(Place::Operator, &what);
    }
    let context = &mut world.context;
    Report {
        hash: context.trace.hash(),
        violation: context.watch.violation().cloned(),
        trace: context.trace.take_lines(),
        counters: context.watch.counters,
    }
}

struct World {
    context: Context,
    controls: Vec<Control>,
    chains: [ModelChain; 2],
    gateways: Vec<Gateway>,
    clients: Vec<Client>,
    live: LiveTopic,
    operators: Operators,
    states: [State; PLACES],
    log_stopped_until_ms: u64,
}

/// Whether a place is there at the moment.
#[derive(Default)]
struct State {
    is_up: bool,
    down_until_ms: u64,
    paused_until_ms: Option<u64>,
    /// What reached it during the pause.
    deferred: Vec<Event>,
}

impl World {
    fn new(scenario: &Scenario) -> Self {
        let quality =
            Quality { delay_ms_max: 5, loss_permille: 0, double_permille: 0, straggler_permille: 0 };
        let mut context = Context::new(scenario.seed, quality, scenario.mutant);
        let rng = &mut context.rng;
        context.network.quality = match scenario.weather {
            Weather::Storm => Quality {
                delay_ms_max: rng.random_range(2..=10),
                loss_permille: rng.random_range(0..=20),
                double_permille: rng.random_range(0..=20),
                straggler_permille: rng.random_range(0..=20),
            },
            Weather::Noise => Quality { loss_permille: 10, straggler_permille: 2, ..quality },
            Weather::Turns | Weather::NoControl => quality,
        };
        context.controls = if rng.random_range(0..5) == 0 { 5 } else { 3 };
        context.gateways = rng.random_range(2..=3);
        context.clients = CLIENTS_MAX - rng.random_range(0..3);
        let chains = Chain::ALL.map(|chain| ModelChain::new(&mut context, chain));
        let controls = (0..context.controls).map(|number| Control::new(&mut context, number)).collect();
        let clients = (0..context.clients).map(|number| Client::new(&mut context, number)).collect();
        let mut world = Self {
            controls,
            chains,
            gateways: (0..context.gateways).map(Gateway::new).collect(),
            clients,
            live: LiveTopic::default(),
            operators: Operators::new(scenario.weather == Weather::Storm),
            states: std::array::from_fn(|_| State::default()),
            log_stopped_until_ms: 0,
            context,
        };
        world.plan(scenario);
        for place in world.places() {
            world.start(place);
        }
        world
    }

    fn places(&self) -> Vec<Place> {
        let mut places = vec![Place::Live, Place::Operator];
        places.extend((0..self.context.controls).map(Place::Control));
        places.extend(Chain::ALL.map(Place::Chain));
        places.extend((0..self.context.gateways).map(Place::Gateway));
        places.extend((0..self.context.clients).map(Place::Client));
        places
    }

    fn plan(&mut self, scenario: &Scenario) {
        let context = &mut self.context;
        let shape = Shape { controls: context.controls, gateways: context.gateways };
        let until_ms = scenario.duration_ms.saturating_sub(CALM_MS);
        let rng = &mut context.rng;
        let faults = match scenario.weather {
            Weather::Storm => {
                context.queue.push(until_ms, Event { to: Place::Live, what: What::Calm });
                faults::storm(rng, shape, until_ms)
            }
            Weather::Noise => {
                context.watch.expect_quiet();
                faults::noise(rng, shape, until_ms)
            }
            Weather::Turns => faults::turns(rng, until_ms),
            Weather::NoControl => {
                context.queue.push(until_ms, Event { to: Place::Live, what: What::NothingMore });
                faults::no_control(rng, shape, until_ms)
            }
        };
        for (at_ms, fault) in faults {
            context.queue.push(at_ms, Event { to: Place::Live, what: What::Fault(fault) });
        }
        context.queue.push(BATCH_MS, Event { to: Place::Live, what: What::Log });
    }

    fn run(&mut self, scenario: &Scenario) {
        let mut events = Vec::new();
        while self.context.now_ms < scenario.duration_ms && self.context.watch.violation().is_none() {
            self.context.now_ms += 1;
            self.context.queue.advance(&mut events);
            for event in events.drain(..) {
                self.happen(event);
                self.settle();
            }
        }
        if self.context.watch.violation().is_none() {
            self.end(scenario);
        }
        if let Some(violation) = self.context.watch.violation() {
            let line = format!("VIOLATION of \"{}\": {}", violation.invariant, violation.what);
            self.context.note(line);
        }
    }

    /// What the last event led to, beyond messages.
    fn settle(&mut self) {
        while let Some(deed) = self.context.deeds.pop() {
            match deed {
                Deed::Crash { place, for_ms } => self.crash(place, for_ms),
                Deed::Haunt { chain, for_ms } => self.haunt(chain, for_ms),
            }
        }
        for line in self.context.watch.take_lines() {
            self.context.note(line);
        }
    }

    fn end(&mut self, scenario: &Scenario) {
        if !matches!(scenario.weather, Weather::Storm | Weather::NoControl) {
            return;
        }
        let members: Vec<_> = self
            .controls
            .iter()
            .enumerate()
            .filter_map(|(number, control)| Some((Place::Control(number), control.decided()?.clone())))
            .collect();
        let gateways: Vec<_> = self
            .gateways
            .iter()
            .enumerate()
            .map(|(number, gateway)| (Place::Gateway(number), gateway.news()))
            .collect();
        let context = &mut self.context;
        context.watch.end(context.now_ms, &members, &gateways, context.clients);
    }

    fn happen(&mut self, event: Event) {
        let state = &mut self.states[event.to.index()];
        let is_for_place = matches!(event.what, What::Message { .. } | What::Timer { .. });
        if is_for_place && state.paused_until_ms.is_some() {
            state.deferred.push(event);
            return;
        }
        let Event { to, what } = event;
        let trace = &mut self.context.trace;
        trace.mix((self.context.now_ms << 8) + to.index() as u64);
        match what {
            What::Message { from, message } => {
                trace.mix(message.mark());
                if self.states[to.index()].is_up {
                    self.receive(from, to, message);
                } else {
                    self.refuse(from, to, &message);
                }
            }
            What::Timer { start, timer } => {
                if self.states[to.index()].is_up && start == self.context.starts[to.index()] {
                    self.wake(to, timer);
                }
            }
            What::Start => {
                let state = &self.states[to.index()];
                if !state.is_up && self.context.now_ms >= state.down_until_ms {
                    self.start(to);
                }
            }
            What::Resume => self.resume(to),
            What::Log => self.grow_log(),
            What::Fault(fault) => self.break_something(fault),
            What::IllEnds(chain, ill) => self.recover(chain, ill),
            What::TroubleEnds(id) => self.context.network.end(id),
            What::Calm => self.calm(),
            What::NothingMore => self.context.watch.calms(self.context.now_ms, None),
        }
    }

    fn receive(&mut self, from: Place, to: Place, message: Message) {
        let context = &mut self.context;
        match to {
            Place::Control(number) => self.controls[number].receive(context, from, message),
            Place::Chain(chain) => self.chains[chain as usize].receive(context, from, message),
            Place::Gateway(number) => self.gateways[number].receive(context, from, message),
            Place::Client(number) => self.clients[number].receive(context, from, message),
            Place::Live => self.live.receive(context, from, message),
            Place::Operator => self.operators.receive(context, message),
        }
    }

    /// The machine is there and the process is not: whoever connects is told so.
    fn refuse(&mut self, from: Place, to: Place, message: &Message) {
        let answer = match message {
            Message::Query { id, .. } => Message::Figure { id: *id, answer: None, news: None },
            Message::Read { request, .. } => Message::Told { request: *request, answer: None },
            Message::AskRoute { ticket } => Message::Route { ticket: *ticket, news: None },
            _ => return,
        };
        self.context.send(to, from, answer);
    }

    fn wake(&mut self, place: Place, timer: Timer) {
        let context = &mut self.context;
        match place {
            Place::Control(number) => self.controls[number].wake(context, timer),
            Place::Chain(chain) => self.chains[chain as usize].wake(context),
            Place::Gateway(number) => self.gateways[number].wake(context, timer),
            Place::Client(number) => self.clients[number].wake(context),
            Place::Operator => {
                let is_wrong = Chain::ALL.map(|chain| self.chains[chain as usize].is_wrong());
                self.operators.wake(context, is_wrong);
            }
            Place::Live => {}
        }
    }

    fn start(&mut self, place: Place) {
        self.states[place.index()] = State { is_up: true, ..State::default() };
        let context = &mut self.context;
        context.starts[place.index()] += 1;
        if context.now_ms > 0 {
            context.note(format!("{place} starts"));
        }
        match place {
            Place::Control(number) => self.controls[number].start(context),
            Place::Chain(chain) => self.chains[chain as usize].start(context),
            Place::Gateway(number) => self.gateways[number].start(context),
            Place::Client(number) => self.clients[number].start(context),
            Place::Operator => self.operators.start(context),
            Place::Live => {}
        }
    }

    fn crash(&mut self, place: Place, for_ms: u64) {
        if !self.states[place.index()].is_up {
            return;
        }
        let up_ms = self.context.now_ms + for_ms;
        self.context.note(format!("{place} crashes, for {for_ms} ms"));
        self.states[place.index()] = State { down_until_ms: up_ms, ..State::default() };
        self.context.starts[place.index()] += 1;
        match place {
            Place::Control(number) => self.controls[number].crash(),
            Place::Chain(chain) => self.chains[chain as usize].crash(),
            Place::Gateway(number) => self.gateways[number].crash(),
            Place::Client(_) | Place::Operator | Place::Live => {}
        }
        self.context.queue.push(up_ms, Event { to: place, what: What::Start });
    }

    fn pause(&mut self, place: Place, for_ms: u64) {
        let until_ms = self.context.now_ms + for_ms;
        let state = &mut self.states[place.index()];
        if state.is_up && state.paused_until_ms.is_none() {
            state.paused_until_ms = Some(until_ms);
            self.context.note(format!("{place} pauses, for {for_ms} ms"));
            self.context.queue.push(until_ms, Event { to: place, what: What::Resume });
        }
    }

    fn resume(&mut self, place: Place) {
        let state = &mut self.states[place.index()];
        if state.paused_until_ms.is_none_or(|until_ms| self.context.now_ms < until_ms) {
            return;
        }
        state.paused_until_ms = None;
        for event in std::mem::take(&mut state.deferred) {
            self.happen(event);
            self.settle();
        }
    }

    fn grow_log(&mut self) {
        let context = &mut self.context;
        if context.now_ms >= self.log_stopped_until_ms {
            let batch: Cut = std::array::from_fn(|_| context.rng.random_range(2..30));
            context.log.grow(batch);
            if context.now_ms.is_multiple_of(BEAT_MS) {
                context.log.beat(context.now_ms);
            }
        }
        context.queue.push(context.now_ms + BATCH_MS, Event { to: Place::Live, what: What::Log });
    }
}
