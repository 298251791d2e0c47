//! Which rows are in a part, and where it ends.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use futures::future::try_join_all;
use tandem_exports::{Dws, Record};
use tandem_model::partition::partition_of;
use tandem_model::problem::Problem;
use tandem_model::{Breakdown, Cut, PartitionId, SessionId, SessionRow};
use tandem_storage::{Part as RowsOf, Select, SessionQuery, SessionRows};
use xxhash_rust::xxh3::Xxh3;

use super::place::{Place, Within};
use crate::answer::Failure;
use crate::request::Call;
use crate::{Query, sight};

/// How many sessions of figures a part holds at most.
const SESSIONS_MAX: usize = 64;
/// And how many where each is one row.
const SESSION_ROWS_MAX: usize = 1_000;
/// Sessions that are read at once.
const CHUNK: usize = 4;

/// What is exported.
pub(super) struct Wanted {
    pub(super) table: Dws,
    pub(super) rows_max: usize,
    /// Which sessions; where to begin stands in `from`.
    pub(super) sessions: SessionQuery,
    pub(super) breakdowns: Vec<Breakdown>,
    /// Whether whole tables may be read, whosoever the sessions are.
    pub(super) is_granted: bool,
    pub(super) from: Option<Place>,
}

/// The rows of a part.
#[derive(Default)]
pub(super) struct Part {
    sessions: Vec<Arc<SessionRows>>,
    /// Where it is a piece of a large session: which of its rows.
    piece: Option<Range<usize>>,
    /// Where the next part begins; nothing after the last one.
    pub(super) next: Option<Place>,
}

impl Part {
    /// Its rows, in their order.
    pub(super) fn records(&self, table: Dws) -> Vec<Record<'_>> {
        let mut records = Vec::new();
        for session in &self.sessions {
            let own = Record {
                session_id: session.session_id.as_str(),
                partition: session.partition,
                session: &session.session,
                figures: None,
            };
            let rows = self.piece.clone().map_or(&*session.rows, |piece| &session.rows[piece]);
            match table {
                Dws::Session => records.push(own),
                Dws::Figures(_) => {
                    records.extend(rows.iter().map(|row| Record { figures: Some(row), ..own }))
                }
            }
        }
        records
    }

    /// Where it is a piece of a large session: how many of its rows came in the parts before.
    pub(super) fn first_row(&self) -> usize {
        self.piece.as_ref().map_or(0, |piece| piece.start)
    }

    /// Of each session the partition, and the position up to which its rows reflect the log.
    pub(super) fn shown(&self) -> Vec<(PartitionId, u64)> {
        self.sessions.iter().map(|session| (session.partition, session.cut.next)).collect()
    }
}

impl Query {
    /// Puts together the next part.
    ///
    /// # Errors
    ///
    /// When the asker's list can't be made; when the session that a large export is within has changed; when
    /// the store fails.
    pub(super) async fn part(&self, call: &Call, wanted: &Wanted) -> Result<Part, Failure> {
        let after = match &wanted.from {
            Some(Place { session_id, within: Some(within), .. }) => {
                let rows = self.again(call, wanted, session_id, *within).await?;
                return self.piece(call, wanted, rows, within.row).await;
            }
            Some(Place { sort_ts, session_id, within: None }) => Some((*sort_ts, session_id.clone())),
            None => None,
        };
        let limit = match wanted.table {
            Dws::Session => SESSION_ROWS_MAX,
            Dws::Figures(_) => SESSIONS_MAX,
        };
        // One more tells whether there is a next part.
        let mut found = self.list(call, wanted, after, limit + 1).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(after_entry);
        if wanted.table == Dws::Session {
            let alone = |entry| Arc::new(self.without_figures(entry));
            return Ok(Part { sessions: found.into_iter().map(alone).collect(), piece: None, next });
        }
        let mut part = Part { next, ..Part::default() };
        let mut rows = 0;
        let mut last = None;
        for chunk in found.chunks(CHUNK) {
            let read = try_join_all(chunk.iter().map(|(id, _)| self.rows_of(call, wanted, id))).await?;
            for (entry, session) in chunk.iter().zip(read) {
                // One that is not the asker's any more is left out.
                let Some(session) = session else { continue };
                if rows + session.rows.len() <= wanted.rows_max {
                    rows += session.rows.len();
                    last = Some(after_entry(entry));
                    part.sessions.push(session);
                } else if rows > 0 {
                    part.next = last;
                    return Ok(part);
                } else {
                    return self.piece(call, wanted, session, 0).await;
                }
            }
        }
        Ok(part)
    }

