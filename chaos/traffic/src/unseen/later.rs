//! Attackers written after the rules were tuned.

use crate::address;
use crate::chance::Chance;
use crate::client::{browser, mobile_app, script};
use crate::hostile::Victim;
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, BOARDS};
use crate::world::{Credential, World};

/// Somebody has built a stolen key into an app of his own: some hundred people on phones everywhere
/// read the victim's live figures, with pauses like anybody's. Each of them means no harm; the app
/// lives off somebody else's key.
#[derive(Debug)]
pub(crate) struct LeechApp {
    phones: Vec<Sender>,
    chance: Chance,
    tenant: usize,
    left: u64,
}

impl LeechApp {
    pub(crate) fn new(victim: Victim, world: &World, mut chance: Chance) -> Self {
        let client = mobile_app(&mut chance);
        let credential = Credential::key(world, victim.tenant, victim.key);
        let count = chance.between(100, 300);
        let phones = (0..count).map(|_| Sender {
            client: client.clone(),
            credential: credential.clone(),
            address: if chance.percent(40) {
                address::carrier(chance.below(3))
            } else {
                address::home(&mut chance)
            },
        });
        let phones = phones.collect();
        let left = chance.between(400, 1_000);
        Self { phones, chance, tenant: victim.tenant, left }
    }
}

impl Actor for LeechApp {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let id = *self.chance.pick(world.tenant(self.tenant).live());
        let request = self.chance.pick(&self.phones).get(target::page(id, "report"), 200).worthless();
        (request, (self.left > 0).then_some(now_ms + self.chance.pause_ms(2_000)))
    }
}

/// Some hundred machines of other people, each with a browser's head and another dead token, try one
/// request in ten minutes or so each: never two failures near each other from one address. No try
/// can succeed; somebody waits for the one that does.
#[derive(Debug)]
pub(crate) struct PatientBotnet {
    machines: Vec<Sender>,
    chance: Chance,
    next: usize,
    period_ms: u64,
}

impl PatientBotnet {
    pub(crate) fn new(mut chance: Chance) -> Self {
        let count = chance.between(200, 500);
        let machine = |chance: &mut Chance| Sender {
            client: browser(chance),
            credential: Credential::dead_token(chance),
            address: address::proxy(chance),
        };
        let machines = (0..count).map(|_| machine(&mut chance)).collect();
        Self { machines, chance, next: 0, period_ms: 600_000 / count }
    }
}

impl Actor for PatientBotnet {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.next = (self.next + 1) % self.machines.len();
        self.machines[self.next].credential = Credential::dead_token(&mut self.chance);
        let tenant = usize::try_from(self.chance.below(world.tenants.len() as u64)).unwrap_or(0);
        let id = *self.chance.pick(world.tenant(tenant).live());
        let request = self.machines[self.next].get(target::page(id, "report"), 200).worthless();
        (request, Some(now_ms + self.chance.about_ms(self.period_ms, 60)))
    }
}

/// With a stolen key, from a server: the lists of all anchors page by page, and their scores and
/// audiences, and places on boards. No session is opened; what is taken is who is who.
#[derive(Debug)]
pub(crate) struct ListHarvester {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    step: u64,
    period_ms: u64,
}

impl ListHarvester {
    pub(crate) fn new(victim: Victim, world: &World, mut chance: Chance) -> Self {
        let credential = Credential::key(world, victim.tenant, victim.key);
        let sender =
            Sender { client: script(&mut chance), credential, address: address::server(&mut chance) };
        let period_ms = chance.between(500, 2_500);
        Self { sender, chance, tenant: victim.tenant, step: 0, period_ms }
    }
}

impl Actor for ListHarvester {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        let anchors = &world.tenant(self.tenant).anchors;
        let count = anchors.len() as u64 * 10;
        let anchor = &anchors[usize::try_from(self.step / 10).unwrap_or(0) % anchors.len()];
        let target = match self.step % 10 {
            page @ 0..6 => target::sessions(anchor, Some(page)),
            6 => target::anchor(anchor, "score"),
            7 => target::anchor(anchor, "audience"),
            8 => target::anchor(anchor, "sessions"),
            _ => target::subject(self.chance.pick::<&str>(&BOARDS), anchor),
        };
        self.step += 1;
        let request = self.sender.get(target, 200).worthless();
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 50);
        (request, (self.step < count).then_some(next_ms))
    }
}
