//! Repairs: orders, and what is right in the place of what is there.
//!
//! What is there has write timestamps of the log's positions, so the same rows written again would
//! change nothing. A repair writes at the position up to which the partition was computed, one
//! *revision* above what stands there: first everything of the session goes, then all of it comes,
//! in one batch. Whatever comes later in the log has a higher position and wins over both.
//!
//! There is room for seven repairs of a session at one position; the next beat makes a new one. A
//! cell that was written at a server's clock lies above all positions: nothing of ours wins over
//! that, and it is said. What was put there is read again to know.
//!
//! A session that is too large for one batch is away for a moment in between; while a repair is
//! ordered, readers are with the other chain.

use std::collections::BTreeMap;

use futures::FutureExt;
use tandem_model::{PartitionId, Row, SessionChange, SessionId};
use tandem_storage::{
    Repair, RepairOrder, RepairState, Replacement, Result, Select, SessionRows, StoreError,
};

use crate::cells::{each, present};
use crate::connection::all;
use crate::header::Found;
use crate::known::Place;
use crate::mutation::{batch, replacing};
use crate::position::{repair_timestamps, to_cql};
use crate::store::Inner;

/// How an order ended, in the column `state`.
const DONE: &str = "done";
const FAILED: &str = "failed";

impl Inner {
    /// The order's timestamp is its moment, so that a later order wins over how this one ends.
    pub(crate) async fn order_repair(&self, order: &RepairOrder) -> Result<()> {
        let RepairOrder { partition, session_id, reason, ordered_ms } = order;
        let (generation, partition_cql) = (self.log.generation as i32, partition.0 as i32);
        let session = session_id.as_ref().map(SessionId::as_str);
        // It has no ending, and takes away that of the one before.
        let ending: (Option<&str>, Option<&str>) = (None, None);
        let values = (
            generation,
            partition_cql,
            session,
            reason.as_str(),
            to_cql(*ordered_ms),
            ending.0,
            ending.1,
            at(*ordered_ms),
        );
        self.connection.write("ordering a repair", &self.statements.write_repair, values).await?;
        match self.repair(*partition).await? {
            Some(Repair { order: kept, state: RepairState::Ordered }) if kept.ordered_ms >= *ordered_ms => {
                Ok(())
            }
            _ => Err(StoreError::Refused(
                "a repair with a later moment was ended already: the clock of whoever orders is behind"
                    .to_owned(),
            )),
        }
    }

    pub(crate) async fn repair(&self, partition: PartitionId) -> Result<Option<Repair>> {
        const DOING: &str = "reading an order to repair";
        let values = (self.log.generation as i32, partition.0 as i32);
        let answer = self.connection.read(DOING, &self.statements.read_repair, values).await?;
        let repairs = each(DOING, &answer, |columns| {
            let session_id = columns.text()?.and_then(SessionId::new);
            let reason = columns.text()?;
            let ordered_ms = columns.number()?;
            let (state, failure) = (columns.text()?, columns.text()?);
            // An ending without an order is nobody's.
            let Some(ordered_ms) = ordered_ms else { return Ok(None) };
            let reason = present(reason, "reason")?.to_owned();
            let state = match state {
                None => RepairState::Ordered,
                Some(DONE) => RepairState::Done,
                Some(_) => RepairState::Failed(failure.unwrap_or_default().to_owned()),
            };
            let order = RepairOrder { partition, session_id, reason, ordered_ms };
            Ok(Some(Repair { order, state }))
        })?;
        Ok(repairs.into_iter().flatten().next())
    }

    pub(crate) async fn end_repair(&self, order: &RepairOrder, ending: &RepairState) -> Result<()> {
        let (state, failure) = match ending {
            RepairState::Ordered => return Ok(()),
            RepairState::Done => (DONE, None),
            RepairState::Failed(why) => (FAILED, Some(why.as_str())),
        };
        let (generation, partition) = (self.log.generation as i32, order.partition.0 as i32);
        let values = (at(order.ordered_ms) + 1, state, failure, generation, partition);
        self.connection.write("ending a repair", &self.statements.end_repair, values).await
    }

    pub(crate) async fn replace(&self, replacement: &Replacement) -> Result<()> {
        let Replacement { partition, cut, sessions, partition_row } = replacement;
        // What we know of sessions is not what stands there any more.
        self.known.clear();
        let calls = sessions.iter().map(|(id, right)| match right {
            Some(right) => self.replace_session(replacement, right).boxed(),
            None => self.remove_session(replacement, id).boxed(),
        });
        all(calls.collect(), self.settings.requests_max).await?;
        self.known.clear();
        if let Some((row, beats)) = partition_row {
            const DOING: &str = "reading when progress was written";
            let values = (partition.0 as i32,);
            let answer = self.connection.read(DOING, &self.statements.read_progress_written, values).await?;
            let written = each(DOING, &answer, |columns| columns.bigint())?.into_iter().flatten().max();
            let moments = self.moments(replacement, written, "the progress")?;
            self.replace_beats(*partition, beats, moments).await?;
            self.write_progress_at(moments.1, *partition, *cut, row).await?;
        }
        Ok(())
    }

