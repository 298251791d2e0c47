//! The shield itself: rules and state put together.
//!
//! Identity comes first. Without a valid credential an address, and all who send headers of one
//! form, answer for what they do; with one, it is the credential as it is used from one network. No
//! state is shared between the two, so that nobody with a good credential pays for what his
//! neighbours do behind the same address.

use std::net::IpAddr;

use http::Method;
use parking_lot::RwLock;

use crate::claims::{Claims, Standing};
use crate::crawlers;
use crate::head::{self, AgentKind, Faults, Shape, Target};
use crate::lists::{Claim, Lists, Network};
use crate::rules::{Inner, Name, Rules, has_path};
use crate::seen::{Caller, Seen, Who};
use crate::state::{Address, Budget, Hashes, History, Pair, ShapeState, Strangeness, Table, VisitKind};
use crate::verdict::{Action, Evidence, Outcome, Ticket, Verdict};
use crate::window::{Signal, of_doings, percent};

mod counts;
mod scoring;

use counts::Tally;
pub use counts::{Counts, RuleCount};
use scoring::Score;

/// Forms of headers that are remembered: there are few, and whoever makes up many gains a little.
const SHAPES: usize = 8_192;
/// From how many addresses on failing requests of one form are one attack that changes addresses. Who
/// stays where he is is told by his address, and does not make others of the same library suspicious.
const NETWORKS_MIN: u32 = 12;
/// How much of a user agent names its program.
const AGENT_BYTES_MAX: usize = 256;

// What a key is of.
const ADDRESS: u8 = 1;
const SHAPE: u8 = 2;
const CREDENTIAL: u8 = 3;
const PAIR: u8 = 4;
const SESSION: u8 = 5;
const NETWORK: u8 = 6;
const AGENT: u8 = 7;

/// How much the shield may remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Addresses (of IPv6: networks of 64 bits). Default 65,536.
    pub addresses: usize,
    /// Credentials, each with its history. Default 16,384.
    pub credentials: usize,
    /// Credentials by network. Default 65,536.
    pub pairs: usize,
    /// Of those, how many may have visited more than some ten sessions each: 2 KiB each. Default
    /// 8,192.
    pub wide: usize,
    /// Addresses that claim to be crawlers and wait for the slow loop. Default 1,024.
    pub claims: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self { addresses: 65_536, credentials: 16_384, pairs: 65_536, wide: 8_192, claims: 1_024 }
    }
}

/// See the head of the crate.
pub struct Shield {
    rules: RwLock<Rules>,
    secret: [u64; 2],
    hashes: Hashes,
    addresses: Table<Address>,
    shapes: Table<ShapeState>,
    credentials: Table<History>,
    pairs: Table<Pair>,
    budget: Budget,
    wide: usize,
    claims: Claims,
    tally: Tally,
}

impl Shield {
    /// With these rules and no memories. `secret` is random, and nobody else's: without it nobody
    /// can aim at places in our tables.
    pub fn new(rules: Rules, memory: Memory, secret: [u64; 2]) -> Self {
        Self {
            rules: RwLock::new(rules),
            secret,
            hashes: Hashes::new(secret),
            addresses: Table::new(memory.addresses),
            shapes: Table::new(SHAPES),
            credentials: Table::new(memory.credentials),
            pairs: Table::new(memory.pairs),
            budget: Budget::new(memory.wide),
            wide: memory.wide,
            claims: Claims::new(memory.claims),
            tally: Tally::default(),
        }
    }

