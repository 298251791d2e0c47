//! A viewer: who they are, how they came in, and what they feel like doing.

use rand::Rng;
use rand::rngs::SmallRng;

use super::SECOND_MS;
use super::cast::{CHANNELS, DEVICES, REGIONS, Studio, source_at};

/// How many people there are altogether.
const PEOPLE: u64 = 400_000;

/// Somebody in front of a broadcast.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    pub(super) user_id: String,
    pub(super) region: &'static str,
    pub(super) device: &'static str,
    pub(super) source: &'static str,
    pub(super) channel: &'static str,
    pub(super) is_fan: bool,
    pub(super) kind: Kind,
    /// What an upstream filter says.
    pub(super) is_suspect: bool,
}

/// A person or a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Person,
    Bot,
}

/// What a viewer does once during a stay, beside looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    PageView,
    Look,
    Comment,
    Like,
    Gift,
    Share,
    Follow,
    Unfollow,
}

/// How likely a person does it during one stay, in thousandths. Comments, likes and gifts stay
/// below what the study found for its most active users.
const HABITS: [(Act, u32); 9] = [
    (Act::PageView, 480),
    (Act::Look, 750),
    (Act::Look, 600),
    (Act::Comment, 34),
    (Act::Like, 22),
    (Act::Gift, 11),
    (Act::Share, 9),
    (Act::Follow, 24),
    (Act::Unfollow, 2),
];

impl Viewer {
    /// Somebody who is shown a way in.
    pub(super) fn new(studio: &Studio, random: &mut SmallRng) -> Self {
        // The square makes some people much more frequent than others, so that some come again.
        let chance: f64 = random.random();
        let number = (chance * chance * PEOPLE as f64) as u64;
        let is_bot = random.random_ratio(4, 100);
        let (user_id, kind) = match is_bot {
            true => (format!("u9{:06}", number % 500), Kind::Bot),
            false => (format!("u{number:06}"), Kind::Person),
        };
        // What belongs to a person follows from their number, not from this visit.
        let fixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let fan_lot = (fixed >> 32).wrapping_add(studio.anchor_fans) % 100;
        Self {
            user_id,
            region: weighted(&REGIONS, (fixed >> 40) as u32),
            device: if is_bot { "headless" } else { weighted(&DEVICES, (fixed >> 24) as u32) },
            source: pick_source(studio, random),
            channel: weighted(&CHANNELS, random.random()),
            is_fan: !is_bot && fan_lot < u64::from(studio.fans_percent),
            kind,
            is_suspect: is_bot && random.random_ratio(7, 10),
        }
    }

    /// Whether the way in is taken: fans and searchers come on purpose.
    pub(super) fn enters(&self, random: &mut SmallRng) -> bool {
        let percent = match self.source {
            "follow" | "message" | "private_domain" => 62,
            "search" | "shop" | "item_page" | "share" => 48,
            _ => 27,
        };
        self.kind == Kind::Bot || random.random_ratio(percent, 100)
    }

    /// How long they stay, in milliseconds: often short, sometimes long.
    pub(super) fn stay_ms(&self, random: &mut SmallRng) -> u64 {
        let mean_s = match (self.kind, self.is_fan) {
            (Kind::Bot, _) => 12.0,
            (Kind::Person, true) => 190.0,
            (Kind::Person, false) => 75.0,
        };
        let stay_s = -(1.0 - random.random::<f64>()).ln() * mean_s;
        (stay_s.clamp(3.0, 1_800.0) * SECOND_MS as f64) as u64
    }

    /// What they do during a stay, with the moments, in milliseconds after the enter.
    pub(super) fn acts(&self, stay_ms: u64, random: &mut SmallRng) -> Vec<(u64, Act)> {
        match self.kind {
            // A program turns pages as no person does.
            Kind::Bot => (1..=random.random_range(4..24)).map(|step| (step * 400, Act::PageView)).collect(),
            Kind::Person => HABITS
                .iter()
                .filter(|(_, per_mille)| random.random_ratio(*per_mille, 1_000))
                .map(|(act, _)| *act)
                .filter(|act| match act {
                    Act::Follow => !self.is_fan,
                    Act::Unfollow => self.is_fan,
                    _ => true,
                })
                .collect::<Vec<_>>()
                .into_iter()
                .map(|act| (random.random_range(0..stay_ms), act))
                .collect(),
        }
    }
}

fn pick_source(studio: &Studio, random: &mut SmallRng) -> &'static str {
    let mut lot = random.random_range(0..studio.sources.iter().sum());
    for (index, weight) in studio.sources.iter().enumerate() {
        if lot < *weight {
            return source_at(index);
        }
        lot -= weight;
    }
    source_at(0)
}

/// One of `choices`, whose weights add up to 100, by any number.
fn weighted(choices: &[(&'static str, u32)], number: u32) -> &'static str {
    let mut lot = number % 100;
    for (name, weight) in choices {
        if lot < *weight {
            return name;
        }
        lot -= weight;
    }
    choices[0].0
}
