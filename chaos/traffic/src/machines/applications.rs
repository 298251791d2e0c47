//! Programs of tenants and partners.

use std::net::IpAddr;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::address;
use crate::chance::Chance;
use crate::client::{script, server};
use crate::hostile::Victim;
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, BOARDS, TABLES, Target};
use crate::world::{Credential, World};

/// A partner's server: each minute it reads the reports of what is live, and boards; each request is
/// signed anew.
#[derive(Debug)]
pub(crate) struct Partner {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    /// The ways out of the data centre: requests take one or the other.
    addresses: [IpAddr; 2],
    period_ms: u64,
    began_ms: Option<u64>,
    asked: usize,
}

impl Partner {
    pub(crate) fn new(tenant: usize, mut chance: Chance) -> Self {
        let client = server(&mut chance);
        let addresses = [address::server(&mut chance), address::server(&mut chance)];
        let sender = Sender { client, credential: Credential::none(), address: addresses[0] };
        let period_ms = *chance.pick(&[30_000, 60_000, 60_000, 300_000]);
        Self { sender, chance, tenant, addresses, period_ms, began_ms: None, asked: 0 }
    }
}

impl Actor for Partner {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        let tenant = world.tenant(self.tenant);
        let began_ms = *self.began_ms.get_or_insert(now_ms);
        let lives = tenant.live().len();
        let target = match self.asked {
            asked if asked < lives => target::page(tenant.live()[asked], "report"),
            asked if asked < lives * 2 => target::page(tenant.live()[asked - lives], "trend"),
            asked => target::board(BOARDS[asked % BOARDS.len()], "hour", 0),
        };
        self.sender.address = *self.chance.pick(&self.addresses);
        self.sender.credential = Credential::signed(world, self.tenant, now_ms, &mut self.chance);
        let request = self.sender.get(target, 200);
        self.asked += 1;
        if self.asked < lives * 2 + 4 {
            return (request, Some(now_ms + self.chance.between(15, 60)));
        }
        self.asked = 0;
        let next_ms = began_ms + self.period_ms;
        self.began_ms = Some(next_ms);
        (request, Some(next_ms.max(now_ms + 1)))
    }
}

/// A dashboard: the same 20 to 300 sessions every 1 to 5 s, all at once, over hours or minutes.
#[derive(Debug)]
pub(crate) struct Dashboard {
    sender: Sender,
    chance: Chance,
    ids: Vec<u64>,
    period_ms: u64,
    began_ms: Option<u64>,
    next: usize,
    polls_left: u64,
}

impl Dashboard {
    /// The `index`th: sizes and paces from small and slow to large.
    pub(crate) fn new(index: u64, tenant: usize, world: &World, mut chance: Chance) -> Self {
        let credential = Credential::key(world, tenant, 0);
        let client = script(&mut chance);
        let sender = Sender { client, credential, address: address::office(tenant) };
        let count = [20, 30, 40, 24, 60, 50, 120, 300][usize::try_from(index % 8).unwrap_or(0)];
        let period_ms =
            [2_000, 1_000, 3_000, 5_000, 5_000, 4_000, 5_000, 5_000][usize::try_from(index % 8).unwrap_or(0)];
        let sessions = &world.tenant(tenant).sessions;
        let ids = sessions[sessions.len().saturating_sub(count)..].to_vec();
        // About as many requests each: the large ones are looked at for minutes, the small for longer.
        let polls_left = 1_400 / count as u64 + chance.between(8, 20);
        Self { sender, chance, ids, period_ms, began_ms: None, next: 0, polls_left }
    }
}

impl Actor for Dashboard {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        let began_ms = *self.began_ms.get_or_insert(now_ms);
        let target = target::page(self.ids[self.next], "report");
        let has_changed = self.chance.percent(35);
        let request = self.sender.get_again(target, has_changed, self.chance.next());
        self.next += 1;
        if self.next < self.ids.len() {
            return (request, Some(now_ms + self.chance.between(1, 9)));
        }
        self.next = 0;
        self.polls_left -= 1;
        if self.polls_left == 0 {
            return (request, None);
        }
        let next_ms = began_ms + self.period_ms;
        self.began_ms = Some(next_ms);
        (request, Some(next_ms.max(now_ms + 1)))
    }
}