    /// Judges a request. Remembers that it came; what came of it is told to [`Shield::answered`].
    pub fn judge(&self, seen: &Seen<'_>) -> Verdict {
        let rules = self.rules.read().clone();
        let rules = &*rules.inner;
        let caller = seen.who.caller();
        let mut score = Score::new(rules, caller);
        let mut ticket = Ticket { now_ms: seen.now_ms, ..Ticket::default() };
        let mut good_shape = None;
        if caller != Caller::Operator && !has_path(&rules.paths.free, seen.path) {
            let target = head::target(seen, rules);
            // Signed applications are known by their signature, not by their looks.
            let is_disguised = caller != Caller::Signed && self.looks(seen, rules, &mut score);
            let shape = self.shape_key(seen, is_disguised);
            good_shape = caller.is_known().then_some(shape);
            match seen.who {
                Who::Key { id, tenant } | Who::Token { id, tenant } | Who::Signed { id, tenant } => {
                    self.known(seen, (id, tenant), target, rules, &mut score, &mut ticket);
                }
                Who::Nobody | Who::Failed | Who::Operator => {
                    self.unknown(seen, shape, target, rules, &mut score, &mut ticket);
                }
            }
        }
        let verdict = score.verdict(ticket);
        // A thief's use of a good credential does not speak for others who come in the same dress.
        if let Some(shape) = good_shape.filter(|_| verdict.action < Action::Slow) {
            let now_ms = seen.now_ms;
            self.shapes.with(shape, now_ms, ShapeState::default, |state| state.good(now_ms));
        }
        self.tally.judged(&verdict);
        verdict
    }

    /// Takes note of what came of a request that was judged. Without it nothing is known of
    /// sessions that were not found, and of replays.
    pub fn answered(&self, ticket: &Ticket, outcome: Outcome) {
        let now_ms = ticket.now_ms;
        if outcome.replayed {
            self.pairs.with_known(ticket.pair, |pair| pair.replayed(now_ms));
        }
        if !ticket.is_visit {
            return;
        }
        if outcome.ours {
            self.pairs.with_known(ticket.pair, Pair::refused);
            return;
        }
        let is_missing = outcome.status == 404;
        if is_missing {
            self.pairs.with_known(ticket.pair, Pair::missed);
        }
        if ticket.lane != 0 {
            self.credentials.with_known(ticket.lane, |history| history.stranger_visited(is_missing, now_ms));
        }
    }

    /// Takes other rules; all that is remembered stays.
    pub fn replace(&self, rules: Rules) {
        *self.rules.write() = rules;
    }

    /// Takes other lists.
    pub fn take_lists(&self, lists: Lists) {
        self.claims.take_lists(lists);
    }

    /// Addresses that claim to be known crawlers and are not verified yet, the oldest first. Each
    /// is handed out once within ten minutes, unless [`Shield::confirm`] tells what came of it: that
    /// holds for a day.
    pub fn pending(&self) -> Vec<Claim> {
        self.claims.pending()
    }

    /// What the slow loop found about a claim.
    pub fn confirm(&self, address: IpAddr, crawler: &str, is_confirmed: bool, now_ms: u64) {
        self.claims.confirm(address, crawler, is_confirmed, now_ms);
    }

    /// What was done, and how much is remembered.
    pub fn counts(&self) -> Counts {
        let tables = [
            (self.addresses.held(), self.addresses.bytes(), self.addresses.evictions()),
            (self.shapes.held(), self.shapes.bytes(), self.shapes.evictions()),
            (self.credentials.held(), self.credentials.bytes(), self.credentials.evictions()),
            (self.pairs.held(), self.pairs.bytes(), self.pairs.evictions()),
        ];
        let wide_bytes = self.wide.saturating_sub(self.budget.left()).saturating_mul(2_048);
        Counts {
            evictions: tables.iter().map(|(_, _, evictions)| evictions).sum(),
            keys: tables.iter().map(|(held, _, _)| held).sum(),
            bytes: tables.iter().map(|(_, bytes, _)| bytes).sum::<usize>() + wide_bytes,
            claims_dropped: self.claims.dropped(),
            ..self.tally.counts()
        }
    }

