//! Writing a partition's changes: all its sessions side by side, its progress last.
//!
//! What stands there is not read first, but for headers of sessions we do not know yet: of two
//! writers of a partition, whoever is farther in the log wins cell by cell, by the timestamps (see
//! [`crate::position`]). A session's change is written also where its header says that the store
//! has it: after a server lost its last moment, the header may be there without the rows.

use futures::FutureExt;
use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use tandem_model::row::PartitionRow;
use tandem_model::{Changes, Cut, PartitionId, SessionChange, SessionId};
use tandem_storage::{Result, StoreError};

use crate::cells::{Cells, each, present};
use crate::connection::all;
use crate::counters::count;
use crate::header::Found;
use crate::known::{Header, Place};
use crate::mutation::{Entry, batch, parts};
use crate::position::{OFFSETS, timestamp};
use crate::store::Inner;

/// Parts of one session's change written side by side.
const PARTS_AT_ONCE: usize = 4;

/// A change that is to be written, and what stands there.
struct Work<'a> {
    change: &'a SessionChange,
    stored: Option<Header>,
    /// What stands there is of an earlier generation of the log, and goes.
    forgets: bool,
}

impl Inner {
    pub(crate) async fn apply(&self, changes: &Changes) -> Result<()> {
        self.check_place(changes)?;
        let at_once = self.settings.requests_max;
        let looks = changes.sessions.iter().map(|change| self.look(change).boxed()).collect();
        // Before anything is written: what stands there must be what the next change builds upon.
        let not_lost = Box::pin(self.check_nothing_is_lost(changes.partition));
        let (work, ()) = futures::try_join!(all(looks, at_once), not_lost)?;
        // Nothing is written before all are known to be allowed.
        if let Some(bad) = work.iter().find(|one| one.stored.is_none() && one.change.session.is_none()) {
            return Err(StoreError::Refused(format!(
                "the first change of session {} lacks its own row",
                bad.change.session_id
            )));
        }
        let sessions = work.iter().map(|one| self.write_session(changes, one).boxed()).collect();
        let (written, ()) = futures::try_join!(all(sessions, at_once), Box::pin(self.write_beats(changes)))?;
        self.write_progress(changes).await?;
        // Only now: what an error cut short is written again as a whole.
        for (id, header) in written.into_iter().flatten() {
            self.known.note(id, header);
        }
        let mut acknowledged = self.acknowledged.lock();
        let known = acknowledged.entry(changes.partition).or_default();
        *known = changes.cut.next.max(*known);
        Ok(())
    }

    /// A store with one replica may forget what it acknowledged, when its machine dies (or its
    /// process: both servers keep the last moment in memory). We would go on and never write that
    /// again. Progress is written last, so where rows are gone, it is, too. A request never spans a
    /// server's restart, which takes longer than any request may: what fails in between is written
    /// again as a whole, and looked at before.
    async fn check_nothing_is_lost(&self, partition: PartitionId) -> Result<()> {
        let Some(acknowledged) = self.acknowledged.lock().get(&partition).copied() else { return Ok(()) };
        let found = self.partition(partition).await?.map_or(0, |(progress, _)| progress.next);
        if found >= acknowledged {
            return Ok(());
        }
        // Whoever wrote begins again at what is there, and nothing we know counts any more.
        self.acknowledged.lock().remove(&partition);
        self.known.clear();
        Err(StoreError::Lost(format!(
            "the rows of partition {partition} in keyspace {} reached {acknowledged}, and now {found}; it is computed \
             again from there. With fewer than 3 copies, have the server sync its commit log before it acknowledges",
            self.keyspace
        )))
    }

    fn check_place(&self, changes: &Changes) -> Result<()> {
        let partition = changes.partition;
        if partition.0 >= self.log.partitions {
            return Err(StoreError::Refused(format!("{} has no partition {partition}", self.log)));
        }
        if changes.cut.next > OFFSETS {
            return Err(StoreError::Refused(format!(
                "partition {partition} has more than {OFFSETS} records, for which there are no write timestamps: \
                 create the log anew, one generation up"
            )));
        }
        Ok(())
    }

