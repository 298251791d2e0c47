//! The hot store in memory; `tandem up` serves from it.
//!
//! A reader takes an [`Arc`] and no copy. A writer changes a session in place where nobody holds
//! it, else a copy of it ([`Arc::make_mut`]), and swaps it in whole: a reader never sees half a
//! change. The map of sessions is locked for writing only when sessions come or go; a change
//! locks the one session it is about. The map of lives is locked for writing only when a life
//! begins or everything is lost; whoever reads or writes sessions holds it for reading meanwhile,
//! so that no call sees two lives of a partition.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use tandem_model::row::SessionState;
use tandem_model::{Changes, Cut, PartitionId, Row, SessionChange, SessionId, Table};

use crate::{Applied, HotSession, HotStore, Incarnation, Result, SessionRows};

/// When the store is full, this part of it goes at once, so that finding out which is not done
/// for every single session that comes.
const EVICTED_PART: usize = 64;

/// A bounded [`HotStore`]. When it is full, sessions that are over go first, and of those the one
/// with the oldest cut; even the one just put, if it is that one.
pub struct MemoryHotStore {
    sessions_max: usize,
    lives: RwLock<Lives>,
    sessions: RwLock<HashMap<SessionId, Arc<Slot>>>,
}

type Slot = RwLock<Arc<SessionRows>>;

#[derive(Default)]
struct Lives {
    /// How many have begun: the number of the last one.
    begun: u64,
    now: HashMap<PartitionId, Life>,
}

/// The life of a partition that goes on.
struct Life {
    incarnation: Incarnation,
    progress: Mutex<Cut>,
}

impl Lives {
    /// The life of `partition`, if it is that of `incarnation`.
    fn of(&self, partition: PartitionId, incarnation: Incarnation) -> Option<&Life> {
        self.now.get(&partition).filter(|life| life.incarnation == incarnation)
    }

    fn progress(&self, partition: PartitionId) -> Option<Cut> {
        self.now.get(&partition).map(|life| *life.progress.lock())
    }
}

impl MemoryHotStore {
    /// An empty store for `sessions_max` sessions at most (at least 1).
    pub fn new(sessions_max: usize) -> Self {
        Self { sessions_max: sessions_max.max(1), lives: RwLock::default(), sessions: RwLock::default() }
    }

    /// How many sessions it holds.
    pub fn len(&self) -> usize {
        self.sessions.read().len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything, as a restarted Redis would.
    pub fn clear(&self) {
        let mut lives = self.lives.write();
        lives.now.clear();
        self.sessions.write().clear();
    }

    fn slot(&self, id: &str) -> Option<Arc<Slot>> {
        self.sessions.read().get(id).cloned()
    }
}

#[async_trait]
impl HotStore for MemoryHotStore {
    async fn begin(&self, partition: PartitionId, cut: Cut) -> Result<Option<Incarnation>> {
        let mut lives = self.lives.write();
        if lives.progress(partition).is_some_and(|progress| progress.next > cut.next) {
            return Ok(None);
        }
        self.sessions.write().retain(|_, slot| slot.read().partition != partition);
        lives.begun += 1;
        let incarnation = Incarnation(lives.begun);
        lives.now.insert(partition, Life { incarnation, progress: Mutex::new(cut) });
        Ok(Some(incarnation))
    }

    async fn apply(&self, incarnation: Incarnation, base: Cut, changes: &Changes) -> Result<Applied> {
        let lives = self.lives.read();
        let Some(life) = lives.of(changes.partition, incarnation) else { return Ok(Applied::Lost) };
        let progress = life.progress.lock().next;
        if progress != base.next && progress != changes.cut.next {
            return Ok(Applied::Lost);
        }
        let mut absent = Vec::new();
        for change in &changes.sessions {
            match self.slot(change.session_id.as_str()) {
                Some(slot) => merge(&mut slot.write(), changes.cut, change),
                None => absent.push(change.session_id.clone()),
            }
        }
        *life.progress.lock() = changes.cut;
        Ok(Applied::Done { absent })
    }

    async fn put(&self, incarnation: Incarnation, mut session: SessionRows) -> Result<()> {
        session.rows.retain(|row| row.key.table == Table::Total);
        session.rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        let lives = self.lives.read();
        if lives.of(session.partition, incarnation).is_none() {
            return Ok(());
        }
        let mut sessions = self.sessions.write();
        if let Some(slot) = sessions.get(&session.session_id) {
            let mut kept = slot.write();
            if kept.cut.next < session.cut.next {
                *kept = Arc::new(session);
            }
            return Ok(());
        }
        sessions.insert(session.session_id.clone(), Arc::new(RwLock::new(Arc::new(session))));
        if sessions.len() > self.sessions_max {
            evict(&mut sessions, self.sessions_max);
        }
        Ok(())
    }

