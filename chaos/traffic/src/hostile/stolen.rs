//! Thieves: what they show is taken, so only what they do gives them away.

use crate::address;
use crate::chance::Chance;
use crate::client::{disguised, script};
use crate::sender::{Actor, Request, Sender};
use crate::target;
use crate::world::{Credential, World};

use super::open::Wish;

/// Whose key was stolen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Victim {
    pub(crate) tenant: usize,
    /// Which of the tenant's keys: 0 is a dashboard's.
    pub(crate) key: u64,
}

/// Walks ids with a stolen key, as fast as answers come, from a server of its own. Ids go up one by
/// one from the victim's sessions or from anywhere, so most are others' and are answered 404. What
/// it gets is the victim's business secrets.
#[derive(Debug)]
pub(crate) struct StolenKey {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    next_id: u64,
    period_ms: u64,
    left: u64,
}

impl StolenKey {
    pub(crate) fn new(victim: Victim, world: &World, mut chance: Chance) -> Self {
        let credential = Credential::key(world, victim.tenant, victim.key);
        let client = if chance.percent(60) { script(&mut chance) } else { disguised(0, &mut chance) };
        let sender = Sender { client, credential, address: address::server(&mut chance) };
        let own = *chance.pick(&world.tenant(victim.tenant).sessions);
        let next_id = if chance.percent(60) { own } else { world.any_id(&mut chance) };
        let (period_ms, left) = (chance.between(200, 2_000), chance.between(300, 1_200));
        Self { sender, chance, tenant: victim.tenant, next_id, period_ms, left }
    }
}

impl Actor for StolenKey {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        self.next_id += 1;
        let status = world.tenant(self.tenant).status(self.next_id);
        let request = self.sender.get(target::page(self.next_id, "report"), status);
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 25);
        (request.worthless(), (self.left > 0).then_some(next_ms))
    }
}

/// A request every 20 to 90 s, day and night, under a browser's name: below any limit of rate. Half
/// of them have a stolen key and walk ids; the others have none and ask all the same.
#[derive(Debug)]
pub(crate) struct LowAndSlow {
    sender: Sender,
    chance: Chance,
    tenant: usize,
    wish: Wish,
    next_id: u64,
    has_key: bool,
    period_ms: u64,
}

impl LowAndSlow {
    pub(crate) fn new(victim: Option<Victim>, world: &World, mut chance: Chance) -> Self {
        let credential = match victim {
            Some(victim) => Credential::key(world, victim.tenant, victim.key),
            None => Credential::none(),
        };
        let care = u8::try_from(chance.below(2)).unwrap_or(0);
        let sender =
            Sender { client: disguised(care, &mut chance), credential, address: address::home(&mut chance) };
        let tenant = victim.map_or(0, |victim| victim.tenant);
        let (wish, next_id) = (Wish::new(world, &mut chance), world.any_id(&mut chance));
        let period_ms = chance.between(20_000, 90_000);
        Self { sender, chance, tenant, wish, next_id, has_key: victim.is_some(), period_ms }
    }
}

impl Actor for LowAndSlow {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        let request = if self.has_key {
            self.next_id += self.chance.between(1, 3);
            let status = world.tenant(self.tenant).status(self.next_id);
            self.sender.get(target::page(self.next_id, "report"), status)
        } else {
            let target = self.wish.next(&mut self.chance);
            self.sender.get(target, 404)
        };
        (request.worthless(), Some(now_ms + self.chance.about_ms(self.period_ms, 50)))
    }
}
