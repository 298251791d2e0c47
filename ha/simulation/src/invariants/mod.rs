//! What must always be so, one invariant per file, and the watch that tells all of them what
//! happens.

mod calm;
mod decisions_kept;
mod flapping;
mod one_chain_on;
mod one_log;
mod publishing;
mod reads;
mod routes;
mod true_figures;
mod verdicts;

use tandem_failover::{Action, Decided, Decision, JUDGE, Switch};
use tandem_model::route::Chain;

use crate::counters::Counters;
use crate::event::Told;
use crate::live::Marker;
use crate::log::{Cut, News, covers};
use crate::place::Place;
use crate::tap::Commit;

/// What an invariant says when it does not hold.
pub(crate) type Held = Result<(), String>;

/// An invariant does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of the invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// See the head of this module.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) counters: Counters,
    violation: Option<Violation>,
    lines: Vec<String>,
    one_log: one_log::OneLog,
    one_chain_on: one_chain_on::OneChainOn,
    decisions_kept: decisions_kept::DecisionsKept,
    flapping: flapping::Flapping,
    routes: routes::Routes,
    histories: [Cut; crate::place::CLIENTS_MAX],
    true_figures: true_figures::TrueFigures,
    verdicts: verdicts::Verdicts,
    publishing: publishing::Publishing,
    calm: calm::Calm,
    /// Nothing that the judge could do is right.
    is_quiet: bool,
}

impl Watch {
    fn check(&mut self, invariant: &'static str, held: Held) {
        if let Err(what) = held {
            self.violation.get_or_insert(Violation { invariant, what });
        }
    }

    /// The first that did not hold.
    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// The judge has no reason to do anything, in this whole run.
    pub(crate) fn expect_quiet(&mut self) {
        self.is_quiet = true;
    }

    /// A member can't go on by itself.
    pub(crate) fn stopped(&mut self, place: Place, why: &str) {
        self.check("members go on", Err(format!("{place} stopped by itself: {why}")));
    }

    /// Entries were handed out as committed. Says whether a switch was among them.
    pub(crate) fn committed(&mut self, now_ms: u64, place: Place, commits: Vec<Commit>) -> bool {
        let mut is_switch = false;
        for commit in commits {
            is_switch |= commit.data.as_deref().is_some_and(is_switch_entry);
            let applied = self.one_log.committed(place, commit);
            match applied {
                Err(what) => self.check("one log", Err(what)),
                Ok(None) => {}
                Ok(Some(Err(refusal))) => {
                    self.counters.refused += 1;
                    self.lines.push(format!("refused: {refusal}"));
                }
                Ok(Some(Ok(decision))) => self.decided(now_ms, &decision),
            }
        }
        is_switch
    }

    /// The group has decided something; seen when the first member hands it out.
    fn decided(&mut self, now_ms: u64, decision: &Decision) {
        self.counters.decisions += 1;
        let entry = &decision.entry;
        self.lines.push(format!(
            "decided by {}: {} (epoch {}, {} serves): {}",
            entry.by,
            action_words(&entry.action),
            decision.epoch,
            decision.active,
            entry.reason
        ));
        let is_automatic = entry.by == JUDGE;
        if is_automatic && self.is_quiet {
            let what = format!("{} in nothing but noise: {}", action_words(&entry.action), entry.reason);
            self.check("quiet in noise", Err(what));
        }
        if let Action::Switch(switch) = &entry.action {
            self.counters.switches += 1;
            self.routes.decided(decision.epoch, decision.active);
            let held = if is_automatic { self.switched(now_ms, decision, switch) } else { Ok(()) };
            self.check("no flapping", held);
        }
        if let Action::Quarantine(chain) = entry.action
            && is_automatic
        {
            self.counters.quarantines += 1;
            let held = self.verdicts.named(now_ms, chain);
            self.check("nobody innocent is named", held);
        }
        self.decisions_kept.decided(decision);
        let decided = self.one_log.decided();
        let held = self.one_chain_on.check(decided);
        self.true_figures.decided(now_ms, decided);
        self.check("one chain is on", held);
    }

    fn switched(&mut self, now_ms: u64, decision: &Decision, switch: &Switch) -> Held {
        self.counters.automatic_switches += 1;
        self.calm.switched_automatically();
        // Whose figures are wrong is left at once; that it is innocent is another invariant.
        let is_left_wrong = *self.one_log.decided().quarantined().of(switch.to.other());
        self.flapping.switched(now_ms, decision, switch, is_left_wrong)
    }

    /// How far the log is known to be committed, to anybody.
    pub(crate) fn committed_index(&self) -> u64 {
        self.one_log.committed_index()
    }

    /// What the group has decided so far.
    pub(crate) fn group(&self) -> &Decided {
        self.one_log.decided()
    }