    /// The sessions after one of them.
    async fn list(
        &self,
        call: &Call,
        wanted: &Wanted,
        after: Option<(u64, SessionId)>,
        limit: usize,
    ) -> Result<Vec<(SessionId, SessionRow)>, Failure> {
        let sessions = SessionQuery { after, limit, ..wanted.sessions.clone() };
        match wanted.is_granted {
            true => Ok(self.stores.rows.sessions(&sessions).await?),
            false => self.listed(&call.asker, &sessions).await,
        }
    }

    /// A session as it stands in the list.
    fn without_figures(&self, (session_id, session): (SessionId, SessionRow)) -> SessionRows {
        let partition = partition_of(session_id.as_str().as_bytes(), self.log.partitions());
        let cut = Cut { next: session.offset + 1, ..Cut::default() };
        SessionRows { session_id, partition, cut, session, rows: Vec::new() }
    }

    /// The rows of one session, in order, as far as the asker may see them.
    async fn rows_of(
        &self,
        call: &Call,
        wanted: &Wanted,
        id: &SessionId,
    ) -> Result<Option<Arc<SessionRows>>, Failure> {
        let Dws::Figures(table) = wanted.table else { unreachable!("sessions have their own row") };
        let of = |breakdown: &Breakdown| RowsOf { table, breakdown: *breakdown, buckets: 0..u64::MAX };
        let select = Select::Parts(wanted.breakdowns.iter().filter(|one| table.has(**one)).map(of).collect());
        let needed = match wanted.is_granted {
            true => Cow::Borrowed(&select),
            false => sight::needed(&call.asker, &select),
        };
        let mut read = self.gather(vec![(id.clone(), needed.into_owned())]).await?;
        let Some(mut rows) = read.pop() else { return Ok(None) };
        rows.rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        let rows = Arc::new(rows);
        Ok(if wanted.is_granted { Some(rows) } else { sight::of(&call.asker, rows, &select) })
    }

    /// A large session of which pieces were given already.
    ///
    /// # Errors
    ///
    /// When it is not what it was.
    async fn again(
        &self,
        call: &Call,
        wanted: &Wanted,
        id: &SessionId,
        within: Within,
    ) -> Result<Arc<SessionRows>, Failure> {
        let rows = match self.exports.kept.get((call.asker.mark(), within.hash)) {
            Some(rows) => Some(rows),
            None => self.rows_of(call, wanted, id).await?,
        };
        let is_it = |rows: &Arc<SessionRows>| {
            rows.session_id == *id && hash(rows) == within.hash && within.row < rows.rows.len()
        };
        rows.filter(is_it).ok_or_else(|| {
            let detail = format!(
                "session `{id}` has changed since its first rows were exported: drop the parts that hold rows of \
                 it, and go on with the cursor that the first of them was asked for with"
            );
            Problem::conflict(detail).with("session_id", id.as_str()).into()
        })
    }

    /// The piece of a large session that begins at this row.
    async fn piece(
        &self,
        call: &Call,
        wanted: &Wanted,
        rows: Arc<SessionRows>,
        from: usize,
    ) -> Result<Part, Failure> {
        let to = rows.rows.len().min(from + wanted.rows_max);
        let (sort_ts, session_id) = (rows.session.sort_ts(), rows.session_id.clone());
        let next = if to < rows.rows.len() {
            let hash = hash(&rows);
            self.exports.kept.put((call.asker.mark(), hash), &rows);
            Some(Place { sort_ts, session_id, within: Some(Within { row: to, hash }) })
        } else {
            let after = Some((sort_ts, session_id.clone()));
            let is_last = self.list(call, wanted, after, 1).await?.is_empty();
            (!is_last).then_some(Place { sort_ts, session_id, within: None })
        };
        Ok(Part { sessions: vec![rows], piece: Some(from..to), next })
    }
}

fn after_entry((id, row): &(SessionId, SessionRow)) -> Place {
    Place { sort_ts: row.sort_ts(), session_id: id.clone(), within: None }
}

/// Stands for all rows of a session that are exported.
fn hash(session: &SessionRows) -> u128 {
    let mut hash = Xxh3::new();
    for row in &session.rows {
        hash.update(row.key.breakdown.name().as_bytes());
        hash.update(&(row.key.key.len() as u64).to_le_bytes());
        hash.update(row.key.key.as_bytes());
        hash.update(&row.key.bucket.to_le_bytes());
        hash.update(&row.offset.to_le_bytes());
        row.values.iter().for_each(|value| hash.update(&value.to_le_bytes()));
    }
    hash.digest128()
}
