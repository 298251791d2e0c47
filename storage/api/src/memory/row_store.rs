//! A row store in memory: one lock around ordered maps, so atomicity is plain to see.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use parking_lot::RwLock;
use tandem_model::retention::Retention;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Changes, Cut, PartitionId, Row, RowKey, SessionId, SessionRow, Values};

use crate::{
    BEATS_KEPT, Repair, RepairOrder, RepairState, Replacement, Result, RowStore, Select, SessionQuery,
    SessionRows, StoreError,
};

/// A [`RowStore`] for tests.
pub struct MemoryRowStore {
    inner: RwLock<Inner>,
    retention: Retention,
}

#[derive(Default)]
struct Inner {
    sessions: BTreeMap<SessionId, Session>,
    partitions: BTreeMap<PartitionId, Partition>,
    repairs: BTreeMap<PartitionId, Repair>,
}

struct Session {
    partition: PartitionId,
    cut: Cut,
    row: SessionRow,
    rows: BTreeMap<RowKey, (Values, u64)>,
}

struct Partition {
    progress: Cut,
    row: PartitionRow,
    beats: BTreeMap<u64, BeatDigest>,
}

impl MemoryRowStore {
    /// An empty store that keeps everything.
    pub fn new() -> Self {
        Self::with_retention(Retention::Everything)
    }

    /// An empty store that claims to keep no more than this; it frees nothing all the same.
    pub fn with_retention(retention: Retention) -> Self {
        Self { inner: RwLock::default(), retention }
    }
}

impl Default for MemoryRowStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl RowStore for MemoryRowStore {
    async fn apply(&self, changes: &Changes) -> Result<()> {
        let mut inner = self.inner.write();
        if let Some(change) = changes
            .sessions
            .iter()
            .find(|change| change.session.is_none() && !inner.sessions.contains_key(&change.session_id))
        {
            return Err(StoreError::Refused(format!(
                "the first change of session {} lacks its own row",
                change.session_id
            )));
        }
        for change in &changes.sessions {
            let session = inner.sessions.entry(change.session_id.clone()).or_insert_with(|| Session {
                partition: changes.partition,
                cut: Cut::default(),
                row: SessionRow::default(),
                rows: BTreeMap::new(),
            });
            if session.cut.next >= changes.cut.next {
                continue;
            }
            session.cut = changes.cut;
            if let Some(row) = &change.session {
                session.row = row.clone();
            }
            session.rows.extend(change.rows.iter().map(|row| (row.key.clone(), (row.values, row.offset))));
        }
        let partition = inner.partitions.entry(changes.partition).or_insert_with(|| Partition {
            progress: Cut::default(),
            row: PartitionRow::default(),
            beats: BTreeMap::new(),
        });
        if partition.progress.next < changes.cut.next {
            partition.progress = changes.cut;
            partition.row = changes.partition_row;
        }
        partition.beats.extend(changes.beats.iter().map(|beat| (beat.ts, *beat)));
        while partition.beats.len() > BEATS_KEPT {
            partition.beats.pop_first();
        }
        Ok(())
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        Ok(self.inner.read().partitions.get(&partition).map(|partition| partition.progress))
    }

    async fn durable(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.progress(partition).await
    }

    async fn session(&self, id: &str, select: &Select) -> Result<Option<SessionRows>> {
        let inner = self.inner.read();
        let Some((session_id, session)) = inner.sessions.get_key_value(id) else { return Ok(None) };
        let rows = session.rows.iter().filter(|(key, _)| select.wants(key));
        Ok(Some(SessionRows {
            session_id: session_id.clone(),
            partition: session.partition,
            cut: session.cut,
            session: session.row.clone(),
            rows: rows
                .map(|(key, (values, offset))| Row { key: key.clone(), values: *values, offset: *offset })
                .collect(),
        }))
    }

    async fn sessions(&self, query: &SessionQuery) -> Result<Vec<(SessionId, SessionRow)>> {
        let inner = self.inner.read();
        let mut found: Vec<_> = inner
            .sessions
            .iter()
            .filter(|(id, session)| query.matches(id, &session.row))
            .map(|(id, session)| (id.clone(), session.row.clone()))
            .collect();
        // Stable, and the map is in the order of the ids.
        found.sort_by_key(|(_, row)| std::cmp::Reverse(row.sort_ts()));
        found.truncate(query.limit);
        Ok(found)
    }

    async fn session_ids(&self, after: Option<&str>, limit: usize) -> Result<Vec<SessionId>> {
        let inner = self.inner.read();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(inner
            .sessions
            .range::<str, _>((start, Bound::Unbounded))
            .take(limit)
            .map(|(id, _)| id.clone())
            .collect())
    }

    async fn partition_row(&self, partition: PartitionId) -> Result<Option<PartitionRow>> {
        Ok(self.inner.read().partitions.get(&partition).map(|partition| partition.row))
    }

    async fn beats(&self, partition: PartitionId, limit: usize) -> Result<Vec<BeatDigest>> {
        let inner = self.inner.read();
        let Some(partition) = inner.partitions.get(&partition) else { return Ok(Vec::new()) };
        let earlier = partition.beats.len().saturating_sub(limit);
        Ok(partition.beats.values().skip(earlier).copied().collect())
    }

    fn retention(&self) -> Retention {
        self.retention
    }

    async fn order_repair(&self, order: &RepairOrder) -> Result<()> {
        let repair = Repair { order: order.clone(), state: RepairState::Ordered };
        self.inner.write().repairs.insert(order.partition, repair);
        Ok(())
    }

    async fn repair(&self, partition: PartitionId) -> Result<Option<Repair>> {
        Ok(self.inner.read().repairs.get(&partition).cloned())
    }

    async fn end_repair(&self, order: &RepairOrder, ending: &RepairState) -> Result<()> {
        let repairs = &mut self.inner.write().repairs;
        if let Some(kept) = repairs.get_mut(&order.partition)
            && kept.order.ordered_ms == order.ordered_ms
        {
            kept.state = ending.clone();
        }
        Ok(())
    }

    async fn replace(&self, replacement: &Replacement) -> Result<()> {
        let Replacement { partition, cut, sessions, partition_row } = replacement;
        let mut inner = self.inner.write();
        for (id, right) in sessions {
            let Some(right) = right else {
                inner.sessions.remove(id);
                continue;
            };
            let rows = right.rows.iter().map(|row| (row.key.clone(), (row.values, row.offset)));
            let row = right.session.clone();
            let session = Session { partition: *partition, cut: *cut, row, rows: rows.collect() };
            inner.sessions.insert(id.clone(), session);
        }
        if let Some((row, beats)) = partition_row {
            let beats = beats.iter().map(|beat| (beat.ts, *beat)).collect();
            inner.partitions.insert(*partition, Partition { progress: *cut, row: *row, beats });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn passes_the_suite() {
        crate::suite::row_store(std::sync::Arc::new(MemoryRowStore::new())).await;
    }
}
