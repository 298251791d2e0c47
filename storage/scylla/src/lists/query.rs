//! Reading lists of sessions.
//!
//! A list is spread over slots, and by month: months are read one after the other, newest first,
//! until there is enough; the slots of a month side by side, and merged. Each entry that can
//! belong to the answer is then checked against its session's header.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use tandem_model::row::SessionState;
use tandem_model::{SessionId, SessionRow};
use tandem_storage::{Result, SessionQuery, StoreError};

use crate::cells::{Columns, damaged, each, present};
use crate::mutation::sort_key;
use crate::position::{SLOTS, from_cql, month, to_sorted};
use crate::store::Inner;

const DOING: &str = "listing sessions";
/// Entries read from a slot in one go, at most.
const CHUNK: usize = 1_000;
/// Entries looked at for one answer, at most.
const ENTRIES_MAX: usize = 200_000;

/// An entry of a list. Newer ones stand first; of one time, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    sort_ts: i64,
    id: SessionId,
    /// As it was when the session was entered; none in a list of one state.
    state: Option<SessionState>,
}

/// CQL partitions of a list that are read side by side.
#[derive(Clone, Copy)]
enum List<'a> {
    Month(i32),
    Live,
    Anchor(&'a str),
}

/// A range of places.
#[derive(Clone, Copy)]
enum Range<'a> {
    /// Of one time, after an id.
    At { sort_ts: i64, after: &'a str },
    /// Of a range of times, both included.
    Between { newest: i64, oldest: i64 },
}

/// Where in the order of a list to go on: what stands there or later.
#[derive(Clone)]
struct From {
    sort_ts: i64,
    /// Only after this id, among those of `sort_ts`.
    after: Option<SessionId>,
}

impl Inner {
    pub(crate) async fn sessions(&self, query: &SessionQuery) -> Result<Vec<(SessionId, SessionRow)>> {
        let newest = query.to.map_or(Some(u64::MAX), |to| to.checked_sub(1));
        let oldest = to_sorted(query.from.unwrap_or(0));
        let Some(newest) = newest.map(to_sorted).filter(|newest| query.limit > 0 && *newest >= oldest) else {
            return Ok(Vec::new());
        };
        let mut from = From { sort_ts: newest, after: None };
        if let Some((ts, id)) = &query.after
            && to_sorted(*ts) <= newest
        {
            from = From { sort_ts: to_sorted(*ts), after: Some(id.clone()) };
        }
        let lists = match (&query.anchor_id, query.state) {
            (Some(anchor_id), _) => vec![List::Anchor(anchor_id)],
            (None, Some(SessionState::Live)) => vec![List::Live],
            (None, _) => self.months(from.sort_ts, oldest).await?.into_iter().map(List::Month).collect(),
        };
        let mut answer = Answer { query, found: Vec::new(), moved: Vec::new() };
        let mut entries_left = ENTRIES_MAX;
        'lists: for list in lists {
            loop {
                let (entries, is_end) = self.entries(list, &from, oldest, answer.wanted()).await?;
                let Some(last) = entries.last() else { break };
                from = From { sort_ts: last.sort_ts, after: Some(last.id.clone()) };
                entries_left = entries_left.saturating_sub(entries.len());
                self.check_entries(entries, &mut answer).await?;
                if answer.is_full() {
                    break 'lists;
                }
                if is_end {
                    break;
                }
                if entries_left == 0 {
                    return Err(StoreError::Unavailable(format!(
                        "{DOING}: among {ENTRIES_MAX} sessions there are not enough of those asked for: narrow the \
                         range of time"
                    )));
                }
            }
            // The next list begins after all of this one.
            from.after = None;
        }
        Ok(answer.finish())
    }

    /// The months with sessions, newest first.
    async fn months(&self, newest: i64, oldest: i64) -> Result<Vec<i32>> {
        let (newest, oldest) = (month(from_cql(newest)), month(from_cql(oldest)));
        let values = (self.log.generation as i32, newest, oldest);
        let answer = self.connection.read(DOING, &self.statements.read_months, values).await?;
        each(DOING, &answer, |columns| present(columns.int()?, "month"))
    }

    /// The next entries of a list, in order, and whether these are the last.
    async fn entries(
        &self,
        list: List<'_>,
        from: &From,
        oldest: i64,
        wanted: usize,
    ) -> Result<(Vec<Entry>, bool)> {
        let slots = if matches!(list, List::Anchor(_)) { 1 } else { SLOTS as i32 };
        let per_slot: Vec<Vec<Entry>> = stream::iter(0..slots)
            .map(|slot| Box::pin(self.entries_of_slot(list, slot, from, oldest, wanted)))
            .buffered(slots as usize)
            .try_collect()
            .await?;
        // A slot that gave all it was asked for may have more: beyond its last entry nothing is
        // known of the list.
        let known_to =
            per_slot.iter().filter(|entries| entries.len() >= wanted).filter_map(|entries| entries.last());
        let known_to = known_to.map(Entry::place).min().map(|(negative, id)| (negative, id.clone()));
        let mut entries: Vec<Entry> = per_slot.iter().flatten().cloned().collect();
        entries.sort_unstable_by(|left, right| left.place().cmp(&right.place()));
        if let Some((negative, id)) = &known_to {
            entries.retain(|entry| entry.place() <= (*negative, id));
        }
        Ok((entries, known_to.is_none()))
    }

    async fn entries_of_slot(
        &self,
        list: List<'_>,
        slot: i32,
        from: &From,
        oldest: i64,
        wanted: usize,
    ) -> Result<Vec<Entry>> {
        let limit = wanted as i32;
        let mut entries = Vec::new();
        let mut newest = from.sort_ts;
        if let Some(after) = &from.after {
            // The rest of one time, then what is older: CQL has no `<` for a mixed order.
            entries = self
                .read_entries(list, slot, Range::At { sort_ts: from.sort_ts, after: after.as_str() }, limit)
                .await?;
            newest -= 1;
        }
        let limit = limit - entries.len() as i32;
        if limit > 0 && newest >= oldest {
            entries.extend(self.read_entries(list, slot, Range::Between { newest, oldest }, limit).await?);
        }
        Ok(entries)
    }

    /// Entries of one CQL partition.
    async fn read_entries(
        &self,
        list: List<'_>,
        slot: i32,
        range: Range<'_>,
        limit: i32,
    ) -> Result<Vec<Entry>> {
        use List::{Anchor, Live, Month};
        use Range::{At, Between};
        let (connection, statements) = (&self.connection, &self.statements);
        let generation = self.log.generation as i32;
        let answer = match (list, range) {
            (Month(month), Between { newest, oldest }) => {
                let values = (generation, slot, month, newest, oldest, limit);
                connection.read(DOING, &statements.read_list, values).await
            }
            (Month(month), At { sort_ts, after }) => {
                let values = (generation, slot, month, sort_ts, after, limit);
                connection.read(DOING, &statements.read_list_at, values).await
            }
            (Live, Between { newest, oldest }) => {
                let values = (generation, slot, newest, oldest, limit);
                connection.read(DOING, &statements.read_live, values).await
            }
            (Live, At { sort_ts, after }) => {
                let values = (generation, slot, sort_ts, after, limit);
                connection.read(DOING, &statements.read_live_at, values).await
            }
            (Anchor(anchor_id), Between { newest, oldest }) => {
                let values = (generation, anchor_id, newest, oldest, limit);
                connection.read(DOING, &statements.read_anchor, values).await
            }
            (Anchor(anchor_id), At { sort_ts, after }) => {
                let values = (generation, anchor_id, sort_ts, after, limit);
                connection.read(DOING, &statements.read_anchor_at, values).await
            }
        };
        each(DOING, &answer?, |columns| entry(columns, list))
    }

    /// Checks entries against their sessions, a few at a time, until the answer is full.
    async fn check_entries(&self, entries: Vec<Entry>, answer: &mut Answer<'_>) -> Result<()> {
        let wanted = answer.query.state;
        let possible = entries
            .into_iter()
            .filter(|entry| wanted.is_none_or(|wanted| entry.state.is_none_or(|state| state == wanted)));
        let mut checked = stream::iter(possible)
            .map(|entry| {
                Box::pin(async move {
                    let header = self.header(entry.id.as_str()).await?;
                    Ok::<_, StoreError>((entry, header.map(|header| header.session)))
                })
            })
            .buffered(self.settings.requests_max.min(answer.query.limit.max(1)));
        while let Some((entry, session)) = checked.try_next().await? {
            if let Some(session) = session {
                answer.add(entry, session);
            }
            if answer.is_full() {
                break;
            }
        }
        Ok(())
    }
}

