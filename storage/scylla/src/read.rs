//! Reading a session as of one moment.
//!
//! One query, or one page of it, is a look at one moment: the server takes a snapshot of the CQL
//! partition for it. What needs several looks (the header and the rows, several parts, several
//! pages) could be of several moments. So every row that comes back carries the session's
//! [`Moment`], which every change moves, and all must be the same; where a look shows no row, and
//! so no moment, it is repeated between two looks at the header. Otherwise everything is read
//! again, a bounded time; in one unpaged query per part, once pages have failed to hold still.
//!
//! A change that is written in parts shows as `writing_next` ahead of `cut_next`: then rows may be
//! ahead of the header, and readers wait. A writer may die there. Its successor repeats the
//! change, but perhaps cut otherwise, and never names this very position; but once the partition's
//! progress is there, all of the change is.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use tandem_model::catalogue::{Breakdown, STORED};
use tandem_model::{Row, RowKey, SessionId, Table};
use tandem_storage::{Part, Result, Select, SessionRows, StoreError};
use tokio::time::{Instant, sleep};

use crate::cells::{Columns, damaged, each, present};
use crate::connection::all;
use crate::counters::count;
use crate::header::{Header, Moment};
use crate::position::{from_cql, to_sorted};
use crate::store::Inner;

const DOING: &str = "reading a session";
/// First wait before a session is read again; doubles.
const WAIT: Duration = Duration::from_millis(2);
/// Longest such wait.
const WAIT_MAX: Duration = Duration::from_millis(50);
/// Parts read side by side for one answer.
const PARTS_AT_ONCE: usize = 8;
/// After so many attempts, pages are no longer tried.
const PAGED_ATTEMPTS: u32 = 2;

/// What one attempt saw.
enum Seen {
    Absent,
    Whole(Box<SessionRows>),
    /// It changed meanwhile.
    Changed,
    /// A change of it is being written, up to here.
    BeingWritten(u64),
}

/// Rows that one part of an answer consists of, and what they prove.
struct Look {
    rows: Vec<Row>,
    /// The moment that all rows show; none if there are no rows.
    moment: Option<Moment>,
    /// Whether some query showed no row, and so no moment.
    is_unproven: bool,
}

impl Inner {
    pub(crate) async fn session(&self, id: &str, select: &Select) -> Result<Option<SessionRows>> {
        let Some(id) = SessionId::new(id) else { return Ok(None) };
        count(&self.counters.sessions_read, 1);
        let deadline = Instant::now() + Duration::from_millis(self.settings.settle_ms_max);
        let mut wait = WAIT;
        let mut vouched = 0;
        for attempt in 0_u32.. {
            let being_written = match Box::pin(self.look_at(&id, select, vouched, attempt)).await? {
                Seen::Absent => return Ok(None),
                Seen::Whole(rows) => return Ok(Some(*rows)),
                Seen::Changed => false,
                Seen::BeingWritten(next) => {
                    let partition = self.header(id.as_str()).await?.map(|header| header.partition);
                    let progress = match partition {
                        Some(partition) => self.partition(partition).await?,
                        None => None,
                    };
                    if progress.is_some_and(|(progress, _)| progress.next >= next) {
                        vouched = next;
                        continue;
                    }
                    true
                }
            };
            if Instant::now() >= deadline {
                count(&self.counters.reads_unsettled, 1);
                let what =
                    if being_written { "is being written" } else { "changes faster than it can be read" };
                return Err(StoreError::Unavailable(format!(
                    "session {id} {what}, for {} ms: try again",
                    self.settings.settle_ms_max
                )));
            }
            count(&self.counters.reads_repeated, 1);
            sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
        Err(StoreError::Unavailable(format!("session {id} was read too often")))
    }

    /// One attempt. `vouched`: a change up to there is known to be written as a whole.
    async fn look_at(&self, id: &SessionId, select: &Select, vouched: u64, attempt: u32) -> Result<Seen> {
        let parts = slices(select);
        let is_paged = attempt < PAGED_ATTEMPTS;
        let looks = parts.iter().map(|slice| self.read_slice(id, slice, is_paged).boxed()).collect();
        let looks = all(looks, PARTS_AT_ONCE);
        let (header, mut looks) = futures::try_join!(Box::pin(self.header(id.as_str())), looks)?;
        let Some(header) = header else { return Ok(Seen::Absent) };
        let moment = header.moment;
        let is_still = |moment: Moment| moment.writing_next <= moment.cut_next.max(vouched);
        if matches!(select, Select::Session) {
            // Headers change in one step, also while rows are written.
            return Ok(Seen::Whole(Box::new(answer(id, header, Vec::new()))));
        }
        if !is_still(moment) {
            return Ok(Seen::BeingWritten(moment.writing_next));
        }
        let is_of_moment = |look: &Look| look.moment.is_none_or(|seen| seen == moment);
        if !looks.iter().all(is_of_moment) {
            return Ok(Seen::Changed);
        }
        if looks.iter().any(|look| look.is_unproven) {
            // The header's moment was there before these looks. If it is after them, too, it was
            // during them.
            for (slice, look) in parts.iter().zip(&mut looks).filter(|(_, look)| look.moment.is_none()) {
                *look = self.read_slice(id, slice, is_paged).await?;
            }
            let after = self.header(id.as_str()).await?.map(|header| header.moment);
            if after != Some(moment) || !looks.iter().all(is_of_moment) {
                return Ok(Seen::Changed);
            }
        }
        let mut rows: Vec<Row> = looks.into_iter().flat_map(|look| look.rows).collect();
        // The store has buckets before keys and breakdowns by name.
        rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        rows.dedup_by(|left, right| left.key == right.key);
        Ok(Seen::Whole(Box::new(answer(id, header, rows))))
    }

    async fn read_slice(&self, id: &SessionId, slice: &Slice<'_>, is_paged: bool) -> Result<Look> {
        let (id, statements) = (id.as_str(), &self.statements);
        match *slice {
            Slice::Everything => self.read_rows(&statements.read_rows, (id,), slice, is_paged).await,
            Slice::Table(table) => {
                self.read_rows(&statements.read_table, (id, table.name()), slice, is_paged).await
            }
            Slice::Part(part) => {
                let (table, breakdown) = (part.table.name(), part.breakdown.name());
                let (start, end) = (to_sorted(part.buckets.start), to_sorted(part.buckets.end));
                match (start, end) {
                    (0, i64::MAX) => {
                        let values = (id, table, breakdown);
                        self.read_rows(&statements.read_breakdown, values, slice, is_paged).await
                    }
                    (_, i64::MAX) => {
                        let values = (id, table, breakdown, start);
                        self.read_rows(&statements.read_from, values, slice, is_paged).await
                    }
                    _ => {
                        let values = (id, table, breakdown, start, end);
                        self.read_rows(&statements.read_between, values, slice, is_paged).await
                    }
                }
            }
        }
    }

    async fn read_rows(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow + Clone,
        slice: &Slice<'_>,
        is_paged: bool,
    ) -> Result<Look> {
        let mut look = Look { rows: Vec::new(), moment: None, is_unproven: false };
        if !is_paged {
            let answer = self.connection.read(DOING, statement, values).await?;
            look.add(&answer, slice)?;
            return Ok(look);
        }
        let mut from = PagingState::start();
        loop {
            let (answer, next) = self.connection.read_page(DOING, statement, values.clone(), from).await?;
            look.add(&answer, slice)?;
            match next.into_paging_control_flow() {
                ControlFlow::Continue(next) => from = next,
                ControlFlow::Break(()) => return Ok(look),
            }
        }
    }
}

/// What one statement reads.
enum Slice<'a> {
    Everything,
    Table(Table),
    Part(&'a Part),
}

fn slices(select: &Select) -> Vec<Slice<'_>> {
    match select {
        Select::Session => Vec::new(),
        Select::Totals => vec![Slice::Table(Table::Total)],
        Select::All => vec![Slice::Everything],
        Select::Parts(parts) => {
            parts.iter().filter(|part| !part.buckets.is_empty()).map(Slice::Part).collect()
        }
    }
}

