//! Attackers with accounts of their own, got by trial, trade or purchase: each is let in, and by right.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};

use crate::Family;
use crate::address;
use crate::chance::Chance;
use crate::client::{browser, mobile_app, script, server};
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, BOARDS, TABLES, Target};
use crate::world::{Credential, World};

/// The periods that a board is kept for.
const PERIODS: [&str; 4] = ["hour", "day", "week", "month"];

/// A competitor who has opened 8 to 16 trial tenants (OAT-019), each with a key and a rented server of
/// its own, and shares a list of work among them (OAT-011): every board in every period, from the first
/// page to the thirtieth. Each account asks every 4 to 30 s or so, as a small tenant might.
///
/// The harm: together they copy all that the platform publishes, again and again, and no quota of a
/// tenant is touched. What gives it away: pages go on to the end of what there is, where even an analyst
/// stops at half; accounts that own nothing and look at nothing of their own; slices of one whole, which
/// do not overlap before all is copied once.
#[derive(Debug)]
pub(crate) struct TrialSwarm {
    accounts: Vec<Account>,
    chance: Chance,
    period_ms: u64,
    left: u64,
}

#[derive(Debug)]
struct Account {
    sender: Sender,
    /// Which list it works at: a board in a period.
    list: usize,
    page: u64,
}

impl TrialSwarm {
    pub(crate) fn new(index: u64, world: &World, mut chance: Chance) -> Self {
        let count = chance.between(8, 16);
        let account = |(list, number): (usize, u64), chance: &mut Chance| Account {
            sender: Sender {
                // Rented machines are set up by one hand, though not all on one day.
                client: if chance.percent(50) { script(chance) } else { server(chance) },
                credential: Credential::own_key(world, "trial", index * 100 + number),
                address: address::server(chance),
            },
            list,
            page: 0,
        };
        let accounts = (0..).zip(0..count).map(|numbers| account(numbers, &mut chance)).collect();
        let (period_ms, left) = (chance.between(500, 2_000), chance.between(700, 1_500));
        Self { accounts, chance, period_ms, left }
    }
}

impl Actor for TrialSwarm {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let count = self.accounts.len();
        let turn = usize::try_from(self.chance.below(count as u64)).unwrap_or(0);
        let account = &mut self.accounts[turn];
        let board = BOARDS[account.list % BOARDS.len()];
        let period = PERIODS[account.list / BOARDS.len() % PERIODS.len()];
        let request = account.sender.get(target::board(board, period, account.page), 200).worthless();
        account.page += 1;
        if account.page == 30 {
            (account.page, account.list) = (0, account.list + count);
        }
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 70);
        (request, (self.left > 0).then_some(next_ms))
    }
}

/// A small shop that buys views (OAT-016, OAT-003; API6): 30 to 80 phones in a rack, behind lines and
/// carriers, send made up events of its session with the shop's own key, all in a wave of some seconds,
/// one every one to three minutes. After each wave its owner looks where the shop now stands.
///
/// The harm: boards that others pay for are falsified. What gives it away: tens of phones in the same
/// seconds, then none, to a clock; a body for each event, where applications gather a second or two;
/// people's phones have no reason to hold a tenant's key.
#[derive(Debug)]
pub(crate) struct ViewFarm {
    phones: Vec<Sender>,
    office: Sender,
    chance: Chance,
    anchor: String,
    period_ms: u64,
    began_ms: Option<u64>,
    next: usize,
    waves_left: u64,
}

impl ViewFarm {
    pub(crate) fn new(index: u64, world: &World, mut chance: Chance) -> Self {
        let credential = Credential::own_key(world, "shop", index);
        // One app, installed on all of them.
        let client = mobile_app(&mut chance);
        let count = chance.between(30, 80);
        let phones = (0..count).map(|_| Sender {
            client: client.clone(),
            credential: credential.clone(),
            address: if chance.percent(50) {
                address::carrier(chance.below(3))
            } else {
                address::proxy(&mut chance)
            },
        });
        let phones = phones.collect();
        let office = Sender { client: script(&mut chance), credential, address: address::home(&mut chance) };
        let anchor = format!("a{}", chance.between(20_000_000, 99_999_999));
        let (period_ms, waves_left) = (chance.between(60_000, 180_000), chance.between(10, 20));
        Self { phones, office, chance, anchor, period_ms, began_ms: None, next: 0, waves_left }
    }

