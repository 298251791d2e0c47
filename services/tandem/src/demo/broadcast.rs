//! One broadcast from its start to its end: a queue of steps in event time.
//!
//! The course of it (items listed, explained, put on flash sale) is here, and so are the viewers'
//! comings and goings; what they do with items is in [`super::shopping`].

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_model::event::EventType;

use super::cast::Studio;
use super::delivery::{Delivery, phone_clock};
use super::line::Line;
use super::shelf::{Item, Shelf};
use super::shopping::Purchase;
use super::viewer::{Act, Viewer};
use super::words::{COMMENTS, FLASH_SCENE, GIFTS_FEN, SCENES};
use super::{MINUTE_MS, SECOND_MS};

/// How many viewers are let in at once.
pub const PRESENT_MAX: usize = 4_000;
/// A player says that often that it is still playing, in milliseconds.
const HEARTBEAT_MS: u64 = 30 * SECOND_MS;
/// Of a hundred who are shown a way in, about so many take it.
const ENTERS_PER_IMPRESSION: f64 = 0.42;

/// A broadcast on air.
pub struct Broadcast {
    pub(super) studio: &'static Studio,
    pub(super) session_id: String,
    pub(super) random: SmallRng,
    pub(super) shelf: Shelf,
    /// Viewers by the number of their visit.
    pub(super) present: BTreeMap<u64, Viewer>,
    started_ms: u64,
    ends_ms: u64,
    visits: u64,
    events: u64,
    queue: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
}

/// What happens next. Numbers of visits and items may have become stale meanwhile.
#[derive(Debug)]
pub(super) enum Step {
    Start,
    Impression,
    Enter(Box<Viewer>),
    Heartbeat(u64),
    Act(u64, Act),
    Leave(u64),
    List(usize),
    Explain,
    FlashSale,
    Delist(usize),
    Scene,
    Seen(u64, usize),
    Click(u64, usize),
    Cart(u64, usize),
    Order(u64, usize),
    FollowUp(Box<Purchase>),
    End,
}

struct Scheduled {
    due_ms: u64,
    /// Keeps steps of the same moment in the order they were scheduled in.
    number: u64,
    step: Step,
}

