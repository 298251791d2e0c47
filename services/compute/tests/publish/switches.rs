//! Each change is published once, whatever goes wrong; and what goes wrong, one by one.

use std::sync::Arc;
use std::time::Duration;

use tandem_compute::SeededFault;
use tandem_compute::publish::{Pin, State};
use tandem_model::decode::decode;
use tandem_model::event::Line;
use tandem_model::partition::partition_of;
use tandem_model::route::Chain;
use tandem_model::{PartitionId, Record, Verdict};
use tandem_storage::faulty::Fault;
use tandem_storage::{EventLog, SnapshotStore};

use crate::chaos::{self, records};
use crate::oracle::{self, Seen, check, check_end};
use crate::world::{PARTITIONS, PATIENCE, Trimmed, World, partitions, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_is_published_once_whatever_happens() {
    let first = std::env::var("TANDEM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let count = std::env::var("TANDEM_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(40);
    let mut all = Seen::default();
    for seed in first..first + count {
        let mut world = World::new(seed % 3);
        let seen = chaos::run(&mut world, seed, Duration::from_millis(4)).await;
        all.transactions += seen.transactions;
        all.rows += seen.rows;
        all.merged += seen.merged;
        all.changes += seen.changes;
    }
    // Not a check of nothing.
    assert!(all.rows > 1_000 && all.changes > 10 && all.merged > 10, "{all:?}");
}

/// An event that makes the publisher's fold fail holds it up until there is a verdict about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_not_published_and_holds_up_only_until_the_verdict() {
    let mut world = World::new(1);
    let all = records(5);
    let poison = poison(&all);
    world.seeded_fault = [SeededFault::at(&poison.0), SeededFault::NONE];
    let publisher = world.start(Chain::A, &settings());
    world.group.tell(Chain::A);
    world.append(all).await;
    let (partition, offset) = placed(&world, &poison).await;
    let waiting = async {
        let is_waiting = |state: &State| matches!(state, State::Waiting(reason) if reason.contains("fails"));
        while !is_waiting(&publisher.publisher.status()[partition.0 as usize].state) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    let verdict = Verdict::quarantine(offset, None, "a test");
    world.append(vec![(partition, verdict.to_record())]).await;
    world.published().await;
    check(&world, "held up").await;
    publisher.publisher.stop().await;
}

/// What is published counts an event of which it is said later that it does not count, and then that
/// it does: all rows of its session come again, right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_about_what_is_published_corrects_it() {
    let world = World::new(0);
    let publisher = world.start(Chain::A, &settings());
    world.group.tell(Chain::A);
    let mut lines = Vec::new();
    for second in 0..200 {
        world.append(partitions().map(|partition| (partition, Record::beat(1_000 + second))).collect()).await;
        let (session, user, ts) = (second % 4, second % 3, (1_000 + second) * 1_000);
        // One of them alone has its item and its channel; one is alone in its session.
        let (session, only) = match second {
            57 => (session, "only-here"),
            91 => (77, "there"),
            _ => (session, "there"),
        };
        let line = format!(
            r#"{{"event_id":"{second}","type":"item_click","ts":{ts},"session_id":"s{session}","user_id":"u{user}","item_id":"{only}","channel":"{only}"}}"#
        );
        let partition = partition_of(format!("s{session}").as_bytes(), PARTITIONS);
        world.append(vec![(partition, Record::line(line.clone().into()))]).await;
        lines.push((line, partition));
    }
    let mut second = 2_000;
    let mut beat = async || {
        second += 1;
        world.append(partitions().map(|partition| (partition, Record::beat(second))).collect()).await;
        world.published().await;
    };
    beat().await;
    for about in [57, 91, 120] {
        let (partition, offset) = placed(&world, &lines[about]).await;
        let quarantine = Verdict::quarantine(offset, None, "a test");
        for verdict in [quarantine, Verdict::release(offset, "a test")] {
            let context = format!("{verdict:?}");
            world.append(vec![(partition, verdict.to_record())]).await;
            beat().await;
            check_end(&world, &context).await;
        }
    }
    publisher.publisher.stop().await;
}

/// A comment in the middle of a log: its line, and its partition.
fn poison(records: &[(PartitionId, Record)]) -> (String, PartitionId) {
    let lines = records.iter().skip(records.len() / 3);
    let texts =
        lines.map(|(partition, record)| (String::from_utf8_lossy(&record.value).into_owned(), *partition));
    let mut comments = texts.filter(|(line, _)| {
        line.contains("comment") && matches!(decode(line.as_bytes()), Ok(Line::Event(event)) if event.ts > 0)
    });
    comments.next().expect("a comment")
}

/// Where it stands.
async fn placed(world: &World, (line, partition): &(String, PartitionId)) -> (PartitionId, u64) {
    let log = world.log.read(*partition, 0, usize::MAX).await.unwrap();
    let found = log.iter().find(|(_, record)| record.value == line.as_bytes());
    (*partition, found.expect("appended").0)
}

/// A demoted chain that slept through its demotion neither publishes nor fences the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_chain_that_wakes_up_disturbs_nobody() {
    let world = World::new(0);
    let all = records(3);
    let (before, after) = all.split_at(all.len() / 3);
    let (after, late) = after.split_at(all.len() / 3);
    let old = world.start(Chain::A, &settings());
    world.group.tell(Chain::A);
    world.append(before.to_vec()).await;
    world.published().await;

    // It sleeps in its next transaction.
    old.plan.add(Fault::slow(Duration::from_millis(300)).on("publish").times(1));
    world.append(after.to_vec()).await;
    let asleep = async {
        while old.plan.calls("publish") <= old.publisher.status()[0].transactions {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asleep).await.unwrap();
    world.group.switch();
    let new = world.start(Chain::B, &settings());
    world.group.tell(Chain::B);
    world.published().await;
    // More to publish, for those of its partitions that did not sleep.
    world.append(late.to_vec()).await;
    world.append(partitions().map(|partition| (partition, Record::beat(4_000_000_000))).collect()).await;
    world.published().await;

    // It wakes up, is fenced, asks for the route, and leaves it at that: it has not even heard of
    // the switch by itself.
    for partition in partitions() {
        let mut status = old.publisher.statuses()[partition.0 as usize].clone();
        let woken = status.wait_for(|status| matches!(&status.state, State::Waiting(_)));
        tokio::time::timeout(PATIENCE, woken).await.expect("it notices").unwrap();
    }
    let begun = old.plan.calls("begin");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(old.plan.calls("begin"), begun, "it does not begin again");
    assert!(new.publisher.status().iter().all(|status| status.fenced == 0), "{:?}", new.publisher.status());
    oracle::check(&world, "after the zombie").await;
    world.group.tell(Chain::A);
    old.publisher.stop().await;
    new.publisher.stop().await;
}

/// A chain that was asleep between looking at the route and taking over finds out before it
/// publishes anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_takes_over_too_late_publishes_nothing() {
    let world = World::new(0);
    let late = world.start(Chain::A, &settings());
    late.plan.add(Fault::slow(Duration::from_millis(200)).on("begin").times(2));
    world.group.tell(Chain::A);
    let calls = async {
        while late.plan.calls("begin") < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, calls).await.unwrap();
    world.group.switch();
    let new = world.start(Chain::B, &settings());
    world.group.tell(Chain::B);
    for process in [&new, &late] {
        for status in process.publisher.statuses() {
            let mut status = status.clone();
            let begun = status.wait_for(|status| status.begun > 0);
            tokio::time::timeout(PATIENCE, begun).await.expect("it begins").unwrap();
        }
    }
    // Nothing is published yet, so no marker tells the late one; the route does.
    world.append(records(3)).await;
    world.published().await;
    assert!(late.publisher.status().iter().all(|status| status.transactions == 0));
    oracle::check(&world, "after the late one").await;
    late.publisher.stop().await;
    new.publisher.stop().await;
}

