//! Rows that are wrong, computed again: whatever is wrong with them, and wherever it is cut short.

use std::sync::Arc;
use std::time::Duration;

use tandem_compute::{Compute, Phase};
use tandem_model::route::Chain;
use tandem_model::{Cut, PartitionId, SessionId};
use tandem_storage::faulty::{self, ChainPlans, Fault, Outcome};
use tandem_storage::memory::{self, MemoryEventLog};
use tandem_storage::{
    BEATS_KEPT, ChainStores, OrderError, RepairState, RepairWish, Replacement, RowStore, Select, SessionRows,
    StoreError,
};

use crate::world::{
    PARTITIONS, append, append_live, caught_up, check, check_all_hot, hot_filled, start, until,
};

/// A chain that has read a nasty log and some live sessions.
async fn followed(seed: u64) -> (Arc<MemoryEventLog>, ChainStores, Compute) {
    let log = Arc::new(MemoryEventLog::with_holes(PARTITIONS, 1 + seed % 2));
    let stores = memory::chain_stores();
    let compute = start(Chain::ALL[seed as usize % 2], &log, &stores);
    append(&log, seed).await;
    append_live(&log, 1).await;
    caught_up(&compute, &log).await;
    (log, stores, compute)
}

async fn ids(rows: &dyn RowStore, partition: PartitionId) -> Vec<SessionId> {
    let mut ids = rows.session_ids(None, 100_000).await.expect("memory");
    ids.retain(|id| tandem_model::partition::partition_of(id.as_str().as_bytes(), PARTITIONS) == partition);
    ids
}

async fn progress(rows: &dyn RowStore, partition: PartitionId) -> Cut {
    rows.progress(partition).await.expect("memory").expect("begun")
}

/// An id of `partition` that the log does not know.
fn stranger(partition: PartitionId) -> SessionId {
    let mut names = (0..).map(|number| SessionId::new(&format!("stranger-{number}")).expect("an id"));
    let is_here = |id: &SessionId| {
        tandem_model::partition::partition_of(id.as_str().as_bytes(), PARTITIONS) == partition
    };
    names.find(is_here).expect("one of them")
}

/// Spoils much of a partition: figures, rows that are missing or should not be, a session that is
/// gone, one that never was, the partition's own row, digests.
async fn spoil(stores: &ChainStores, partition: PartitionId) {
    let rows = &*stores.rows;
    let cut = progress(rows, partition).await;
    let mut sessions = Vec::new();
    for (number, id) in ids(rows, partition).await.into_iter().enumerate() {
        let mut session = rows.session(id.as_str(), &Select::All).await.expect("memory").expect("listed");
        match number % 4 {
            0 => session.rows.iter_mut().for_each(|row| row.values[3] ^= 64),
            1 => session.rows.truncate(1),
            2 => {
                let mut more = session.rows[0].clone();
                more.key.key = "more".into();
                session.rows.push(more);
                session.session.ended_at = Some(3);
            }
            _ => {
                sessions.push((id, None));
                continue;
            }
        }
        let mut never = session.clone();
        never.session_id = stranger(partition);
        sessions.push((id, Some(session)));
        sessions.push((never.session_id.clone(), Some(never)));
    }
    let mut beats = rows.beats(partition, BEATS_KEPT).await.expect("memory");
    beats.iter_mut().for_each(|beat| beat.digests.0[0] ^= 1);
    let row = rows.partition_row(partition).await.expect("memory").expect("begun");
    let wrong = tandem_model::row::PartitionRow { late_events: row.late_events + 1, ..row };
    let partition_row = Some((wrong, beats));
    rows.replace(&Replacement { partition, cut, sessions, partition_row }).await.expect("memory");
}

