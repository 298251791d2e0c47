//! One room of the made-up file: its shelf, its visits, what its viewers do.

use std::collections::HashMap;

use rand::Rng;
use rand::rngs::SmallRng;
use tandem_model::catalogue::SOURCES;
use tandem_model::event::EventType;
use tandem_model::time::{MINUTE_MS, SECOND_MS};

use super::Zipf;

/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;
/// Rooms open within this span.
const SPREAD_MS: u64 = 120 * MINUTE_MS;
const LENGTH_MS: u64 = 60 * MINUTE_MS;
const DELAY_MS_MAX: u64 = 4 * SECOND_MS;
const HEARTBEAT_MS: u64 = 30 * SECOND_MS;
const ITEMS: usize = 60;
const REGIONS: [&str; 34] = [
    "guangdong",
    "zhejiang",
    "jiangsu",
    "shandong",
    "henan",
    "sichuan",
    "hubei",
    "hunan",
    "hebei",
    "anhui",
    "fujian",
    "shanghai",
    "beijing",
    "shaanxi",
    "jiangxi",
    "liaoning",
    "chongqing",
    "guangxi",
    "yunnan",
    "shanxi",
    "guizhou",
    "heilongjiang",
    "jilin",
    "tianjin",
    "xinjiang",
    "neimenggu",
    "gansu",
    "hainan",
    "ningxia",
    "qinghai",
    "xizang",
    "hongkong",
    "macau",
    "taiwan",
];
/// Sources that are not listed: they count as `other`.
const UNLISTED: [&str; 3] = ["banner", "qr_poster", "mini_game"];
/// Of the 13 sources in the order of the catalogue, then of [`UNLISTED`].
const SOURCE_WEIGHTS: [f64; 16] =
    [18.0, 30.0, 6.0, 5.0, 9.0, 4.0, 8.0, 8.0, 3.0, 3.0, 2.0, 2.0, 1.0, 0.6, 0.3, 0.1];
const CHANNELS: [(&str, f64); 8] = [
    ("taobao", 45.0),
    ("diantao", 22.0),
    ("tmall", 14.0),
    ("external", 6.0),
    ("weibo", 5.0),
    ("alipay", 4.0),
    ("xiaohongshu", 2.5),
    ("web", 1.5),
];
const DEVICES: [(&str, f64); 10] = [
    ("iphone", 33.0),
    ("huawei", 17.0),
    ("xiaomi", 13.0),
    ("oppo", 11.0),
    ("vivo", 11.0),
    ("honor", 7.0),
    ("samsung", 3.0),
    ("ipad", 2.5),
    ("pc", 1.5),
    ("other_android", 1.0),
];
/// What a viewer does between two heartbeats or so, and how often.
const ACTS: [(EventType, f64); 14] = [
    (EventType::ItemExposure, 21.0),
    (EventType::Like, 17.0),
    (EventType::PageView, 12.0),
    (EventType::Comment, 11.0),
    (EventType::ItemClick, 9.0),
    (EventType::CartAdd, 3.0),
    (EventType::OrderPaid, 1.9),
    (EventType::Follow, 1.6),
    (EventType::Share, 1.1),
    (EventType::Gift, 0.8),
    (EventType::PresaleDeposit, 0.4),
    (EventType::OrderRefunded, 0.25),
    (EventType::PresaleBalance, 0.2),
    (EventType::Unfollow, 0.15),
];
const WORDS: [&str; 8] = [
    "how much is it",
    "link please",
    "love this color",
    "来了来了",
    "多少钱",
    "size M left?",
    "发货快吗",
    r#"is it \"new\""#,
];

/// A room with what it has sent so far.
pub(super) struct Room {
    number: u32,
    random: SmallRng,
    session_id: String,
    start_ms: u64,
    prices_fen: Vec<u64>,
    fans: HashMap<usize, bool>,
    sent: u64,
    /// When a line arrives, and the line.
    arrivals: Vec<(u64, String)>,
    taste: Taste,
}

/// How the rarer and the more frequent are spread.
struct Taste {
    items: Zipf,
    sources: Zipf,
    channels: Zipf,
    regions: Zipf,
    devices: Zipf,
    acts: Zipf,
}

