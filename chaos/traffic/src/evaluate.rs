//! How well the shield tells: traffic whose truth is known goes through it, and verdicts are held
//! against the truth.
//!
//! What counts, and how:
//!
//! - An actor is **decided** at its first request that is challenged, limited or denied. It is
//!   **recalled** when from there on at least half of its requests are. Slowing is no decision.
//! - A person's **session is disturbed** when any of its requests is challenged, limited or denied,
//!   also where the person's app solves the challenge in a moment. It is **refused** when one is
//!   not answered in the end, and **deprived** when authentication would have let that one in.
//! - A worthless request is **stopped by the shield** when it is limited, denied, or challenged and
//!   can't solve it: nothing behind the shield is done for it. It is **stopped by anything** also when
//!   authentication answers it 401, which costs a look at the door and nothing behind it. What is
//!   left reached the rows; it is **served** where it got figures, and not told 404.
//! - Challenges are solved by people's browsers and apps, and by attackers with whole browsers
//!   (a headless fleet, a token sold to people, an extension, an insider, somebody who tries by hand). A
//!   clearance holds for half an hour and a network.
//! - Public pages are answered to everybody, whatever the verdict, which still counts as a decision.
//! - People whose token a thief uses at the same time are shown apart: whoever stops the thief stops
//!   the token.
//!
//! The second set of later families is measured in a world of its own, which holds all others too, with a
//! shield of its own. Of that world only the second set is counted, and those whom its thieves rob: what
//! was measured without it stays what it was.
//!
//! A crawler's claim is confirmed or denied two seconds after it is made, as the slow loop would.
//! No fingerprint of TLS is given: not every gateway terminates it.

mod report;
mod tally;

use std::collections::BTreeMap;

use tandem_limits::network;
use tandem_shield::{Action, Memory, Outcome, Rules, Seen, Shield, Verdict};

pub use report::{FamilyReport, Group, People, Report, SecondSet, Signed, Worthless};

use crate::sender::is_public;
use crate::{Family, Kind, Shot, Traffic, TrafficOptions, Who, address};
use tally::Tally;

/// How long a clearance holds, in milliseconds.
const CLEARANCE_MS: u64 = 1_800_000;
/// How long the slow loop takes to find out about a crawler, in milliseconds.
const CONFIRMED_AFTER_MS: u64 = 2_000;

/// What is measured with what.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which traffic.
    pub traffic: TrafficOptions,
    /// Whether the families that are kept apart take part. Off while rules are tuned.
    pub with_unseen: bool,
    /// Whether the second set of later families is measured, too, which takes as long again. Only where
    /// those that are kept apart take part.
    pub with_second_set: bool,
    /// The rules of the shield.
    pub rules: Rules,
    /// What it may remember.
    pub memory: Memory,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            traffic: TrafficOptions::default(),
            with_unseen: true,
            with_second_set: true,
            rules: Rules::default(),
            memory: Memory::default(),
        }
    }
}

/// Sends the traffic through a shield of its own, and says how well it told. The same options give
/// the same report.
pub fn run(options: Options) -> Report {
    let mut stand = Stand::new(&options);
    for shot in Traffic::new(options.traffic) {
        if options.with_unseen || !matches!(shot.family.kind(), Kind::Unseen | Kind::Later) {
            let judged = stand.take(&shot);
            stand.tally.count(&shot, &judged);
        }
    }
    let second_set = (options.with_unseen && options.with_second_set).then(|| run_with_second_set(&options));
    stand.tally.report(options.traffic, &stand.shield.counts(), second_set)
}

/// Everybody takes part, and the second set is counted.
fn run_with_second_set(options: &Options) -> SecondSet {
    let mut stand = Stand::new(options);
    let mut traffic = Traffic::with_second_set(options.traffic);
    let mut judged_requests = 0;
    while let Some(shot) = traffic.next() {
        judged_requests += 1;
        let judged = stand.take(&shot);
        if traffic.is_of_second_set(shot.actor) {
            stand.tally.count(&shot, &judged);
        }
    }
    stand.tally.second_set(judged_requests)
}

/// The shield, and what stands around it in a gateway.
struct Stand {
    shield: Shield,
    tally: Tally,
    /// Until when an actor on a network has solved its challenge.
    cleared: BTreeMap<(u32, [u8; 17]), u64>,
    /// When the slow loop last looked.
    asked_ms: u64,
}

/// What became of a request.
struct Judged {
    verdict: Verdict,
    /// Whether it was refused in the end: challenges may be solved.
    is_stopped: bool,
    /// Whether a challenge was solved for it that had not been solved before.
    has_solved: bool,
}

impl Stand {
    fn new(options: &Options) -> Self {
        let secret = [options.traffic.seed, 0x7461_6e64_656d];
        let shield = Shield::new(options.rules.clone(), options.memory, secret);
        Self { shield, tally: Tally::default(), cleared: BTreeMap::new(), asked_ms: 0 }
    }

    fn take(&mut self, shot: &Shot) -> Judged {
        self.slow_loop(shot.at_ms);
        let verdict = self.shield.judge(&Seen {
            now_ms: shot.at_ms,
            address: shot.address,
            who: who(&shot.who),
            method: &shot.method,
            path: &shot.path,
            query: shot.query.as_deref(),
            headers: &shot.headers,
            version: shot.version,
            fingerprint: None,
        });
        let is_refused = verdict.action.is_refusal() && !is_public(&shot.path);
        let is_passed = is_refused && verdict.action == Action::Challenge && solves(shot.family);
        let is_stopped = is_refused && !is_passed;
        let has_solved = is_passed && self.clear(shot);
        let status = match verdict.action {
            Action::Limit if is_stopped => 429,
            _ if is_stopped => 403,
            _ => shot.status,
        };
        let outcome =
            Outcome { status, ours: is_stopped || status == 401, replayed: shot.replayed && !is_stopped };
        self.shield.answered(&verdict.ticket, outcome);
        Judged { verdict, is_stopped, has_solved }
    }

    /// Solves a challenge, unless that has been done.
    fn clear(&mut self, shot: &Shot) -> bool {
        let until_ms = self.cleared.entry((shot.actor, network(shot.address, 24, 48))).or_default();
        let is_due = *until_ms <= shot.at_ms;
        if is_due {
            *until_ms = shot.at_ms + CLEARANCE_MS;
        }
        is_due
    }

    fn slow_loop(&mut self, now_ms: u64) {
        if now_ms < self.asked_ms + CONFIRMED_AFTER_MS {
            return;
        }
        self.asked_ms = now_ms;
        for claim in self.shield.pending() {
            let is_confirmed = address::is_crawler(claim.address);
            self.shield.confirm(claim.address, &claim.crawler, is_confirmed, now_ms);
        }
    }
}

/// Whether it has a whole browser, or an app that can do the work.
fn solves(family: Family) -> bool {
    family.kind() == Kind::Person
        || matches!(family, Family::HeadlessFleet | Family::SharedToken)
        || matches!(family, Family::DoorTester | Family::BrowserExtension | Family::LeavingInsider)
}

fn who(who: &Who) -> tandem_shield::Who<'_> {
    match who {
        Who::Nobody => tandem_shield::Who::Nobody,
        Who::Failed => tandem_shield::Who::Failed,
        Who::Key { id, tenant } => tandem_shield::Who::Key { id, tenant },
        Who::Token { id, tenant } => tandem_shield::Who::Token { id, tenant },
        Who::Signed { id, tenant } => tandem_shield::Who::Signed { id, tenant },
        Who::Operator => tandem_shield::Who::Operator,
    }
}
