//! [`Measured`] as the ports of a chain.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_model::rejected::Rejected;
use tandem_model::retention::Retention;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Changes, Cut, EditionPart, LogId, PartitionId, Record, SessionId, SessionRow, Step};
use tandem_storage::{
    Append, Appended, Applied, DeadLetterQuery, DeadLetters, Editions, EventLog, HotSession, HotStore,
    Incarnation, Place, Repair, RepairOrder, RepairState, Replacement, Result, RowStore, Select,
    SessionQuery, SessionRows, Snapshot, SnapshotStore, StoredReceipt,
};
use tokio::sync::watch;

use super::{Load, Measured};

fn of_records<'a>(records: impl Iterator<Item = &'a Record>) -> Load {
    records.fold(Load::NONE, |load, record| Load {
        items: load.items + 1,
        bytes: load.bytes + record.value.len() as u64,
    })
}

fn of_changes(changes: &Changes) -> Load {
    Load::items(changes.sessions.iter().map(|change| change.rows.len()).sum())
}

#[async_trait]
impl<T: EventLog + ?Sized> EventLog for Measured<T> {
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
        let load = of_records(append.records.iter().map(|(_, record)| record));
        self.meters.run("append", self.inner.append(append), |_| load).await
    }

    async fn read(&self, partition: PartitionId, from: u64, bytes_max: usize) -> Result<Vec<(u64, Record)>> {
        let reading = self.inner.read(partition, from, bytes_max);
        self.meters.run("read", reading, |records| of_records(records.iter().map(|(_, record)| record))).await
    }

    fn ends(&self) -> watch::Receiver<Arc<[u64]>> {
        self.inner.ends()
    }

    async fn receipt(&self, scope: &str, key: &str) -> Result<Option<StoredReceipt>> {
        self.meters.run("receipt", self.inner.receipt(scope, key), |_| Load::NONE).await
    }

    async fn forget_receipts(&self, written_before_ms: u64) -> Result<()> {
        let forgetting = self.inner.forget_receipts(written_before_ms);
        self.meters.run("forget_receipts", forgetting, |()| Load::NONE).await
    }
}

#[async_trait]
impl<T: RowStore + ?Sized> RowStore for Measured<T> {
    async fn apply(&self, changes: &Changes) -> Result<()> {
        self.meters.run("apply", self.inner.apply(changes), |()| of_changes(changes)).await
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.meters.run("progress", self.inner.progress(partition), |_| Load::NONE).await
    }

    async fn durable(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.meters.run("durable", self.inner.durable(partition), |_| Load::NONE).await
    }

    async fn session(&self, id: &str, select: &Select) -> Result<Option<SessionRows>> {
        let load =
            |found: &Option<SessionRows>| Load::items(found.as_ref().map_or(0, |found| found.rows.len()));
        self.meters.run("session", self.inner.session(id, select), load).await
    }

    async fn sessions(&self, query: &SessionQuery) -> Result<Vec<(SessionId, SessionRow)>> {
        self.meters.run("sessions", self.inner.sessions(query), |found| Load::items(found.len())).await
    }

    async fn session_ids(&self, after: Option<&str>, limit: usize) -> Result<Vec<SessionId>> {
        let listing = self.inner.session_ids(after, limit);
        self.meters.run("session_ids", listing, |found| Load::items(found.len())).await
    }

    async fn partition_row(&self, partition: PartitionId) -> Result<Option<PartitionRow>> {
        self.meters.run("partition_row", self.inner.partition_row(partition), |_| Load::NONE).await
    }

    async fn beats(&self, partition: PartitionId, limit: usize) -> Result<Vec<BeatDigest>> {
        let listing = self.inner.beats(partition, limit);
        self.meters.run("beats", listing, |found| Load::items(found.len())).await
    }

    fn retention(&self) -> Retention {
        self.inner.retention()
    }

    async fn order_repair(&self, order: &RepairOrder) -> Result<()> {
        self.meters.run("order_repair", self.inner.order_repair(order), |_| Load::NONE).await
    }

    async fn repair(&self, partition: PartitionId) -> Result<Option<Repair>> {
        self.meters.run("repair", self.inner.repair(partition), |_| Load::NONE).await
    }

