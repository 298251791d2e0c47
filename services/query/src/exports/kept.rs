//! Large sessions that are under way to somebody, so that all pieces are of one cut.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tandem_storage::SessionRows;
use tokio::time::Instant;

/// How many rows are kept over all sessions: about 80 MB. A session with more is kept alone.
const ROWS_MAX: usize = 200_000;
/// How long after a piece was asked for.
const KEPT: Duration = Duration::from_secs(60);

/// Whose rows, and the hash of them: what one caller was shown is not at hand for another one.
pub(super) type Key = (u64, u128);

/// Rows of sessions; the one that was not asked for the longest comes first.
#[derive(Default)]
pub(super) struct Kept(Mutex<Vec<(Key, Instant, Arc<SessionRows>)>>);

impl Kept {
    /// The rows of this key.
    pub(super) fn get(&self, key: Key) -> Option<Arc<SessionRows>> {
        let mut kept = self.0.lock();
        let now = Instant::now();
        kept.retain(|(_, asked, _)| now.duration_since(*asked) < KEPT);
        let place = kept.iter().position(|(known, ..)| *known == key)?;
        let (_, _, rows) = kept.remove(place);
        kept.push((key, now, Arc::clone(&rows)));
        Some(rows)
    }

    /// Keeps rows of which more pieces will be asked for.
    pub(super) fn put(&self, key: Key, rows: &Arc<SessionRows>) {
        let mut kept = self.0.lock();
        kept.retain(|(known, ..)| *known != key);
        kept.push((key, Instant::now(), Arc::clone(rows)));
        while kept.len() > 1 && kept.iter().map(|(_, _, rows)| rows.rows.len()).sum::<usize>() > ROWS_MAX {
            kept.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use tandem_model::{Breakdown, Cut, PartitionId, Row, RowKey, SessionId, SessionRow, Stored, Table};

    use super::*;

    fn rows(count: usize) -> Arc<SessionRows> {
        let key = RowKey { table: Table::Total, breakdown: Breakdown::Item, key: "i".into(), bucket: 0 };
        Arc::new(SessionRows {
            session_id: SessionId::new("s").unwrap(),
            partition: PartitionId(0),
            cut: Cut::default(),
            session: SessionRow::default(),
            rows: vec![Row { key, values: [0; Stored::ALL.len()], offset: 0 }; count],
        })
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_bounded_in_rows_and_in_time() {
        let kept = Kept::default();
        let has = |number| kept.get((7, number)).is_some();
        (0..3).for_each(|number| kept.put((7, number), &rows(ROWS_MAX / 3)));
        assert!(kept.get((8, 0)).is_none(), "it is somebody else's");
        assert!(has(1) && has(2) && has(0));
        kept.put((7, 3), &rows(ROWS_MAX / 3));
        assert!(!has(1) && has(2) && has(0) && has(3));
        kept.put((7, 4), &rows(2 * ROWS_MAX));
        assert!(has(4) && !has(3));
        tokio::time::advance(KEPT / 2).await;
        assert!(has(4));
        tokio::time::advance(KEPT / 2).await;
        assert!(has(4), "it was asked for meanwhile");
        tokio::time::advance(KEPT).await;
        assert!(!has(4));
    }
}
