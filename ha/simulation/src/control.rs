//! A control node: a member of the group on its disk, with its clocks, and the observer beside it.

use std::collections::BTreeMap;

use tandem_failover::{Observation, Wish};
use tandem_group::{
    Answer, Ask, AskError, Effect, Founding, Machine, Member, MemberId, Now, RaftEngine, Settings,
};
use tandem_model::route::Chain;

use crate::context::{Context, Deed};
use crate::disk::SimDisk;
use crate::event::{Message, Timer};
use crate::log::News;
use crate::mutant::Mutant;
use crate::observer::Observer;
use crate::place::Place;
use crate::tap::{Tap, Tapped};

/// How often a control node tells the route again, in milliseconds: news get lost.
const TELL_MS: u64 = 250;
/// How long it is away after its disk failed, in milliseconds.
const DISK_MENDED_MS: u64 = 1_500;
/// Where the wall clocks begin, in milliseconds since the epoch.
const WALL_START_MS: u64 = 1_790_000_000_000;

/// See the head of this module.
pub(crate) struct Control {
    number: usize,
    place: Place,
    member: Option<Member<Tapped>>,
    pub(crate) disk: SimDisk,
    tap: Tap,
    settings: Settings,
    founders: usize,
    steady_start_ms: u64,
    /// Its steady clock runs by so many parts of 1,000 as fast as time.
    steady_permille: u64,
    /// How far its wall clock is ahead of [`WALL_START_MS`], in milliseconds.
    pub(crate) wall_ahead_ms: u64,
    asks: BTreeMap<u64, Waiting>,
    observer: Observer,
    is_leading: bool,
}

/// Who waits for an answer of the group.
struct Waiting {
    from: Place,
    ticket: u64,
    /// How far the log was known to be committed, to anybody, when it was asked; for reads.
    floor: Option<u64>,
}

impl Control {
    pub(crate) fn new(context: &mut Context, number: usize) -> Self {
        use rand::Rng;
        let is_lazy = context.is_mutant(Mutant::DiskNotSynced);
        Self {
            number,
            place: Place::Control(number),
            member: None,
            disk: SimDisk::new(is_lazy),
            tap: Tap::default(),
            settings: Settings { compact_entries: 20, ..Settings::default() },
            founders: context.controls,
            steady_start_ms: context.rng.random_range(0..1_000_000),
            steady_permille: context.rng.random_range(995..=1_005),
            wall_ahead_ms: context.rng.random_range(0..2_000),
            asks: BTreeMap::new(),
            observer: Observer::new(number),
            is_leading: false,
        }
    }

    fn now(&self, context: &Context) -> Now {
        Now {
            steady_ms: self.steady_start_ms + context.now_ms * self.steady_permille / 1_000,
            wall_ms: WALL_START_MS + self.wall_ahead_ms + context.now_ms,
        }
    }

    /// Starts from what its disk holds.
    pub(crate) fn start(&mut self, context: &mut Context) {
        use rand::Rng;
        // Raft would draw the election timeout itself: here it comes from the seed, and no two
        // members have the same, or they would stand at the same moment for ever.
        let controls = context.controls as u32;
        let draw = context.rng.random_range(0..=10 / controls);
        self.settings.pinned_election_ticks =
            Some(self.settings.election_ticks + draw * controls + self.number as u32);
        let ids: Vec<MemberId> = (1..=self.founders as u64).map(MemberId).collect();
        let addresses = ids.iter().map(|id| (*id, format!("control-{id}"))).collect();
        let founding = Founding::Together { voters: ids, state: Machine::new(addresses).encode() };
        self.tap = Tap::default();
        let id = MemberId(self.number as u64 + 1);
        let now = self.now(context);
        let start = context.starts[self.place.index()];
        let opened = RaftEngine::open(id, &self.settings, self.disk.clone(), &founding)
            .map_err(|error| error.to_string());
        let member = opened.and_then(|engine| {
            let engine = Tapped::new(engine, self.tap.clone(), context.mutant);
            let judging = tandem_failover::Settings::default();
            Member::new(self.settings.clone(), judging, engine, start, now).map_err(|error| error.to_string())
        });
        match member {
            Ok(member) => self.member = Some(member),
            Err(why) => context.watch.stopped(self.place, &why),
        }
        self.settle(context);
        for (ms, timer) in
            [(50, Timer::Step), (100, Timer::Probe), (250, Timer::Progress), (TELL_MS, Timer::Tell)]
        {
            let phase_ms = context.rng.random_range(0..50);
            context.wake(self.place, ms + phase_ms, timer);
        }
    }

