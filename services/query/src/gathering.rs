//! Answers about many sessions: their rows, a few at a time, and what such an answer says of itself.
//!
//! Each session is one consistent cut of its own; all of them together are complete at least up to the
//! positions that were read before.

use futures::stream::{self, StreamExt, TryStreamExt};
use tandem_model::partition::partition_of;
use tandem_model::row::SessionState;
use tandem_model::{Cut, PartitionId, SessionId};
use tandem_storage::{Select, SessionRows};

use crate::Query;
use crate::answer::Failure;
use crate::reading::numbered;
use crate::request::Call;
use crate::wire::Meta;

/// Sessions whose rows are read at once, for one answer.
const AT_ONCE: usize = 8;

impl Query {
    /// The rows selected of each of these sessions, in their order; one that is not there is left out.
    /// Nobody's scope is looked at: that is the caller's.
    ///
    /// # Errors
    ///
    /// When the store fails, or rows are being computed again.
    pub(crate) async fn gather(&self, wanted: Vec<(SessionId, Select)>) -> Result<Vec<SessionRows>, Failure> {
        for (id, _) in &wanted {
            let partition = partition_of(id.as_str().as_bytes(), self.log.partitions());
            self.look_for_repair(partition);
            if self.health.is_repairing(partition) {
                return Err(Failure::repairing());
            }
        }
        let rows = &*self.stores.rows;
        let read: Vec<Option<SessionRows>> = stream::iter(wanted)
            .map(|(id, select)| async move { rows.session(id.as_str(), &select).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// What an answer about a list says of itself. The list is complete up to the positions read before it,
    /// and may show later changes: the token covers those too, by the progress after it and by the
    /// positions after the versions shown.
    pub(crate) async fn meta_of_list(
        &self,
        call: &Call,
        complete: &[Cut],
        versions: Vec<(PartitionId, u64)>,
        is_stale: bool,
    ) -> Result<Meta, Failure> {
        let mut shown = self.progress().await?;
        for (partition, next) in versions {
            if let Some(cut) = shown.get_mut(partition.0 as usize) {
                cut.next = cut.next.max(next);
            }
        }
        let cuts = complete.iter().zip(shown).map(|(complete, shown)| Cut { clock: complete.clock, ..shown });
        let cuts: Vec<Cut> = cuts.collect();
        Ok(self.meta(call, &numbered(&cuts), SessionState::Live, is_stale))
    }
}

/// Of each session the partition and the position up to which its rows reflect the log.
pub(crate) fn cuts_of(sessions: &[SessionRows]) -> impl Iterator<Item = (PartitionId, u64)> {
    sessions.iter().map(|session| (session.partition, session.cut.next))
}
