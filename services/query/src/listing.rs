//! Which sessions a list holds: those that the asker sees, and no sign of others.
//!
//! A page is filled with what the asker sees, and its cursor names the last session shown, so neither
//! tells how many others stand in between.
//!
//! | asker | how | work for a page of n |
//! |---|---|---|
//! | operator | the row store's list | n entries |
//! | with anchors | their lists, merged | one look per anchor, about 2 n entries |
//! | with merchants or channels, too | a walk over all sessions | up to [`WALK_MAX`] sessions |
//!
//! # What is not fast
//! Row stores list by time and by anchor, not by merchant or channel, so those lists are walks: every
//! session of the range of time is looked at, for channels with its totals by channel, too. A walk is
//! bounded; one that would have to go farther is refused (narrow it with `from` and `to`), since a
//! short page would tell where it stopped. So it tells those who have such grants roughly how many
//! sessions the system holds, not whose. Where an anchor is asked for that is not granted, the same
//! walk is made whoever that is: it would be quicker over the anchor's own list, and tell its length.
//!
//! # What can be missed
//! A list is as complete as the positions that were read before it. One thing is not covered where
//! several lists are merged: a session that passes from one granted anchor to another while both lists
//! are being read can be in neither. The next list has it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet, VecDeque};

use futures::TryStreamExt;
use futures::stream::{self, StreamExt};
use tandem_model::problem::Problem;
use tandem_model::scope::View;
use tandem_model::{SessionId, SessionRow};
use tandem_storage::{Result as StoreResult, RowStore, SessionQuery, StoreError};

use crate::Query;
use crate::answer::Failure;
use crate::asker::Asker;
use crate::sight;

/// How many sessions a walk looks at.
const WALK_MAX: usize = 10_000;
/// And how many where it must look for channels in them.
const CHANNEL_WALK_MAX: usize = 2_000;
/// How many are read in one go.
const CHUNK: usize = 500;
/// The fewest that are read of an anchor's list.
const CHUNK_MIN: usize = 4;
/// Looks that are under way side by side, for one list.
const SIDE_BY_SIDE: usize = 16;

type Entry = (SessionId, SessionRow);

impl Query {
    /// The sessions of a list that the asker sees: as the row store's own list would have them if it
    /// held no others.
    pub(crate) async fn listed(&self, asker: &Asker, wanted: &SessionQuery) -> Result<Vec<Entry>, Failure> {
        let rows = &*self.stores.rows;
        let Some(grants) = asker.grants() else { return Ok(rows.sessions(wanted).await?) };
        let is_granted = |anchor_id: &String| grants.anchors.contains(anchor_id);
        if wanted.anchor_id.as_ref().is_some_and(is_granted) {
            return Ok(rows.sessions(wanted).await?);
        }
        if !grants.merchants.is_empty() || !grants.channels.is_empty() {
            let most = if grants.channels.is_empty() { WALK_MAX } else { CHANNEL_WALK_MAX };
            return walk(rows, asker, wanted, most).await;
        }
        // No store is asked for an anchor that is not granted, be there such an anchor or not.
        if wanted.anchor_id.is_some() {
            return Ok(Vec::new());
        }
        Ok(merge(rows, &grants.anchors, wanted).await?)
    }
}

/// What a list has found: each session once, also one that has moved on while it was read.
struct Found {
    entries: Vec<Entry>,
    ids: HashSet<SessionId>,
    limit: usize,
}

impl Found {
    fn new(limit: usize) -> Self {
        Self { entries: Vec::new(), ids: HashSet::new(), limit }
    }

    fn add(&mut self, entry: Entry) {
        if !self.is_full() && self.ids.insert(entry.0.clone()) {
            self.entries.push(entry);
        }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= self.limit
    }
}

