//! Programs that read public pages, and show nothing.

use crate::address;
use crate::chance::Chance;
use crate::client::{crawler, script};
use crate::sender::{Actor, Request, Sender};
use crate::target::Target;
use crate::world::{Credential, World};

/// A probe: asks whether the gateway lives, and how it stands, every few seconds, for ever.
#[derive(Debug)]
pub(crate) struct Probe {
    sender: Sender,
    chance: Chance,
    period_ms: u64,
    is_status_next: bool,
}

impl Probe {
    pub(crate) fn new(mut chance: Chance) -> Self {
        let client = script(&mut chance).named("Prometheus-Blackbox/0.25");
        let sender = Sender { client, credential: Credential::none(), address: address::server(&mut chance) };
        let period_ms = *chance.pick(&[5_000, 10_000, 15_000]);
        Self { sender, chance, period_ms, is_status_next: false }
    }
}

impl Actor for Probe {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        let path = if self.is_status_next { "/v1/status" } else { "/healthz" };
        let wait_ms = if self.is_status_next { self.period_ms } else { 20 };
        self.is_status_next = !self.is_status_next;
        (self.sender.get(Target::of(path), 200), Some(now_ms + self.chance.about_ms(wait_ms, 1)))
    }
}

/// A search engine's crawler, as it says it is: public pages only, some a minute, from several machines.
#[derive(Debug)]
pub(crate) struct Crawler {
    sender: Sender,
    chance: Chance,
    is_google: bool,
}

impl Crawler {
    pub(crate) fn new(index: u64, mut chance: Chance) -> Self {
        let is_google = index.is_multiple_of(2);
        let address = if is_google { address::google(&mut chance) } else { address::bing(&mut chance) };
        let sender = Sender { client: crawler(is_google), credential: Credential::none(), address };
        Self { sender, chance, is_google }
    }
}

impl Actor for Crawler {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        if self.chance.percent(10) {
            let find = if self.is_google { address::google } else { address::bing };
            self.sender.address = find(&mut self.chance);
        }
        let path =
            *self.chance.pick(&["/v1/docs", "/v1/docs", "/v1/openapi.json", "/v1/status", "/robots.txt"]);
        let status = if path == "/robots.txt" { 404 } else { 200 };
        (self.sender.get(Target::of(path), status), Some(now_ms + self.chance.pause_ms(15_000)))
    }
}
