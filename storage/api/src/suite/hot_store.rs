//! What a hot store promises.

use std::sync::Arc;

use tandem_model::catalogue::STORED;
use tandem_model::time::Window;
use tandem_model::{Breakdown, Cut, PartitionId, SessionChange, Table};
use tokio::time::timeout;

use super::PATIENCE;
use super::fixtures::{change, changes, row, session_id, session_rows};
use crate::{HotStore, SessionRows};

/// Checks a fresh store that holds ten sessions at least.
pub async fn hot_store(store: Arc<dyn HotStore>) {
    absent_sessions_stay_absent(&*store).await;
    sessions_are_put_whole_and_changed(&*store).await;
    a_session_never_goes_back(&*store).await;
    readers_see_whole_changes(&store).await;
}

async fn session(store: &dyn HotStore, id: &str) -> Arc<SessionRows> {
    store.session(id).await.expect("session").expect("present")
}

async fn absent_sessions_stay_absent(store: &dyn HotStore) {
    let partition = PartitionId(0);
    assert_eq!(store.progress(partition).await.expect("progress"), None);
    assert!(store.session("h-1").await.expect("session").is_none());
    let mut all = changes(0, 10, 1_000);
    all.sessions = vec![change("h-1", 5, 2), change("h-2", 6, 2)];
    assert_eq!(store.apply(&all).await.expect("apply"), [session_id("h-1"), session_id("h-2")]);
    assert!(store.session("h-1").await.expect("session").is_none());
    assert_eq!(store.progress(partition).await.expect("progress"), Some(all.cut));
    assert_eq!(store.progress(PartitionId(1)).await.expect("progress"), None);
    store.apply(&changes(0, 9, 900)).await.expect("apply");
    assert_eq!(store.progress(partition).await.expect("progress"), Some(all.cut), "went back");
}

async fn sessions_are_put_whole_and_changed(store: &dyn HotStore) {
    let whole = session_rows("h-1", 10, 1_000);
    store.put(whole.clone()).await.expect("put");
    assert_eq!(*session(store, "h-1").await, whole);

    // A known row, new ones on all sides, and a trend row, which has no place here.
    let mut all = changes(0, 20, 2_000);
    let changed = vec![
        row(Table::Total, Breakdown::RawSource, "zzz", 0, 15),
        row(Table::Trend(Window::Minute), Breakdown::Room, "room", 0, 15),
        row(Table::Total, Breakdown::Item, "key-1", 0, 15),
        row(Table::Total, Breakdown::Item, "key-00", 0, 15),
        row(Table::Total, Breakdown::Item, "aaa", 0, 15),
    ];
    all.sessions = vec![
        SessionChange { session_id: session_id("h-1"), session: None, rows: changed },
        change("h-2", 16, 1),
    ];
    assert_eq!(store.apply(&all).await.expect("apply"), [session_id("h-2")]);
    let read = session(store, "h-1").await;
    assert_eq!((read.cut, &read.session), (all.cut, &whole.session));
    let offsets: Vec<_> =
        read.rows.iter().map(|row| (&*row.key.key, row.values[STORED - 1], row.offset)).collect();
    let expected = [
        ("room", 10, 10),
        ("aaa", 15, 15),
        ("key-0", 10, 10),
        ("key-00", 15, 15),
        ("key-1", 15, 15),
        ("key-2", 10, 10),
        ("zzz", 15, 15),
    ];
    assert_eq!(offsets, expected);

    // The session's own row alone.
    let mut own = changes(0, 30, 3_000);
    let mut row = whole.session.clone();
    row.ended_at = Some(29);
    own.sessions =
        vec![SessionChange { session_id: session_id("h-1"), session: Some(row.clone()), rows: Vec::new() }];
    assert!(store.apply(&own).await.expect("apply").is_empty());
    let ended = session(store, "h-1").await;
    assert_eq!((&ended.session, &ended.rows), (&row, &read.rows));
}

async fn a_session_never_goes_back(store: &dyn HotStore) {
    store.put(session_rows("h-3", 100, 1_000)).await.expect("put");
    let before = session(store, "h-3").await;
    for next in [99, 100] {
        let mut older = session_rows("h-3", next, 990);
        older.rows.pop();
        store.put(older).await.expect("put");
        let mut all = changes(0, next, 990);
        all.sessions = vec![change("h-3", 7, 3)];
        assert!(store.apply(&all).await.expect("apply").is_empty());
        assert_eq!(session(store, "h-3").await, before);
    }
    let newer = session_rows("h-3", 101, 1_010);
    store.put(newer.clone()).await.expect("put");
    assert_eq!(*session(store, "h-3").await, newer);
}

async fn readers_see_whole_changes(store: &Arc<dyn HotStore>) {
    const ROUNDS: u64 = 500;
    store.put(session_rows("h-4", 1, 1)).await.expect("put");
    let mut readers = Vec::new();
    for _ in 0..2 {
        let store = store.clone();
        readers.push(tokio::spawn(async move {
            let mut last = 0;
            while last < ROUNDS {
                let progress = store.progress(PartitionId(7)).await.expect("progress");
                let read = session(&*store, "h-4").await;
                let value = read.cut.next;
                assert!(value >= last && Some(read.cut) >= progress, "went back, or progress is ahead");
                assert_eq!(read.cut, Cut { next: value, clock: value });
                assert!(read.session.offset == value, "torn");
                assert!(read.rows.len() == 4 && read.rows.iter().all(|row| row.values == [value; STORED]));
                last = value;
                tokio::task::yield_now().await;
            }
        }));
    }
    for round in 2..=ROUNDS {
        let mut all = changes(7, round, round);
        all.sessions = vec![change("h-4", round, 3)];
        assert!(store.apply(&all).await.expect("apply").is_empty());
        tokio::task::yield_now().await;
    }
    for reader in readers {
        timeout(PATIENCE, reader).await.expect("readers see the last change").expect("reader");
    }
}