    /// A member answered a read, from its state after `index`.
    pub(crate) fn read(&mut self, place: Place, floor: u64, index: u64) {
        self.counters.reads += 1;
        self.check("reads are current", reads::check(place, floor, index));
    }

    /// A member answered whoever asked that something was decided.
    pub(crate) fn answered(&mut self, decision: &Decision) {
        let held = self.decisions_kept.answered(decision);
        self.check("decisions are kept", held);
    }

    /// Somebody follows the route.
    pub(crate) fn follows(&mut self, place: Place, news: News) {
        let held = self.routes.follows(place, news);
        self.check("routes are decided and kept", held);
    }

    /// A marker is in the topic.
    pub(crate) fn published(&mut self, marker: Marker) {
        self.counters.published += 1;
        let held = self.publishing.published(marker);
        self.check("publishing is fenced", held);
    }

    /// A chain's rows are made wrong, or right again.
    pub(crate) fn wrong(&mut self, now_ms: u64, chain: Chain, is_wrong: bool) {
        self.lines.push(format!("chain {chain} is {}", if is_wrong { "made wrong" } else { "right again" }));
        self.verdicts.wrong(now_ms, chain, is_wrong);
    }

    /// Operators want to work on a drained chain. Says whether it is drained still.
    pub(crate) fn work_begins(&mut self, chain: Chain) -> bool {
        self.one_chain_on.work_begins(self.one_log.decided(), chain)
    }

    /// They are done.
    pub(crate) fn work_ends(&mut self, chain: Chain) {
        self.one_chain_on.work_ends(chain);
    }

    /// A gateway lets an answer through. `is_distrusted`: of a chain that it knows to be quarantined and left.
    pub(crate) fn served(&mut self, now_ms: u64, gateway: Place, is_distrusted: bool, told: Told) {
        let held = self.true_figures.served(now_ms, gateway, is_distrusted, told);
        match held {
            Ok(is_wrong) => self.counters.wrong_figures += u64::from(is_wrong),
            Err(what) => self.check("figures are true", Err(what)),
        }
    }

    /// A client got an answer.
    pub(crate) fn told(&mut self, now_ms: u64, client: usize, gateway: Place, told: Told) {
        self.counters.answers += 1;
        let before = self.histories[client];
        let held = match covers(told.cut, before) {
            true => Ok(()),
            false => Err(format!(
                "{} read {before:?}, and then {:?} of session {} from chain {} over {gateway}",
                Place::Client(client),
                told.cut,
                told.session,
                told.chain
            )),
        };
        self.histories[client] = crate::log::join(before, told.cut);
        self.check("no step back", held);
        self.calm.answered(now_ms, client);
    }

    /// A client got no answer.
    pub(crate) fn unanswered(&mut self, now_ms: u64, client: usize) {
        self.counters.unanswered += 1;
        let held = self.calm.unanswered(now_ms, client);
        self.check("decided once calm", held);
    }

    /// From now on nothing breaks any more. `left_over` is what is left to be dealt with: the active
    /// chain is down, or wrong.
    pub(crate) fn calms(&mut self, now_ms: u64, left_over: Option<(Chain, LeftOver)>) {
        self.counters.left_over += u64::from(left_over.is_some());
        self.calm.begin(now_ms, left_over);
        self.true_figures.calms(now_ms);
    }

    /// The run is over. All of them are up.
    pub(crate) fn end(
        &mut self,
        now_ms: u64,
        members: &[(Place, Decided)],
        gateways: &[(Place, News)],
        clients: usize,
    ) {
        let held = self.one_log.end(members);
        self.check("one log", held);
        let held = self.decisions_kept.end(members);
        self.check("decisions are kept", held);
        let held = self.calm.end(now_ms, self.one_log.decided(), gateways, clients);
        self.check("decided once calm", held);
    }
}

/// What is left of a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOver {
    /// The chain is down.
    Down,
    /// Its figures are wrong.
    Wrong,
}

fn is_switch_entry(data: &[u8]) -> bool {
    const MARK: &[u8] = b"\"Switch\"";
    data.windows(MARK.len()).any(|window| window == MARK)
}

/// What an entry wants, in a few words.
pub(crate) fn action_words(action: &Action) -> String {
    match action {
        Action::Switch(switch) => format!("{:?} switch to {}", switch.kind, switch.to),
        Action::Drain(chain) => format!("drain {chain}"),
        Action::Undrain(chain) => format!("undrain {chain}"),
        Action::Freeze => "freeze".to_owned(),
        Action::Unfreeze => "unfreeze".to_owned(),
        Action::Quarantine(chain) => format!("quarantine {chain}"),
        Action::Release(chain) => format!("release {chain}"),
        Action::Block(_) => "block".to_owned(),
        Action::Unblock(_) => "unblock".to_owned(),
        Action::SetBounds(_) => "set bounds".to_owned(),
    }
}