/// A topic written under a later epoch than the route's is left alone until the route follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_epoch_in_the_topic_ends_an_older_route() {
    let world = World::new(0);
    world.append(records(5)).await;
    let later = world.start(Chain::A, &settings());
    for _ in 0..4 {
        world.group.switch();
    }
    world.group.tell(Chain::A);
    world.published().await;
    later.publisher.stop().await;

    // The control group has lost its memory.
    let mut forgetful = World::new(0);
    forgetful.log = world.log.clone();
    forgetful.topic = world.topic.clone();
    let process = forgetful.start(Chain::A, &settings());
    forgetful.group.tell(Chain::A);
    let mut status = process.publisher.statuses()[0].clone();
    let waiting = status.wait_for(
        |status| matches!(&status.state, State::Waiting(reason) if reason.contains("a newer route must come first")),
    );
    tokio::time::timeout(PATIENCE, waiting).await.expect("it says so").unwrap();
    let transactions: u64 = process.publisher.status().iter().map(|status| status.transactions).sum();
    assert_eq!(transactions, 0);
    process.publisher.stop().await;
}

/// A chain that does not publish knows how far the topic is, so that compute keeps the snapshot
/// it would go on from; and goes on from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_pins_the_snapshot_it_would_go_on_from() {
    let mut world = World::new(1);
    let all = records(11);
    let active = world.start(Chain::A, &settings());
    let standby = world.start(Chain::B, &settings());
    world.group.tell_all();
    for piece in all.chunks(all.len() / 4) {
        world.append(piece.to_vec()).await;
        world.snapshot(Chain::B).await;
    }
    world.published().await;
    for partition in partitions() {
        let last = world.topic.last(partition).await.unwrap().unwrap().cut.next;
        let pinned = async {
            while standby.pins.of(partition) != Pin::At(last) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, pinned).await.expect("it looks");
        // As compute does after each snapshot.
        let store = &world.snapshots[Chain::B as usize];
        let before: Vec<u64> = store.list(partition).await.unwrap();
        let needed = before.iter().copied().find(|next| *next <= last);
        store.prune(partition, 1, Some(last)).await.unwrap();
        let kept = store.list(partition).await.unwrap();
        assert!(needed.is_none_or(|needed| kept.contains(&needed)), "{before:?} {kept:?} {last}");
    }
    world.group.switch();
    world.group.tell_all();
    world.append(records(12)).await;
    world.published().await;
    assert_eq!(oracle::check(&world, "after the switch").await.changes, 2);
    active.publisher.stop().await;
    standby.publisher.stop().await;
}

