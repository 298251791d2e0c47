//! Attackers who look for credentials.

use std::net::IpAddr;

use crate::address;
use crate::chance::Chance;
use crate::client::{browser, disguised};
use crate::sender::{Actor, Request, Sender};
use crate::target::{self, Target};
use crate::world::{Credential, World};

/// Tries made up keys on a cheap page, each from another /64 of its /48, so that no address fails
/// twice. No guess is ever right, and each is work at the door.
#[derive(Debug)]
pub(crate) struct KeyGuesser {
    sender: Sender,
    chance: Chance,
    site: u16,
    period_ms: u64,
    left: u64,
}

impl KeyGuesser {
    pub(crate) fn new(index: u64, mut chance: Chance) -> Self {
        let site = u16::try_from(index % 4_096).unwrap_or(0);
        let client = disguised(u8::try_from(chance.below(2)).unwrap_or(0), &mut chance);
        let address = address::hopping(site, &mut chance);
        let (period_ms, left) = (chance.between(200, 900), chance.between(1_500, 4_000));
        Self {
            sender: Sender { client, credential: Credential::none(), address },
            chance,
            site,
            period_ms,
            left,
        }
    }
}

impl Actor for KeyGuesser {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        self.sender.address = address::hopping(self.site, &mut self.chance);
        self.sender.credential = Credential::made_up_key(&mut self.chance);
        let request = self.sender.get(Target::of("/v1/rankings"), 200);
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 60);
        (request.worthless(), (self.left > 0).then_some(next_ms))
    }
}

/// Tries tokens and keys out of lists of other leaks, dressed as a browser field by field, from a
/// dozen rented lines, with pauses like a person's between small runs. One in some hundred was good
/// once; none is now.
#[derive(Debug)]
pub(crate) struct CredentialStuffer {
    sender: Sender,
    chance: Chance,
    lines: Vec<IpAddr>,
    left: u64,
}

impl CredentialStuffer {
    pub(crate) fn new(mut chance: Chance) -> Self {
        let lines: Vec<IpAddr> = (0..12).map(|_| address::proxy(&mut chance)).collect();
        let sender =
            Sender { client: browser(&mut chance), credential: Credential::none(), address: lines[0] };
        let left = chance.between(800, 2_000);
        Self { sender, chance, lines, left }
    }
}

impl Actor for CredentialStuffer {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let is_token = self.chance.percent(60);
        self.sender.credential = if is_token {
            Credential::dead_token(&mut self.chance)
        } else {
            Credential::made_up_key(&mut self.chance)
        };
        let wait_ms = if self.left.is_multiple_of(7) {
            self.sender.address = *self.chance.pick(&self.lines);
            self.chance.pause_ms(4_000)
        } else {
            self.chance.between(300, 1_500)
        };
        let tenant = world.tenant(usize::try_from(self.left).unwrap_or(0));
        let id = *self.chance.pick(tenant.live());
        let request = self.sender.get(target::session(id), 404).worthless();
        (request, (self.left > 0).then_some(now_ms + wait_ms))
    }
}
