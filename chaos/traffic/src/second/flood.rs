//! Attackers who want nothing but that it costs.

use crate::address;
use crate::chance::Chance;
use crate::client::{disguised, page_view, script};
use crate::hostile::Victim;
use crate::sender::{Actor, Request, Sender};
use crate::target::{BOARDS, Target};
use crate::world::{Credential, World};

/// Hired to make a platform slow on the evening of a sale (OAT-015, API4): with a stolen key, over 20 to
/// 40 rented lines, some a second, only questions that are dear and that no cache has: a report as it
/// was at a moment drawn at random, trends in the finest step by item, nine sessions side by side, old
/// editions under filters that nobody combines. No question comes twice.
///
/// The harm: work. What gives it away: each request is the dearest of its kind, at times and in
/// combinations that no screen shows, and its answers are of no use to each other.
#[derive(Debug)]
pub(crate) struct CacheBuster {
    lines: Vec<Sender>,
    chance: Chance,
    tenant: usize,
    period_ms: u64,
    left: u64,
}

impl CacheBuster {
    pub(crate) fn new(victim: Victim, world: &World, mut chance: Chance) -> Self {
        let credential = Credential::key(world, victim.tenant, victim.key);
        let client = if chance.percent(50) { script(&mut chance) } else { disguised(1, &mut chance) };
        let count = chance.between(20, 40);
        let lines = (0..count).map(|_| Sender {
            client: client.clone(),
            credential: credential.clone(),
            address: address::proxy(&mut chance),
        });
        let lines = lines.collect();
        let (period_ms, left) = (chance.between(150, 500), chance.between(1_500, 4_000));
        Self { lines, chance, tenant: victim.tenant, period_ms, left }
    }

    fn question(&mut self, now_ms: u64, world: &World) -> Target {
        let sessions = &world.tenant(self.tenant).sessions;
        let id = *self.chance.pick(sessions);
        // Somewhere in the last three days.
        let at_ms = now_ms - self.chance.below(259_200_000);
        match self.chance.below(10) {
            0..3 => {
                let query = format!("breakdowns=source,item,channel,fan,region,device&at={at_ms}");
                Target::with(format!("/v1/sessions/{id}/report"), query)
            }
            3..6 => {
                let by = *self.chance.pick(&["item", "region", "device", "source"]);
                let query = format!("metrics=views,viewers,gmv_fen&step=10s&by={by}&from={at_ms}");
                Target::with(format!("/v1/sessions/{id}/trend"), query)
            }
            6..8 => {
                let others: Vec<String> = (0..9).map(|_| self.chance.pick(sessions).to_string()).collect();
                let query = format!("with={}&align=start&at={}", others.join(","), at_ms % 7_200_000);
                Target::with(format!("/v1/sessions/{id}/compare"), query)
            }
            8 => Target::with(format!("/v1/sessions/{id}/explain"), format!("from={at_ms}&to={now_ms}")),
            _ => {
                let board = *self.chance.pick(&BOARDS);
                let tier = *self.chance.pick(&["nano", "micro", "mid", "macro", "mega"]);
                let query = format!(
                    "period=month&fan_tier={tier}&category=c{}&region=r{}&edition={at_ms}&limit=1000",
                    self.chance.below(40),
                    self.chance.below(34)
                );
                Target::with(format!("/v1/rankings/{board}"), query)
            }
        }
    }
}

impl Actor for CacheBuster {
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let target = self.question(now_ms, world);
        let request = self.chance.pick(&self.lines).get(target, 200).worthless();
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 60);
        (request, (self.left > 0).then_some(next_ms))
    }
}

/// A hired network of 150 to 400 machines of other people (OAT-015), with nothing to show: the largest
/// public pages under browsers' heads, each time with another query so that nothing on the way keeps
/// the answer. A machine asks once a minute or so; together they are some a second, for ten minutes.
///
/// The harm: bandwidth and connections. What gives it away: people read the description of an API once,
/// and no link to it has a query.
#[derive(Debug)]
pub(crate) struct PublicFlood {
    machines: Vec<Sender>,
    chance: Chance,
    period_ms: u64,
    left: u64,
}

impl PublicFlood {
    pub(crate) fn new(mut chance: Chance) -> Self {
        let count = chance.between(150, 400);
        let machine = |chance: &mut Chance| Sender {
            client: page_view(chance),
            credential: Credential::none(),
            address: address::proxy(chance),
        };
        let machines = (0..count).map(|_| machine(&mut chance)).collect();
        let left = chance.between(1_500, 3_000);
        Self { machines, chance, period_ms: 60_000 / count, left }
    }
}

impl Actor for PublicFlood {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let path = *self.chance.pick(&["/v1/openapi.json", "/v1/openapi.json", "/v1/docs", "/v1/status"]);
        let name = *self.chance.pick(&["_", "v", "t", "q"]);
        let target = Target::with(path, format!("{name}={}", self.chance.text(10)));
        let request = self.chance.pick(&self.machines).get(target, 200).worthless();
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 80);
        (request, (self.left > 0).then_some(next_ms))
    }
}
