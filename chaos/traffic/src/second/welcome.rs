//! Honest callers whom one could take for attackers: every answer to them would be missed.

use std::collections::VecDeque;

use crate::Family;
use crate::address;
use crate::chance::Chance;
use crate::client::{Client, browser, mobile_app, script};
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, BOARDS, Target};
use crate::world::{Credential, World};

/// The nightly batch of an agency (MCN): with a key of its own, from a server, for each of its anchors
/// the list of sessions, the score, the audience, and report and trend of each session since the last
/// time, two or three a second. It asks nothing twice and nothing live, and looks like somebody who
/// empties the house.
#[derive(Debug)]
pub(crate) struct NightBatch {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    anchor: usize,
    next_past: usize,
    asks: VecDeque<Target>,
    period_ms: u64,
}

impl NightBatch {
    pub(crate) fn new(tenant: usize, world: &World, mut chance: Chance) -> Self {
        // The third key of a tenant; the first are those of its dashboard, its events and its exports.
        let credential = Credential::key(world, tenant, 3);
        let sender =
            Sender { client: script(&mut chance), credential, address: address::server(&mut chance) };
        let period_ms = chance.between(300, 600);
        Self { sender, chance, tenant, anchor: 0, next_past: 0, asks: VecDeque::new(), period_ms }
    }

    fn turn_to_next_anchor(&mut self, world: &World) {
        let tenant = world.tenant(self.tenant);
        let anchor = &tenant.anchors[self.anchor];
        self.anchor += 1;
        self.asks.push_back(target::sessions(anchor, None));
        self.asks.push_back(target::anchor(anchor, "score"));
        self.asks.push_back(target::anchor(anchor, "audience"));
        for _ in 0..self.chance.between(2, 6) {
            let id = tenant.past()[self.next_past % tenant.past().len()];
            self.next_past += 1;
            self.asks.push_back(target::page(id, "report"));
            self.asks.push_back(target::page(id, "trend"));
        }
    }
}

impl Actor for NightBatch {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        if self.asks.is_empty() {
            self.turn_to_next_anchor(world);
        }
        let target = self.asks.pop_front().unwrap_or_else(|| Target::of("/v1/rankings"));
        let request = self.sender.get(target, 200);
        let is_over = self.asks.is_empty() && self.anchor == world.tenant(self.tenant).anchors.len();
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 40);
        (request, (!is_over).then_some(next_ms))
    }
}

/// A journalist or analyst: an hour on boards, page after page, five to fifteen pages of each, in one
/// period and then another, with some seconds to read a page, now and then a step back or a subject
/// that stands out. Opens no session at all.
#[derive(Debug)]
pub(crate) struct Analyst {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    board: &'static str,
    period: &'static str,
    page: u64,
    pages: u64,
    pause_ms: u64,
    left: u64,
}

impl Analyst {
    pub(crate) fn new(index: u64, tenant: usize, world: &World, mut chance: Chance) -> Self {
        let number = (Family::Analyst as u64) << 32 | index;
        let credential = Credential::token(world, tenant, number);
        let client = browser(&mut chance);
        let address = if chance.percent(40) { address::office(tenant) } else { address::home(&mut chance) };
        let (pause_ms, left) = (chance.between(7_000, 14_000), chance.between(120, 240));
        let sender = Sender { client, credential, address };
        let (board, period) = (BOARDS[0], "day");
        Self { sender, chance, tenant, board, period, page: 0, pages: 8, pause_ms, left }
    }
}