    pub(crate) fn crash(&mut self) {
        self.member = None;
        self.is_leading = false;
        self.asks.clear();
        self.disk.crash();
        self.observer = Observer::new(self.number);
    }

    pub(crate) fn is_leading(&self) -> bool {
        self.is_leading
    }

    /// What it has decided, as far as it knows.
    pub(crate) fn decided(&self) -> Option<&tandem_failover::Decided> {
        self.member.as_ref().map(Member::decided)
    }

    /// What it tells everybody.
    pub(crate) fn news(&self, context: &Context) -> News {
        let Some(member) = &self.member else { return News::first() };
        let decided = member.decided();
        let mut active = decided.active();
        if context.is_mutant(Mutant::RoleFromLeadership) && member.standing().is_leader() {
            active = if self.number.is_multiple_of(2) { Chain::A } else { Chain::B };
        }
        let is_quarantined = Chain::ALL.map(|chain| *decided.quarantined().of(chain));
        let is_drained = Chain::ALL.map(|chain| *decided.drained().of(chain));
        News { epoch: decided.epoch(), index: self.tap.index(), active, is_quarantined, is_drained }
    }

    fn tell(&self, context: &mut Context) {
        let news = self.news(context);
        let chains = Chain::ALL.into_iter().map(Place::Chain);
        for to in chains.chain((0..context.gateways).map(Place::Gateway)) {
            context.send(self.place, to, Message::News(news));
        }
    }

    pub(crate) fn wake(&mut self, context: &mut Context, timer: Timer) {
        use rand::Rng;
        let news = self.news(context);
        match timer {
            Timer::Step => {
                let now = self.now(context);
                if let Some(member) = &mut self.member {
                    member.tick(now);
                }
                self.settle(context);
                if context.is_mutant(Mutant::DiskNotSynced) && context.rng.random_range(0..4) == 0 {
                    self.disk.sync();
                }
                context.wake(self.place, self.settings.tick_ms, timer);
            }
            Timer::Probe => {
                let seen = self.observer.probe(context, news);
                self.observe(context, seen);
                context.wake(self.place, 100, timer);
            }
            Timer::Progress => {
                for chain in Chain::ALL {
                    context.send(self.place, Place::Chain(chain), Message::ReadProgress);
                }
                context.wake(self.place, 250, timer);
            }
            Timer::Tell => {
                self.tell(context);
                context.wake(self.place, TELL_MS, timer);
            }
            Timer::ThirdVote { beat } => {
                let verdict = self.observer.third_vote(context, beat);
                self.observe(context, verdict);
            }
            Timer::Request { .. } | Timer::Again { .. } => {}
        }
    }

    pub(crate) fn receive(&mut self, context: &mut Context, from: Place, message: Message) {
        let now = self.now(context);
        match message {
            Message::Raft(bytes) => {
                if let Some(member) = &mut self.member {
                    member.receive(now, &bytes);
                }
            }
            Message::Observations(observations) => {
                if let Some(member) = &mut self.member {
                    for observation in observations {
                        member.observe(now, observation);
                    }
                }
                return;
            }
            Message::Figure { id, answer, .. } => {
                let seen = self.observer.figure(context, id, answer);
                return self.observe(context, seen);
            }
            Message::Progress(standing) => {
                let Place::Chain(chain) = from else { return };
                let seen = self.observer.progress(context, chain, &standing);
                return self.observe(context, seen);
            }
            Message::AskRoute { ticket } => self.ask(context, from, ticket, Ask::Read),
            Message::Ask { ticket, ask } => self.ask(context, from, ticket, *ask),
            _ => return,
        }
        self.settle(context);
    }