    fn event(&mut self) -> Request {
        let mut request = self.phones[self.next].get(Target::of("/v1/events"), 202);
        request.method = Method::POST;
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        if let Ok(key) = HeaderValue::from_str(&self.chance.hexadecimal(32)) {
            request.headers.insert("idempotency-key", key);
        }
        request
    }
}

impl Actor for ViewFarm {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        let began_ms = *self.began_ms.get_or_insert(now_ms);
        if self.next < self.phones.len() {
            let request = self.event().worthless();
            self.next += 1;
            let is_last = self.next == self.phones.len();
            let wait_ms =
                if is_last { self.chance.between(6_000, 12_000) } else { self.chance.between(20, 180) };
            return (request, Some(now_ms + wait_ms));
        }
        // Where does the shop stand? Boards of sessions first, then one of anchors.
        let look = self.next - self.phones.len();
        let board = ["session.views", "session.online_peak", "anchor.viewers"][look];
        let request = self.office.get(target::subject(board, &self.anchor), 200).worthless();
        if look < 2 {
            self.next += 1;
            return (request, Some(now_ms + self.chance.between(400, 2_000)));
        }
        self.next = 0;
        self.waves_left -= 1;
        let next_ms = (began_ms + self.period_ms).max(now_ms + 1);
        self.began_ms = Some(next_ms);
        (request, (self.waves_left > 0).then_some(next_ms))
    }
}

/// Has bought a person's account of some agency, and tries by hand, with a little help, whose data opens
/// with it (API1) and which doors of operators are unlocked (API5, OAT-014): a browser, an address that
/// hundreds share, and a request each 10 to 20 s, for an hour or so. A quarter of what it asks is the
/// account's own, to see what a door looks like when it opens.
///
/// The harm: what opens once is emptied next. What gives it away: three of four requests are refused,
/// on pages that no web page links to; others' sessions named in places where only one's own belong.
#[derive(Debug)]
pub(crate) struct DoorTester {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    left: u64,
}

impl DoorTester {
    pub(crate) fn new(index: u64, tenant: usize, world: &World, mut chance: Chance) -> Self {
        let number = (Family::DoorTester as u64) << 32 | index;
        let credential = Credential::token(world, tenant, number);
        let sender =
            Sender { client: browser(&mut chance), credential, address: address::carrier(chance.below(3)) };
        let left = chance.between(120, 250);
        Self { sender, chance, tenant, left }
    }

    /// A page of its own, or a try at another's or an operator's, and how it is answered.
    fn next(&mut self, world: &World) -> (Target, StatusCode) {
        let own = *self.chance.pick(&world.tenant(self.tenant).sessions);
        if self.chance.percent(25) {
            return (target::page(own, "report"), StatusCode::OK);
        }
        let step = usize::try_from(self.chance.between(1, 20)).unwrap_or(1);
        let other = world.tenant(self.tenant + step);
        let (id, anchor) = (*self.chance.pick(&other.sessions), self.chance.pick(&other.anchors));
        let table = *self.chance.pick(&TABLES);
        match self.chance.below(10) {
            0 => (target::page(id, "rejected"), StatusCode::NOT_FOUND),
            1 => (target::page(id, "explain"), StatusCode::NOT_FOUND),
            // Own in the path, another's behind it.
            2..4 => (target::compare(own, id), StatusCode::NOT_FOUND),
            4 => (target::anchor(anchor, "audience"), StatusCode::NOT_FOUND),
            5 => {
                let query = format!("format=json&tenant={}", other.name);
                (Target::with(format!("/v1/export/{table}"), query), StatusCode::FORBIDDEN)
            }
            6 => (Target::of("/v1/deadletters"), StatusCode::FORBIDDEN),
            7 => (Target::with("/v1/alerts", format!("tenant={}", other.name)), StatusCode::FORBIDDEN),
            8 => {
                let page = *self.chance.pick(&["state", "members", "drills", "switch"]);
                (Target::of(format!("/control/v1/{page}")), StatusCode::NOT_FOUND)
            }
            _ => (target::page(id, "report"), StatusCode::NOT_FOUND),
        }
    }
}

impl Actor for DoorTester {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let (target, status) = self.next(world);
        let mut request = self.sender.get(target, status.as_u16()).worthless();
        if self.chance.percent(10) {
            // Only operators may choose a chain.
            request.headers.insert("tandem-chain", HeaderValue::from_static("b"));
        }
        (request, (self.left > 0).then_some(now_ms + self.chance.pause_ms(9_000)))
    }
}
