//! Compute and the publisher together: the snapshot that publishing would go on from is kept.

use std::sync::Arc;
use std::time::Duration;

use tandem_compute::{Compute, Settings as ComputeSettings};
use tandem_model::PartitionId;
use tandem_model::route::Chain;
use tandem_storage::faulty::Fault;
use tandem_storage::{All, ChainStores, EventLog, SnapshotStore, memory};

use crate::chaos::records;
use crate::oracle;
use crate::world::{KEY, PARTITIONS, PATIENCE, Trimmed, World, partitions, settings};

/// Waits until `compute` has come to the end of the log.
async fn caught_up(world: &World, compute: &Compute) {
    let ends = world.log.ends().borrow().clone();
    for (status, end) in compute.statuses().iter().zip(ends.iter()) {
        let mut status = status.clone();
        let reached = status.wait_for(|status| status.cut.next >= *end);
        tokio::time::timeout(PATIENCE, reached).await.expect("it computes").unwrap();
    }
}

/// The topic is away while compute takes snapshot after snapshot and the log loses what lies before
/// the one that is needed. Publishing goes on all the same, on a process that starts from nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_goes_on_from_the_snapshot_that_was_kept() {
    let world = World::new(0);
    let all = records(51);
    let pieces: Vec<_> = all.chunks(all.len() / 10 + 1).collect();
    let process = world.start(Chain::A, &settings());
    world.group.tell(Chain::A);
    let stores =
        ChainStores { snapshots: world.snapshots[Chain::A as usize].clone(), ..memory::chain_stores() };
    let compute = Compute::start(
        ComputeSettings {
            flush_interval: Duration::from_millis(1),
            snapshot_interval: Duration::from_millis(1),
            pins: process.pins.clone(),
            ..ComputeSettings::of(Chain::A)
        },
        world.log.clone(),
        stores,
        KEY,
        Arc::new(All::of(PARTITIONS)),
    )
    .unwrap();
    for piece in &pieces[..4] {
        world.append(piece.to_vec()).await;
        caught_up(&world, &compute).await;
    }
    world.published().await;
    // From now on nothing gets through.
    process.plan.add(Fault::unavailable().on("publish"));
    for piece in &pieces[4..] {
        world.append(piece.to_vec()).await;
        caught_up(&world, &compute).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    compute.stop().await;
    process.publisher.stop().await;

    let mut begins = Vec::new();
    for partition in partitions() {
        let last = world.topic.last(partition).await.unwrap().expect("something was published").cut.next;
        let places = world.snapshots[Chain::A as usize].list(partition).await.unwrap();
        let needed = places.iter().copied().find(|next| *next <= last);
        // Bounded all the same: the newest two, and that one.
        assert!(places.len() <= 3, "{places:?}");
        assert!(places[0] > last, "{places:?} {last}");
        begins.push(needed.unwrap_or_else(|| panic!("{places:?} {last}")));
    }
    let log = Arc::new(Trimmed::new(world.log.clone(), begins));
    let process = world.start_on(Chain::A, &settings(), log);
    world.published().await;
    oracle::check(&world, "after the topic came back").await;
    let status = process.publisher.status();
    assert!(status.iter().all(|status| status.partition != PartitionId(0) || status.transactions > 0));
    process.publisher.stop().await;
}
