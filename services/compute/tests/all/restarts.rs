//! Restarts, and stores that fail for a while.

use std::sync::Arc;
use std::time::Duration;

use tandem_compute::{Compute, Phase, Settings};
use tandem_model::PartitionId;
use tandem_model::route::Chain;
use tandem_storage::faulty::{self, ChainPlans, Fault, Faulty, Outcome, Plan};
use tandem_storage::memory::{self, MemoryEventLog, MemoryHotStore};
use tandem_storage::{All, ChainStores, EventLog, StoreError};

use crate::world::{Hands, KEY, PARTITIONS, append, caught_up, check, settings, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_what_the_plain_method_says_over_restarts() {
    for seed in 0..24 {
        // A log with holes between offsets, as Kafka's transactions leave them.
        let log = Arc::new(MemoryEventLog::with_holes(PARTITIONS, 1 + seed % 3));
        let stores = memory::chain_stores();
        let chain = Chain::ALL[seed as usize % 2];
        for run in 0..3 {
            let compute = start(chain, &log, &stores);
            append(&log, seed * 3 + run).await;
            if run == 1 {
                // The next run finds a log that went on without it.
                compute.stop().await;
                continue;
            }
            caught_up(&compute, &log).await;
            assert!(compute.status().iter().all(|status| status.phase == Phase::Following));
            compute.stop().await;
            check(&log, &stores, &format!("seed {seed}, run {run}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_stores_cost_time_and_nothing_else() {
    for seed in 1_000..1_012 {
        let log = Arc::new(MemoryEventLog::new(PARTITIONS));
        let hot = Arc::new(MemoryHotStore::new(3));
        let mut inner = memory::chain_stores();
        inner.hot = Arc::clone(&hot) as _;
        let plans = ChainPlans::default();
        for plan in [&plans.rows, &plans.hot, &plans.snapshots, &plans.dead_letters] {
            plan.add(Fault::timeout().after(2).times(2));
            plan.add(Fault::unavailable().after(1).times(3));
            plan.add(Fault::slow(Duration::from_millis(2)).times(10));
        }
        let compute = start(Chain::A, &log, &faulty::chain_stores(inner.clone(), &plans));
        append(&log, seed).await;
        hot.clear();
        append(&log, seed + 1_000).await;
        caught_up(&compute, &log).await;
        compute.stop().await;
        check(&log, &inner, &format!("seed {seed}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_shows_as_stalled_while_its_store_is_down() {
    let log = Arc::new(MemoryEventLog::new(PARTITIONS));
    let inner = memory::chain_stores();
    let plans = ChainPlans::default();
    let compute = start(Chain::B, &log, &faulty::chain_stores(inner.clone(), &plans));
    plans.rows.add(Fault::unavailable().on("apply"));
    append(&log, 5).await;
    until(&compute, 0, |status| matches!(status.phase, Phase::Stalled(_))).await;
    plans.rows.clear();
    caught_up(&compute, &log).await;
    assert_eq!(compute.status()[0].phase, Phase::Following);
    compute.stop().await;
    check(&log, &inner, "after the stall").await;
}

/// What was read before the log went away is shown, however long it stays away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_folded_is_written_when_the_log_goes_away() {
    let log = Arc::new(MemoryEventLog::new(PARTITIONS));
    let stores = memory::chain_stores();
    append(&log, 5).await;
    let plan = Arc::new(Plan::new());
    plan.add(Fault::unavailable().on("read").after(4));
    let away: Arc<dyn EventLog> = Arc::new(Faulty::new(Arc::clone(&log), Arc::clone(&plan)));
    let settings = Settings { flush_interval: Duration::from_secs(3_600), ..settings(Chain::A) };
    // One partition, so that all reads that come through are its own.
    let ours = Hands::holding(&[0]);
    let compute = Compute::start(settings, away, stores.clone(), KEY, ours).expect("threads");
    until(&compute, 0, |status| status.cut.next > 0 && matches!(status.phase, Phase::Stalled(_))).await;
    plan.clear();
    compute.stop().await;
}

/// A snapshot that does not belong to the rows is noticed by its digests and left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_snapshot_is_noticed_and_left_out() {
    let log = Arc::new(MemoryEventLog::new(PARTITIONS));
    let stores = memory::chain_stores();
    let compute = start(Chain::A, &log, &stores);
    append(&log, 77).await;
    caught_up(&compute, &log).await;
    compute.stop().await;
    // Snapshots of a fold that read another log, at a place this chain has passed.
    for partition in (0..PARTITIONS).map(PartitionId) {
        for next in stores.snapshots.list(partition).await.expect("memory") {
            let mut fold = tandem_fold::Fold::new(partition, PARTITIONS, KEY);
            fold.apply(next - 2, &tandem_model::Record::beat(1));
            fold.take_changes();
            let bytes = fold.snapshot().into();
            let wrong = tandem_storage::Snapshot { next: next - 1, bytes };
            stores.snapshots.put(partition, wrong).await.expect("memory");
        }
        stores.snapshots.prune(partition, 0, None).await.expect("memory");
    }
    let compute = start(Chain::A, &log, &stores);
    append(&log, 78).await;
    caught_up(&compute, &log).await;
    compute.stop().await;
    check(&log, &stores, "after a wrong snapshot").await;
}

/// What a start from recovery mends is started again; damage is not, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_ended_starts_again_unless_something_is_damaged() {
    let log = Arc::new(MemoryEventLog::new(PARTITIONS));
    let inner = memory::chain_stores();
    let plans = ChainPlans::default();
    let refused = Outcome::FailBefore(StoreError::Refused("as planned".to_owned()));
    plans.rows.add(Fault::new(refused).on("apply").after(1).times(2));
    let compute = start(Chain::A, &log, &faulty::chain_stores(inner.clone(), &plans));
    append(&log, 21).await;
    caught_up(&compute, &log).await;
    assert!(compute.status().iter().all(|status| status.phase == Phase::Following));

    let damaged = Outcome::FailBefore(StoreError::Damaged("block 7".to_owned()));
    plans.rows.add(Fault::new(damaged).on("apply"));
    append(&log, 22).await;
    for partition in 0..PARTITIONS {
        let says_why = |phase: &Phase| matches!(phase, Phase::Failed(reason) if reason.contains("block 7"));
        until(&compute, partition, |status| says_why(&status.phase)).await;
    }
    plans.rows.clear();
    compute.stop().await;
    // Nothing was lost: the next process goes on.
    let compute = start(Chain::A, &log, &inner);
    caught_up(&compute, &log).await;
    compute.stop().await;
    check(&log, &inner, "after the damage").await;
}

/// Below the ends of Kafka's log nothing may be left to read; it is read to its end all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_ends_in_markers_is_read_to_its_end() {
    let log = Arc::new(MemoryEventLog::with_markers(PARTITIONS, 2));
    let stores = memory::chain_stores();
    for seed in 31..33 {
        let compute = start(Chain::B, &log, &stores);
        append(&log, seed).await;
        caught_up(&compute, &log).await;
        assert!(compute.status().iter().all(|status| status.cut.next + 2 == status.reached));
        compute.stop().await;
        check(&log, &stores, "with markers").await;
    }
}

/// A replay may take long; whoever is told to stop meanwhile does not finish it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_can_be_stopped() {
    let log = Arc::new(MemoryEventLog::new(PARTITIONS));
    let stores = memory::chain_stores();
    let compute = start(Chain::A, &log, &stores);
    append(&log, 35).await;
    caught_up(&compute, &log).await;
    compute.stop().await;

    // Without snapshots, and record by record.
    let stores = ChainStores { snapshots: memory::chain_stores().snapshots, ..stores };
    let plan = Arc::new(Plan::new());
    plan.add(Fault::slow(Duration::from_millis(20)));
    let records: u64 = log.ends().borrow().iter().sum();
    let slow: Arc<dyn EventLog> = Arc::new(Faulty::new(log, Arc::clone(&plan)));
    let settings = Settings { batch_bytes: 1, ..settings(Chain::A) };
    let ownership = Arc::new(All::of(PARTITIONS));
    let compute = Compute::start(settings, slow, stores, KEY, ownership).expect("threads");
    until(&compute, 0, |status| status.phase == Phase::Recovering).await;
    let status = compute.statuses()[0].clone();
    compute.stop().await;
    assert_eq!((&status.borrow().phase, status.borrow().cut.next), (&Phase::Stopped, 0));
    assert!(plan.calls("read") < records, "it was finished");
}