    /// What one request looks like; whether it bears a browser's name over headers of something else.
    fn looks(&self, seen: &Seen<'_>, rules: &Inner, score: &mut Score<'_>) -> bool {
        let mut is_disguised = false;
        let agent = head::agent(seen);
        let once = Signal::once;
        match rules.agents.kind(agent) {
            AgentKind::Person => {
                let faults = Faults::of(seen, agent);
                is_disguised = faults.count > 0;
                let evidence = Evidence::HeadersUnlike(faults.first);
                score.add(Signal { name: Name::HeadersUnlike, value: faults.count, evidence });
            }
            AgentKind::Crawler(word) => {
                score.add(once(Name::AgentCrawler, Evidence::AgentNames(word)));
                self.claim(seen, agent, score);
            }
            AgentKind::Tool(word) => score.add(once(Name::AgentTool, Evidence::AgentNames(word))),
            AgentKind::Word(word) => score.add(once(Name::AgentWord, Evidence::AgentHasWord(word))),
            AgentKind::Library(word) => score.add(once(Name::AgentLibrary, Evidence::AgentIsLibrary(word))),
            AgentKind::Missing => score.add(once(Name::AgentMissing, Evidence::AgentMissing)),
        }
        if let Some(beginning) = head::missing_signature(seen, agent, rules) {
            score.add(once(Name::SignatureMissing, Evidence::SignatureMissing(beginning)));
        }
        if self.claims.is_blocked(seen.address) {
            score.add(once(Name::NetworkBlocked, Evidence::NetworkBlocked));
        }
        is_disguised
    }

    /// The form of a request's headers. Programs in disguise have forms of their own: else they would
    /// be lost among those who use the same library under its own name, with good keys.
    fn shape_key(&self, seen: &Seen<'_>, is_disguised: bool) -> u64 {
        let shape = Shape::of(seen, self.secret);
        self.hashes.of(SHAPE, &[&shape.0.to_le_bytes(), &[u8::from(is_disguised)]])
    }

    /// Whether it is the crawler that it claims to be. Of those with a credential nobody asks.
    fn claim(&self, seen: &Seen<'_>, agent: &[u8], score: &mut Score<'_>) {
        if seen.who.caller().is_known() {
            return;
        }
        let Some(crawler) = crawlers::claimed(agent) else { return };
        let name = &crawler.name;
        match self.claims.standing(seen.address, name, seen.now_ms) {
            Standing::Open => {}
            Standing::True => {
                score.add(Signal::once(Name::CrawlerVerified, Evidence::VerifiedCrawler(name.clone())));
            }
            Standing::False => {
                score.add(Signal::once(Name::CrawlerFalse, Evidence::FalseCrawler(name.clone())));
            }
        }
    }

    fn address_key(&self, address: IpAddr) -> u64 {
        let address = address.to_canonical();
        let network = Network::new(address, if address.is_ipv4() { 32 } else { 64 });
        self.hashes.of(ADDRESS, &[&network.to_bytes()])
    }

    /// The network that habits and pairs are about: wide enough for those who change their address
    /// within it.
    fn network_key(&self, address: IpAddr) -> u64 {
        let address = address.to_canonical();
        let network = Network::new(address, if address.is_ipv4() { 24 } else { 48 });
        self.hashes.of(NETWORK, &[&network.to_bytes()])
    }

    /// Who came without a valid credential.
    fn unknown(
        &self,
        seen: &Seen<'_>,
        shape: u64,
        target: Target<'_>,
        rules: &Inner,
        score: &mut Score<'_>,
        ticket: &mut Ticket,
    ) {
        let now_ms = seen.now_ms;
        // Browsers ask for leave (CORS) without the credential that they will show.
        if seen.method == Method::OPTIONS {
            return;
        }
        let key = self.address_key(seen.address);
        ticket.address = key;
        let is_honeypot = head::is_honeypot(seen, target, rules);
        let is_public = target == Target::Public;
        let change = |address: &mut Address| {
            if is_honeypot {
                address.honeypot(now_ms);
            }
            let in_a_minute = if is_public { address.public(now_ms) } else { 0 };
            let failed = if is_public { (0, 0) } else { address.failed(now_ms) };
            (address.honeypots(now_ms), in_a_minute, failed)
        };
        let (honeypots, in_a_minute, (failed, of)) =
            self.addresses.with(key, now_ms, Address::default, change);
        if honeypots > 0 {
            score.add(Signal {
                name: Name::Honeypot,
                value: honeypots,
                evidence: Evidence::Honeypot(honeypots),
            });
        }
        score.add(Signal { name: Name::Rate, value: in_a_minute, evidence: Evidence::Rate { in_a_minute } });
        if is_public {
            return;
        }
        if percent(failed, of) >= rules.rule(Name::Failing).share_percent {
            let evidence = Evidence::Failing { failed, of };
            score.add(Signal { name: Name::Failing, value: failed, evidence });
        }
        let of_the_address = failed;
        let (failed, of, networks) =
            self.shapes.with(shape, now_ms, ShapeState::default, |state| state.failed(key, now_ms));
        let rule = rules.rule(Name::ShapeFailing);
        // Behind a shared address failures are a small part of all: there, too, the form tells.
        let is_meant = networks >= NETWORKS_MIN || of_the_address >= rule.from;
        if is_meant && percent(failed, of) >= rule.share_percent {
            let evidence = Evidence::ShapeFailing { failed, of, networks };
            score.add(Signal { name: Name::ShapeFailing, value: failed, evidence });
        }
    }

