//! Lists of sessions: kept by writers here, read in `query`.
//!
//! A list entry is a hint. What counts is the session's own header: an entry whose session is
//! sorted elsewhere by now, or that no session stands behind, is skipped. So lists need no
//! transaction with the rows. A writer enters a session before it writes it, and removes the old
//! entry after: a session is always in its place, and at worst in its former one as well.

mod ids;
mod query;

use futures::future::{Either, ready, try_join3, try_join4, try_join5};
use tandem_model::row::SessionState;
use tandem_model::{Changes, PartitionId};
use tandem_storage::Result;

use crate::known::Place;
use crate::position::{from_cql, month, slot, timestamp, to_cql};
use crate::store::Inner;

const DOING: &str = "writing lists of sessions";

impl Inner {
    /// Enters a session that moves to `new`, or is new.
    pub(crate) async fn list(
        &self,
        changes: &Changes,
        id: &str,
        old: Option<&Place>,
        new: &Place,
    ) -> Result<()> {
        let at = timestamp(self.log.generation, changes.cut.next);
        self.list_at(at, changes.partition, changes.cut.next, id, old, new).await
    }

    /// The same, at a timestamp of its own.
    pub(crate) async fn list_at(
        &self,
        at: i64,
        partition: PartitionId,
        next: u64,
        id: &str,
        old: Option<&Place>,
        new: &Place,
    ) -> Result<()> {
        let (connection, statements) = (&self.connection, &self.statements);
        let generation = self.log.generation as i32;
        let log_partition = partition.0 as i32;
        let (slot, expiry_s) = (slot(id), self.expiries.total);
        let (sort_ts, state) = (new.sort_ts, new.state.name());
        let month = month(from_cql(sort_ts));

        let list = connection.write(
            DOING,
            &statements.list,
            (generation, slot, month, sort_ts, id, state, at, expiry_s),
        );
        let list_by_anchor = match &new.anchor_id {
            Some(anchor_id) => Either::Left(connection.write(
                DOING,
                &statements.list_by_anchor,
                (generation, &**anchor_id, sort_ts, id, state, at, expiry_s),
            )),
            None => Either::Right(ready(Ok(()))),
        };
        let list_live = if new.state == SessionState::Live {
            let values = (generation, slot, sort_ts, id, log_partition, at, expiry_s);
            Either::Left(connection.write(DOING, &statements.list_live, values))
        } else {
            Either::Right(ready(Ok(())))
        };
        let list_id = if old.is_none() {
            let values = (generation, slot, id, log_partition, at, expiry_s);
            Either::Left(connection.write(DOING, &statements.list_id, values))
        } else {
            Either::Right(ready(Ok(())))
        };
        let values = (generation, month, to_cql(next), at, expiry_s);
        let list_month = connection.write(DOING, &statements.list_month, values);
        Box::pin(try_join5(list, list_by_anchor, list_live, list_id, list_month)).await.map(|_| ())
    }

    /// Removes all entries of a session that is listed at `old`.
    pub(crate) async fn unlist_all(&self, at: i64, id: &str, old: &Place) -> Result<()> {
        let (connection, statements) = (&self.connection, &self.statements);
        let (generation, slot) = (self.log.generation as i32, slot(id));
        let values = (at, generation, slot, month(from_cql(old.sort_ts)), old.sort_ts, id);
        let unlist = connection.write(DOING, &statements.unlist, values);
        let unlist_by_anchor = match &old.anchor_id {
            Some(anchor_id) => {
                let values = (at, generation, &**anchor_id, old.sort_ts, id);
                Either::Left(connection.write(DOING, &statements.unlist_by_anchor, values))
            }
            None => Either::Right(ready(Ok(()))),
        };
        let unlist_live =
            connection.write(DOING, &statements.unlist_live, (at, generation, slot, old.sort_ts, id));
        let unlist_id = connection.write(DOING, &statements.unlist_id, (at, generation, slot, id));
        Box::pin(try_join4(unlist, unlist_by_anchor, unlist_live, unlist_id)).await.map(|_| ())
    }

    /// Removes the entries of a session that has moved from `old` to `new`.
    pub(crate) async fn unlist(&self, next: u64, id: &str, old: &Place, new: &Place) -> Result<()> {
        self.unlist_at(timestamp(self.log.generation, next), id, old, new).await
    }

    /// The same, at a timestamp of its own.
    pub(crate) async fn unlist_at(&self, at: i64, id: &str, old: &Place, new: &Place) -> Result<()> {
        let (connection, statements) = (&self.connection, &self.statements);
        let generation = self.log.generation as i32;
        let slot = slot(id);
        let has_moved = old.sort_ts != new.sort_ts;

        let unlist = if has_moved {
            let values = (at, generation, slot, month(from_cql(old.sort_ts)), old.sort_ts, id);
            Either::Left(connection.write(DOING, &statements.unlist, values))
        } else {
            Either::Right(ready(Ok(())))
        };
        let unlist_by_anchor = match &old.anchor_id {
            Some(anchor_id) if has_moved || old.anchor_id != new.anchor_id => {
                let values = (at, generation, &**anchor_id, old.sort_ts, id);
                Either::Left(connection.write(DOING, &statements.unlist_by_anchor, values))
            }
            _ => Either::Right(ready(Ok(()))),
        };
        let was_live = old.state == SessionState::Live;
        let unlist_live = if was_live && (has_moved || new.state != SessionState::Live) {
            let values = (at, generation, slot, old.sort_ts, id);
            Either::Left(connection.write(DOING, &statements.unlist_live, values))
        } else {
            Either::Right(ready(Ok(())))
        };
        Box::pin(try_join3(unlist, unlist_by_anchor, unlist_live)).await.map(|_| ())
    }
}
