//! Requests that somebody else signed, sent once more.

use std::collections::VecDeque;

use crate::address;
use crate::chance::Chance;
use crate::client::script;
use crate::sender::{Actor, Request, Sender};
use crate::shot::Who;
use crate::target;
use crate::world::{Credential, World};

/// How long a nonce is remembered, and a timestamp taken, in milliseconds.
const TAKEN_MS: u64 = 300_000;

/// Has come by a log of signed requests and sends them again, over and over, from a server of its own.
/// Each was used before: while its time is near that is seen by the nonce, later it is simply too old.
/// Whom it was taken from signs on at the same time and may not feel it.
#[derive(Debug)]
pub(crate) struct Replayer {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    captured: VecDeque<(Credential, u64)>,
    period_ms: u64,
    left: u64,
}

impl Replayer {
    pub(crate) fn new(tenant: usize, mut chance: Chance) -> Self {
        let client = script(&mut chance);
        let sender = Sender { client, credential: Credential::none(), address: address::server(&mut chance) };
        let (period_ms, left) = (chance.between(500, 3_000), chance.between(300, 1_200));
        Self { sender, chance, tenant, captured: VecDeque::new(), period_ms, left }
    }
}

impl Actor for Replayer {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        // Some is captured anew now and then; the last 64 are kept.
        if self.captured.is_empty() || self.chance.percent(10) {
            let fresh = Credential::signed(world, self.tenant, now_ms, &mut self.chance);
            self.captured.push_back((fresh, now_ms));
            if self.captured.len() > 64 {
                self.captured.pop_front();
            }
        }
        let captured: Vec<_> = self.captured.iter().collect();
        let (credential, signed_ms) = *self.chance.pick(&captured);
        self.sender.credential = Credential { who: Who::Failed, ..credential.clone() };
        let replayed = now_ms - signed_ms < TAKEN_MS;
        let id = *self.chance.pick(world.tenant(self.tenant).live());
        let request = self.sender.get(target::page(id, "report"), 200);
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 40);
        (Request { replayed, ..request.worthless() }, (self.left > 0).then_some(next_ms))
    }
}