async fn repaired(compute: &Compute, stores: &ChainStores, partition: u32) {
    let waiting = async {
        while stores.rows.repair_order(PartitionId(partition)).await.expect("memory").is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the order is done");
    until(compute, partition, |status| status.phase == Phase::Following).await;
}

/// Orders a partition, or a session, or all of it to be computed again.
async fn order(
    stores: &ChainStores,
    partition: Option<u32>,
    session_id: Option<SessionId>,
    ordered_ms: u64,
) -> Result<Vec<PartitionId>, OrderError> {
    let wish = RepairWish { partition: partition.map(PartitionId), session_id, reason: "test".to_owned() };
    wish.order(&*stores.rows, PARTITIONS, ordered_ms).await
}

async fn state(stores: &ChainStores, partition: u32) -> Option<RepairState> {
    stores.rows.repair(PartitionId(partition)).await.expect("memory").map(|repair| repair.state)
}

async fn all_is_right(log: &MemoryEventLog, stores: &ChainStores, context: &str) {
    check(log, stores, context).await;
    for partition in (0..PARTITIONS).map(PartitionId) {
        let found = stores.rows.session(stranger(partition).as_str(), &Select::All).await.expect("memory");
        assert_eq!(found, None, "{context}: what never was is still there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_partition_is_right_afterwards_and_stays_so() {
    for seed in 40..46 {
        let (log, stores, compute) = followed(seed).await;
        hot_filled(&compute).await;
        spoil(&stores, PartitionId(0)).await;
        let before = progress(&*stores.rows, PartitionId(0)).await;
        let ordered = order(&stores, Some(0), None, seed).await.expect("ordered");
        assert_eq!(ordered, [PartitionId(0)]);
        repaired(&compute, &stores, 0).await;
        assert_eq!(progress(&*stores.rows, PartitionId(0)).await, before, "nobody goes back");
        all_is_right(&log, &stores, &format!("seed {seed}")).await;
        // What comes later builds on it, in both stores, and so does a restart.
        append_live(&log, 2).await;
        caught_up(&compute, &log).await;
        hot_filled(&compute).await;
        check_all_hot(&log, &stores, "later").await;
        compute.stop().await;
        let compute = start(Chain::A, &log, &stores);
        append_live(&log, 3).await;
        caught_up(&compute, &log).await;
        assert!(compute.status()[0].restored_from > 0, "there is a snapshot again");
        compute.stop().await;
        all_is_right(&log, &stores, &format!("seed {seed}, later")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_of_one_session_leaves_the_others_alone() {
    let (log, stores, compute) = followed(51).await;
    let rows = &*stores.rows;
    let all = ids(rows, PartitionId(1)).await;
    let cut = progress(rows, PartitionId(1)).await;
    let mut before = Vec::new();
    for id in &all[..2] {
        let mut session = rows.session(id.as_str(), &Select::All).await.expect("memory").expect("listed");
        before.push(session.clone());
        session.rows.iter_mut().for_each(|row| row.values[5] += 7);
        let sessions = vec![(id.clone(), Some(session))];
        let wrong = Replacement { partition: PartitionId(1), cut, sessions, partition_row: None };
        rows.replace(&wrong).await.expect("memory");
    }
    let ordered = order(&stores, None, Some(all[0].clone()), 1).await.expect("ordered");
    assert_eq!(ordered, [PartitionId(1)]);
    repaired(&compute, &stores, 1).await;
    let read = async |id: &SessionId| {
        rows.session(id.as_str(), &Select::All).await.expect("memory").expect("listed").rows
    };
    assert_eq!(read(&all[0]).await, before[0].rows);
    assert_ne!(read(&all[1]).await, before[1].rows);
    order(&stores, None, None, 2).await.expect("ordered");
    for partition in 0..PARTITIONS {
        repaired(&compute, &stores, partition).await;
    }
    compute.stop().await;
    all_is_right(&log, &stores, "all of it").await;
}

/// Ends a repair at each of its steps in turn, as a crash would; the next start does it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_that_was_cut_short_goes_on_after_the_restart() {
    let mut cut_short = 0;
    for step in 0..8 {
        let (log, stores, compute) = followed(60 + step).await;
        compute.stop().await;
        spoil(&stores, PartitionId(0)).await;
        order(&stores, Some(0), None, 1).await.expect("ordered");
        let plans = ChainPlans::default();
        // From then on no call comes through, until it is stopped.
        let name = if step == 7 { "end_repair" } else { "replace" };
        let after = if step == 7 { 0 } else { step };
        plans.rows.add(
            Fault::new(Outcome::FailBefore(StoreError::Unavailable("planned".to_owned())))
                .on(name)
                .after(after),
        );
        let broken = start(Chain::A, &log, &faulty::chain_stores(stores.clone(), &plans));
        let mut status = broken.statuses()[0].clone();
        let stalled = status.wait_for(|status| matches!(status.phase, Phase::Stalled(_) | Phase::Following));
        let phase = tokio::time::timeout(Duration::from_secs(60), stalled)
            .await
            .expect("in time")
            .expect("it runs")
            .phase
            .clone();
        broken.stop().await;
        if matches!(phase, Phase::Stalled(_)) {
            cut_short += 1;
            assert!(
                stores.rows.repair_order(PartitionId(0)).await.expect("memory").is_some(),
                "it is still ordered"
            );
        }
        let compute = start(Chain::A, &log, &stores);
        repaired(&compute, &stores, 0).await;
        append_live(&log, 2).await;
        caught_up(&compute, &log).await;
        compute.stop().await;
        all_is_right(&log, &stores, &format!("step {step}")).await;
    }
    assert!(cut_short >= 4, "{cut_short}");
}

/// Where rows and log disagree without a snapshot, a partition ends for good; this is the way out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_was_given_up_is_repaired() {
    let (log, stores, compute) = followed(71).await;
    compute.stop().await;
    spoil(&stores, PartitionId(0)).await;
    stores.snapshots.prune(PartitionId(0), 0, None).await.expect("memory");
    let compute = start(Chain::A, &log, &stores);
    until(&compute, 0, |status| matches!(status.phase, Phase::Failed(_))).await;
    order(&stores, Some(0), None, 1).await.expect("ordered");
    repaired(&compute, &stores, 0).await;
    append_live(&log, 2).await;
    caught_up(&compute, &log).await;
    compute.stop().await;
    all_is_right(&log, &stores, "given up before").await;
}

/// A log whose beginning is gone can't give rows again: what is there is kept, and the chain goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_logs_beginning_nothing_is_touched() {
    use tandem_storage::EventLog;
    use tandem_storage::faulty::{Faulty, Plan};

    let (log, stores, compute) = followed(81).await;
    compute.stop().await;
    order(&stores, Some(0), None, 1).await.expect("ordered");
    let plan = Arc::new(Plan::new());
    plan.add(
        Fault::new(Outcome::FailBefore(StoreError::Refused("its beginning is gone".to_owned())))
            .on("read")
            .times(1),
    );
    let trimmed: Arc<dyn EventLog> = Arc::new(Faulty::new(Arc::clone(&log), plan));
    let snapshots = stores.snapshots.list(PartitionId(0)).await.expect("memory");
    // One partition only: the other one's reads are not to meet the fault.
    let ours = crate::world::Hands::holding(&[0]);
    let settings = crate::world::settings(Chain::A);
    let compute =
        Compute::start(settings, trimmed, stores.clone(), crate::world::KEY, ours).expect("threads");
    repaired(&compute, &stores, 0).await;
    assert!(compute.status()[0].restored_from > 0, "the snapshots are still there: {snapshots:?}");
    let failed = state(&stores, 0).await;
    assert!(
        matches!(&failed, Some(RepairState::Failed(why)) if why.contains("its beginning is gone")),
        "{failed:?}"
    );
    compute.stop().await;
    let compute = start(Chain::A, &log, &stores);
    append_live(&log, 2).await;
    caught_up(&compute, &log).await;
    compute.stop().await;
    all_is_right(&log, &stores, "nothing was touched").await;
}

/// What can't be put right fails the order, once; the rest is right, and the partition goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_the_store_refuses_fails_the_order_and_nothing_else() {
    for is_running in [true, false] {
        let (log, stores, compute) = followed(91).await;
        let session_id = ids(&*stores.rows, PartitionId(0)).await.swap_remove(0);
        compute.stop().await;
        spoil(&stores, PartitionId(0)).await;
        // All of them at first, and then the first of them.
        let plans = ChainPlans::default();
        let refused = StoreError::Refused("a cell was written by hand".to_owned());
        plans.rows.add(Fault::new(Outcome::FailBefore(refused)).on("replace").times(2));
        if !is_running {
            order(&stores, Some(0), None, 1).await.expect("ordered");
        }
        let compute = start(Chain::A, &log, &faulty::chain_stores(stores.clone(), &plans));
        if is_running {
            until(&compute, 0, |status| status.phase == Phase::Following).await;
            order(&stores, Some(0), None, 1).await.expect("ordered");
        }
        let wrong = read(&stores, &session_id).await;
        repaired(&compute, &stores, 0).await;
        let failed = state(&stores, 0).await;
        assert!(
            matches!(&failed, Some(RepairState::Failed(why)) if why.contains("a cell was written by hand")),
            "{failed:?}"
        );
        assert_eq!(read(&stores, &session_id).await, wrong, "it could not be put right");
        // Tried once: nobody begins again, and what comes is counted.
        append_live(&log, 2).await;
        caught_up(&compute, &log).await;
        let status = &compute.status()[0];
        assert_eq!((status.repairs_failed, status.repairs_done), (1, 0));
        assert_eq!(status.phase, Phase::Following);
        compute.stop().await;
        // All others are right; and so is this one once the store takes it.
        let compute = start(Chain::A, &log, &stores);
        order(&stores, None, Some(session_id), 2).await.expect("ordered");
        repaired(&compute, &stores, 0).await;
        assert_eq!(state(&stores, 0).await, Some(RepairState::Done));
        compute.stop().await;
        all_is_right(&log, &stores, &format!("running: {is_running}")).await;
    }
}

async fn read(stores: &ChainStores, id: &SessionId) -> SessionRows {
    stores.rows.session(id.as_str(), &Select::All).await.expect("memory").expect("listed")
}
