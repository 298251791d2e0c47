//! Decisions are made once, kept, and known everywhere.

use tandem_failover::{Action, Refusal, Wish};
use tandem_group::{Answer, Ask, AskError, MemberId, MemoryDisk};
use tandem_model::route::Chain;

use crate::cluster::Cluster;

pub(crate) fn drain(chain: Chain) -> Ask {
    Ask::Decide { by: "ops".to_owned(), reason: "work on it".to_owned(), action: Action::Drain(chain) }
}

pub(crate) fn undrain(chain: Chain) -> Ask {
    Ask::Decide { by: "ops".to_owned(), reason: "done".to_owned(), action: Action::Undrain(chain) }
}

pub(crate) fn switch(to: Chain, within_ms: u64) -> Ask {
    let (by, reason) = ("ops".to_owned(), "drill".to_owned());
    Ask::Switch(Wish { to, by, reason, is_break_glass: false, within_ms })
}

fn memory(count: u64) -> Cluster<MemoryDisk> {
    Cluster::new(count, |_| MemoryDisk::default())
}

#[test]
fn a_decision_is_known_everywhere_and_refusals_say_why() {
    for count in [1, 3, 5] {
        let mut cluster = memory(count);
        let leader = cluster.leader();
        assert!(matches!(cluster.ask(leader, drain(Chain::B)), Ok(Answer::Decided(_))));
        let again = cluster.ask(leader, drain(Chain::B)).unwrap_err();
        assert_eq!(again, AskError::Refused(Refusal::NothingToDo("b is drained already".to_owned())));
        let wrong = cluster.ask(leader, drain(Chain::A)).unwrap_err();
        assert!(matches!(wrong, AskError::Refused(Refusal::Rules(_))), "a serves: {wrong:?}");
        cluster.assert_alike();
        assert!(cluster.nodes.values().all(|node| node.member.as_ref().unwrap().decided().drained().b));
    }
}

#[test]
fn a_planned_switch_waits_until_the_rules_allow_it() {
    let mut cluster = memory(3);
    let leader = cluster.leader();
    assert!(matches!(cluster.ask(leader, drain(Chain::B)), Ok(Answer::Decided(_))));
    let refused = cluster.ask(leader, switch(Chain::B, 0)).unwrap_err();
    assert!(refused.to_string().contains("drain"), "{refused}");
    assert!(matches!(cluster.ask(leader, undrain(Chain::B)), Ok(Answer::Decided(_))));
    // A new judge has to see b for a calm time first.
    let Ok(Answer::Decided(decision)) = cluster.ask(leader, switch(Chain::B, 15_000)) else {
        panic!("not switched")
    };
    assert_eq!((decision.epoch, decision.active), (2, Chain::B));
    cluster.assert_alike();
    for node in cluster.nodes.values() {
        assert_eq!(node.route.as_ref().unwrap().epoch, 2);
    }
}

#[test]
fn who_does_not_lead_says_who_does() {
    let mut cluster = memory(3);
    let leader = cluster.leader();
    cluster.run(500);
    let other = MemberId(leader.0 % 3 + 1);
    assert_eq!(
        cluster.ask(other, drain(Chain::B)).unwrap_err(),
        AskError::NotLeader { leader: Some(leader) }
    );
    assert_eq!(cluster.ask(other, Ask::Read), Ok(Answer::Read));
}

#[test]
fn nothing_decided_is_lost_whoever_restarts() {
    let mut cluster = memory(3);
    let mut expected = 0;
    for round in 0..60 {
        let leader = cluster.leader();
        let ask = if round % 2 == 0 { drain(Chain::B) } else { undrain(Chain::B) };
        if matches!(cluster.ask(leader, ask), Ok(Answer::Decided(_))) {
            expected += 1;
        }
        // Right after the answer, before anybody else may know.
        match round % 4 {
            0 => {
                cluster.stop(leader);
                cluster.run(300);
                cluster.start(leader);
            }
            1 => {
                for id in (1..=3).map(MemberId) {
                    cluster.stop(id);
                }
                for id in (1..=3).map(MemberId) {
                    cluster.start(id);
                }
            }
            2 => {
                let other = MemberId(leader.0 % 3 + 1);
                cluster.stop(other);
                cluster.run(5_000);
                cluster.start(other);
            }
            _ => {}
        }
    }
    cluster.assert_alike();
    assert_eq!(expected, 60, "every ask was answered");
    for node in cluster.nodes.values() {
        assert_eq!(node.member.as_ref().unwrap().decided().history().len(), expected);
    }
}

#[test]
fn a_leader_that_was_cut_off_answers_no_reads() {
    let mut cluster = memory(3);
    let old = cluster.leader();
    cluster.cut.insert(old);
    // It may still hold itself for the leader; the others decide meanwhile.
    assert_eq!(cluster.ask(old, Ask::Read), Err(AskError::Late));
    let new = cluster.leader();
    assert_ne!(old, new);
    assert!(matches!(cluster.ask(new, drain(Chain::B)), Ok(Answer::Decided(_))));
    assert_eq!(cluster.ask(old, Ask::Read), Err(AskError::Late));
    assert!(!cluster.member(old).decided().drained().b);
    cluster.cut.clear();
    assert_eq!(cluster.ask(old, Ask::Read), Ok(Answer::Read));
    assert!(
        cluster.member(old).decided().drained().b,
        "a read is of what had been decided when it was asked"
    );
}

#[test]
fn without_a_majority_nothing_is_decided_and_nothing_changes() {
    let mut cluster = memory(3);
    let leader = cluster.leader();
    for id in (1..=3).map(MemberId).filter(|id| *id != leader) {
        cluster.stop(id);
    }
    let answer = cluster.ask(leader, drain(Chain::B));
    assert!(matches!(answer, Err(AskError::Late)), "{answer:?}");
    assert!(!cluster.member(leader).decided().drained().b);
    cluster.run(3_000);
    assert!(cluster.member(leader).outlook().is_none(), "check-quorum: it steps down");
}
