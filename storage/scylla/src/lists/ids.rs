//! All sessions, by id: each slot has its own, ascending; merged.

use futures::FutureExt;
use tandem_model::SessionId;
use tandem_storage::Result;

use crate::cells::{damaged, each, present};
use crate::connection::all;
use crate::position::SLOTS;
use crate::store::Inner;

const DOING: &str = "listing session ids";

impl Inner {
    pub(crate) async fn session_ids(&self, after: Option<&str>, limit: usize) -> Result<Vec<SessionId>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (after, limit_cql) = (after.unwrap_or_default(), i32::try_from(limit).unwrap_or(i32::MAX));
        let of_slot = |slot: u32| async move {
            let values = (self.log.generation as i32, slot as i32, after, limit_cql);
            let answer = self.connection.read(DOING, &self.statements.read_ids, values).await?;
            each(DOING, &answer, |columns| {
                let id = present(columns.text()?, "session_id")?;
                SessionId::new(id).ok_or_else(|| damaged("a list names what is no session's id"))
            })
        };
        let slots = (0..SLOTS).map(|slot| of_slot(slot).boxed()).collect();
        let slots: Vec<Vec<SessionId>> = all(slots, SLOTS as usize).await?;
        let mut ids = slots.concat();
        ids.sort_unstable();
        ids.truncate(limit);
        Ok(ids)
    }
}