/// Publishing that is switched on when the log has lost its beginning starts from a snapshot: what
/// it publishes is right, and what changes from then on is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_its_beginning_is_published_from_the_oldest_snapshot() {
    let mut world = World::new(0);
    let all = records(21);
    let (before, after) = all.split_at(all.len() / 2);
    world.append(before.to_vec()).await;
    world.snapshot(Chain::A).await;
    let kept: Vec<u64> = world.log.ends().borrow().to_vec();
    world.append(after.to_vec()).await;
    world.snapshot(Chain::A).await;
    let process =
        world.start_on(Chain::A, &settings(), Arc::new(Trimmed::new(world.log.clone(), kept.clone())));
    world.group.tell(Chain::A);
    world.published().await;
    oracle::check_from(&world, &kept, "a log without its beginning").await;
    process.publisher.stop().await;

    // Without a snapshot to start from nothing is published, and it says why.
    let log = world.log.clone();
    let world = World::new(0);
    world.group.tell(Chain::A);
    let process = world.start_on(Chain::A, &settings(), Arc::new(Trimmed::new(log, kept)));
    let mut status = process.publisher.statuses()[0].clone();
    let waiting =
        status.wait_for(|status| matches!(&status.state, State::Waiting(why) if why.contains("gone")));
    tokio::time::timeout(PATIENCE, waiting).await.expect("it says so").unwrap();
    assert!(world.reader.messages(PartitionId(0)).await.is_empty());
    process.publisher.stop().await;
}