    async fn end_repair(&self, order: &RepairOrder, ending: &RepairState) -> Result<()> {
        self.meters.run("end_repair", self.inner.end_repair(order, ending), |_| Load::NONE).await
    }

    async fn replace(&self, replacement: &Replacement) -> Result<()> {
        self.meters.run("replace", self.inner.replace(replacement), |_| Load::NONE).await
    }
}

#[async_trait]
impl<T: HotStore + ?Sized> HotStore for Measured<T> {
    async fn begin(&self, partition: PartitionId, cut: Cut) -> Result<Option<Incarnation>> {
        self.meters.run("begin", self.inner.begin(partition, cut), |_| Load::NONE).await
    }

    async fn apply(&self, incarnation: Incarnation, base: Cut, changes: &Changes) -> Result<Applied> {
        let applying = self.inner.apply(incarnation, base, changes);
        let load = |applied: &Applied| match applied {
            Applied::Done { .. } => of_changes(changes),
            Applied::Lost => Load::NONE,
        };
        self.meters.run("apply", applying, load).await
    }

    async fn put(&self, incarnation: Incarnation, session: SessionRows) -> Result<()> {
        let load = Load::items(session.rows.len());
        self.meters.run("put", self.inner.put(incarnation, session), |()| load).await
    }

    async fn session(&self, partition: PartitionId, id: &str) -> Result<HotSession> {
        let load =
            |found: &HotSession| Load::items(found.session.as_ref().map_or(0, |found| found.rows.len()));
        self.meters.run("session", self.inner.session(partition, id), load).await
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.meters.run("progress", self.inner.progress(partition), |_| Load::NONE).await
    }
}

#[async_trait]
impl<T: SnapshotStore + ?Sized> SnapshotStore for Measured<T> {
    async fn put(&self, partition: PartitionId, snapshot: Snapshot) -> Result<()> {
        let load = Load::bytes(snapshot.bytes.len());
        self.meters.run("put", self.inner.put(partition, snapshot), |()| load).await
    }

    async fn list(&self, partition: PartitionId) -> Result<Vec<u64>> {
        self.meters.run("list", self.inner.list(partition), |_| Load::NONE).await
    }

    async fn load(&self, partition: PartitionId, next: u64) -> Result<Option<Snapshot>> {
        let load =
            |found: &Option<Snapshot>| Load::bytes(found.as_ref().map_or(0, |found| found.bytes.len()));
        self.meters.run("load", self.inner.load(partition, next), load).await
    }

    async fn prune(&self, partition: PartitionId, keep: usize, pinned: Option<u64>) -> Result<()> {
        self.meters.run("prune", self.inner.prune(partition, keep, pinned), |()| Load::NONE).await
    }
}

#[async_trait]
impl<T: DeadLetters + ?Sized> DeadLetters for Measured<T> {
    async fn append(&self, rejected: &[Rejected]) -> Result<()> {
        self.meters.run("append", self.inner.append(rejected), |()| Load::items(rejected.len())).await
    }

    async fn revise(&self, place: Place, letter: Option<&Rejected>, at: u64) -> Result<()> {
        self.meters.run("revise", self.inner.revise(place, letter, at), |()| Load::NONE).await
    }

    async fn list(&self, query: &DeadLetterQuery) -> Result<Vec<Rejected>> {
        self.meters.run("list", self.inner.list(query), |found| Load::items(found.len())).await
    }
}

#[async_trait]
impl<T: Editions + ?Sized> Editions for Measured<T> {
    async fn keep(&self, parts: &[EditionPart], at: u64) -> Result<()> {
        self.meters.run("keep", self.inner.keep(parts, at), |()| Load::items(parts.len())).await
    }

    async fn parts(
        &self,
        partition: PartitionId,
        step: Step,
        from: u64,
        limit: usize,
    ) -> Result<Vec<EditionPart>> {
        let listing = self.inner.parts(partition, step, from, limit);
        self.meters.run("parts", listing, |found| Load::items(found.len())).await
    }

    async fn last_part(&self, partition: PartitionId, step: Step, to: u64) -> Result<Option<EditionPart>> {
        let looking = self.inner.last_part(partition, step, to);
        self.meters.run("last_part", looking, |found| Load::items(found.iter().count())).await
    }
}
