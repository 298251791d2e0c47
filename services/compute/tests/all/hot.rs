//! A hot store that fails, hangs, forgets, or is another's: the chain goes on without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tandem_compute::{Hot, Phase};
use tandem_model::route::Chain;
use tandem_model::{Changes, Cut, PartitionId};
use tandem_storage::faulty::{self, ChainPlans, Fault};
use tandem_storage::memory::{self, MemoryEventLog, MemoryHotStore};
use tandem_storage::{Applied, ChainStores, HotSession, HotStore, Incarnation, Result, SessionRows};

use crate::world::{
    PARTITIONS, append, append_beat, append_live, caught_up, check, check_all_hot, hot_filled, start, until,
};

fn stores() -> (ChainStores, Arc<MemoryHotStore>) {
    let hot = Arc::new(MemoryHotStore::new(1_000));
    (ChainStores { hot: Arc::clone(&hot) as _, ..memory::chain_stores() }, hot)
}

fn away(hot: &Hot, because: &str) -> bool {
    matches!(hot, Hot::Away { reason, .. } if reason.contains(because))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_store_that_is_away_stalls_nothing_and_is_filled_when_it_is_back() {
    let outages = [
        (Fault::unavailable(), "as planned"),
        (Fault::timeout(), "no answer"),
        (Fault::slow(Duration::from_secs(3_600)), "no answer"),
    ];
    for (seed, (fault, because)) in (40..).zip(outages) {
        let log = Arc::new(MemoryEventLog::new(PARTITIONS));
        let (inner, _) = stores();
        let plans = ChainPlans::default();
        let compute = start(Chain::A, &log, &faulty::chain_stores(inner.clone(), &plans));
        append(&log, seed).await;
        caught_up(&compute, &log).await;
        hot_filled(&compute).await;

        plans.hot.add(fault);
        append(&log, seed + 100).await;
        append_live(&log, 0).await;
        caught_up(&compute, &log).await;
        for partition in 0..PARTITIONS {
            until(&compute, partition, |status| away(&status.hot, because)).await;
            assert_eq!(compute.status()[partition as usize].phase, Phase::Following);
        }
        // Back again, and nothing happens in the log: all the same it is filled.
        plans.hot.clear();
        hot_filled(&compute).await;
        check_all_hot(&log, &inner, because).await;
        check(&log, &inner, because).await;
        append_live(&log, 1).await;
        caught_up(&compute, &log).await;
        hot_filled(&compute).await;
        compute.stop().await;
        check(&log, &inner, because).await;
        check_all_hot(&log, &inner, because).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_store_that_forgets_is_begun_anew() {
    let log = Arc::new(MemoryEventLog::new(PARTITIONS));
    let (stores, hot) = stores();
    let compute = start(Chain::B, &log, &stores);
    append(&log, 50).await;
    for round in 0..5 {
        append_live(&log, 2 * round).await;
        hot.clear();
        // It shows with the next change.
        append_live(&log, 2 * round + 1).await;
        caught_up(&compute, &log).await;
        hot_filled(&compute).await;
        check(&log, &stores, &format!("round {round}")).await;
        check_all_hot(&log, &stores, "forgot").await;
    }
    compute.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_is_ahead_in_is_left_alone() {
    let log = Arc::new(MemoryEventLog::new(PARTITIONS));
    let (stores, hot) = stores();
    let ahead = Cut { next: 1 << 40, clock: 1 << 50 };
    for partition in (0..PARTITIONS).map(PartitionId) {
        hot.begin(partition, ahead).await.expect("memory").expect("nobody's yet");
    }
    let compute = start(Chain::A, &log, &stores);
    append(&log, 60).await;
    append_live(&log, 0).await;
    caught_up(&compute, &log).await;
    for partition in 0..PARTITIONS {
        until(&compute, partition, |status| away(&status.hot, "ahead")).await;
        assert_eq!(hot.progress(PartitionId(partition)).await.expect("memory"), Some(ahead));
    }
    // The other one was lost with all it had.
    hot.clear();
    hot_filled(&compute).await;
    compute.stop().await;
    check(&log, &stores, "ahead").await;
    check_all_hot(&log, &stores, "ahead").await;
}

/// Sessions are put in from the row store; while that is away, the hot store is not to blame.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_filled_once_the_row_store_can_give_the_sessions() {
    let log = Arc::new(MemoryEventLog::new(PARTITIONS));
    let (inner, hot) = stores();
    let plans = ChainPlans::default();
    let compute = start(Chain::A, &log, &faulty::chain_stores(inner.clone(), &plans));
    append(&log, 70).await;
    append_live(&log, 0).await;
    caught_up(&compute, &log).await;
    plans.rows.add(Fault::unavailable().on("session"));
    hot.clear();
    append_live(&log, 1).await;
    caught_up(&compute, &log).await;
    let is_waiting = |hot: &Hot| matches!(hot, Hot::Following { missing, .. } if *missing > 0);
    until(&compute, 0, |status| is_waiting(&status.hot)).await;
    plans.rows.clear();
    hot_filled(&compute).await;
    compute.stop().await;
    check(&log, &inner, "filled").await;
    check_all_hot(&log, &inner, "filled").await;
}

/// A hot store whose replica takes over without the last writes, which were answered.
struct FailingOver {
    inner: MemoryHotStore,
    is_losing: AtomicBool,
}

#[async_trait]
impl HotStore for FailingOver {
    async fn begin(&self, partition: PartitionId, cut: Cut) -> Result<Option<Incarnation>> {
        self.inner.begin(partition, cut).await
    }

    async fn apply(&self, incarnation: Incarnation, base: Cut, changes: &Changes) -> Result<Applied> {
        match self.is_losing.load(Ordering::Relaxed) {
            true => Ok(Applied::Done { absent: Vec::new() }),
            false => self.inner.apply(incarnation, base, changes).await,
        }
    }

    async fn put(&self, incarnation: Incarnation, session: SessionRows) -> Result<()> {
        match self.is_losing.load(Ordering::Relaxed) {
            true => Ok(()),
            false => self.inner.put(incarnation, session).await,
        }
    }

    async fn session(&self, partition: PartitionId, id: &str) -> Result<HotSession> {
        self.inner.session(partition, id).await
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.inner.progress(partition).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_store_that_lost_its_last_writes_is_begun_anew() {
    let log = Arc::new(MemoryEventLog::new(PARTITIONS));
    let hot = Arc::new(FailingOver { inner: MemoryHotStore::new(1_000), is_losing: AtomicBool::new(false) });
    let stores = ChainStores { hot: Arc::clone(&hot) as _, ..memory::chain_stores() };
    let compute = start(Chain::A, &log, &stores);
    append_live(&log, 0).await;
    caught_up(&compute, &log).await;
    hot_filled(&compute).await;
    hot.is_losing.store(true, Ordering::Relaxed);
    append_live(&log, 1).await;
    caught_up(&compute, &log).await;
    hot.is_losing.store(false, Ordering::Relaxed);
    // No session comes with it: those that missed a change stay as they are, unless it is noticed.
    append_beat(&log, 2).await;
    caught_up(&compute, &log).await;
    hot_filled(&compute).await;
    compute.stop().await;
    check(&log, &stores, "failed over").await;
    check_all_hot(&log, &stores, "failed over").await;
}