    fn ask(&mut self, context: &mut Context, from: Place, ticket: u64, ask: Ask) {
        let own = context.number();
        let floor = (ask == Ask::Read).then(|| context.watch.committed_index());
        self.asks.insert(own, Waiting { from, ticket, floor });
        let now = self.now(context);
        if let Some(member) = &mut self.member {
            member.ask(now, own, ask);
        }
    }

    /// What it saw goes to whoever leads.
    fn observe(&mut self, context: &mut Context, observations: Vec<Observation>) {
        if observations.is_empty() {
            return;
        }
        let now = self.now(context);
        let Some(member) = &mut self.member else { return };
        let standing = member.standing();
        let is_one = context.is_mutant(Mutant::ReportsToOneNode);
        match if is_one { Some(MemberId(1)) } else { standing.leader } {
            Some(leader) if leader == standing.id => {
                for observation in observations {
                    member.observe(now, observation);
                }
            }
            Some(leader) => {
                let to = Place::Control(leader.0 as usize - 1);
                context.send(self.place, to, Message::Observations(observations));
            }
            None => {}
        }
    }

    /// Does what the member wants done.
    fn settle(&mut self, context: &mut Context) {
        let Some(member) = &mut self.member else { return };
        let effects = match member.work() {
            Ok(effects) => effects,
            Err(error) => {
                if !self.disk.is_failing() {
                    context.watch.stopped(self.place, &error.to_string());
                }
                context.note(format!("{} stops: {error}", self.place));
                context.deeds.push(Deed::Crash { place: self.place, for_ms: DISK_MENDED_MS });
                return;
            }
        };
        let standing = member.standing();
        let is_leading = standing.is_leader();
        if is_leading && !self.is_leading {
            context.watch.counters.elections += 1;
            context.note(format!("{} leads term {}", self.place, standing.term));
        }
        self.is_leading = is_leading;
        let commits = self.tap.take();
        if !commits.is_empty() {
            let is_switch = context.watch.committed(context.now_ms, self.place, commits);
            if is_switch && is_leading && context.is_switch_deadly {
                context.is_switch_deadly = false;
                context.note(format!("{} crashes before it can tell of the switch", self.place));
                context.deeds.push(Deed::Crash { place: self.place, for_ms: 3_000 });
                return;
            }
        }
        for effect in effects {
            match effect {
                Effect::Send { to, bytes } => {
                    let to = Place::Control(to.0 as usize - 1);
                    context.send(self.place, to, Message::Raft(bytes));
                }
                Effect::Answer { ticket, answer } => self.answer(context, ticket, answer),
                Effect::Route(_) => self.tell(context),
                Effect::Members(_) => {}
            }
        }
    }

    fn answer(&mut self, context: &mut Context, ticket: u64, answer: Result<Answer, AskError>) {
        let Some(waiting) = self.asks.remove(&ticket) else { return };
        let Some(floor) = waiting.floor else {
            if let Ok(Answer::Decided(decision)) = &answer {
                context.watch.answered(decision);
            }
            let message = Message::Asked { ticket: waiting.ticket, answer: Box::new(answer) };
            return context.send(self.place, waiting.from, message);
        };
        let is_read = answer == Ok(Answer::Read);
        if is_read {
            context.watch.read(self.place, floor, self.tap.index());
        }
        let news = is_read.then(|| self.news(context));
        context.send(self.place, waiting.from, Message::Route { ticket: waiting.ticket, news });
    }
}

/// A switch as an operator wants it.
pub(crate) fn wish(to: Chain, is_break_glass: bool, within_ms: u64) -> Ask {
    let (by, reason) = ("operator".to_owned(), "drill".to_owned());
    Ask::Switch(Wish { to, by, reason, is_break_glass, within_ms })
}
