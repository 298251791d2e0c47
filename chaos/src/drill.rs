//! A drill: what is done to whom, what should come of it, and when it is broken off.
//!
//! Pure data. The runner carries the steps out, the judge compares what came of them with
//! [`Expect`]. The catalogue names every drill there is.

mod catalogue;

use serde::{Deserialize, Serialize};
use tandem_model::route::Chain;

use crate::fault::Fault;

pub use catalogue::catalogue;

/// A drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// Its name in commands and reports.
    pub id: String,
    /// What is done.
    pub kind: Kind,
    /// Whom it strikes.
    pub target: Target,
    /// What should come of it, for people.
    pub hypothesis: String,
    /// What should come of it, for the judge.
    pub expect: Expect,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "does", content = "fault")]
pub enum Kind {
    /// One fault, for a while.
    Fault(Fault),
    /// The chain crashes, and the leader of the control group in the same moment.
    CrashWithoutLeader,
    /// Both chains crash at once.
    BothAtOnce,
    /// An operator lets the other chain serve.
    Switch,
    /// Each chain in turn is restarted, the one that serves last, without a switch before.
    RollingRestart,
    /// A new version: on the standby first, then a switch, then on the other.
    Release,
}

/// Whom a drill strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The chain that serves.
    Active,
    /// The other one.
    Standby,
    /// Everybody.
    Everybody,
}

/// Whether the route should change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// By itself, away from the struck chain, within so many milliseconds of the fault.
    Within(u64),
    /// It may or may not.
    May,
    /// Never.
    Never,
    /// An operator asks for it, as part of the drill.
    Asked,
}

/// What should come of a drill. Safety (nothing lost, doubled, backwards) is never up to a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// Whether the route changes.
    pub switch: Switch,
    /// Most errors per million reads in the minute after the fault; `None` where nobody can answer.
    pub errors_ppm_max: Option<u64>,
    /// Longest gap of any reader, in milliseconds.
    pub gap_ms_max: Option<u64>,
    /// p99 during is at most so many per cent of p99 before.
    pub p99_percent_max: Option<u64>,
    /// A read is answered by the other chain within so many milliseconds of the fault.
    pub hidden_ms_max: Option<u64>,
    /// The chains are told to differ within so many milliseconds of the fault.
    pub difference_ms_max: Option<u64>,
    /// Reads that had to be answered, so that there is something to judge.
    pub reads_min: u64,
}

/// How long each part of a run takes, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Load that is not judged: connections are opened, sessions come to be.
    pub warm_up_ms: u64,
    /// Steady load before the fault, to compare with.
    pub before_ms: u64,
    /// How long the fault lasts.
    pub fault_ms: u64,
    /// Load after everything is well again.
    pub after_ms: u64,
    /// How long it may take to be well again, and to say so.
    pub recovery_ms_max: u64,
}

/// When a drill ends at once: so many reads failed since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBudget {
    /// Failed reads.
    pub reads_max: u64,
}

/// How much load there is the whole time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// Clients that read, each with its own connection and token.
    pub readers: u32,
    /// Clients that write, and now and then read what they wrote.
    pub writers: u32,
    /// Pause between two requests of a client, in milliseconds.
    pub pause_ms: u64,
    /// Sessions of each writer.
    pub sessions: u32,
}

impl Timing {
    /// Long enough for a fault minute, as the aims are stated for it.
    pub const FULL: Self = Self {
        warm_up_ms: 3_000,
        before_ms: 10_000,
        fault_ms: 20_000,
        after_ms: 40_000,
        recovery_ms_max: 120_000,
    };
    /// For the failover benchmark: the switch and what comes right after it.
    pub const SHORT: Self = Self {
        warm_up_ms: 1_500,
        before_ms: 3_000,
        fault_ms: 6_000,
        after_ms: 3_000,
        recovery_ms_max: 90_000,
    };
    /// For tests: enough for every fault to bite.
    pub const BRIEF: Self =
        Self { warm_up_ms: 500, before_ms: 700, fault_ms: 1_500, after_ms: 500, recovery_ms_max: 60_000 };
}

impl Default for LoadPlan {
    fn default() -> Self {
        Self { readers: 8, writers: 2, pause_ms: 20, sessions: 4 }
    }
}

/// One thing to do, after the one before is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This fault begins, in this chain where it is a chain's.
    Inject(Fault, Option<Chain>),
    /// It goes on for so many milliseconds.
    Hold(u64),
    /// Every fault ends.
    Heal,
    /// Both chains are well, caught up, and agree.
    Settle,
    /// An operator lets this chain serve.
    Switch(Chain),
}