impl Broadcast {
    /// A broadcast that starts at `start_ms`.
    pub(super) fn new(studio: &'static Studio, start_ms: u64, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut broadcast = Self {
            studio,
            session_id: format!("{}-{}", studio.room_id, start_ms / SECOND_MS),
            shelf: Shelf::new(studio),
            present: BTreeMap::new(),
            started_ms: start_ms,
            ends_ms: start_ms + random.random_range(12 * MINUTE_MS..32 * MINUTE_MS),
            visits: 0,
            events: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            random,
        };
        broadcast.plan();
        broadcast
    }

    fn plan(&mut self) {
        let start = self.started_ms;
        self.after(start, 0, Step::Start);
        for index in 0..self.shelf.len() {
            // A first handful right away, the rest one by one.
            let after_ms = if index < 3 { 2 * SECOND_MS } else { index as u64 * 70 * SECOND_MS };
            self.after(start, after_ms, Step::List(index));
        }
        self.after(start, 500, Step::Impression);
        self.after(start, 20 * SECOND_MS, Step::Explain);
        self.after(start, 45 * SECOND_MS, Step::Scene);
        self.after(start, 4 * MINUTE_MS, Step::FlashSale);
        self.after(self.ends_ms, 0, Step::End);
    }

    /// Goes on to `now_ms`; answers when the broadcast ended, if it did.
    pub(super) fn advance(&mut self, now_ms: u64, delivery: &mut Delivery) -> Option<u64> {
        while self.queue.peek().is_some_and(|Reverse(next)| next.due_ms <= now_ms) {
            let Some(Reverse(Scheduled { due_ms, step, .. })) = self.queue.pop() else { break };
            if matches!(step, Step::End) {
                delivery.send_safely(due_ms, self.end(due_ms));
                return Some(due_ms);
            }
            self.step(due_ms, step, delivery);
        }
        None
    }

    /// The line that ends the session.
    pub(super) fn end(&mut self, now_ms: u64) -> Bytes {
        self.line(EventType::SessionEnd, now_ms).finish()
    }

    fn step(&mut self, now_ms: u64, step: Step, delivery: &mut Delivery) {
        match step {
            Step::Start => self.start(now_ms, delivery),
            Step::Impression => self.impression(now_ms, delivery),
            Step::Enter(viewer) => self.enter(now_ms, *viewer, delivery),
            Step::Heartbeat(visit) if self.present.contains_key(&visit) => {
                self.tell(now_ms, visit, EventType::Heartbeat, delivery, |line, _| line);
                self.after(now_ms, HEARTBEAT_MS, Step::Heartbeat(visit));
            }
            // Gone meanwhile, and so no further one is due.
            Step::Heartbeat(_) => {}
            Step::Act(visit, act) => self.act(now_ms, visit, act, delivery),
            Step::Leave(visit) => {
                self.tell(now_ms, visit, EventType::Leave, delivery, |line, _| line);
                self.present.remove(&visit);
            }
            Step::List(index) => self.list(now_ms, index, true, delivery),
            Step::Delist(index) => self.list(now_ms, index, false, delivery),
            Step::Explain => self.explain(now_ms, delivery),
            Step::FlashSale => self.flash_sale(now_ms, delivery),
            Step::Scene => {
                let label = SCENES[self.random.random_range(0..SCENES.len())];
                self.scene(now_ms, label, delivery);
                let pause_ms = self.random.random_range(40 * SECOND_MS..2 * MINUTE_MS);
                self.after(now_ms, pause_ms, Step::Scene);
            }
            Step::Seen(visit, item) => self.seen(now_ms, visit, item, delivery),
            Step::Click(visit, item) => self.click(now_ms, visit, item, delivery),
            Step::Cart(visit, item) => self.cart(now_ms, visit, item, delivery),
            Step::Order(visit, item) => self.order(now_ms, visit, item, delivery),
            Step::FollowUp(purchase) => self.follow_up(now_ms, *purchase, delivery),
            // Handled by whoever takes steps off the queue: it ends the loop.
            Step::End => {}
        }
    }

    fn start(&mut self, now_ms: u64, delivery: &mut Delivery) {
        let studio = self.studio;
        let title = studio.titles[self.random.random_range(0..studio.titles.len())];
        let line = self
            .line(EventType::SessionStart, now_ms)
            .text("anchor_id", studio.anchor_id)
            .text("room_id", studio.room_id)
            .text("title", title)
            .text("category", studio.category)
            .text("anchor_name", studio.anchor_name)
            .int("anchor_fans", studio.anchor_fans)
            .text("content_type", studio.content_type)
            .text("region", studio.region)
            .text_optional("merchant_id", studio.merchant_id)
            .text_optional("brand", studio.brand);
        delivery.send_safely(now_ms, line.finish());
    }

    /// Somebody is shown a way in, and takes it or not; then the next one is due.
    fn impression(&mut self, now_ms: u64, delivery: &mut Delivery) {
        let viewer = Viewer::new(self.studio, &mut self.random);
        let line = self.viewer_line(EventType::Exposure, now_ms, &viewer);
        let line = line.text("source", viewer.source).text("channel", viewer.channel);
        delivery.send(now_ms, line.finish(), &mut self.random);
        if self.present.len() < PRESENT_MAX && viewer.enters(&mut self.random) {
            let hesitation_ms = self.random.random_range(300..4 * SECOND_MS);
            self.after(now_ms, hesitation_ms, Step::Enter(Box::new(viewer)));
        }
        let per_second = self.studio.enters_per_s / ENTERS_PER_IMPRESSION * self.pull(now_ms);
        let wait_s = -(1.0 - self.random.random::<f64>()).ln() / per_second;
        self.after(now_ms, (wait_s * SECOND_MS as f64) as u64 + 1, Step::Impression);
    }

    /// How strongly the broadcast draws people at the moment: 1 is usual.
    fn pull(&self, now_ms: u64) -> f64 {
        let elapsed_min = (now_ms - self.started_ms) as f64 / MINUTE_MS as f64;
        // A push message brings the fans at once; the recommendation takes its time.
        let warm_up = if elapsed_min < 1.5 { 1.9 } else { (0.6 + elapsed_min / 10.0).min(1.0) };
        let wind_down = if now_ms + 2 * MINUTE_MS > self.ends_ms { 0.5 } else { 1.0 };
        let stage = match (self.shelf.is_flash_sale(now_ms), self.shelf.explained(now_ms)) {
            (true, _) => 2.1,
            (false, Some(_)) => 1.2,
            (false, None) => 0.8,
        };
        warm_up * wind_down * stage
    }

    fn enter(&mut self, now_ms: u64, viewer: Viewer, delivery: &mut Delivery) {
        self.visits += 1;
        let visit = self.visits;
        let line = self
            .viewer_line(EventType::Enter, now_ms, &viewer)
            .text("source", viewer.source)
            .text("channel", viewer.channel)
            .boolean("is_fan", viewer.is_fan)
            .text("region", viewer.region)
            .text("device", viewer.device);
        let line = if viewer.is_suspect { line.boolean("suspect", true) } else { line };
        delivery.send(now_ms, line.finish(), &mut self.random);

        let stay_ms = viewer.stay_ms(&mut self.random);
        for (after_ms, act) in viewer.acts(stay_ms, &mut self.random) {
            self.after(now_ms, after_ms, Step::Act(visit, act));
        }
        self.after(now_ms, HEARTBEAT_MS, Step::Heartbeat(visit));
        self.after(now_ms, stay_ms, Step::Leave(visit));
        self.present.insert(visit, viewer);
    }

    fn act(&mut self, now_ms: u64, visit: u64, act: Act, delivery: &mut Delivery) {
        match act {
            Act::PageView => self.tell(now_ms, visit, EventType::PageView, delivery, |line, _| line),
            Act::Look => {
                if let Some(item) = self.shelf.pick(now_ms, &mut self.random) {
                    self.seen(now_ms, visit, item, delivery);
                }
            }
            Act::Comment => self.tell(now_ms, visit, EventType::Comment, delivery, |line, random| {
                let (text, topic) = COMMENTS[random.random_range(0..COMMENTS.len())];
                let line = line.text("text", text);
                if random.random_bool(0.7) { line.text("topic", topic) } else { line }
            }),
            Act::Like => self.tell(now_ms, visit, EventType::Like, delivery, |line, random| {
                if random.random_bool(0.25) { line.int("count", random.random_range(2..4)) } else { line }
            }),
            Act::Gift => self.tell(now_ms, visit, EventType::Gift, delivery, |line, random| {
                line.int("amount_fen", GIFTS_FEN[random.random_range(0..GIFTS_FEN.len())])
            }),
            Act::Share => self.tell(now_ms, visit, EventType::Share, delivery, |line, _| line),
            Act::Follow => self.tell(now_ms, visit, EventType::Follow, delivery, |line, _| line),
            Act::Unfollow => self.tell(now_ms, visit, EventType::Unfollow, delivery, |line, _| line),
        }
    }

    fn list(&mut self, now_ms: u64, index: usize, is_listed: bool, delivery: &mut Delivery) {
        let Some(item) = self.shelf.set_listed(index, is_listed).cloned() else { return };
        let event_type = if is_listed { EventType::ItemList } else { EventType::ItemDelist };
        self.shelf_line(now_ms, event_type, &item, delivery);
    }

    /// The anchor explains an item: whoever is there sees it.
    fn explain(&mut self, now_ms: u64, delivery: &mut Delivery) {
        if let Some((index, item)) = self.shelf.explain_next(now_ms) {
            let item = item.clone();
            self.shelf_line(now_ms, EventType::ItemExplain, &item, delivery);
            let seen: Vec<u64> =
                self.present.keys().copied().filter(|_| self.random.random_bool(0.45)).collect();
            for visit in seen {
                let after_ms = self.random.random_range(SECOND_MS..45 * SECOND_MS);
                self.after(now_ms, after_ms, Step::Seen(visit, index));
            }
        }
        let pause_ms = self.random.random_range(100 * SECOND_MS..3 * MINUTE_MS);
        self.after(now_ms, pause_ms, Step::Explain);
    }

    fn flash_sale(&mut self, now_ms: u64, delivery: &mut Delivery) {
        self.shelf.start_flash_sale(now_ms);
        self.scene(now_ms, FLASH_SCENE, delivery);
        // Something sells out, and comes back.
        let item = self.random.random_range(0..self.shelf.len());
        self.after(now_ms, 100 * SECOND_MS, Step::Delist(item));
        self.after(now_ms, 4 * MINUTE_MS, Step::List(item));
        let pause_ms = self.random.random_range(6 * MINUTE_MS..10 * MINUTE_MS);
        self.after(now_ms, pause_ms, Step::FlashSale);
    }

    fn scene(&mut self, now_ms: u64, label: &str, delivery: &mut Delivery) {
        let confidence = self.random.random_range(62..100);
        let replay_ms = now_ms - self.started_ms;
        let line = self.line(EventType::Scene, now_ms).text("label", label);
        let line = line.hundredths("confidence", confidence).int("replay_ms", replay_ms);
        delivery.send_safely(now_ms, line.finish());
    }

    fn shelf_line(&mut self, now_ms: u64, event_type: EventType, item: &Item, delivery: &mut Delivery) {
        let category = self.studio.category;
        let line = self
            .line(event_type, now_ms)
            .text("item_id", &item.item_id)
            .text("item_title", item.title)
            .text("category", category)
            .int("price_fen", item.price_fen);
        delivery.send_safely(now_ms, line.finish());
    }

    /// Sends an event of somebody who is there; of nobody else.
    pub(super) fn tell(
        &mut self,
        now_ms: u64,
        visit: u64,
        event_type: EventType,
        delivery: &mut Delivery,
        fields: impl FnOnce(Line, &mut SmallRng) -> Line,
    ) {
        let Some(viewer) = self.present.get(&visit).cloned() else { return };
        let line = self.viewer_line(event_type, now_ms, &viewer);
        let line = fields(line, &mut self.random).finish();
        delivery.send(now_ms, line, &mut self.random);
    }

    fn viewer_line(&mut self, event_type: EventType, now_ms: u64, viewer: &Viewer) -> Line {
        let ts = phone_clock(now_ms, &mut self.random);
        self.line(event_type, ts).text("user_id", &viewer.user_id)
    }

    pub(super) fn line(&mut self, event_type: EventType, ts: u64) -> Line {
        self.events += 1;
        Line::new(event_type, &self.session_id, self.events, ts)
    }

    /// Schedules a step.
    pub(super) fn after(&mut self, now_ms: u64, after_ms: u64, step: Step) {
        self.scheduled += 1;
        let number = self.scheduled;
        self.queue.push(Reverse(Scheduled { due_ms: now_ms + after_ms, number, step }));
    }
}

impl Scheduled {
    const fn order(&self) -> (u64, u64) {
        (self.due_ms, self.number)
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Scheduled {}