impl Actor for Analyst {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let request = match self.chance.below(100) {
            // A step back: the browser has the page, and asks whether it still holds.
            0..8 if self.page > 1 => {
                let target = target::board(self.board, self.period, self.page - 2);
                let has_changed = self.chance.percent(20);
                self.sender.get_again(target, has_changed, self.chance.next())
            }
            8..18 => {
                let anchor = self.chance.pick(&world.tenant(self.tenant).anchors);
                self.sender.get(target::subject(self.board, anchor), 200)
            }
            _ => {
                let target = target::board(self.board, self.period, self.page);
                self.page += 1;
                self.sender.get(target, 200)
            }
        };
        if self.page == self.pages {
            self.board = *self.chance.pick(&BOARDS);
            self.period = *self.chance.pick(&["day", "week", "month"]);
            (self.page, self.pages) = (0, self.chance.between(5, 15));
        }
        (request, (self.left > 0).then_some(now_ms + self.chance.pause_ms(self.pause_ms)))
    }
}

/// The owner of a shop on the way home from a fair, while the shop is live: phone and laptop with one
/// token, now at a carrier's address, now on a train's, a hotel's or a café's line, now through the
/// company's tunnel in a data centre; a new place every few minutes. Looks at the same live sessions
/// again and again, and sometimes at last week's.
#[derive(Debug)]
pub(crate) struct TravellingOwner {
    /// The phone, and the laptop.
    devices: [Client; 2],
    sender: Sender,
    chance: Chance,
    tenant: usize,
    session: u64,
    place: u32,
    pages_here: u64,
    asks: VecDeque<(Target, bool)>,
    pages_left: u64,
}

impl TravellingOwner {
    pub(crate) fn new(index: u64, tenant: usize, world: &World, mut chance: Chance) -> Self {
        let number = (Family::TravellingOwner as u64) << 32 | index;
        let credential = Credential::token(world, tenant, number);
        let devices = [mobile_app(&mut chance), browser(&mut chance)];
        let address = address::carrier(chance.below(3));
        let sender = Sender { client: devices[0].clone(), credential, address };
        let session = *chance.pick(world.tenant(tenant).live());
        let (pages_here, pages_left) = (chance.between(4, 14), chance.between(60, 140));
        let asks = VecDeque::new();
        Self { devices, sender, chance, tenant, session, place: 0, pages_here, asks, pages_left }
    }

    fn open_page(&mut self, world: &World) {
        let tenant = world.tenant(self.tenant);
        if self.chance.percent(15) {
            let all = if self.chance.percent(75) { tenant.live() } else { tenant.past() };
            self.session = *self.chance.pick(all);
            self.asks.push_back((target::session(self.session), false));
            self.asks.push_back((target::page(self.session, "report"), false));
            self.asks.push_back((target::page(self.session, "moments"), false));
        } else {
            self.asks.push_back((target::page(self.session, "report"), true));
            self.asks.push_back((target::page(self.session, "trend"), true));
        }
    }

    /// Gets off, checks in, opens the laptop or shuts it.
    fn move_on(&mut self) {
        self.place += 1;
        self.pages_here = self.chance.between(4, 14);
        let is_phone = self.chance.percent(60);
        self.sender.client = self.devices[usize::from(!is_phone)].clone();
        self.sender.address = match self.chance.below(10) {
            0..4 => address::carrier(self.chance.below(3)),
            4..9 => address::home(&mut self.chance),
            _ => address::server(&mut self.chance),
        };
    }
}

impl Actor for TravellingOwner {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        if self.asks.is_empty() {
            self.open_page(world);
        }
        let (target, is_again) =
            self.asks.pop_front().unwrap_or_else(|| (target::session(self.session), false));
        let request = if is_again {
            let has_changed = self.chance.percent(70);
            self.sender.get_again(target, has_changed, self.chance.next())
        } else {
            self.sender.get(target, 200)
        };
        let request = request.in_visit(self.place);
        if !self.asks.is_empty() {
            return (request, Some(now_ms + self.chance.between(2, 200)));
        }
        self.pages_left -= 1;
        self.pages_here -= 1;
        if self.pages_here == 0 {
            self.move_on();
        }
        (request, (self.pages_left > 0).then_some(now_ms + self.chance.pause_ms(20_000)))
    }
}