impl Room {
    pub(super) fn new(number: u32, mut random: SmallRng) -> Self {
        let weights = |weights: &[(&str, f64)]| Zipf::weighted(weights.iter().map(|(_, weight)| *weight));
        Self {
            number,
            session_id: format!("s{number:04}-{:08x}", random.random::<u32>()),
            start_ms: START_MS + random.random_range(0..SPREAD_MS),
            prices_fen: (0..ITEMS).map(|_| random.random_range(990..99_900)).collect(),
            fans: HashMap::new(),
            sent: 0,
            arrivals: Vec::new(),
            taste: Taste {
                items: Zipf::new(ITEMS, 0.8),
                sources: Zipf::weighted(SOURCE_WEIGHTS.into_iter()),
                channels: weights(&CHANNELS),
                regions: Zipf::weighted((0..REGIONS.len()).map(|rank| 1.0 / (rank as f64 + 3.0))),
                devices: weights(&DEVICES),
                acts: Zipf::weighted(ACTS.iter().map(|(_, weight)| *weight)),
            },
            random,
        }
    }

    /// Plays the broadcast with about `events` lines; they are in no order.
    pub(super) fn play(mut self, events: usize, users: &Zipf) -> Vec<(u64, String)> {
        self.shelf();
        while self.arrivals.len() + 1 < events {
            self.visit(users);
        }
        self.send(EventType::SessionEnd, self.start_ms + LENGTH_MS, "");
        self.arrivals
    }

