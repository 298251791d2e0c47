//! A chain: it follows the log, flushes what it has read, answers from what is flushed.

use rand::Rng;
use tandem_model::route::Chain;

use crate::context::{Context, Deed};
use crate::event::{Event, Message, Standing, Timer, Told, What};
use crate::live::Publisher;
use crate::log::{Cut, News, PARTITIONS, figure, join, partition_of};
use crate::place::Place;

/// How many beats' digests a chain keeps.
const DIGESTS_MAX: usize = 8;
/// Records of a partition that it can read per millisecond: ten times what comes.
const READ_PER_MS: u64 = 8;
/// And per ten milliseconds while its reading is slow: less than what comes.
const SLOW_READ_PER_10_MS: u64 = 3;
/// How often it keeps its state, in milliseconds.
const SNAPSHOT_MS: u64 = 3_000;

/// How long it takes to fill emptied stores again, in milliseconds.
const REFILL_MS: u64 = 3_000;

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ills {
    pub(crate) is_stuck: bool,
    pub(crate) is_reading_slowly: bool,
    pub(crate) is_hot_lost: bool,
    pub(crate) slower_ms: u64,
    pub(crate) error_percent: u32,
}

/// See the head of this module.
pub(crate) struct ModelChain {
    chain: Chain,
    pub(crate) ills: Ills,
    /// The rows of some sessions are not what the log says.
    is_wrong: bool,
    /// What compute has read, what answers reflect, where compute starts again.
    applied: Cut,
    served: Cut,
    snapshot: Cut,
    snapshot_ms: u64,
    refilled_ms: u64,
    flush_ms: u64,
    beats: usize,
    digests: Vec<(usize, Cut)>,
    news: News,
    publisher: Publisher,
}

impl ModelChain {
    pub(crate) fn new(context: &mut Context, chain: Chain) -> Self {
        // The chains flush differently on purpose.
        let flush_ms = match chain {
            Chain::A => context.rng.random_range(30..50),
            Chain::B => context.rng.random_range(50..90),
        };
        Self {
            chain,
            ills: Ills::default(),
            is_wrong: false,
            applied: [0; PARTITIONS],
            served: [0; PARTITIONS],
            snapshot: [0; PARTITIONS],
            snapshot_ms: 0,
            refilled_ms: 0,
            flush_ms,
            beats: 0,
            digests: Vec::new(),
            news: News::first(),
            publisher: Publisher::Idle,
        }
    }

    /// What its rows are off by. Both chains wrong are not wrong alike.
    fn wrong_by(&self) -> u64 {
        if self.is_wrong { 1 + self.chain as u64 } else { 0 }
    }

    fn place(&self) -> Place {
        Place::Chain(self.chain)
    }

    pub(crate) fn start(&mut self, context: &mut Context) {
        self.applied = self.snapshot;
        self.beats = (0..PARTITIONS)
            .map(|partition| context.log.beats_before(partition, self.applied[partition]))
            .min()
            .unwrap_or(0);
        context.wake(self.place(), self.flush_ms, Timer::Step);
    }

    pub(crate) fn crash(&mut self) {
        self.ills = Ills::default();
        self.publisher = Publisher::Idle;
        self.digests.clear();
        // What it knows of the route goes with it: it asks before it publishes.
        self.news = News::first();
    }

    /// Its publisher has lost its connection.
    pub(crate) fn forget_publisher(&mut self) {
        self.publisher = Publisher::Idle;
    }

    /// Its stores are emptied, and filled again from what compute holds.
    pub(crate) fn empty(&mut self, now_ms: u64) {
        self.served = [0; PARTITIONS];
        self.refilled_ms = now_ms + REFILL_MS;
    }

    pub(crate) fn set_wrong(&mut self, context: &mut Context, is_wrong: bool) {
        self.is_wrong = is_wrong;
        context.watch.wrong(context.now_ms, self.chain, is_wrong);
    }

    pub(crate) fn is_wrong(&self) -> bool {
        self.is_wrong
    }