    async fn replace_session(&self, replacement: &Replacement, right: &SessionRows) -> Result<()> {
        let Replacement { partition, cut, .. } = replacement;
        let id = right.session_id.as_str();
        let moments = self.session_moments(replacement, id).await?;
        let new = Place::of(&right.session);
        // In its list before it is there, and out of the old one after, as ever.
        self.list_at(moments.1, *partition, cut.next, id, None, &new).await?;
        let old = self.place(id).await?;
        let change = SessionChange {
            session_id: right.session_id.clone(),
            session: Some(right.session.clone()),
            rows: right.rows.clone(),
        };
        let bytes_max = self.settings.batch_bytes_max;
        let parts =
            replacing((*partition, *cut), &change, self.log.generation, moments, self.expiries, bytes_max);
        self.write_parts(&parts).await?;
        if let Some(old) = old.filter(|old| *old != new) {
            self.unlist_at(moments.0, id, &old, &new).await?;
        }
        self.check_replaced(right).await
    }

    /// Whether what was put there is what is there: the write timestamps that were looked at are not
    /// those of every cell. Rows whose time is up may be gone.
    async fn check_replaced(&self, right: &SessionRows) -> Result<()> {
        let id = right.session_id.as_str();
        let Some(found) = self.session(id, &Select::All).await? else { return Ok(()) };
        if found.cut != right.cut {
            // Somebody who was held up has written a later place of the log: that wins, as ever.
            return Ok(());
        }
        let expected: BTreeMap<_, _> =
            right.rows.iter().map(|row| (&row.key, (&row.values, row.offset))).collect();
        let is_right = |row: &Row| expected.get(&row.key) == Some(&(&row.values, row.offset));
        match found.rows.iter().find(|row| !is_right(row)) {
            None if found.session == right.session => Ok(()),
            wrong => Err(StoreError::Refused(format!(
                "session {id} in keyspace {} is not what was put there{}: cells of it were written by hand at a \
                 server's clock, and no repair comes after that (only a new keyspace helps)",
                self.keyspace,
                wrong.map_or_else(String::new, |row| format!(
                    " (table {}, breakdown {}, key {})",
                    row.key.table.name(),
                    row.key.breakdown.name(),
                    row.key.key
                )),
            ))),
        }
    }

    async fn remove_session(&self, replacement: &Replacement, id: &SessionId) -> Result<()> {
        let id = id.as_str();
        let Some(old) = self.place(id).await? else { return Ok(()) };
        let (forget_at, _) = self.session_moments(replacement, id).await?;
        self.write_forget(id, forget_at).await?;
        self.unlist_all(forget_at, id, &old).await
    }

    async fn write_forget(&self, id: &str, forget_at: i64) -> Result<()> {
        let entry = [crate::mutation::Entry::Forget { id, timestamp: forget_at }];
        let batch = batch(&self.statements, &entry);
        self.connection.write_batch("removing a session", &batch, &entry[..]).await
    }

    /// Where a session is listed; nothing where there is none of our log.
    async fn place(&self, id: &str) -> Result<Option<Place>> {
        Ok(match self.header_or_older(id).await? {
            Found::Ours(header) => Some(Place::of(&header.session)),
            Found::Nothing | Found::Older => None,
        })
    }

    async fn session_moments(&self, replacement: &Replacement, id: &str) -> Result<(i64, i64)> {
        const DOING: &str = "reading when a session was written";
        let mut written = None;
        for statement in [&self.statements.read_header_written, &self.statements.read_rows_written] {
            let answer = self.connection.read(DOING, statement, (id,)).await?;
            written =
                each(DOING, &answer, |columns| columns.bigint())?.into_iter().flatten().max().max(written);
        }
        self.moments(replacement, written, &format!("session {id}"))
    }

    fn moments(&self, replacement: &Replacement, written: Option<i64>, what: &str) -> Result<(i64, i64)> {
        let next = replacement.cut.next;
        repair_timestamps(self.log.generation, next, written).ok_or_else(|| {
            StoreError::Refused(format!(
                "{what} in keyspace {} was written at timestamp {}, and no repair at offset {next} comes after that: \
                 it was repaired too often at this place (the next beat makes a new one), or written by hand at a \
                 server's clock (only a new keyspace helps)",
                self.keyspace,
                written.unwrap_or_default()
            ))
        })
    }
}

/// The write timestamp of an order; one more ends it.
fn at(ordered_ms: u64) -> i64 {
    to_cql(ordered_ms.min(1 << 60)) * 2
}