impl Drill {
    /// What is done in which order, where `struck` is the chain that the drill is about.
    pub fn steps(&self, struck: Chain, timing: Timing) -> Vec<Step> {
        let hold = Step::Hold(timing.fault_ms);
        let fault = |fault: Fault, chain| Step::Inject(fault, fault.is_of_a_chain().then_some(chain));
        let restart =
            |chain| [fault(Fault::Crash, chain), Step::Hold(timing.fault_ms / 2), Step::Heal, Step::Settle];
        match self.kind {
            // A gateway that hears nothing shows nothing as long as there is nothing to hear.
            Kind::Fault(Fault::GatewayCutOff) => vec![
                fault(Fault::GatewayCutOff, struck),
                Step::Switch(struck.other()),
                hold,
                Step::Heal,
                Step::Settle,
            ],
            Kind::Fault(kind) => vec![fault(kind, struck), hold, Step::Heal, Step::Settle],
            Kind::CrashWithoutLeader => vec![
                fault(Fault::ControlLeaderLost, struck),
                fault(Fault::Crash, struck),
                hold,
                Step::Heal,
                Step::Settle,
            ],
            Kind::BothAtOnce => vec![
                fault(Fault::Crash, struck),
                fault(Fault::Crash, struck.other()),
                hold,
                Step::Heal,
                Step::Settle,
            ],
            Kind::Switch => vec![Step::Switch(struck.other()), hold, Step::Settle],
            Kind::RollingRestart => [restart(struck.other()), restart(struck)].concat(),
            Kind::Release => {
                let mut steps = restart(struck.other()).to_vec();
                steps.push(Step::Switch(struck.other()));
                steps.extend(restart(struck));
                steps
            }
        }
    }

    /// The chain that serves when the drill begins, where `struck` is the chain it is about.
    pub const fn serves_first(&self, struck: Chain) -> Chain {
        match self.target {
            Target::Active | Target::Everybody => struck,
            Target::Standby => struck.other(),
        }
    }

    /// The faults it needs.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self
            .steps(Chain::A, Timing::BRIEF)
            .into_iter()
            .filter_map(|step| match step {
                Step::Inject(fault, _) => Some(fault),
                _ => None,
            })
            .collect();
        faults.sort_unstable();
        faults.dedup();
        faults
    }

    /// Whether it makes figures of the struck chain wrong, on purpose.
    pub fn is_wrong_on_purpose(&self) -> bool {
        self.kind == Kind::Fault(Fault::WrongData)
    }

    /// Whether people ask for what happens, so that nobody may notice.
    pub const fn is_planned(&self) -> bool {
        matches!(self.kind, Kind::Switch | Kind::Release)
    }
}

/// The drill of this name.
pub fn by_id(id: &str) -> Option<Drill> {
    catalogue().into_iter().find(|drill| drill.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_fault_has_a_drill() {
        let all = catalogue();
        let ids: BTreeSet<&String> = all.iter().map(|drill| &drill.id).collect();
        assert_eq!(ids.len(), all.len());
        let used: BTreeSet<Fault> = all.iter().flat_map(Drill::faults).collect();
        assert_eq!(used, Fault::ALL.iter().copied().collect());
        assert!(Fault::ALL.iter().all(|fault| Fault::from_name(fault.name()) == Some(*fault)));
    }

    #[test]
    fn whatever_begins_is_ended_before_a_drill_is_over() {
        for drill in catalogue() {
            let mut open = 0;
            for step in drill.steps(Chain::B, Timing::BRIEF) {
                match step {
                    Step::Inject(fault, chain) => {
                        assert_eq!(chain.is_some(), fault.is_of_a_chain(), "{}", drill.id);
                        open += 1;
                    }
                    Step::Heal => open = 0,
                    Step::Settle => assert_eq!(open, 0, "{}", drill.id),
                    Step::Hold(_) | Step::Switch(_) => {}
                }
            }
            assert_eq!(drill.steps(Chain::A, Timing::BRIEF).last(), Some(&Step::Settle), "{}", drill.id);
        }
    }

    #[test]
    fn a_standby_is_struck_while_the_other_serves() {
        let drill = by_id("crash-standby").expect("it is in the catalogue");
        assert_eq!(drill.serves_first(Chain::A), Chain::B);
        assert_eq!(drill.steps(Chain::A, Timing::BRIEF)[0], Step::Inject(Fault::Crash, Some(Chain::A)));
    }
}
