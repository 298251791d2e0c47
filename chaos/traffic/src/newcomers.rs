//! People who try the API for the first time.

use crate::address;
use crate::chance::Chance;
use crate::client::{Client, page_view, script};
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, Target};
use crate::world::{Credential, World};

/// A developer of a tenant with a fresh key: reads the pages, opens an address in the browser without
/// a key, tries it by script with none and with a mistyped one, and then does it right. What fails
/// looks like a scraper's request in every way but that there are few.
#[derive(Debug)]
pub(crate) struct Newcomer {
    sender: Sender,
    chance: Chance,
    browser: Client,
    script: Client,
    key: Credential,
    session: u64,
    step: u64,
    /// Steps at which each kind of try ends: pages, address typed, no key, mistyped key, done right.
    ends: [u64; 5],
}

impl Newcomer {
    pub(crate) fn new(index: u64, tenant: usize, world: &World, mut chance: Chance) -> Self {
        let browser = page_view(&mut chance);
        let script = script(&mut chance);
        let address = address::home(&mut chance);
        let key = Credential::key(world, tenant, 10 + index);
        let session = *chance.pick(world.tenant(tenant).live());
        let mut end = 0;
        let ends = [(1, 4), (0, 2), (0, 3), (0, 3), (3, 12)].map(|(low, high)| {
            end += chance.between(low, high);
            end
        });
        let sender = Sender { client: browser.clone(), credential: Credential::none(), address };
        Self { sender, chance, browser, script, key, session, step: 0, ends }
    }
}

impl Actor for Newcomer {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        let kind = self.ends.iter().take_while(|end| **end <= self.step).count();
        self.sender.client = if kind < 2 { self.browser.clone() } else { self.script.clone() };
        self.sender.credential = match kind {
            0..3 => Credential::none(),
            3 => self.key.refused(),
            _ => self.key.clone(),
        };
        let target = match kind {
            0 => Target::of(*self.chance.pick(&["/v1/docs", "/v1/openapi.json", "/v1/status"])),
            _ => target::page(self.session, "report"),
        };
        self.step += 1;
        let next_ms = now_ms + self.chance.pause_ms(15_000);
        (self.sender.get(target, 200), (self.step < self.ends[4]).then_some(next_ms))
    }
}
