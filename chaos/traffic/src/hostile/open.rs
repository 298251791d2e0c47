//! Scrapers with no key that is taken: every answer to them is a 401, and all they do is cost doors.

use std::net::IpAddr;

use crate::address;
use crate::chance::Chance;
use crate::client::{Client, any_agent, disguised, script};
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, BOARDS, Target};
use crate::world::{Credential, World};

/// What a scraper is after: sessions in the order of their ids, boards, exports.
#[derive(Debug)]
pub(super) struct Wish {
    next_id: u64,
    step: u64,
    asked: u64,
}

impl Wish {
    pub(super) fn new(world: &World, chance: &mut Chance) -> Self {
        Self { next_id: world.any_id(chance), step: *chance.pick(&[1, 1, 1, 2, 7]), asked: 0 }
    }

    pub(super) fn next(&mut self, chance: &mut Chance) -> Target {
        self.asked += 1;
        if self.asked.is_multiple_of(40) {
            return target::board(chance.pick::<&str>(&BOARDS), "day", self.asked / 40);
        }
        self.next_id += self.step;
        target::page(self.next_id, if chance.percent(80) { "report" } else { "trend" })
    }
}

/// Loops over ids under its library's own name, or a browser's that it copied, from one server, with
/// no key or one that it made up.
#[derive(Debug)]
pub(crate) struct NaiveScraper {
    sender: Sender,
    chance: Chance,
    wish: Wish,
    period_ms: u64,
    left: u64,
}

impl NaiveScraper {
    pub(crate) fn new(world: &World, mut chance: Chance) -> Self {
        let client = if chance.percent(70) { script(&mut chance) } else { disguised(0, &mut chance) };
        let credential =
            if chance.percent(60) { Credential::none() } else { Credential::made_up_key(&mut chance) };
        let wish = Wish::new(world, &mut chance);
        let sender = Sender { client, credential, address: address::server(&mut chance) };
        let period_ms = chance.between(150, 1_500);
        let left = chance.between(1_500, 6_000);
        Self { sender, chance, wish, period_ms, left }
    }
}

impl Actor for NaiveScraper {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let target = self.wish.next(&mut self.chance);
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 30);
        (self.sender.get(target, 404).worthless(), (self.left > 0).then_some(next_ms))
    }
}

/// The same under another browser's name each few requests, from one address or a handful, so as to
/// look like many people. The fields around the name are those of its library, or of one browser.
#[derive(Debug)]
pub(crate) struct RotatingAgents {
    sender: Sender,
    chance: Chance,
    plain: Client,
    addresses: Vec<IpAddr>,
    wish: Wish,
    per_name: u64,
    period_ms: u64,
    left: u64,
}

impl RotatingAgents {
    pub(crate) fn new(world: &World, mut chance: Chance) -> Self {
        let plain = disguised(u8::try_from(chance.below(2)).unwrap_or(0), &mut chance);
        let addresses: Vec<IpAddr> =
            (0..chance.between(1, 4)).map(|_| address::server(&mut chance)).collect();
        let credential =
            if chance.percent(70) { Credential::none() } else { Credential::made_up_key(&mut chance) };
        let sender = Sender { client: plain.clone(), credential, address: addresses[0] };
        let (per_name, period_ms) = (chance.between(1, 8), chance.between(200, 1_200));
        let (wish, left) = (Wish::new(world, &mut chance), chance.between(1_000, 4_000));
        Self { sender, chance, plain, addresses, wish, per_name, period_ms, left }
    }
}

impl Actor for RotatingAgents {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        if self.left.is_multiple_of(self.per_name) {
            self.sender.client = self.plain.clone().named(&any_agent(&mut self.chance));
            self.sender.address = *self.chance.pick(&self.addresses);
        }
        let target = self.wish.next(&mut self.chance);
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 30);
        (self.sender.get(target, 404).worthless(), (self.left > 0).then_some(next_ms))
    }
}

/// The same through a network of rented lines, IPv4 and IPv6: an address serves some requests, then
/// comes the next; some hundred to some thousand addresses in all.
#[derive(Debug)]
pub(crate) struct RotatingAddresses {
    sender: Sender,
    chance: Chance,
    wish: Wish,
    care: u8,
    per_address: u64,
    period_ms: u64,
    left: u64,
}

impl RotatingAddresses {
    pub(crate) fn new(world: &World, mut chance: Chance) -> Self {
        let care = u8::try_from(chance.below(3)).unwrap_or(0);
        let credential =
            if chance.percent(60) { Credential::none() } else { Credential::made_up_key(&mut chance) };
        let sender =
            Sender { client: disguised(care, &mut chance), credential, address: address::proxy(&mut chance) };
        let (per_address, period_ms) = (chance.between(2, 25), chance.between(250, 1_000));
        let (wish, left) = (Wish::new(world, &mut chance), chance.between(2_000, 6_000));
        Self { sender, chance, wish, care, per_address, period_ms, left }
    }
}

impl Actor for RotatingAddresses {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        if self.left.is_multiple_of(self.per_address) {
            self.sender.address = address::proxy(&mut self.chance);
            self.sender.client = disguised(self.care, &mut self.chance);
        }
        let target = self.wish.next(&mut self.chance);
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 30);
        (self.sender.get(target, 404).worthless(), (self.left > 0).then_some(next_ms))
    }
}
