//! People: they open pages, each of which asks for several things at once, and then look.

use std::collections::VecDeque;

use crate::Family;
use crate::address;
use crate::chance::Chance;
use crate::client::{browser, mobile_app};
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, BOARDS, Target};
use crate::world::{Credential, World};

/// A person with a token, or with one that has run out.
///
/// - A viewer, or somebody behind a carrier: opens sessions of the tenant, mostly live ones, looks at
///   the report again every few seconds to minutes, at boards, anchors, comparisons.
/// - On the night shift: the same few sessions, all night, seldom.
/// - The impatient: the same report three times a second, for one to three minutes.
/// - The archivist: some 80 past sessions one by one, some seconds each, never one twice.
/// - A screen: a stream that is opened again now and then, and the report each 10 to 30 s.
/// - Some are on the move: out of the house a phone goes from its line to a carrier's address in the
///   middle of a page, and some come back at another device with the same token.
/// - A forgotten tab: the token has run out. The page tries some times, slower and slower, then asks
///   for a login. Nothing is answered but 401, and nobody means harm.
#[derive(Debug)]
pub(crate) struct Person {
    family: Family,
    sender: Sender,
    chance: Chance,
    tenant: usize,
    visit: u32,
    visits_left: u64,
    pages_left: u64,
    /// How long this person looks at a page, in the median.
    pause_ms: u64,
    /// What the page that is open still has to ask for.
    asks: VecDeque<Ask>,
    session: u64,
    /// How many tries a forgotten tab has made.
    tries: u32,
    /// Which past session the archivist opens next.
    next_past: usize,
}

#[derive(Debug)]
struct Ask {
    target: Target,
    /// Asked before, so it may not have changed.
    is_again: bool,
}

impl Person {
    /// The `index`th person of a family, out of `chance`.
    pub(crate) fn new(family: Family, index: u64, world: &World, mut chance: Chance) -> Self {
        let tenant = usize::try_from(chance.below(world.tenants.len() as u64)).unwrap_or(0);
        let is_mobile = family == Family::BehindCarrier || (family == Family::Viewer && chance.percent(35));
        let client = if is_mobile { mobile_app(&mut chance) } else { browser(&mut chance) };
        let address = match family {
            Family::BehindCarrier => address::carrier(index / 300),
            Family::Screen | Family::NightShift => address::office(tenant),
            Family::Viewer if chance.percent(20) => address::office(tenant),
            _ => address::home(&mut chance),
        };
        let credential = Credential::token(world, tenant, (family as u64) << 32 | index);
        let credential = if family == Family::ForgottenTab { credential.refused() } else { credential };
        let (visits_left, pages_left, pause_ms) = match family {
            Family::NightShift => (1, u64::MAX, chance.between(30_000, 60_000)),
            Family::Impatient => (1, chance.between(180, 540), 330),
            Family::Archivist => (1, chance.between(70, 90), chance.between(6_000, 12_000)),
            // Has used the token for long when the thief comes, as people have.
            Family::Robbed => (1, chance.between(80, 200), chance.between(8_000, 15_000)),
            Family::Screen => (1, u64::MAX, chance.between(10_000, 30_000)),
            Family::ForgottenTab => (1, chance.between(6, 14), 2_000),
            _ => (chance.between(1, 2), chance.between(3, 14), chance.between(8_000, 25_000)),
        };
        let mut person = Self {
            family,
            sender: Sender { client, credential, address },
            tenant,
            visit: 0,
            visits_left,
            pages_left,
            pause_ms,
            asks: VecDeque::new(),
            session: 0,
            tries: 0,
            next_past: usize::try_from(chance.below(200)).unwrap_or(0),
            chance,
        };
        person.session = *person.chance.pick(world.tenant(tenant).live());
        person
    }

    /// The person whose token the thief with this credential uses.
    pub(crate) fn robbed(
        tenant: usize,
        credential: Credential,
        index: u64,
        world: &World,
        chance: Chance,
    ) -> Self {
        let mut person = Self::new(Family::Robbed, index, world, chance);
        person.tenant = tenant;
        person.sender.credential = credential;
        person.session = *person.chance.pick(world.tenant(tenant).live());
        person
    }

    /// The person in whose browser something else lives, too: stays for long.
    pub(crate) fn beset(tenant: usize, browser: Sender, index: u64, world: &World, chance: Chance) -> Self {
        let mut person = Self::robbed(tenant, browser.credential.clone(), index, world, chance);
        person.pages_left = person.chance.between(200, 400);
        person.sender = browser;
        person
    }

    /// What it sends with, where it is now.
    pub(crate) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Whose sessions it looks at.
    pub(crate) fn tenant(&self) -> usize {
        self.tenant
    }

    fn ask(&mut self, target: Target, is_again: bool) {
        self.asks.push_back(Ask { target, is_again });
    }

