//! The group changes its members while it works.

use tandem_group::{Answer, Ask, AskError, MemberId, MemoryDisk};
use tandem_model::route::Chain;

use crate::cluster::Cluster;
use crate::decisions::{drain, undrain};

#[test]
fn a_member_joins_as_a_learner_and_another_leaves() {
    let mut cluster: Cluster<MemoryDisk> = Cluster::new(3, |_| MemoryDisk::default());
    let leader = cluster.leader();
    // Enough for the log to be replaced by its outcome: who joins gets that.
    for _ in 0..15 {
        assert!(cluster.ask(leader, drain(Chain::B)).is_ok());
        assert!(cluster.ask(leader, undrain(Chain::B)).is_ok());
    }
    let new = MemberId(4);
    let add = || Ask::Add { id: new, address: "node-4".to_owned() };
    assert_eq!(cluster.ask(leader, add()), Ok(Answer::Done));
    assert!(matches!(cluster.ask(leader, add()), Err(AskError::Unfit(_))));
    let early = cluster.ask(leader, Ask::Promote(new)).unwrap_err();
    assert!(early.to_string().contains("misses"), "it is not running yet: {early}");

    cluster.join(new, MemoryDisk::default());
    assert_eq!(cluster.nodes[&new].route, None, "who has not heard from the group knows no route");
    cluster.run(2_000);
    assert_eq!(cluster.ask(leader, Ask::Promote(new)), Ok(Answer::Done));
    cluster.assert_alike();
    for id in (1..=4).map(MemberId) {
        let members = cluster.member(id).members();
        assert_eq!(members.len(), 4);
        assert!(members[&new].is_voter);
        assert_eq!(members[&new].address, "node-4");
    }

    assert!(matches!(cluster.ask(leader, Ask::Remove(leader)), Err(AskError::Unfit(_))));
    let next = MemberId(if leader == MemberId(1) { 2 } else { 1 });
    assert_eq!(cluster.ask(leader, Ask::HandOver(next)), Ok(Answer::Done));
    cluster.run(2_000);
    assert_eq!(cluster.leader(), next);
    assert_eq!(cluster.ask(next, Ask::Remove(leader)), Ok(Answer::Done));
    cluster.stop(leader);
    assert!(cluster.ask(next, drain(Chain::B)).is_ok());
    // The new one survives a restart with what it learnt.
    cluster.stop(new);
    cluster.start(new);
    cluster.assert_alike();
    assert!(cluster.member(new).decided().drained().b);
    assert_eq!(cluster.member(new).members().len(), 3);
}

#[test]
fn a_removal_that_would_leave_no_majority_is_refused() {
    let mut cluster: Cluster<MemoryDisk> = Cluster::new(3, |_| MemoryDisk::default());
    let leader = cluster.leader();
    let [gone, present] = [1, 2].map(|step| MemberId((leader.0 - 1 + step) % 3 + 1));
    cluster.stop(gone);
    cluster.run(3_000);
    let refused = cluster.ask(leader, Ask::Remove(present)).unwrap_err();
    assert!(refused.to_string().contains("majority"), "{refused}");
    assert_eq!(cluster.ask(leader, Ask::Remove(gone)), Ok(Answer::Done));
    assert_eq!(cluster.ask(leader, Ask::Read), Ok(Answer::Read));
}

/// Who waits for a change when the leader loses office must not take another change for it.
#[test]
fn a_change_whose_leader_lost_office_may_have_been_made_or_not() {
    let mut cluster: Cluster<MemoryDisk> = Cluster::new(3, |_| MemoryDisk::default());
    let leader = cluster.leader();
    // Nobody hears of it.
    cluster.cut.insert(leader);
    let lost = Ask::Add { id: MemberId(4), address: "node-4".to_owned() };
    let ticket = cluster.put(leader, lost);
    assert_eq!(cluster.answer(ticket), None, "one of three decides nothing");
    let next = cluster.leader();
    assert_ne!(next, leader);
    let other = Ask::Add { id: MemberId(5), address: "node-5".to_owned() };
    assert_eq!(cluster.ask(next, other), Ok(Answer::Done));
    cluster.cut.remove(&leader);
    cluster.run(1_000);
    assert!(cluster.member(leader).members().contains_key(&MemberId(5)), "it has heard of the other change");
    assert_eq!(cluster.answer(ticket), Some(Err(AskError::Late)), "and says nothing of its own");
    assert!(!cluster.member(leader).members().contains_key(&MemberId(4)));
}
