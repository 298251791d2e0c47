//! [`Faulty`] as each of the ports.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_model::rejected::Rejected;
use tandem_model::retention::Retention;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Changes, Cut, EditionPart, LogId, PartitionId, Record, SessionId, SessionRow, Step};
use tokio::sync::watch;

use super::Faulty;
use crate::{
    Append, Appended, Applied, DeadLetterQuery, DeadLetters, Editions, EventLog, HotSession, HotStore,
    Incarnation, Place, Repair, RepairOrder, RepairState, Replacement, Result, RowStore, Select,
    SessionQuery, SessionRows, Snapshot, SnapshotStore, StoredReceipt,
};

#[async_trait]
impl<T: EventLog + ?Sized> EventLog for Faulty<T> {
    fn id(&self) -> LogId {
        self.inner.id()
    }

    fn generation(&self) -> u32 {
        self.inner.generation()
    }

    fn partitions(&self) -> u32 {
        self.inner.partitions()
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        self.plan.run("append", self.inner.append(append)).await
    }

    async fn read(&self, partition: PartitionId, from: u64, bytes_max: usize) -> Result<Vec<(u64, Record)>> {
        self.plan.run("read", self.inner.read(partition, from, bytes_max)).await
    }

    fn ends(&self) -> watch::Receiver<Arc<[u64]>> {
        self.inner.ends()
    }

    async fn receipt(&self, scope: &str, key: &str) -> Result<Option<StoredReceipt>> {
        self.plan.run("receipt", self.inner.receipt(scope, key)).await
    }

    async fn forget_receipts(&self, written_before_ms: u64) -> Result<()> {
        self.plan.run("forget_receipts", self.inner.forget_receipts(written_before_ms)).await
    }
}

#[async_trait]
impl<T: RowStore + ?Sized> RowStore for Faulty<T> {
    async fn apply(&self, changes: &Changes) -> Result<()> {
        self.plan.run("apply", self.inner.apply(changes)).await
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.plan.run("progress", self.inner.progress(partition)).await
    }

    async fn durable(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.plan.run("durable", self.inner.durable(partition)).await
    }

    async fn session(&self, id: &str, select: &Select) -> Result<Option<SessionRows>> {
        self.plan.run("session", self.inner.session(id, select)).await
    }

    async fn sessions(&self, query: &SessionQuery) -> Result<Vec<(SessionId, SessionRow)>> {
        self.plan.run("sessions", self.inner.sessions(query)).await
    }

    async fn session_ids(&self, after: Option<&str>, limit: usize) -> Result<Vec<SessionId>> {
        self.plan.run("session_ids", self.inner.session_ids(after, limit)).await
    }

    async fn partition_row(&self, partition: PartitionId) -> Result<Option<PartitionRow>> {
        self.plan.run("partition_row", self.inner.partition_row(partition)).await
    }

    async fn beats(&self, partition: PartitionId, limit: usize) -> Result<Vec<BeatDigest>> {
        self.plan.run("beats", self.inner.beats(partition, limit)).await
    }

    fn retention(&self) -> Retention {
        self.inner.retention()
    }

    async fn order_repair(&self, order: &RepairOrder) -> Result<()> {
        self.plan.run("order_repair", self.inner.order_repair(order)).await
    }

    async fn repair(&self, partition: PartitionId) -> Result<Option<Repair>> {
        self.plan.run("repair", self.inner.repair(partition)).await
    }

    async fn end_repair(&self, order: &RepairOrder, ending: &RepairState) -> Result<()> {
        self.plan.run("end_repair", self.inner.end_repair(order, ending)).await
    }

    async fn replace(&self, replacement: &Replacement) -> Result<()> {
        self.plan.run("replace", self.inner.replace(replacement)).await
    }
}

#[async_trait]
impl<T: HotStore + ?Sized> HotStore for Faulty<T> {
    async fn begin(&self, partition: PartitionId, cut: Cut) -> Result<Option<Incarnation>> {
        self.plan.run("begin", self.inner.begin(partition, cut)).await
    }

    async fn apply(&self, incarnation: Incarnation, base: Cut, changes: &Changes) -> Result<Applied> {
        self.plan.run("apply", self.inner.apply(incarnation, base, changes)).await
    }

    async fn put(&self, incarnation: Incarnation, session: SessionRows) -> Result<()> {
        self.plan.run("put", self.inner.put(incarnation, session)).await
    }

    async fn session(&self, partition: PartitionId, id: &str) -> Result<HotSession> {
        self.plan.run("session", self.inner.session(partition, id)).await
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.plan.run("progress", self.inner.progress(partition)).await
    }
}

#[async_trait]
impl<T: SnapshotStore + ?Sized> SnapshotStore for Faulty<T> {
    async fn put(&self, partition: PartitionId, snapshot: Snapshot) -> Result<()> {
        self.plan.run("put", self.inner.put(partition, snapshot)).await
    }

