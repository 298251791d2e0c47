//! Attackers with what others own, where little looks foreign: the owner's browser, the owner's signature.

use crate::Family;
use crate::address;
use crate::chance::Chance;
use crate::client::{browser, server};
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, TABLES};
use crate::world::{Credential, World};

/// A browser extension that a person installed for its coupons (T1176): while the person looks at live
/// sessions, it opens the tenant's past ones in the background (OAT-011), newest first, each once:
/// report, trend, topics, then 5 to 20 s of rest. Token, line, browser and the order of fields are the
/// person's, and so is the challenge it solves.
///
/// The harm: the tenant's history, sold. What gives it away: three hundred sessions in an hour and
/// none a second time, in strict order, while the same token also looks at live ones, again and again.
#[derive(Debug)]
pub(crate) struct BrowserExtension {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    read: usize,
    page: usize,
    rest_ms: u64,
}

impl BrowserExtension {
    pub(crate) fn new(tenant: usize, host: Sender, mut chance: Chance) -> Self {
        let rest_ms = chance.between(5_000, 20_000);
        Self { sender: host, chance, tenant, read: 0, page: 0, rest_ms }
    }

    /// The browser it lives in: the same for the extension and for the person.
    pub(crate) fn host(tenant: usize, index: u64, world: &World) -> Sender {
        let mut chance = Chance::new(world.seed ^ 0x6578_7465_6e64, index);
        let credential = Credential::token(world, tenant, (Family::BrowserExtension as u64) << 32 | index);
        let client = browser(&mut chance);
        let address = if chance.percent(40) { address::office(tenant) } else { address::home(&mut chance) };
        Sender { client, credential, address }
    }
}

impl Actor for BrowserExtension {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        let past = world.tenant(self.tenant).past();
        let id = past[past.len() - 1 - self.read];
        let page = ["report", "trend", "topics"][self.page];
        let request = self.sender.get(target::page(id, page), 200).worthless();
        self.page += 1;
        if self.page < 3 {
            return (request, Some(now_ms + self.chance.between(30, 300)));
        }
        (self.page, self.read) = (0, self.read + 1);
        let next_ms = now_ms + self.chance.about_ms(self.rest_ms, 50);
        (request, (self.read < past.len()).then_some(next_ms))
    }
}

/// Found a partner's signing secret in a public repository (T1552) and signs with it from a server of
/// its own: fresh times, fresh nonces, signatures that hold. It takes all exports to their last page and
/// then the reports of past sessions, one every 2 to 8 s. The partner signs on beside it.
///
/// The harm: all that the partner may see, for somebody who may not. What gives it away: the partner
/// reads what is live, each minute, from two addresses; this is another machine, another program, pages
/// the partner never asked for, and nothing live.
#[derive(Debug)]
pub(crate) struct LeakedSigner {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    asked: u64,
    pages: u64,
    period_ms: u64,
    left: u64,
}

impl LeakedSigner {
    pub(crate) fn new(tenant: usize, mut chance: Chance) -> Self {
        let client = server(&mut chance);
        let sender = Sender { client, credential: Credential::none(), address: address::server(&mut chance) };
        let (pages, period_ms) = (chance.between(20, 60), chance.between(2_000, 8_000));
        let left = chance.between(400, 900);
        Self { sender, chance, tenant, asked: 0, pages, period_ms, left }
    }
}

impl Actor for LeakedSigner {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let (item, page) = (usize::try_from(self.asked / self.pages).unwrap_or(0), self.asked % self.pages);
        let target = match TABLES.get(item) {
            Some(table) => target::export(table, "csv", page),
            None => {
                let past = world.tenant(self.tenant).past();
                let read = usize::try_from(self.asked).unwrap_or(0)
                    - TABLES.len() * usize::try_from(self.pages).unwrap_or(0);
                target::page(past[past.len() - 1 - read % past.len()], "report")
            }
        };
        self.asked += 1;
        self.sender.credential = Credential::signed(world, self.tenant, now_ms, &mut self.chance);
        let request = self.sender.get(target, 200).worthless();
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 50);
        (request, (self.left > 0).then_some(next_ms))
    }
}
