//! Boards once more, plainly: from the events, by the words of the contract, with sets and maps.

use std::collections::{BTreeMap, BTreeSet};

use tandem_boards::{FanTier, Filter};
use tandem_model::calendar::Period;
use tandem_model::time::{DAY_MS, MINUTE_MS, SECOND_MS};

use crate::events::{Attributes, Event, START, World};

const HOUR_MS: u64 = 60 * MINUTE_MS;

/// A subject's score as a fraction, by id.
pub(crate) type Scores = BTreeMap<String, (i128, i128)>;

pub(crate) struct Question<'a> {
    pub(crate) world: &'a World,
    pub(crate) period: Period,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) moment: u64,
    pub(crate) filter: &'a Filter,
}

/// In Shanghai clocks are not changed any more; so days are counted from one midnight on.
fn day(ts: u64) -> u64 {
    (ts + 30 * DAY_MS - START) / DAY_MS
}

impl Question<'_> {
    fn attributes(&self, event: &Event) -> Option<&Attributes> {
        self.world.sessions[event.session].attributes.as_ref()
    }

    fn lets(&self, session: usize) -> bool {
        let filter = self.filter;
        let Some(of) = &self.world.sessions[session].attributes else { return filter.is_open() };
        let tier = match of.fans {
            0..=9_999 => FanTier::Nano,
            10_000..=99_999 => FanTier::Micro,
            _ => FanTier::Macro,
        };
        filter.category.as_deref().is_none_or(|category| category == of.category)
            && filter.content_type.as_deref().is_none_or(|one| one == of.content_type)
            && filter.region.as_deref().is_none_or(|region| region == of.region)
            && filter.fan_tier.is_none_or(|wanted| wanted == tier)
    }

    fn events(&self, from: u64, to: u64) -> impl Iterator<Item = &Event> {
        self.world
            .events
            .iter()
            .filter(move |event| (from..to).contains(&event.ts) && self.lets(event.session))
    }

    fn subject(&self, board: &str, event: &Event) -> Option<String> {
        let attributes = self.attributes(event);
        let of = |one: fn(&Attributes) -> Option<&'static str>| attributes.and_then(one).map(str::to_owned);
        match board.split('.').next().expect("a group") {
            "anchor" | "growth" => of(|one| Some(one.anchor)),
            "session" => Some(self.world.sessions[event.session].id.clone()),
            "item" => ["item_exposure", "item_click", "order_paid", "presale_deposit"]
                .contains(&event.what)
                .then(|| event.item.to_owned()),
            "category" => of(|one| Some(one.category)),
            "brand" => of(|one| one.brand),
            "merchant" => of(|one| one.merchant),
            "region" if board == "region.preference" => {
                attributes.map(|one| format!("{}:{}", event.region, one.category))
            }
            "region" => Some(event.region.to_owned()),
            group => panic!("no such group: {group}"),
        }
    }

    /// Σ over events, by subject.
    fn sum(&self, board: &str, window: (u64, u64), value: impl Fn(&Event) -> u64) -> BTreeMap<String, i128> {
        let mut sums = BTreeMap::new();
        for event in self.events(window.0, window.1) {
            if let Some(subject) = self.subject(board, event) {
                *sums.entry(subject).or_insert(0) += i128::from(value(event));
            }
        }
        sums
    }

    /// Distinct users by subject: of each session, per day (per hour in an hour), added up.
    fn users(&self, board: &str, window: (u64, u64), what: &[&str]) -> BTreeMap<String, i128> {
        let mut seen = BTreeSet::new();
        for event in self.events(window.0, window.1).filter(|event| what.contains(&event.what)) {
            if let Some(subject) = self.subject(board, event) {
                seen.insert((subject, event.session, day(event.ts), event.user));
            }
        }
        let mut counts = BTreeMap::new();
        for (subject, ..) in seen {
            *counts.entry(subject).or_insert(0) += 1;
        }
        counts
    }

    /// Σ watch time by subject: from an enter until the leave, gaps of more than 90 s left out.
    fn watch_ms(&self, board: &str) -> BTreeMap<String, i128> {
        let mut last: BTreeMap<(usize, u32), (bool, u64)> = BTreeMap::new();
        let mut sums = BTreeMap::new();
        for event in &self.world.events {
            let state = last.entry((event.session, event.user)).or_insert((false, 0));
            if !state.0 && event.what != "enter" {
                continue;
            }
            let gap = event.ts - state.1;
            if state.0
                && gap <= 90 * SECOND_MS
                && (self.from..self.to).contains(&event.ts)
                && self.lets(event.session)
            {
                let subject = self.subject(board, event).into_iter();
                subject.for_each(|subject| *sums.entry(subject).or_insert(0) += i128::from(gap));
            }
            *state = (event.what != "leave", event.ts);
        }
        sums
    }

    /// The highest number of viewers at a beat, by subject.
    fn peak(&self, board: &str) -> BTreeMap<String, i128> {
        let mut there: BTreeMap<(usize, u32), u64> = BTreeMap::new();
        let mut peaks: BTreeMap<String, i128> = BTreeMap::new();
        let mut beat = 0;
        for event in &self.world.events {
            let second = event.ts / SECOND_MS;
            if second > beat {
                beat = second;
                let ts = beat * SECOND_MS;
                if (self.from..self.to).contains(&ts) {
                    let mut online: BTreeMap<usize, i128> = BTreeMap::new();
                    let seen = there.iter().filter(|(_, last)| **last + 90 * SECOND_MS >= ts);
                    seen.for_each(|((session, _), _)| *online.entry(*session).or_insert(0) += 1);
                    for (session, count) in online.into_iter().filter(|(session, _)| self.lets(*session)) {
                        assert!(board.starts_with("session."));
                        let peak = peaks.entry(self.world.sessions[session].id.clone()).or_insert(0);
                        *peak = (*peak).max(count);
                    }
                }
            }
            let who = (event.session, event.user);
            match event.what {
                "enter" => drop(there.insert(who, event.ts)),
                "leave" => drop(there.remove(&who)),
                _ => {
                    there.entry(who).and_modify(|last| *last = event.ts);
                }
            }
        }
        peaks
    }

    /// The scores of a board; nothing for the index, which has tests of its own.
    pub(crate) fn scores(&self, board: &str) -> Option<Scores> {
        let period = (self.from, self.to);
        let only =
            |what: &'static str| move |event: &Event| if event.what == what { event.amount } else { 0 };
        let count = |what: &'static str| move |event: &Event| u64::from(event.what == what);
        let whole = |sums: BTreeMap<String, i128>| sums.into_iter().map(|(id, sum)| (id, (sum, 1))).collect();
        let rate = |of: BTreeMap<String, i128>, per: BTreeMap<String, i128>, factor: i128| {
            let enough = per.into_iter().filter(|(_, per)| *per >= 100);
            enough.map(|(id, per)| (id.clone(), (factor * of.get(&id).copied().unwrap_or(0), per))).collect()
        };
        const INTERACTING: [&str; 5] = ["comment", "like", "share", "gift", "follow"];
        let midnight = self.moment - (self.moment + 30 * DAY_MS - START) % DAY_MS;
        let last = (midnight.saturating_sub(7 * DAY_MS), midnight);
        let before = (midnight.saturating_sub(14 * DAY_MS), midnight.saturating_sub(7 * DAY_MS));
        let growth = |last: BTreeMap<String, i128>, past: BTreeMap<String, i128>| {
            let viewers = self.users(board, before, &["enter"]);
            past.into_iter()
                .filter(|(id, past)| *past > 0 && viewers.get(id).is_some_and(|viewers| *viewers >= 100))
                .map(|(id, past)| (id.clone(), (last.get(&id).copied().unwrap_or(0) - past, past)))
                .collect()
        };
        let mut scores: Scores = match board {
            "anchor.influence" => return None,
            "anchor.gmv" | "session.gmv" | "item.gmv" | "category.gmv" | "brand.gmv" | "region.gmv" => {
                whole(self.sum(board, period, only("order_paid")))
            }
            "anchor.watch_time" => whole(self.watch_ms(board)),
            "anchor.viewers" | "region.viewers" => whole(self.users(board, period, &["enter"])),
            "anchor.interaction_rate" => {
                rate(self.users(board, period, &INTERACTING), self.users(board, period, &["enter"]), 1)
            }
            "anchor.fans" => self.fans(),
            "growth.new_fans" | "merchant.new_fans" => whole(self.users(board, period, &["follow"])),
            "growth.fan_rate_7d" => {
                let follows = [last, before].map(|window| self.users(board, window, &["follow"]));
                let viewers = [last, before].map(|window| self.users(board, window, &["enter"]));
                let mut scores = Scores::new();
                for (id, b) in &viewers[0] {
                    let d = viewers[1].get(id).copied().unwrap_or(0);
                    let [a, c] = [0, 1].map(|window| follows[window].get(id).copied().unwrap_or(0));
                    if *b >= 100 && d >= 100 {
                        scores.insert(id.clone(), (a * d - c * b, b * d));
                    }
                }
                scores
            }
            "growth.gmv_7d" => {
                growth(self.sum(board, last, only("order_paid")), self.sum(board, before, only("order_paid")))
            }
            "growth.viewers_7d" => {
                growth(self.users(board, last, &["enter"]), self.users(board, before, &["enter"]))
            }
            "growth.rising" => {
                let mut sums = self.sum(board, period, only("order_paid"));
                sums.retain(|anchor, _| {
                    let starts =
                        self.world.sessions.iter().filter(|session| {
                            session.attributes.as_ref().is_some_and(|of| of.anchor == anchor)
                        });
                    starts.map(|session| session.started_at).min().expect("a session") + 30 * DAY_MS
                        >= self.moment
                });
                whole(sums)
            }
            "session.views" => whole(self.sum(board, period, count("enter"))),
            "session.online_peak" => whole(self.peak(board)),
            "session.conversion_rate" | "category.conversion_rate" => {
                rate(self.users(board, period, &["order_paid"]), self.users(board, period, &["enter"]), 1)
            }
            "session.gpm" => rate(
                self.sum(board, period, only("order_paid")),
                self.sum(board, period, count("enter")),
                1000,
            ),
            "session.interactions" => whole(self.sum(board, period, |event| match event.what {
                "comment" | "share" | "gift" => 1,
                "like" => event.amount,
                _ => 0,
            })),
            "item.units" => whole(self.sum(board, period, |event| match event.what {
                "order_paid" => event.quantity,
                _ => 0,
            })),
            "item.deposit" => whole(self.sum(board, period, only("presale_deposit"))),
            "item.click_rate" => rate(
                self.sum(board, period, count("item_click")),
                self.sum(board, period, count("item_exposure")),
                1,
            ),
            "region.preference" => self.preference(),
            other => panic!("no such board: {other}"),
        };
        scores.retain(|_, (numerator, _)| *numerator != 0);
        Some(scores)
    }

    fn fans(&self) -> Scores {
        let mut latest: BTreeMap<&str, (u64, &str, usize)> = BTreeMap::new();
        for (number, session) in self.world.sessions.iter().enumerate() {
            let Some(of) = session.attributes.as_ref().filter(|_| session.started_at < self.to) else {
                continue;
            };
            if self.lets(number) {
                let one = (session.started_at, session.id.as_str(), number);
                let best = latest.entry(of.anchor).or_insert(one);
                *best = (*best).max(one);
            }
        }
        let of = |(anchor, (_, _, number)): (&str, (u64, &str, usize))| {
            let until =
                || self.world.events.iter().filter(|event| event.session == number && event.ts < self.to);
            // As distinct counts are added up: by day, and in an hour by hour on the last day.
            let first_hour = self.to.saturating_sub(1) - (self.to - 1 + 30 * DAY_MS - START) % DAY_MS;
            let stretch = |ts: u64| match self.period {
                Period::Hour if ts >= first_hour => (1, ts / HOUR_MS),
                _ => (0, day(ts)),
            };
            let new: BTreeSet<_> = until()
                .filter(|event| event.what == "follow")
                .map(|event| (stretch(event.ts), event.user))
                .collect();
            let gone = until().filter(|event| event.what == "unfollow").count();
            let fans = self.world.sessions[number].attributes.as_ref().expect("it has them").fans;
            (anchor.to_owned(), (i128::from(fans) + new.len() as i128 - gone as i128, 1))
        };
        latest.into_iter().map(of).collect()
    }

    fn preference(&self) -> Scores {
        let board = "region.preference";
        let period = (self.from, self.to);
        let gmv = |event: &Event| if event.what == "order_paid" { event.amount } else { 0 };
        let orders = |event: &Event| u64::from(event.what == "order_paid");
        let (gmv, orders) = (self.sum(board, period, gmv), self.sum(board, period, orders));
        let total = |of: &BTreeMap<String, i128>, wanted: &dyn Fn(&str, &str) -> bool| -> i128 {
            let parts = of.iter().filter(|(id, _)| {
                let (region, category) = id.split_once(':').expect("a pair");
                wanted(region, category)
            });
            parts.map(|(_, value)| value).sum()
        };
        let all = total(&gmv, &|_, _| true);
        let mut scores = Scores::new();
        for (id, own) in &gmv {
            let (region, category) = id.split_once(':').expect("a pair");
            let of_region = total(&gmv, &|one, _| one == region);
            let of_category = total(&gmv, &|_, one| one == category);
            let enough = total(&orders, &|one, _| one == region) >= 100 && orders[id] >= 10;
            if enough && of_region > 0 && of_category > 0 {
                scores.insert(id.clone(), (own * all, of_region * of_category));
            }
        }
        scores
    }
}