/// A small application of a tenant: reads what is live some times a minute, now and then a board, an
/// export, a past session. Its key is stolen, and it goes on all the same.
#[derive(Debug)]
pub(crate) struct SmallApplication {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    period_ms: u64,
}

impl SmallApplication {
    pub(crate) fn new(victim: Victim, world: &World, mut chance: Chance) -> Self {
        let credential = Credential::key(world, victim.tenant, victim.key);
        let address =
            if chance.percent(50) { address::office(victim.tenant) } else { address::server(&mut chance) };
        let client = if chance.percent(50) { server(&mut chance) } else { script(&mut chance) };
        let period_ms = chance.between(12_000, 24_000);
        Self { sender: Sender { client, credential, address }, chance, tenant: victim.tenant, period_ms }
    }
}

impl Actor for SmallApplication {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        let tenant = world.tenant(self.tenant);
        let target = match self.chance.below(100) {
            0..85 => target::page(*self.chance.pick(tenant.live()), "report"),
            85..93 => target::board(self.chance.pick::<&str>(&BOARDS), "hour", 0),
            93..96 => target::export(self.chance.pick::<&str>(&TABLES), "json", 0),
            _ => target::page(*self.chance.pick(tenant.past()), "report"),
        };
        (self.sender.get(target, 200), Some(now_ms + self.chance.about_ms(self.period_ms, 20)))
    }
}

/// An application that sends what happens in its sessions, in bodies of a second or two, from the
/// machines that run just then.
#[derive(Debug)]
pub(crate) struct EventSender {
    sender: Sender,
    chance: Chance,
    period_ms: u64,
}

impl EventSender {
    pub(crate) fn new(tenant: usize, world: &World, mut chance: Chance) -> Self {
        let credential = Credential::key(world, tenant, 1);
        let sender =
            Sender { client: server(&mut chance), credential, address: address::server(&mut chance) };
        let period_ms = chance.between(1_000, 3_000);
        Self { sender, chance, period_ms }
    }
}

impl Actor for EventSender {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        let mut request = self.sender.get(Target::of("/v1/events"), 202);
        request.method = Method::POST;
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        if let Ok(key) = HeaderValue::from_str(&self.chance.hexadecimal(32)) {
            request.headers.insert("idempotency-key", key);
        }
        if self.chance.permille(2) {
            // Another machine takes over.
            self.sender.address = address::server(&mut self.chance);
        }
        (request, Some(now_ms + self.chance.about_ms(self.period_ms, 5)))
    }
}

/// A tenant's own engineer: exports all tables page by page, then reads the report of each of the
/// tenant's past sessions once, in order, as fast as answers come. A scraper by its looks, and welcome.
/// Two in ten do it from home, with the key that the dashboard in the office uses: nothing but their
/// right to it tells them from a thief.
#[derive(Debug)]
pub(crate) struct ExportScript {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    table: usize,
    page: u64,
    next_past: usize,
    pages: u64,
    sessions: usize,
}

impl ExportScript {
    pub(crate) fn new(index: u64, tenant: usize, world: &World, mut chance: Chance) -> Self {
        let is_at_home = index % 5 == 4;
        let credential = Credential::key(world, tenant, if is_at_home { 0 } else { 2 });
        let address = if is_at_home { address::home(&mut chance) } else { address::office(tenant) };
        let sender = Sender { client: script(&mut chance), credential, address };
        let pages = chance.between(20, 60);
        let sessions = usize::try_from(chance.between(40, 300)).unwrap_or(40);
        Self { sender, chance, tenant, table: 0, page: 0, next_past: 0, pages, sessions }
    }
}

impl Actor for ExportScript {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        let past = world.tenant(self.tenant).past();
        let (target, is_last) = if self.table < TABLES.len() {
            let target = target::export(TABLES[self.table], "parquet", self.page);
            self.page += 1;
            if self.page == self.pages {
                (self.page, self.table) = (0, self.table + 1);
            }
            (target, false)
        } else {
            self.next_past += 1;
            let id = past[(self.next_past - 1) % past.len()];
            (target::page(id, "report"), self.next_past >= self.sessions)
        };
        let request = self.sender.get(target, 200);
        let next_ms = now_ms + self.chance.between(80, 600);
        (request, (!is_last).then_some(next_ms))
    }
}