    async fn session(&self, partition: PartitionId, id: &str) -> Result<HotSession> {
        let lives = self.lives.read();
        // Before the session: a change reaches the session first, then the progress.
        let Some(progress) = lives.progress(partition) else { return Ok(HotSession::default()) };
        let session = self.slot(id).map(|slot| slot.read().clone());
        let session = session.filter(|session| session.partition == partition);
        Ok(HotSession { progress: Some(progress), session })
    }

    async fn progress(&self, partition: PartitionId) -> Result<Option<Cut>> {
        Ok(self.lives.read().progress(partition))
    }
}

/// Brings a session to `cut`, unless it is there already.
fn merge(kept: &mut Arc<SessionRows>, cut: Cut, change: &SessionChange) {
    if kept.cut.next >= cut.next {
        return;
    }
    let session = Arc::make_mut(kept);
    session.cut = cut;
    if let Some(row) = &change.session {
        session.session = row.clone();
    }
    merge_rows(&mut session.rows, &change.rows);
}

/// Replaces rows that are there, adds those that are not, and keeps the order. Nearly always
/// every key is there, and a change is small against the session: so each is searched for, and
/// the whole is sorted again only when keys were added.
fn merge_rows(rows: &mut Vec<Row>, changed: &[Row]) {
    let known = rows.len();
    for row in changed.iter().filter(|row| row.key.table == Table::Total) {
        match rows[..known].binary_search_by(|other| other.key.cmp(&row.key)) {
            Ok(index) => {
                rows[index].values = row.values;
                rows[index].offset = row.offset;
            }
            Err(_) => rows.push(row.clone()),
        }
    }
    if rows.len() > known {
        // Two runs, the second short: the standard stable sort finds and merges runs.
        rows[known..].sort_by(|left, right| left.key.cmp(&right.key));
        rows.sort_by(|left, right| left.key.cmp(&right.key));
    }
}

/// Makes room: the lowest by (over before live, oldest cut first) go.
fn evict(sessions: &mut HashMap<SessionId, Arc<Slot>>, sessions_max: usize) {
    let mut ranked: Vec<_> = sessions
        .iter()
        .map(|(id, slot)| {
            let session = slot.read();
            // Offsets of different partitions can't be compared, clocks can.
            ((session.session.state == SessionState::Live, session.cut.clock, session.cut.next), id.clone())
        })
        .collect();
    let count = (sessions.len() - sessions_max).max(sessions_max / EVICTED_PART).max(1);
    ranked.select_nth_unstable(count - 1);
    for (_, id) in &ranked[..count] {
        sessions.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::fixtures::{self, session_id};

    const PARTITION: PartitionId = PartitionId(0);

    #[tokio::test(flavor = "multi_thread")]
    async fn passes_the_suite() {
        let store = Arc::new(MemoryHotStore::new(100));
        crate::suite::hot_store(Arc::clone(&store) as _, async || store.clear()).await;
    }

    async fn begun(sessions_max: usize) -> (MemoryHotStore, Incarnation) {
        let store = MemoryHotStore::new(sessions_max);
        let incarnation = store.begin(PARTITION, Cut::default()).await.expect("begin").expect("nobody's yet");
        (store, incarnation)
    }

    async fn holds(store: &MemoryHotStore, id: &str) -> bool {
        store.session(PARTITION, id).await.expect("session").session.is_some()
    }

    #[tokio::test]
    async fn sessions_that_are_over_go_first_and_of_those_the_oldest() {
        let (store, incarnation) = begun(3).await;
        let put = async |id: &str, state: SessionState, clock: u64| {
            let mut session = fixtures::session_rows(id, clock + 1, clock);
            session.session.state = state;
            store.put(incarnation, session).await.expect("put");
        };
        put("live-old", SessionState::Live, 10).await;
        put("final-old", SessionState::Final, 20).await;
        put("corrected-new", SessionState::Corrected, 30).await;
        put("live-new", SessionState::Live, 40).await;
        assert_eq!(store.len(), 3);
        assert!(!holds(&store, "final-old").await);
        put("live-newer", SessionState::Live, 50).await;
        assert!(!holds(&store, "corrected-new").await);
        put("live-newest", SessionState::Live, 60).await;
        assert!(!holds(&store, "live-old").await);
        // One that is over takes no place of a live one.
        put("final", SessionState::Final, 70).await;
        assert!(!holds(&store, "final").await);
        assert_eq!(store.len(), 3);
    }

    #[tokio::test]
    async fn a_reader_keeps_what_it_took() {
        let (store, incarnation) = begun(3).await;
        store.put(incarnation, fixtures::session_rows("s", 11, 10)).await.expect("put");
        let look = async || store.session(PARTITION, "s").await.expect("session").session;
        let before = look().await.expect("present");
        let mut changes = fixtures::changes(0, 100, 50);
        changes.sessions.push(fixtures::change("s", 100, 4));
        store.apply(incarnation, Cut::default(), &changes).await.expect("apply");
        assert_eq!(before.cut.next, 11);
        let after = look().await.expect("present");
        assert_eq!((after.cut.next, after.session_id.clone()), (100, session_id("s")));
        store.clear();
        assert!(store.is_empty() && look().await.is_none());
    }
}