    /// Who showed a valid credential.
    fn known(
        &self,
        seen: &Seen<'_>,
        (id, tenant): (&str, &str),
        target: Target<'_>,
        rules: &Inner,
        score: &mut Score<'_>,
        ticket: &mut Ticket,
    ) {
        let now_ms = seen.now_ms;
        let caller = seen.who.caller();
        self.addresses.with(self.address_key(seen.address), now_ms, Address::default, |address| {
            address.good(now_ms);
        });

        let credential = self.hashes.of(CREDENTIAL, &[&[caller as u8], tenant.as_bytes(), id.as_bytes()]);
        let network = self.network_key(seen.address);
        let agent = self.agent_key(head::agent(seen));
        let change = |history: &mut History| {
            let strangeness = history.see(network, agent, now_ms);
            (strangeness, history.of_strangers(now_ms), history.networks_of_late(network))
        };
        let (strangeness, of_strangers, networks) =
            self.credentials.with(credential, now_ms, History::default, change);
        // One person is not in many places; an application may be.
        if caller == Caller::Token {
            let evidence = Evidence::Networks(networks);
            score.add(Signal { name: Name::NetworksMany, value: networks, evidence });
        }
        // Networks are addresses, and those say nothing of signed applications.
        let strangeness = if caller == Caller::Signed { Strangeness::None } else { strangeness };

        let key = self.hashes.of(PAIR, &[&credential.to_le_bytes(), &network.to_le_bytes()]);
        ticket.pair = key;
        let is_honeypot = head::is_honeypot(seen, target, rules);
        let (visit, doings) = self.pairs.with(key, now_ms, Pair::default, |pair| {
            pair.agent(agent, now_ms);
            if is_honeypot {
                pair.honeypot(now_ms);
            }
            let visit = match target {
                Target::Session(id) => {
                    let hash = self.hashes.of(SESSION, &[id.as_bytes()]);
                    pair.session(hash, number(id), now_ms, &self.budget)
                }
                Target::Bulk => {
                    pair.bulk(now_ms);
                    VisitKind::Same
                }
                Target::Public | Target::Other => VisitKind::Same,
            };
            (visit, pair.doings(now_ms))
        });
        ticket.is_visit = visit == VisitKind::First;
        if strangeness > Strangeness::None {
            ticket.lane = credential;
        }
        of_doings(&doings, caller, strangeness, of_strangers, rules, |signal| score.add(signal));
    }

    /// The program of a user agent, whatever its version.
    fn agent_key(&self, agent: &[u8]) -> u64 {
        let mut letters = [0; AGENT_BYTES_MAX];
        let mut length = 0;
        let bytes = agent.iter().take(AGENT_BYTES_MAX);
        for byte in bytes.filter(|byte| !byte.is_ascii_digit() && !matches!(byte, b'.' | b'_')) {
            letters[length] = *byte;
            length += 1;
        }
        self.hashes.of(AGENT, &[&letters[..length]])
    }
}

/// The number at the end of an id, 0 where there is none: neighbours are told by it.
fn number(id: &str) -> u64 {
    let digits = id.bytes().rev().take_while(u8::is_ascii_digit).take(18).count();
    id[id.len() - digits..].parse().unwrap_or(0)
}

/// Whether the action is one that the caller may get at all; asserted wherever verdicts are made.
pub(crate) fn is_allowed(caller: Caller, action: Action) -> bool {
    match caller {
        Caller::Operator => action == Action::Allow,
        Caller::Signed => action <= Action::Limit,
        _ => true,
    }
}