/// All sessions in order, those that the asker sees picked out.
async fn walk(
    rows: &dyn RowStore,
    asker: &Asker,
    wanted: &SessionQuery,
    most: usize,
) -> Result<Vec<Entry>, Failure> {
    let mut page = SessionQuery { anchor_id: None, limit: CHUNK, ..wanted.clone() };
    let mut found = Found::new(wanted.limit);
    let mut looked = 0;
    loop {
        let chunk = rows.sessions(&page).await?;
        let is_last = chunk.len() < page.limit;
        looked += chunk.len();
        page.after = chunk.last().map(place);
        let mut seen = stream::iter(chunk)
            .map(|entry| async move { Ok::<_, StoreError>((is_seen(rows, asker, &entry).await?, entry)) })
            .buffered(SIDE_BY_SIDE);
        while let Some((is_seen, (id, row))) = seen.try_next().await? {
            // The anchor's name only now: all that was done so far was done whoever is asked for.
            if is_seen && wanted.matches(&id, &row) {
                found.add((id, row));
            }
            if found.is_full() {
                return Ok(found.entries);
            }
        }
        if is_last {
            return Ok(found.entries);
        }
        if looked >= most {
            let detail = format!(
                "there are over {most} sessions to look through: narrow the list with `from` and `to`"
            );
            return Err(Problem::bad_parameter(detail).with("parameter", "from").into());
        }
    }
}

/// Whether the asker sees a session, by its row or, where that doesn't tell, by its channels.
async fn is_seen(rows: &dyn RowStore, asker: &Asker, (id, row): &Entry) -> StoreResult<bool> {
    Ok(match asker.view(row) {
        View::Whole | View::Part { items: true, .. } => true,
        View::Part { channels, .. } if channels.is_empty() => false,
        view => {
            let looked = rows.session(id.as_str(), &sight::glance(asker)).await?;
            looked.is_some_and(|looked| sight::is_there(view, &looked))
        }
    })
}

/// One anchor's list, read ahead.
struct List<'a> {
    anchor_id: &'a str,
    ahead: VecDeque<Entry>,
    after: Option<(u64, SessionId)>,
    chunk: usize,
    is_at_end: bool,
}

impl List<'_> {
    /// Whether its next session is not known yet.
    fn is_due(&self) -> bool {
        self.ahead.is_empty() && !self.is_at_end
    }

    /// The place of its next session.
    fn head(&self) -> Option<(Reverse<u64>, &SessionId)> {
        self.ahead.front().map(|(id, row)| (Reverse(row.sort_ts()), id))
    }

    /// Reads on. A list of which much is wanted is read in ever larger steps.
    async fn read(&mut self, rows: &dyn RowStore, wanted: &SessionQuery) -> StoreResult<()> {
        let page = SessionQuery {
            anchor_id: Some(self.anchor_id.to_owned()),
            after: self.after.take(),
            limit: self.chunk,
            ..wanted.clone()
        };
        self.ahead.extend(rows.sessions(&page).await?);
        self.is_at_end = self.ahead.len() < self.chunk;
        self.after = self.ahead.back().map(place);
        self.chunk = (self.chunk * 2).min(wanted.limit.max(1));
        Ok(())
    }
}

/// The lists of several anchors as one.
async fn merge(
    rows: &dyn RowStore,
    anchors: &BTreeSet<String>,
    wanted: &SessionQuery,
) -> StoreResult<Vec<Entry>> {
    let share = 2 * wanted.limit / anchors.len().max(1);
    let chunk = share.max(CHUNK_MIN).min(wanted.limit.max(1));
    let list = |anchor_id| List {
        anchor_id,
        ahead: VecDeque::new(),
        after: wanted.after.clone(),
        chunk,
        is_at_end: false,
    };
    let mut lists: Vec<List<'_>> = anchors.iter().map(|anchor_id| list(anchor_id.as_str())).collect();
    let mut found = Found::new(wanted.limit);
    while !found.is_full() {
        // Which session is next is known once the next of every list is.
        let due: Vec<_> = lists.iter_mut().filter(|list| list.is_due()).collect();
        stream::iter(due)
            .map(Ok)
            .try_for_each_concurrent(SIDE_BY_SIDE, |list| list.read(rows, wanted))
            .await?;
        let heads = lists.iter_mut().filter(|list| !list.ahead.is_empty());
        let next = heads.min_by(|one, other| one.head().cmp(&other.head()));
        let Some(entry) = next.and_then(|list| list.ahead.pop_front()) else { break };
        found.add(entry);
    }
    Ok(found.entries)
}

fn place((id, row): &Entry) -> (u64, SessionId) {
    (row.sort_ts(), id.clone())
}
