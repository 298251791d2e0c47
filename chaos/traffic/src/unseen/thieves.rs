//! Thieves of other habits than those that rules are tuned with. What they show is taken.

use std::net::IpAddr;

use crate::address;
use crate::chance::Chance;
use crate::client::{Client, browser, disguised, script};
use crate::hostile::Victim;
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, BOARDS, TABLES};
use crate::world::{Credential, World};

/// Headless browsers on four servers share one stolen token, and read all sessions of the victim, one
/// after the other, page by page as the web page would, with pauses like a person's. Together they
/// read what no person could: hundreds of sessions, none of them twice.
#[derive(Debug)]
pub(crate) struct HeadlessFleet {
    machines: Vec<Sender>,
    chance: Chance,
    tenant: usize,
    next: usize,
    page: usize,
    left: u64,
}

impl HeadlessFleet {
    pub(crate) fn new(tenant: usize, credential: &Credential, mut chance: Chance) -> Self {
        let machine = |chance: &mut Chance| Sender {
            client: disguised(2, chance),
            credential: credential.clone(),
            address: address::server(chance),
        };
        let machines = (0..4).map(|_| machine(&mut chance)).collect();
        let (next, left) = (usize::try_from(chance.below(300)).unwrap_or(0), chance.between(600, 1_500));
        Self { machines, chance, tenant, next, page: 0, left }
    }
}

impl Actor for HeadlessFleet {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let sessions = &world.tenant(self.tenant).sessions;
        let page = ["report", "trend", "moments", "topics"][self.page];
        let target = target::page(sessions[self.next % sessions.len()], page);
        let machine = &self.machines[self.next % self.machines.len()];
        let request = machine.get(target, 200).worthless();
        self.page += 1;
        let wait_ms = if self.page == 4 {
            (self.page, self.next) = (0, self.next + 1);
            // Four people's pauses, side by side.
            self.chance.pause_ms(2_500)
        } else {
            self.chance.between(20, 200)
        };
        (request, (self.left > 0).then_some(now_ms + wait_ms))
    }
}

/// One stolen token, sold to many: used from fifty networks under fifty browsers' names, each of which
/// reads a little of everything. Nobody is in fifty places.
#[derive(Debug)]
pub(crate) struct SharedToken {
    places: Vec<Sender>,
    chance: Chance,
    tenant: usize,
    left: u64,
}

impl SharedToken {
    pub(crate) fn new(tenant: usize, credential: &Credential, mut chance: Chance) -> Self {
        let place = |chance: &mut Chance| Sender {
            client: browser(chance),
            credential: credential.clone(),
            address: address::proxy(chance),
        };
        let places = (0..50).map(|_| place(&mut chance)).collect();
        let left = chance.between(400, 900);
        Self { places, chance, tenant, left }
    }
}

impl Actor for SharedToken {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let tenant = world.tenant(self.tenant);
        let target = match self.chance.below(10) {
            0..6 => target::page(*self.chance.pick(&tenant.sessions), "report"),
            6..8 => target::page(*self.chance.pick(tenant.live()), "trend"),
            8 => target::board(self.chance.pick::<&str>(&BOARDS), "day", 0),
            _ => target::sessions(self.chance.pick(&tenant.anchors).as_str(), None),
        };
        let place = self.chance.pick(&self.places);
        let request = place.get(target, 200).worthless();
        let wait_ms = self.chance.pause_ms(4_000);
        (request, (self.left > 0).then_some(now_ms + wait_ms))
    }
}

/// A competitor with a stolen key: after a long sleep, with a request or two to see whether the key is
/// still taken, it fetches all boards to the last page and all exports, in minutes.
#[derive(Debug)]
pub(crate) struct BurstExporter {
    sender: Sender,
    chance: Chance,
    looks_left: u64,
    item: usize,
    page: u64,
    left: u64,
}

impl BurstExporter {
    pub(crate) fn new(victim: Victim, world: &World, mut chance: Chance) -> Self {
        let credential = Credential::key(world, victim.tenant, victim.key);
        let sender = Sender { client: script(&mut chance), credential, address: address::proxy(&mut chance) };
        let left = chance.between(200, 500);
        Self { sender, chance, looks_left: 2, item: 0, page: 0, left }
    }
}

impl Actor for BurstExporter {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        if self.looks_left > 0 {
            self.looks_left -= 1;
            let request = self.sender.get(target::board(BOARDS[0], "day", 0), 200).worthless();
            return (request, Some(now_ms + self.chance.between(900_000, 1_500_000)));
        }
        self.left -= 1;
        let kinds = BOARDS.len() + TABLES.len();
        let item = self.item % kinds;
        let target = match item.checked_sub(BOARDS.len()) {
            None => target::board(BOARDS[item], "month", self.page),
            Some(table) => target::export(TABLES[table], "csv", self.page),
        };
        self.page += 1;
        if self.page == 20 {
            (self.page, self.item) = (0, self.item + 1);
        }
        let request = self.sender.get(target, 200).worthless();
        (request, (self.left > 0).then_some(now_ms + self.chance.between(60, 300)))
    }
}

/// Has a merchant's key and takes its sessions as points of departure: for each it tries the ids
/// around, up and down, a little further each time, to learn which ids there are and whose figures
/// leak. Mostly 404, in no plain order, at some seconds each.
#[derive(Debug)]
pub(crate) struct Neighbourhood {
    client: Client,
    addresses: Vec<IpAddr>,
    credential: Credential,
    chance: Chance,
    tenant: usize,
    next: usize,
    distance: u64,
    left: u64,
}

impl Neighbourhood {
    pub(crate) fn new(victim: Victim, world: &World, mut chance: Chance) -> Self {
        let credential = Credential::key(world, victim.tenant, victim.key);
        let client = disguised(1, &mut chance);
        let addresses = (0..3).map(|_| address::proxy(&mut chance)).collect();
        let left = chance.between(300, 900);
        let next = usize::try_from(chance.below(300)).unwrap_or(0);
        Self { client, addresses, credential, chance, tenant: victim.tenant, next, distance: 1, left }
    }
}

impl Actor for Neighbourhood {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let tenant = world.tenant(self.tenant);
        let centre = tenant.sessions[self.next % tenant.sessions.len()];
        let id = if self.chance.percent(50) { centre + self.distance } else { centre - self.distance };
        if self.chance.percent(50) {
            self.distance += 1;
        }
        if self.distance > 6 {
            (self.distance, self.next) = (1, self.next + 1);
        }
        let sender = Sender {
            client: self.client.clone(),
            credential: self.credential.clone(),
            address: *self.chance.pick(&self.addresses),
        };
        let request = sender.get(target::session(id), tenant.status(id)).worthless();
        (request, (self.left > 0).then_some(now_ms + self.chance.pause_ms(3_000)))
    }
}