/// An answer, as it grows.
struct Answer<'a> {
    query: &'a SessionQuery,
    /// In the order of the list.
    found: Vec<(SessionId, SessionRow)>,
    /// Sessions that were met in a place they have left.
    moved: Vec<(SessionId, SessionRow)>,
}

impl Answer<'_> {
    /// How many entries to ask a slot for.
    fn wanted(&self) -> usize {
        match self.query.state {
            // Most entries may be of other states.
            Some(_) => CHUNK,
            None => (self.query.limit - self.found.len()).clamp(1, CHUNK),
        }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.query.limit
    }

    fn add(&mut self, entry: Entry, session: SessionRow) {
        if !self.query.matches(&entry.id, &session) {
            return;
        }
        if sort_key(&session) == entry.sort_ts {
            self.found.push((entry.id, session));
        } else {
            self.moved.push((entry.id, session));
        }
    }

    /// A session that moved between our look at its list and our look at its header is in neither
    /// of its places for us: it is put where it belongs, as far as the answer reaches there.
    fn finish(mut self) -> Vec<(SessionId, SessionRow)> {
        let place = |(id, row): &(SessionId, SessionRow)| (-i128::from(row.sort_ts()), id.clone());
        let reach = if self.is_full() { self.found.last().map(place) } else { None };
        let known: HashSet<SessionId> = self.found.iter().map(|(id, _)| id.clone()).collect();
        let count = self.found.len();
        for one in std::mem::take(&mut self.moved) {
            let is_within = reach.as_ref().is_none_or(|reach| place(&one) < *reach);
            if is_within && !known.contains(&one.0) && !self.found[count..].iter().any(|(id, _)| *id == one.0)
            {
                self.found.push(one);
            }
        }
        if self.found.len() > count {
            self.found.sort_by_cached_key(place);
            self.found.truncate(self.query.limit);
        }
        self.found
    }
}

impl Entry {
    /// Its place: ascending in the order of the list.
    fn place(&self) -> (i64, &SessionId) {
        (-self.sort_ts, &self.id)
    }
}

fn entry(columns: &mut Columns<'_, '_>, list: List<'_>) -> Result<Entry> {
    let sort_ts = present(columns.bigint()?, "sort_ts")?;
    let id = present(columns.text()?, "session_id")?;
    let id = SessionId::new(id).ok_or_else(|| damaged("a list names what is no session's id"))?;
    let state = match list {
        List::Live => None,
        List::Month(_) | List::Anchor(_) => columns.text()?.and_then(SessionState::from_name),
    };
    Ok(Entry { sort_ts, id, state })
}
