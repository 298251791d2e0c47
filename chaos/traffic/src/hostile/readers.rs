//! Thieves who only ask for what their victim may see, and are answered.

use crate::address;
use crate::chance::Chance;
use crate::client::{disguised, script};
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, TABLES};
use crate::world::{Credential, World};

use super::Victim;

/// Took a person's token out of a browser and has a script read the report of every session of the
/// tenant, newest first, one each second or three, from a server; some through rented lines, another
/// after some requests. The person goes on looking.
#[derive(Debug)]
pub(crate) struct StolenToken {
    /// After how many requests it changes its address; 0 where it does not.
    per_address: usize,
    sender: Sender,
    chance: Chance,
    tenant: usize,
    read: usize,
    period_ms: u64,
}

impl StolenToken {
    pub(crate) fn new(tenant: usize, credential: Credential, mut chance: Chance) -> Self {
        let care = u8::try_from(chance.below(3)).unwrap_or(0);
        let client = if chance.percent(40) { script(&mut chance) } else { disguised(care, &mut chance) };
        let sender = Sender { client, credential, address: address::server(&mut chance) };
        let period_ms = chance.between(800, 3_000);
        let per_address = [0, 0, 0, 5, 20][usize::try_from(chance.below(5)).unwrap_or(0)];
        Self { per_address, sender, chance, tenant, read: 0, period_ms }
    }
}

impl Actor for StolenToken {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        let sessions = &world.tenant(self.tenant).sessions;
        let id = sessions[sessions.len() - 1 - self.read % sessions.len()];
        self.read += 1;
        if self.per_address > 0 && self.read.is_multiple_of(self.per_address) {
            self.sender.address = address::proxy(&mut self.chance);
        }
        let request = self.sender.get(target::page(id, "report"), 200).worthless();
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 40);
        (request, (self.read < sessions.len()).then_some(next_ms))
    }
}

/// Has an application's key and draws its exports from a server, a page every 10 to 40 s for as long
/// as it goes: the tenant's business, for a competitor.
#[derive(Debug)]
pub(crate) struct Siphon {
    sender: Sender,
    chance: Chance,
    period_ms: u64,
    page: u64,
}

impl Siphon {
    pub(crate) fn new(victim: Victim, world: &World, mut chance: Chance) -> Self {
        let credential = Credential::key(world, victim.tenant, victim.key);
        let client = if chance.percent(70) { script(&mut chance) } else { disguised(0, &mut chance) };
        let sender = Sender { client, credential, address: address::server(&mut chance) };
        let period_ms = chance.between(10_000, 40_000);
        Self { sender, chance, period_ms, page: 0 }
    }
}

impl Actor for Siphon {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        let table = TABLES[usize::try_from(self.page / 40).unwrap_or(0) % TABLES.len()];
        let request = self.sender.get(target::export(table, "csv", self.page % 40), 200).worthless();
        self.page += 1;
        (request, Some(now_ms + self.chance.about_ms(self.period_ms, 40)))
    }
}