    pub(crate) fn wake(&mut self, context: &mut Context) {
        self.read(context);
        if context.now_ms >= self.refilled_ms {
            self.served = join(self.served, self.applied);
        }
        if context.now_ms >= self.snapshot_ms + SNAPSHOT_MS {
            (self.snapshot_ms, self.snapshot) = (context.now_ms, self.applied);
        }
        self.publisher.step(context, self.chain, self.news, self.beats);
        context.wake(self.place(), self.flush_ms, Timer::Step);
    }

    fn read(&mut self, context: &Context) {
        if self.ills.is_stuck {
            return;
        }
        let records = match self.ills.is_reading_slowly {
            true => self.flush_ms * SLOW_READ_PER_10_MS / 10,
            false => self.flush_ms * READ_PER_MS,
        };
        for partition in 0..PARTITIONS {
            let end = context.log.end[partition];
            self.applied[partition] = (self.applied[partition] + records).min(end);
        }
        while let Some(beat) = context.log.beat_at(self.beats) {
            let is_read = (0..PARTITIONS).all(|partition| beat.cut[partition] <= self.applied[partition]);
            if !is_read {
                break;
            }
            let mut digests: Cut = std::array::from_fn(|partition| {
                context.log.digest(partition, self.beats).unwrap_or_default()
            });
            digests[1] ^= self.wrong_by();
            if self.digests.len() >= DIGESTS_MAX {
                self.digests.remove(0);
            }
            self.digests.push((self.beats, digests));
            self.beats += 1;
        }
    }

    pub(crate) fn receive(&mut self, context: &mut Context, from: Place, message: Message) {
        match message {
            Message::News(news) => self.adopt(context, news),
            Message::Query { id, session, news } => {
                self.adopt(context, news);
                let answer = self.answer(context, session);
                let ms = 1 + self.ills.slower_ms;
                let news = Some(self.news);
                context.send_after(ms, self.place(), from, Message::Figure { id, answer, news });
            }
            Message::ReadProgress => {
                let standing = self.standing(context);
                context.send(self.place(), from, Message::Progress(Box::new(standing)));
            }
            Message::Route { ticket, news } => {
                if self.publisher.is_waiting_for(ticket)
                    && news.is_some_and(|news| news.active == self.chain)
                    && let Some(for_ms) = context.haunt_ms.take()
                {
                    context.deeds.push(Deed::Haunt { chain: self.chain, for_ms });
                    let what = What::Message { from, message: Message::Route { ticket, news } };
                    context.queue.push(0, Event { to: self.place(), what });
                    return;
                }
                if let Some(news) = news {
                    self.adopt(context, news);
                }
                self.publisher.route(context, self.chain, ticket, news);
            }
            Message::Initialised { ticket, producer, last } => {
                self.publisher.initialised(context, ticket, producer, last);
            }
            Message::Published { producer, beat, is_fenced } => {
                self.publisher.published(producer, beat, is_fenced);
            }
            _ => {}
        }
    }

    fn adopt(&mut self, context: &mut Context, news: News) {
        self.news.adopt(news);
        context.watch.follows(self.place(), self.news);
    }

    fn answer(&self, context: &mut Context, session: u64) -> Option<Told> {
        if self.ills.error_percent > 0 && context.rng.random_range(0..100) < self.ills.error_percent {
            return None;
        }
        let partition = partition_of(session);
        let mut figure = figure(session, self.served[partition]);
        if partition == 1 {
            figure ^= self.wrong_by();
        }
        Some(Told { chain: self.chain, session, cut: self.served, figure, is_marred: self.is_wrong })
    }

    fn standing(&self, context: &Context) -> Standing {
        let beat_ms = |partition: usize| {
            let beats = context.log.beats_before(partition, self.served[partition]);
            beats.checked_sub(1).and_then(|last| context.log.beat_at(last)).map_or(0, |beat| beat.at_ms)
        };
        Standing {
            beat_ms: std::array::from_fn(beat_ms),
            unread_records: std::array::from_fn(|partition| {
                context.log.end[partition].saturating_sub(self.applied[partition])
            }),
            is_hot_degraded: self.ills.is_hot_lost,
            digests: self.digests.clone(),
        }
    }
}