impl Slice<'_> {
    /// Whether a row belongs to it. No bucket that an event can have is beyond `i64`; of those
    /// that are, as far as a range of them is read, this leaves out what was not asked for.
    fn has(&self, key: &RowKey) -> bool {
        match self {
            Slice::Everything => true,
            Slice::Table(table) => key.table == *table,
            Slice::Part(part) => part.has(key),
        }
    }
}

/// A moment that no session has: rows of one look showed several.
const TORN: Moment = Moment { cut_next: u64::MAX, writing_next: 0 };

impl Look {
    fn add(&mut self, answer: &QueryRowsResult, slice: &Slice<'_>) -> Result<()> {
        self.is_unproven |= answer.rows_num() == 0;
        let mut key = Arc::from("");
        let moments = each(DOING, answer, |columns| {
            let (moment, row) = decode(columns, &mut key)?;
            self.rows.extend(row.filter(|row| slice.has(&row.key)));
            Ok(moment)
        })?;
        for moment in moments {
            let known = *self.moment.get_or_insert(moment);
            if known != moment {
                self.moment = Some(TORN);
            }
        }
        Ok(())
    }
}

/// A row, and the session's moment. No row where the session has none and only its static columns
/// come back.
fn decode(columns: &mut Columns<'_, '_>, last_key: &mut Arc<str>) -> Result<(Moment, Option<Row>)> {
    // Null while a session's first change is being written in parts.
    let cut_next = columns.number()?.unwrap_or_default();
    let writing_next = columns.number()?.unwrap_or_default();
    let moment = Moment { cut_next, writing_next };
    let Some(table) = columns.text()? else { return Ok((moment, None)) };
    let breakdown = present(columns.text()?, "breakdown")?;
    let bucket = present(columns.bigint()?, "bucket")?;
    let key = present(columns.text()?, "key")?;
    let offset = present(columns.number()?, "version")?;
    let mut values = [0; STORED];
    for value in &mut values {
        // Null in rows that are older than the column.
        *value = columns.number()?.unwrap_or_default();
    }
    let table = Table::ALL.into_iter().find(|one| one.name() == table);
    let breakdown = Breakdown::ALL.into_iter().find(|one| one.name() == breakdown);
    if **last_key != *key {
        *last_key = Arc::from(key);
    }
    let key = RowKey {
        table: table.ok_or_else(|| damaged("a row is of no known table"))?,
        breakdown: breakdown.ok_or_else(|| damaged("a row is of no known breakdown"))?,
        bucket: from_cql(bucket),
        key: last_key.clone(),
    };
    Ok((moment, Some(Row { key, values, offset })))
}

fn answer(id: &SessionId, header: Header, rows: Vec<Row>) -> SessionRows {
    SessionRows {
        session_id: id.clone(),
        partition: header.partition,
        cut: header.cut,
        session: header.session,
        rows,
    }
}