    async fn list(&self, partition: PartitionId) -> Result<Vec<u64>> {
        self.plan.run("list", self.inner.list(partition)).await
    }

    async fn load(&self, partition: PartitionId, next: u64) -> Result<Option<Snapshot>> {
        self.plan.run("load", self.inner.load(partition, next)).await
    }

    async fn prune(&self, partition: PartitionId, keep: usize, pinned: Option<u64>) -> Result<()> {
        self.plan.run("prune", self.inner.prune(partition, keep, pinned)).await
    }
}

#[async_trait]
impl<T: DeadLetters + ?Sized> DeadLetters for Faulty<T> {
    async fn append(&self, rejected: &[Rejected]) -> Result<()> {
        self.plan.run("append", self.inner.append(rejected)).await
    }

    async fn revise(&self, place: Place, letter: Option<&Rejected>, at: u64) -> Result<()> {
        self.plan.run("revise", self.inner.revise(place, letter, at)).await
    }

    async fn list(&self, query: &DeadLetterQuery) -> Result<Vec<Rejected>> {
        self.plan.run("list", self.inner.list(query)).await
    }
}

#[async_trait]
impl<T: Editions + ?Sized> Editions for Faulty<T> {
    async fn keep(&self, parts: &[EditionPart], at: u64) -> Result<()> {
        self.plan.run("keep", self.inner.keep(parts, at)).await
    }

    async fn parts(
        &self,
        partition: PartitionId,
        step: Step,
        from: u64,
        limit: usize,
    ) -> Result<Vec<EditionPart>> {
        self.plan.run("parts", self.inner.parts(partition, step, from, limit)).await
    }

    async fn last_part(&self, partition: PartitionId, step: Step, to: u64) -> Result<Option<EditionPart>> {
        self.plan.run("last_part", self.inner.last_part(partition, step, to)).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::{ChainPlans, Fault, Plan, chain_stores};
    use super::*;
    use crate::memory::{self, MemoryEventLog, MemoryHotStore};
    use crate::{ChainStores, StoreError};

    fn beat() -> Append {
        Append { records: vec![(PartitionId(0), Record::beat(1))], receipt: None }
    }

    #[tokio::test]
    async fn fails_before_and_after_and_counts() {
        let plan = Arc::new(Plan::new());
        let log = Faulty::new(Arc::new(MemoryEventLog::new(1)), plan.clone());
        let end = || log.ends().borrow()[0];

        plan.add(Fault::unavailable().on("append").after(1).times(1));
        log.append(beat()).await.expect("the first passes");
        assert!(matches!(log.append(beat()).await, Err(StoreError::Unavailable(_))));
        assert_eq!(end(), 1);

        plan.add(Fault::timeout().on("append"));
        assert!(matches!(log.append(beat()).await, Err(StoreError::Timeout(_))));
        assert_eq!(end(), 2, "it was done all the same");
        log.read(PartitionId(0), 0, 1).await.expect("other calls pass");

        plan.clear();
        plan.add(Fault::slow(Duration::from_millis(20)).times(1));
        let start = Instant::now();
        log.append(beat()).await.expect("slow, but done");
        assert!(start.elapsed() >= Duration::from_millis(20));
        assert_eq!((plan.calls("append"), plan.calls("read"), plan.calls("receipt")), (4, 1, 0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_held_goes_on_when_the_faults_are_taken_away() {
        let plan = Arc::new(Plan::new());
        let log = Arc::new(Faulty::new(Arc::new(MemoryEventLog::new(1)), plan.clone()));
        plan.add(Fault::hold().on("append"));
        let held = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.append(beat()).await }
        });
        while plan.struck() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!held.is_finished() && log.ends().borrow()[0] == 0, "nothing is done yet");
        plan.clear();
        held.await.expect("no panic").expect("it goes on");
        assert_eq!((log.ends().borrow()[0], plan.struck()), (1, 1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn is_transparent_without_faults() {
        let plans = ChainPlans::default();
        let hot = Arc::new(MemoryHotStore::new(100));
        let stores = ChainStores { hot: Arc::clone(&hot) as _, ..memory::chain_stores() };
        let stores = chain_stores(stores, &plans);
        crate::suite::row_store(stores.rows).await;
        crate::suite::hot_store(stores.hot, async || hot.clear()).await;
        crate::suite::snapshot_store(&*stores.snapshots).await;
        crate::suite::dead_letters(&*stores.dead_letters).await;
        let log: Arc<dyn EventLog> = Arc::new(MemoryEventLog::new(2));
        crate::suite::event_log(Arc::new(Faulty::new(log, Arc::new(Plan::new())))).await;
    }
}
