//! A chain's compute on in-memory stores that fail, forget and restart.

use std::sync::Arc;
use std::time::Duration;

use tandem_compute::{Compute, Phase, Settings};
use tandem_model::rejected::Rejected;
use tandem_model::route::Chain;
use tandem_model::{PartitionId, PseudonymKey, RowKey, Values};
use tandem_plain::Plain;
use tandem_storage::faulty::{self, ChainPlans, Fault};
use tandem_storage::memory::{self, MemoryEventLog, MemoryHotStore};
use tandem_storage::{Append, ChainStores, DeadLetterQuery, EventLog, Select};

const PARTITIONS: u32 = 2;
const KEY: PseudonymKey = PseudonymKey::new([9; 16]);

fn settings(chain: Chain) -> Settings {
    Settings {
        batch_bytes: match chain {
            Chain::A => 2_000,
            Chain::B => 700,
        },
        flush_interval: Duration::from_millis(1),
        snapshot_interval: Duration::from_millis(3),
        ..Settings::of(chain)
    }
}

fn start(chain: Chain, log: &Arc<MemoryEventLog>, stores: &ChainStores) -> Compute {
    Compute::start(settings(chain), Arc::clone(log) as Arc<dyn EventLog>, stores.clone(), KEY)
        .expect("threads")
}

/// Appends the nasty log of `seed` in pieces.
async fn append(log: &MemoryEventLog, seed: u64) {
    let lines = tandem_plain::nasty::generate(seed);
    let records = tandem_plain::nasty::log(&lines, seed, PARTITIONS);
    for piece in records.chunks(90) {
        let append = Append { records: piece.to_vec(), receipt: None };
        log.append(append).await.expect("memory");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until `compute` has read the whole log.
async fn caught_up(compute: &Compute, log: &MemoryEventLog) {
    let ends = log.ends().borrow().clone();
    for (status, end) in compute.statuses().iter().zip(ends.iter()) {
        let mut status = status.clone();
        let reached = status.wait_for(|status| status.cut.next >= *end);
        let waited = tokio::time::timeout(Duration::from_secs(20), reached).await;
        assert!(waited.is_ok(), "not caught up");
    }
}

/// Every row, session and rejected event is what the plain method says; the hot store holds the
/// same totals, where it holds a session at all.
async fn check(log: &MemoryEventLog, stores: &ChainStores, context: &str) {
    for partition in (0..PARTITIONS).map(PartitionId) {
        let mut plain = Plain::new(partition, PARTITIONS, KEY);
        let mut from = 0;
        loop {
            let records = log.read(partition, from, 1 << 20).await.expect("memory");
            let Some((last, _)) = records.last() else { break };
            from = last + 1;
            records.iter().for_each(|(offset, record)| plain.apply(*offset, record));
        }
        let row = stores.rows.partition_row(partition).await.expect("memory").unwrap_or_default();
        assert_eq!(row, plain.partition_row(), "{context}");
        for id in plain.sessions() {
            let expected = plain.session(id.as_str()).expect("listed");
            let found =
                stores.rows.session(id.as_str(), &Select::All).await.expect("memory").expect("the session");
            assert_eq!(found.session, expected.session, "{context}, {id}");
            let rows: Vec<(RowKey, (Values, u64))> =
                found.rows.into_iter().map(|row| (row.key, (row.values, row.offset))).collect();
            assert_eq!(rows, expected.rows.into_iter().collect::<Vec<_>>(), "{context}, {id}");
            if let Some(hot) = stores.hot.session(partition, id.as_str()).await.expect("memory").session {
                let totals = stores.rows.session(id.as_str(), &Select::Totals).await.expect("memory");
                let totals = totals.expect("the session");
                assert_eq!((&hot.session, &hot.rows), (&totals.session, &totals.rows), "{context}, {id}");
            }
        }
        let query = DeadLetterQuery { limit: 1_000_000, ..DeadLetterQuery::default() };
        let letters: Vec<Rejected> = stores.dead_letters.list(&query).await.expect("memory");
        let letters: Vec<_> = letters.into_iter().filter(|letter| letter.partition == partition).collect();
        assert_eq!(letters, plain.rejected(), "{context}");
    }
}

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
    let mut status = compute.statuses()[0].clone();
    let stalled = status.wait_for(|status| matches!(status.phase, Phase::Stalled(_)));
    assert!(tokio::time::timeout(Duration::from_secs(20), stalled).await.is_ok(), "does not show");
    plans.rows.clear();
    caught_up(&compute, &log).await;
    assert_eq!(compute.status()[0].phase, Phase::Following);
    compute.stop().await;
    check(&log, &inner, "after the stall").await;
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
