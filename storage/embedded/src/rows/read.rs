//! Reading: always from one snapshot, so that what belongs together is from one moment.

use std::ops::Bound;

use fjall::{Keyspace, Readable, Snapshot};
use tandem_model::row::BeatDigest;
use tandem_model::{PartitionId, Row, SessionId, SessionRow, Table};
use tandem_storage::{Result, Select, SessionQuery, SessionRows, codec};

use super::apply::state_byte;
use super::{Head, Store, beat_key, time_key};

/// A range of keys.
type Keys = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl Store {
    pub(super) fn session(&self, id: SessionId, select: &Select) -> Result<Option<SessionRows>> {
        let snapshot = self.tables.database.snapshot();
        let Some(head) = self.get::<Head>(&snapshot, &self.sessions, id.as_str().as_bytes())? else {
            return Ok(None);
        };
        let rows = self.rows(&snapshot, id.as_str(), select)?;
        Ok(Some(SessionRows {
            session_id: id,
            partition: head.partition,
            cut: head.cut,
            session: head.session,
            rows,
        }))
    }

    fn rows(&self, snapshot: &Snapshot, id: &str, select: &Select) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut scan = |start: Vec<u8>, end: Vec<u8>| -> Result<()> {
            if start < end {
                self.scan(
                    snapshot,
                    &self.rows,
                    (Bound::Included(start), Bound::Excluded(end)),
                    |key, value| {
                        let (values, offset) = self.decode(&self.rows, key, codec::decode_values(value))?;
                        let row_key = self.decode(&self.rows, key, codec::decode_row_key(key, id.len()))?;
                        rows.push(Row { key: row_key, values, offset });
                        Ok(true)
                    },
                )?;
            }
            Ok(())
        };
        // Before and after all rows of a table.
        let table = |index: u8| [id.as_bytes(), &[0, index]].concat();
        let total = Table::Total.index() as u8;
        match select {
            Select::Session => {}
            Select::Totals => scan(table(total), table(total + 1))?,
            Select::All => scan(table(0), table(Table::ALL.len() as u8))?,
            Select::Parts(parts) => {
                for part in parts {
                    let place = |bucket| {
                        let mut key = Vec::new();
                        codec::encode_part(id, part.table, part.breakdown, bucket, &mut key);
                        key
                    };
                    scan(place(part.buckets.start), place(part.buckets.end))?;
                }
            }
        }
        // The store has buckets before keys, an answer has keys before buckets.
        if !rows.is_sorted_by(|left, right| left.key < right.key) {
            rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
            rows.dedup_by(|left, right| left.key == right.key);
        }
        Ok(rows)
    }

    pub(super) fn sessions(&self, query: &SessionQuery) -> Result<Vec<(SessionId, SessionRow)>> {
        let snapshot = self.tables.database.snapshot();
        let (list, prefix) = match &query.anchor_id {
            None => (&self.by_time, Vec::new()),
            Some(anchor_id) if tandem_model::id::is_id(anchor_id) => {
                (&self.by_anchor, [anchor_id.as_bytes(), &[0]].concat())
            }
            Some(_) => return Ok(Vec::new()),
        };
        let Some((start, end)) = places(query, &prefix) else { return Ok(Vec::new()) };
        let wanted = query.state.map(state_byte);
        let mut found = Vec::new();
        self.scan(&snapshot, list, (start, end), |key, value| {
            if found.len() >= query.limit {
                return Ok(false);
            }
            if wanted.is_some_and(|wanted| value != [wanted]) {
                return Ok(true);
            }
            let id = key.get(prefix.len() + 8..).unwrap_or_default();
            let id = self.decode(list, key, session_id(id))?;
            let head = self.get::<Head>(&snapshot, &self.sessions, id.as_str().as_bytes())?;
            let head = head.ok_or(codec::Malformed("a list names a session that is not there"));
            found.push((id, self.decode(list, key, head)?.session));
            Ok(true)
        })?;
        Ok(found)
    }

    pub(super) fn session_ids(&self, after: Option<&str>, limit: usize) -> Result<Vec<SessionId>> {
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes().to_vec()));
        let mut found = Vec::new();
        self.scan(&self.tables.database.snapshot(), &self.sessions, (start, Bound::Unbounded), |key, _| {
            if found.len() >= limit {
                return Ok(false);
            }
            found.push(self.decode(&self.sessions, key, session_id(key))?);
            Ok(true)
        })?;
        Ok(found)
    }

    pub(super) fn beats(&self, partition: PartitionId, limit: usize) -> Result<Vec<BeatDigest>> {
        self.beats_of(&self.tables.database.snapshot(), partition, limit)
    }

    /// The latest beats, ascending, at most `limit`.
    pub(super) fn beats_of(
        &self,
        snapshot: &Snapshot,
        partition: PartitionId,
        limit: usize,
    ) -> Result<Vec<BeatDigest>> {
        let keys = beat_key(partition, 0)..=beat_key(partition, u64::MAX);
        let mut found = Vec::new();
        for entry in snapshot.range(&self.beats, keys).rev().take(limit) {
            let (key, value) = entry.into_inner().map_err(|error| self.tables.error(&error))?;
            found.push(self.decode(&self.beats, &key, codec::decode(&value))?);
        }
        found.reverse();
        Ok(found)
    }

    /// Hands over entries in order until `each` says stop.
    pub(super) fn scan(
        &self,
        snapshot: &Snapshot,
        keyspace: &Keyspace,
        range: Keys,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        for entry in snapshot.range(keyspace, range) {
            let (key, value) = entry.into_inner().map_err(|error| self.tables.error(&error))?;
            if !each(&key, &value)? {
                break;
            }
        }
        Ok(())
    }
}

fn session_id(bytes: &[u8]) -> std::result::Result<SessionId, codec::Malformed> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(SessionId::new).ok_or(codec::Malformed("a key names no session"))
}

/// The part of a list that a query is about; none if nothing can be there.
fn places(query: &SessionQuery, prefix: &[u8]) -> Option<Keys> {
    // The list is reversed: it starts at the newest `sort_ts`, which is below `to`.
    let newest = query.to.map_or(Some(u64::MAX), |to| to.checked_sub(1))?;
    let oldest = query.from.unwrap_or(0);
    let mut start = Bound::Included([prefix, &time_key(newest, "")].concat());
    if let Some((ts, id)) = &query.after
        && *ts <= newest
    {
        start = Bound::Excluded([prefix, &time_key(*ts, id.as_str())].concat());
    }
    // The end of the oldest `sort_ts`, ids included: no id has a byte that is 0xff.
    let mut end = [prefix, &time_key(oldest, "")].concat();
    end.push(0xff);
    let (Bound::Included(first) | Bound::Excluded(first)) = &start else { return None };
    (*first < end).then_some((start, Bound::Excluded(end)))
}
