//! Partitions that move between processes, and processes that do not know it yet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tandem_compute::Phase;
use tandem_model::route::Chain;
use tandem_model::{Cut, PartitionId, SessionId};
use tandem_storage::faulty::{self, ChainPlans, Fault};
use tandem_storage::memory::{self, MemoryEventLog};
use tandem_storage::{ChainStores, Select};
use tokio::task::JoinHandle;

use crate::world::{
    Hands, PARTITIONS, append, append_live, caught_up, check, check_all_hot, hot_filled, start_for, until,
};

/// Looks at everything all the time; nothing that it sees may go back.
struct Watcher {
    is_done: Arc<AtomicBool>,
    task: JoinHandle<u64>,
}

impl Watcher {
    fn start(stores: &ChainStores) -> Self {
        let is_done = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(watch(stores.clone(), Arc::clone(&is_done)));
        Self { is_done, task }
    }

    async fn end(self) {
        self.is_done.store(true, Ordering::Relaxed);
        assert!(self.task.await.expect("nothing went back") > 0);
    }
}

async fn watch(stores: ChainStores, is_done: Arc<AtomicBool>) -> u64 {
    let mut progress: BTreeMap<PartitionId, Cut> = BTreeMap::new();
    let mut sessions: BTreeMap<SessionId, (Cut, u64)> = BTreeMap::new();
    let mut looks = 0;
    while !is_done.load(Ordering::Relaxed) {
        for partition in (0..PARTITIONS).map(PartitionId) {
            let Some(cut) = stores.rows.progress(partition).await.expect("memory") else { continue };
            let known = progress.entry(partition).or_default();
            assert!(cut >= *known, "progress went back: {cut:?} after {known:?}");
            *known = cut;
        }
        for id in stores.rows.session_ids(None, 1_000).await.expect("memory") {
            let rows = stores.rows.session(id.as_str(), &Select::All).await.expect("memory").expect("listed");
            let version = rows.rows.iter().map(|row| row.offset).max().unwrap_or(0);
            let known = sessions.entry(id.clone()).or_default();
            assert!((rows.cut, version) >= *known, "{id} went back: {:?} after {known:?}", rows.cut);
            *known = (rows.cut, version);
            // What the hot store says together is true together: the session reflects the progress.
            let look = stores.hot.session(rows.partition, id.as_str()).await.expect("memory");
            let Some(hot) = look.session else { continue };
            let is_whole = hot.rows.iter().all(|row| row.offset < hot.cut.next);
            assert!(is_whole, "{id}: a row from beyond its cut");
            looks += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    looks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_move_between_processes_and_every_figure_stays_right() {
    for seed in 80..86 {
        let log = Arc::new(MemoryEventLog::with_holes(PARTITIONS, seed % 2));
        let stores = memory::chain_stores();
        let watcher = Watcher::start(&stores);
        let (left, right) = (Hands::holding(&[0, 1]), Hands::holding(&[]));
        // Different batches: what each has written, the other finds in the middle of its own.
        let one = start_for(Chain::A, &log, &stores, left.clone());
        let two = start_for(Chain::B, &log, &stores, right.clone());
        append(&log, seed).await;
        assert_eq!(two.status()[0].phase, Phase::Elsewhere);

        // The new one is at work before the old one knows; both write for a while.
        right.take(&[0]);
        append(&log, seed + 100).await;
        left.take(&[1]);
        until(&one, 0, |status| status.phase == Phase::Elsewhere).await;
        append(&log, seed + 200).await;
        // And back again, and the other one over, without an overlap.
        right.take(&[]);
        until(&two, 0, |status| status.phase == Phase::Elsewhere).await;
        left.take(&[0]);
        right.take(&[1]);
        append_live(&log, 1).await;
        // Away and back before it has ended.
        left.take(&[]);
        left.take(&[0]);
        append_live(&log, 2).await;

        let ends = tandem_storage::EventLog::ends(&*log).borrow().clone();
        until(&one, 0, |status| status.reached >= ends[0] && status.phase == Phase::Following).await;
        until(&two, 1, |status| status.reached >= ends[1] && status.phase == Phase::Following).await;
        one.stop().await;
        two.stop().await;
        check(&log, &stores, &format!("seed {seed}")).await;
        watcher.end().await;
    }
}

/// A process that was thought dead goes on writing, late, through slow stores.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_harms_nothing() {
    for seed in 90..94 {
        let log = Arc::new(MemoryEventLog::new(PARTITIONS));
        let stores = memory::chain_stores();
        let plans = ChainPlans::default();
        let hands = Hands::holding(&[0, 1]);
        let zombie = start_for(Chain::A, &log, &faulty::chain_stores(stores.clone(), &plans), hands.clone());
        append(&log, seed).await;
        caught_up(&zombie, &log).await;
        let watcher = Watcher::start(&stores);
        for plan in [&plans.rows, &plans.dead_letters, &plans.snapshots] {
            plan.add(Fault::slow(Duration::from_millis(7)));
        }
        // Just within what a call to the hot store may take.
        plans.hot.add(Fault::slow(Duration::from_millis(40)));

        let heir = start_for(Chain::B, &log, &stores, Hands::holding(&[0, 1]));
        append(&log, seed + 100).await;
        append_live(&log, 0).await;
        caught_up(&heir, &log).await;
        // Its last flush and snapshot come when all is over.
        zombie.stop().await;
        append_live(&log, 1).await;
        caught_up(&heir, &log).await;
        hot_filled(&heir).await;
        heir.stop().await;
        check(&log, &stores, &format!("seed {seed}")).await;
        check_all_hot(&log, &stores, "zombie").await;
        watcher.end().await;
        // What the two left behind is good for a start.
        let next = start_for(Chain::A, &log, &stores, Hands::holding(&[0, 1]));
        append_live(&log, 2).await;
        caught_up(&next, &log).await;
        next.stop().await;
        check(&log, &stores, &format!("seed {seed}, after all")).await;
    }
}