    async fn look<'a>(&self, change: &'a SessionChange) -> Result<Work<'a>> {
        let id = &change.session_id;
        if let Some(header) = self.known.get(id) {
            return Ok(Work { change, stored: Some(header), forgets: false });
        }
        count(&self.counters.headers_looked_up, 1);
        Ok(match self.header_or_older(id.as_str()).await? {
            Found::Ours(header) => {
                let header = Header { next: header.cut.next, place: Place::of(&header.session) };
                self.known.note(id.clone(), header.clone());
                Work { change, stored: Some(header), forgets: false }
            }
            Found::Older => Work { change, stored: None, forgets: true },
            Found::Nothing => Work { change, stored: None, forgets: false },
        })
    }

    /// Answers what is then known of the session; nothing where there was nothing to do.
    async fn write_session(&self, changes: &Changes, work: &Work<'_>) -> Result<Option<(SessionId, Header)>> {
        let change = work.change;
        let next = changes.cut.next;
        let is_behind = work.stored.as_ref().is_some_and(|stored| stored.next >= next);
        let old = work.stored.as_ref().map(|stored| &stored.place);
        let new = change.session.as_ref().map(Place::of);
        // Where the session is farther, it is listed where it belongs by now.
        let moved = new.as_ref().filter(|new| !is_behind && old != Some(*new));
        if let Some(new) = moved {
            // Before the session itself, so that a session that is there is in its list.
            self.list(changes, change.session_id.as_str(), old, new).await?;
        }
        let (generation, bytes_max) = (self.log.generation, self.settings.batch_bytes_max);
        let parts = parts(changes, change, generation, work.forgets, self.expiries, bytes_max);
        self.write_parts(&parts).await?;
        if let (Some(old), Some(new)) = (old, moved) {
            self.unlist(next, change.session_id.as_str(), old, new).await?;
        }
        count(&self.counters.rows_written, change.rows.len());
        count(&self.counters.sessions_written, 1);
        count(&self.counters.sessions_split, usize::from(parts.len() > 1));
        count(&self.counters.sessions_again, usize::from(is_behind));
        let place = new.or_else(|| old.cloned()).filter(|_| !is_behind);
        Ok(place.map(|place| (change.session_id.clone(), Header { next, place })))
    }

    /// The mark is in the first part and the header in the last; readers wait for what is between.
    pub(crate) async fn write_parts(&self, parts: &[Vec<Entry<'_>>]) -> Result<()> {
        if let [first, between @ .., last] = parts {
            self.write_part(first).await?;
            all(between.iter().map(|part| self.write_part(part).boxed()).collect(), PARTS_AT_ONCE).await?;
            self.write_part(last).await?;
        } else if let [whole] = parts {
            self.write_part(whole).await?;
        }
        Ok(())
    }

    async fn write_part(&self, part: &Vec<Entry<'_>>) -> Result<()> {
        self.connection.write_batch("writing a session", &batch(&self.statements, part), part).await
    }

    async fn write_progress(&self, changes: &Changes) -> Result<()> {
        let at = timestamp(self.log.generation, changes.cut.next);
        self.write_progress_at(at, changes.partition, changes.cut, &changes.partition_row).await
    }

    /// Writes progress at a timestamp of its own.
    pub(crate) async fn write_progress_at(
        &self,
        at: i64,
        partition: PartitionId,
        cut: Cut,
        row: &PartitionRow,
    ) -> Result<()> {
        let values = Progress { partition, cut, row, generation: self.log.generation, at };
        self.connection.write("writing progress", &self.statements.write_progress, values).await
    }

    /// How far the rows of a partition are, and its own row; none if nothing of our log is there.
    pub(crate) async fn partition(&self, partition: PartitionId) -> Result<Option<(Cut, PartitionRow)>> {
        const DOING: &str = "reading progress";
        let values = (partition.0 as i32,);
        let answer = self.connection.read(DOING, &self.statements.read_progress, values).await?;
        let rows = each(DOING, &answer, |columns| {
            let generation = present(columns.int()?, "generation")? as u32;
            let mut number = |name| present(columns.number()?, name);
            let cut = Cut { next: number("cut_next")?, clock: number("cut_clock")? };
            let row = PartitionRow {
                offset: number("version")?,
                clock: number("clock")?,
                beats: number("beats")?,
                ignored_beats: number("ignored_beats")?,
                malformed_events: number("malformed_events")?,
                late_events: number("late_events")?,
            };
            Ok((generation, cut, row))
        })?;
        let Some((generation, cut, row)) = rows.into_iter().next() else { return Ok(None) };
        if generation > self.log.generation {
            return Err(self.newer_generation(&format!("partition {partition}"), generation));
        }
        Ok((generation == self.log.generation).then_some((cut, row)))
    }
}

struct Progress<'a> {
    partition: PartitionId,
    cut: Cut,
    row: &'a PartitionRow,
    generation: u32,
    at: i64,
}

impl SerializeRow for Progress<'_> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> std::result::Result<(), SerializationError> {
        let mut cells = Cells(writer);
        let Self { partition, cut, row, .. } = self;
        cells.int(partition.0 as i32)?;
        cells.int(self.generation as i32)?;
        for number in [
            cut.next,
            cut.clock,
            row.offset,
            row.clock,
            row.beats,
            row.ignored_beats,
            row.malformed_events,
            row.late_events,
        ] {
            cells.number(number)?;
        }
        cells.bigint(self.at)
    }

    fn is_empty(&self) -> bool {
        false
    }
}
