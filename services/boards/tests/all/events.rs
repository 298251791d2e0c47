//! Generated sessions over some weeks, whose events all count: in order, nothing late, no id twice.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_model::time::{DAY_MS, MINUTE_MS, SECOND_MS};

/// 2024-10-21, a Monday, at midnight in Shanghai.
pub(crate) const START: u64 = 1_729_440_000_000;
/// Over so many days: two windows of growth, and a bit.
pub(crate) const DAYS: u64 = 17;

/// An event, as the tests' own recomputation sees it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) ts: u64,
    pub(crate) session: usize,
    pub(crate) what: &'static str,
    pub(crate) user: u32,
    pub(crate) region: &'static str,
    pub(crate) item: &'static str,
    /// `amount_fen`, or `count` of a like.
    pub(crate) amount: u64,
    pub(crate) quantity: u64,
}

/// What a session says of itself; one of them says nothing.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) started_at: u64,
    pub(crate) attributes: Option<Attributes>,
}

#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    pub(crate) anchor: &'static str,
    pub(crate) category: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) region: &'static str,
    pub(crate) fans: u64,
    pub(crate) brand: Option<&'static str>,
    pub(crate) merchant: Option<&'static str>,
}

pub(crate) struct World {
    pub(crate) sessions: Vec<Session>,
    /// By time.
    pub(crate) events: Vec<Event>,
}

struct Dice(SmallRng);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.random_range(0..bound)
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

const WHAT: [&str; 20] = [
    "enter",
    "enter",
    "enter",
    "enter",
    "heartbeat",
    "leave",
    "comment",
    "like",
    "share",
    "gift",
    "follow",
    "unfollow",
    "item_exposure",
    "item_exposure",
    "item_click",
    "item_click",
    "order_paid",
    "order_paid",
    "presale_deposit",
    "exposure",
];

pub(crate) fn world(seed: u64) -> World {
    let mut dice = Dice(SmallRng::seed_from_u64(seed));
    let mut sessions = Vec::new();
    let mut events = Vec::new();
    for number in 0..30 {
        let day = dice.below(DAYS);
        // Some run across midnight, some across an hour.
        let begins = START
            + day * DAY_MS
            + dice.pick(&[20, 22, 23, 9, 12]) * 60 * MINUTE_MS
            + dice.below(50) * MINUTE_MS;
        let anchor = dice.below(5) as usize;
        let attributes = (number != 7).then(|| Attributes {
            anchor: ["a1", "a2", "a3", "a4", "a5"][anchor],
            category: dice.pick(&["beauty", "food"]),
            content_type: dice.pick(&["sale", "talk"]),
            region: dice.pick(&["zj", "gd"]),
            fans: dice.pick(&[9_999, 10_000, 2_000_000]),
            brand: dice.pick(&[None, Some("b1"), Some("b2")]),
            merchant: dice.pick(&[None, Some("m1"), Some("m2")]),
        });
        let started_at = begins + dice.below(3) * SECOND_MS;
        sessions.push(Session { id: format!("s{number}"), started_at, attributes });
        let users = dice.pick(&[20, 150, 400]);
        let length_ms = dice.pick(&[30, 90, 200]) * MINUTE_MS;
        for _ in 0..users * 3 {
            events.push(Event {
                ts: begins + dice.below(length_ms),
                session: number,
                what: dice.pick(&WHAT),
                user: dice.below(users) as u32,
                region: dice.pick(&["zj", "gd", "unknown"]),
                item: dice.pick(&["i1", "i2", "i3"]),
                amount: dice.pick(&[1, 100, 990, 123_456]),
                quantity: 1 + dice.below(3),
            });
        }
    }
    events.sort_by_key(|event| event.ts);
    World { sessions, events }
}

impl World {
    /// The lines of the log, in order: events, and before each a beat if its second is a new one.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut told = vec![false; self.sessions.len()];
        let mut beat = 0;
        for (number, event) in self.events.iter().enumerate() {
            let second = event.ts / SECOND_MS;
            if second > beat {
                beat = second;
                lines.push(format!(r#"{{"type":"beat","beat":{beat},"ts":{}}}"#, beat * SECOND_MS));
            }
            let session = &self.sessions[event.session];
            if let Some(attributes) = session.attributes.as_ref().filter(|_| !told[event.session]) {
                told[event.session] = true;
                lines.push(start(session, attributes));
            }
            let Event { ts, what, user, region, item, amount, quantity, .. } = event;
            let mut line = format!(
                r#"{{"event_id":"e{number}","type":"{what}","ts":{ts},"session_id":"{}","user_id":"u{user}","region":"{region}""#,
                session.id
            );
            line += &match *what {
                "like" => format!(r#","count":{amount}"#),
                "gift" => format!(r#","amount_fen":{amount}"#),
                "comment" => r#","text":"hi""#.to_owned(),
                "item_exposure" | "item_click" => format!(r#","item_id":"{item}""#),
                "order_paid" => format!(
                    r#","item_id":"{item}","order_id":"o{number}","amount_fen":{amount},"quantity":{quantity}"#
                ),
                "presale_deposit" => {
                    format!(r#","item_id":"{item}","order_id":"o{number}","amount_fen":{amount}"#)
                }
                _ => String::new(),
            };
            lines.push(line + "}");
        }
        lines
    }
}

fn start(session: &Session, attributes: &Attributes) -> String {
    let Attributes { anchor, category, content_type, region, fans, brand, merchant } = attributes;
    let optional = |name: &str, value: &Option<&str>| {
        value.map_or_else(String::new, |value| format!(r#","{name}":"{value}""#))
    };
    format!(
        r#"{{"event_id":"start","type":"session_start","ts":{},"session_id":"{}","anchor_id":"{anchor}","room_id":"r","title":"title of {}","category":"{category}","anchor_name":"name of {anchor}","anchor_fans":{fans},"content_type":"{content_type}","region":"{region}"{}{}}}"#,
        session.started_at,
        session.id,
        session.id,
        optional("brand", brand),
        optional("merchant_id", merchant),
    )
}