    fn shelf(&mut self) {
        let number = self.number;
        let start = format!(
            r#","anchor_id":"anchor-{number}","room_id":"room-{number}","title":"Night {number}","category":"beauty","anchor_name":"主播{number}","anchor_fans":{},"content_type":"sale","region":"zhejiang","brand":"brand-{}""#,
            self.random.random_range(2_000..3_000_000),
            number % 9,
        );
        self.send(EventType::SessionStart, self.start_ms, &start);
        for index in 0..ITEMS {
            let at_ms = self.start_ms + index as u64 * 58 * SECOND_MS;
            let item = self.item(index);
            let shown =
                format!(r#"{item},"item_title":"Item {index}","price_fen":{}"#, self.prices_fen[index]);
            self.send(EventType::ItemList, at_ms, &shown);
            self.send(EventType::ItemExplain, at_ms + 5 * SECOND_MS, &item);
            if let Some(gone) = index.checked_sub(10) {
                self.send(EventType::ItemDelist, at_ms, &self.item(gone));
            }
            if index % 3 == 0 {
                let confidence = self.random.random_range(500..1_000);
                let scene = format!(r#","label":"product_close_up","confidence":0.{confidence}"#);
                self.send(EventType::Scene, at_ms + 9 * SECOND_MS, &scene);
            }
        }
    }

    fn visit(&mut self, users: &Zipf) {
        let user = users.pick(&mut self.random);
        // Ranks are scattered so that the frequent users' ids have nothing in common.
        let who = format!(r#","user_id":"u{:08x}""#, (user as u32).wrapping_mul(2_654_435_761));
        let attributes = self.attributes(user);
        // The mean of two: more people come in the middle.
        let at = (self.random.random::<f64>() + self.random.random::<f64>()) / 2.0;
        let mut ts = self.start_ms + (LENGTH_MS as f64 * at) as u64;
        let end_ms = self.start_ms + LENGTH_MS;
        if self.random.random_bool(0.8) {
            let before = self.random.random_range(200..5 * SECOND_MS);
            self.send(EventType::Exposure, ts - before, &format!("{who}{attributes}"));
        }
        if self.random.random_bool(0.5) {
            return; // saw it, did not come in
        }
        let suspect = if self.random.random_bool(0.01) { r#","suspect":true"# } else { "" };
        self.send(EventType::Enter, ts, &format!("{who}{suspect}{attributes}"));
        // Log-normal, median 81 s.
        let stay_ms = (11.3 + 1.1 * self.normal()).exp() as u64;
        let leaves_ms = (ts + stay_ms).min(end_ms);
        let mut heartbeat_ms = ts + HEARTBEAT_MS;
        loop {
            let pause_s = -18.0 * (1.0 - self.random.random::<f64>()).ln();
            ts += (pause_s * SECOND_MS as f64) as u64 + 300;
            while heartbeat_ms < ts.min(leaves_ms) {
                self.send(EventType::Heartbeat, heartbeat_ms, &who);
                heartbeat_ms += HEARTBEAT_MS;
            }
            if ts >= leaves_ms {
                break;
            }
            self.act(ts, &who, &attributes);
        }
        if self.random.random_bool(0.85) {
            self.send(EventType::Leave, leaves_ms, &who);
        }
    }

    fn attributes(&mut self, user: usize) -> String {
        let Self { random, taste, fans, .. } = self;
        let mut text = String::new();
        let mut add = |name: &str, share: f64, value: &str, random: &mut SmallRng| {
            if random.random_bool(share) {
                text.push_str(&format!(r#","{name}":"{value}""#));
            }
        };
        let source = taste.sources.pick(random);
        let source = SOURCES[..13].iter().chain(&UNLISTED).nth(source).copied().unwrap_or(UNLISTED[0]);
        add("source", 0.97, source, random);
        add("channel", 0.98, CHANNELS[taste.channels.pick(random)].0, random);
        add("region", 0.96, REGIONS[taste.regions.pick(random)], random);
        add("device", 0.98, DEVICES[taste.devices.pick(random)].0, random);
        if random.random_bool(0.97) {
            let is_fan = *fans.entry(user).or_insert_with(|| random.random_bool(0.25));
            text.push_str(&format!(r#","is_fan":{is_fan}"#));
        }
        text
    }

    fn act(&mut self, ts: u64, who: &str, attributes: &str) {
        let act = ACTS[self.taste.acts.pick(&mut self.random)].0;
        let item = self.taste.items.pick(&mut self.random);
        let of = match act {
            EventType::Comment => format!(r#","text":"{}""#, WORDS[self.random.random_range(0..WORDS.len())]),
            EventType::Like if self.random.random_bool(0.6) => {
                format!(r#","count":{}"#, self.random.random_range(1..30))
            }
            EventType::Gift => {
                format!(r#","amount_fen":{}"#, [10, 100, 990, 5_200][self.random.random_range(0..4)])
            }
            EventType::ItemExposure | EventType::ItemClick | EventType::CartAdd => self.item(item),
            EventType::OrderPaid | EventType::OrderRefunded => self.order(item, act),
            EventType::PresaleDeposit | EventType::PresaleBalance => self.order(item, act),
            _ => String::new(),
        };
        // A few clients send their attributes with everything.
        let carried = if self.random.random_bool(0.04) { attributes } else { "" };
        self.send(act, ts, &format!("{who}{of}{carried}"));
    }

    fn order(&mut self, item: usize, act: EventType) -> String {
        let item_id = if self.random.random_bool(0.97) { self.item(item) } else { String::new() };
        let quantity = [1, 1, 1, 2, 3][self.random.random_range(0..5)];
        let order: u64 = self.random.random_range(0..1 << 40);
        let amount_fen =
            self.prices_fen[item] * quantity / if act == EventType::PresaleDeposit { 10 } else { 1 };
        let units =
            if act == EventType::OrderPaid { format!(r#","quantity":{quantity}"#) } else { String::new() };
        format!(r#"{item_id},"order_id":"o{order:010x}","amount_fen":{amount_fen}{units}"#)
    }

    fn item(&self, index: usize) -> String {
        format!(r#","item_id":"item-{:03}-{index:02}""#, self.number)
    }

    /// Sends an event, sometimes twice: a client that heard no answer tries again.
    fn send(&mut self, event_type: EventType, ts: u64, fields: &str) {
        let line = format!(
            "{{\"event_id\":\"{:x}-{:06x}\",\"type\":\"{}\",\"ts\":{ts},\"session_id\":\"{}\"{fields}}}\n",
            self.number,
            self.sent,
            event_type.name(),
            self.session_id,
        );
        self.sent += 1;
        let arrival_ms = ts + self.random.random_range(0..DELAY_MS_MAX);
        if self.random.random_bool(0.015) {
            let again_ms = arrival_ms + self.random.random_range(0..20 * SECOND_MS);
            self.arrivals.push((again_ms, line.clone()));
        }
        self.arrivals.push((arrival_ms, line));
    }

    /// A normal variate: the sum of twelve uniform ones comes close enough.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.random.random::<f64>()).sum::<f64>() - 6.0
    }
}