    fn open_page(&mut self, world: &World) {
        let tenant = world.tenant(self.tenant);
        match self.family {
            Family::Impatient | Family::ForgottenTab => self.ask(target::page(self.session, "report"), true),
            Family::Screen => {
                if self.tries == 0 || self.chance.percent(2) {
                    self.ask(target::page(self.session, "stream"), false);
                }
                self.ask(target::page(self.session, "report"), true);
                self.tries += 1;
            }
            Family::Archivist => {
                let past = tenant.past();
                let id = past[self.next_past % past.len()];
                self.next_past += 1;
                self.ask(target::page(id, "report"), false);
                self.ask(target::page(id, "trend"), false);
                if self.chance.percent(20) {
                    self.ask(target::page(id, "moments"), false);
                }
            }
            Family::NightShift => {
                if self.chance.percent(25) {
                    self.session = *self.chance.pick(tenant.live());
                }
                self.ask(target::page(self.session, "report"), true);
                self.ask(target::page(self.session, "trend"), true);
            }
            _ => self.open_any_page(world),
        }
    }

    fn open_any_page(&mut self, world: &World) {
        let tenant = world.tenant(self.tenant);
        match self.chance.below(100) {
            // Stays, and looks again.
            0..45 => {
                self.ask(target::page(self.session, "report"), true);
                self.ask(target::page(self.session, "trend"), true);
            }
            45..70 => {
                let all = if self.chance.percent(65) { tenant.live() } else { tenant.past() };
                self.session = *self.chance.pick(all);
                self.ask(target::session(self.session), false);
                for page in ["report", "trend", "moments"] {
                    self.ask(target::page(self.session, page), false);
                }
                if self.chance.percent(40) {
                    self.ask(target::page(self.session, "stream"), false);
                }
            }
            70..80 => {
                let anchor = self.chance.pick(&tenant.anchors).clone();
                self.ask(target::sessions(&anchor, None), false);
                if self.chance.percent(50) {
                    self.ask(target::anchor(&anchor, "score"), false);
                }
            }
            80..92 => {
                let board = *self.chance.pick(&BOARDS);
                self.ask(target::board(board, "day", 0), self.chance.clone().percent(30));
                let anchor = self.chance.pick(&tenant.anchors).clone();
                self.ask(target::subject(board, &anchor), false);
            }
            92..97 => {
                let other = *self.chance.pick(tenant.past());
                self.ask(target::compare(self.session, other), false);
            }
            _ => self.ask(target::page(self.session, "topics"), false),
        }
    }

    /// Goes out, or comes home: at few requests, but so do some of all people in two hours.
    fn move_on(&mut self) {
        if self.family == Family::BehindCarrier && self.chance.permille(8) {
            self.sender.address = address::home(&mut self.chance);
        } else if self.family == Family::Viewer && self.chance.permille(3) {
            self.sender.address = address::carrier(self.chance.below(3));
        }
    }

    /// How long until the page that is open is left, or looks again by itself.
    fn pause(&mut self) -> u64 {
        match self.family {
            Family::Impatient => self.chance.between(200, 460),
            Family::Screen => self.chance.about_ms(self.pause_ms, 2),
            Family::ForgottenTab => self.chance.about_ms(2_000 << self.tries.min(6), 10),
            _ => self.chance.pause_ms(self.pause_ms),
        }
    }
}

impl Actor for Person {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        if self.asks.is_empty() {
            self.open_page(world);
            self.pages_left = self.pages_left.saturating_sub(1);
        }
        let ask = self.asks.pop_front();
        let Ask { target, is_again } =
            ask.unwrap_or_else(|| Ask { target: target::session(self.session), is_again: false });
        let request = if is_again && self.family != Family::ForgottenTab {
            // A live session has mostly moved on; boards and past ones have not.
            let has_changed = self.chance.percent(70);
            self.sender.get_again(target, has_changed, self.chance.next())
        } else {
            // Now and then a link is old.
            let status = if self.chance.permille(4) { 404 } else { 200 };
            self.sender.get(target, status)
        };
        let request = request.in_visit(self.visit);
        self.move_on();
        if self.family == Family::ForgottenTab {
            self.tries += 1;
        }
        if !self.asks.is_empty() {
            return (request, Some(now_ms + self.chance.between(2, 140)));
        }
        if self.pages_left > 0 {
            return (request, Some(now_ms + self.pause()));
        }
        self.visits_left = self.visits_left.saturating_sub(1);
        if self.visits_left == 0 {
            return (request, None);
        }
        self.visit += 1;
        self.pages_left = self.chance.between(3, 14);
        if self.chance.percent(15) {
            // At another device.
            self.sender.client = if self.chance.percent(50) {
                mobile_app(&mut self.chance)
            } else {
                browser(&mut self.chance)
            };
            self.sender.address = address::home(&mut self.chance);
        }
        (request, Some(now_ms + self.chance.between(1_800_000, 3_600_000)))
    }
}
