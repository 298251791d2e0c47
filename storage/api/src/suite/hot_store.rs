//! What a hot store promises.

use std::sync::Arc;

use tandem_model::catalogue::STORED;
use tandem_model::time::Window;
use tandem_model::{Breakdown, Changes, Cut, PartitionId, SessionChange, SessionId, Table};
use tokio::time::timeout;

use super::PATIENCE;
use super::fixtures::{change, changes, row, session_id, session_rows};
use crate::{Applied, HotSession, HotStore, Incarnation, SessionRows};

/// Checks a fresh store that holds ten sessions at least. `lose` empties it, as a restart without
/// its data would.
pub async fn hot_store(store: Arc<dyn HotStore>, lose: impl AsyncFn()) {
    nothing_is_there_before_a_beginning(&*store).await;
    absent_sessions_stay_absent(&*store).await;
    sessions_are_put_whole_and_changed(&*store).await;
    a_session_never_goes_back(&*store).await;
    who_stands_elsewhere_changes_nothing(&*store).await;
    a_new_incarnation_starts_empty(&*store).await;
    who_is_behind_does_not_begin(&*store).await;
    readers_see_whole_changes(&store).await;
    a_loss_is_noticed(&*store, lose).await;
}

const PARTITION: PartitionId = PartitionId(0);

/// A place in the log and a time that goes with it.
const fn cut(next: u64) -> Cut {
    Cut { next, clock: next * 100 }
}

fn changed(partition: PartitionId, next: u64, sessions: Vec<SessionChange>) -> Changes {
    Changes { sessions, ..changes(partition.0, next, next * 100) }
}

async fn begin(store: &dyn HotStore, partition: PartitionId, next: u64) -> Incarnation {
    store.begin(partition, cut(next)).await.expect("begin").expect("nobody is ahead")
}

/// Applies changes that the store must take; says which sessions are absent.
async fn apply(
    store: &dyn HotStore,
    incarnation: Incarnation,
    base: u64,
    changes: &Changes,
) -> Vec<SessionId> {
    match store.apply(incarnation, cut(base), changes).await.expect("apply") {
        Applied::Done { absent } => absent,
        Applied::Lost => panic!("the store stands at {base}"),
    }
}

async fn put(store: &dyn HotStore, incarnation: Incarnation, session: SessionRows) {
    store.put(incarnation, session).await.expect("put");
}

async fn look(store: &dyn HotStore, id: &str) -> HotSession {
    store.session(PARTITION, id).await.expect("session")
}

async fn session(store: &dyn HotStore, id: &str) -> Arc<SessionRows> {
    look(store, id).await.session.expect("present")
}

async fn progress(store: &dyn HotStore, partition: PartitionId) -> Option<Cut> {
    store.progress(partition).await.expect("progress")
}

async fn nothing_is_there_before_a_beginning(store: &dyn HotStore) {
    assert_eq!(progress(store, PARTITION).await, None);
    assert_eq!(look(store, "h-1").await, HotSession::default());
    let first = begin(store, PARTITION, 5).await;
    assert_eq!(progress(store, PARTITION).await, Some(cut(5)));
    assert_eq!(progress(store, PartitionId(1)).await, None, "another partition");
    assert_eq!(look(store, "h-1").await, HotSession { progress: Some(cut(5)), session: None });
    let again = begin(store, PARTITION, 5).await;
    let other = begin(store, PartitionId(1), 5).await;
    assert!(first != again && again != other && first != other, "given out twice");
}

async fn absent_sessions_stay_absent(store: &dyn HotStore) {
    let incarnation = begin(store, PARTITION, 5).await;
    let all = changed(PARTITION, 10, vec![change("h-1", 5, 2), change("h-2", 6, 2)]);
    let both = [session_id("h-1"), session_id("h-2")];
    assert_eq!(apply(store, incarnation, 5, &all).await, both);
    assert_eq!(apply(store, incarnation, 5, &all).await, both, "repeated");
    assert_eq!(look(store, "h-1").await, HotSession { progress: Some(all.cut), session: None });
    assert_eq!(progress(store, PARTITION).await, Some(all.cut));
}

async fn sessions_are_put_whole_and_changed(store: &dyn HotStore) {
    let incarnation = begin(store, PARTITION, 10).await;
    let whole = session_rows("h-1", 10, 1_000);
    put(store, incarnation, whole.clone()).await;
    let expected = HotSession { progress: Some(cut(10)), session: Some(Arc::new(whole.clone())) };
    assert_eq!(look(store, "h-1").await, expected);

    // A known row, new ones on all sides, and a trend row, which has no place here.
    let rows = vec![
        row(Table::Total, Breakdown::RawSource, "zzz", 0, 15),
        row(Table::Trend(Window::Minute), Breakdown::Room, "room", 0, 15),
        row(Table::Total, Breakdown::Item, "key-1", 0, 15),
        row(Table::Total, Breakdown::Item, "key-00", 0, 15),
        row(Table::Total, Breakdown::Item, "aaa", 0, 15),
    ];
    let own = SessionChange { session_id: session_id("h-1"), session: None, rows };
    let all = changed(PARTITION, 20, vec![own, change("h-2", 16, 1)]);
    assert_eq!(apply(store, incarnation, 10, &all).await, [session_id("h-2")]);
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
    let mut row = whole.session.clone();
    row.ended_at = Some(29);
    let own = SessionChange { session_id: session_id("h-1"), session: Some(row.clone()), rows: Vec::new() };
    assert!(apply(store, incarnation, 20, &changed(PARTITION, 30, vec![own])).await.is_empty());
    let ended = session(store, "h-1").await;
    assert_eq!((&ended.session, &ended.rows), (&row, &read.rows));
}

async fn a_session_never_goes_back(store: &dyn HotStore) {
    let incarnation = begin(store, PARTITION, 90).await;
    put(store, incarnation, session_rows("h-3", 100, 10_000)).await;
    let before = session(store, "h-3").await;
    // The row store that it came from was ahead of what is written here.
    for (base, next) in [(90, 99), (99, 100)] {
        let mut older = session_rows("h-3", next, next * 100);
        older.rows.pop();
        put(store, incarnation, older).await;
        let all = changed(PARTITION, next, vec![change("h-3", 7, 3)]);
        assert!(apply(store, incarnation, base, &all).await.is_empty());
        assert_eq!(session(store, "h-3").await, before);
    }
    let newer = session_rows("h-3", 101, 10_100);
    put(store, incarnation, newer.clone()).await;
    assert_eq!(*session(store, "h-3").await, newer);
}

async fn who_stands_elsewhere_changes_nothing(store: &dyn HotStore) {
    let incarnation = begin(store, PARTITION, 200).await;
    put(store, incarnation, session_rows("h-1", 200, 20_000)).await;
    let before = look(store, "h-1").await;
    let all = changed(PARTITION, 220, vec![change("h-1", 215, 3)]);
    // Built on what the store never had: it lost writes that were answered.
    let elsewhere = store.apply(incarnation, cut(210), &all).await.expect("apply");
    assert_eq!(elsewhere, Applied::Lost);
    assert_eq!(look(store, "h-1").await, before);
    assert!(apply(store, incarnation, 200, &all).await.is_empty());
    // Built on what the store has left behind: what lies between would be done twice, in the
    // wrong order.
    let behind = changed(PARTITION, 230, vec![change("h-1", 225, 3)]);
    assert_eq!(store.apply(incarnation, cut(200), &behind).await.expect("apply"), Applied::Lost);
    assert_eq!(progress(store, PARTITION).await, Some(cut(220)));
    assert_eq!(session(store, "h-1").await.cut, cut(220));
}

async fn a_new_incarnation_starts_empty(store: &dyn HotStore) {
    let old = begin(store, PARTITION, 300).await;
    put(store, old, session_rows("h-1", 300, 30_000)).await;
    let beside = begin(store, PartitionId(1), 300).await;
    let elsewhere = SessionRows { partition: PartitionId(1), ..session_rows("h-5", 300, 30_000) };
    put(store, beside, elsewhere.clone()).await;

    let new = begin(store, PARTITION, 300).await;
    assert_eq!(look(store, "h-1").await, HotSession { progress: Some(cut(300)), session: None });
    let other = store.session(PartitionId(1), "h-5").await.expect("session");
    assert_eq!(other.session.as_deref(), Some(&elsewhere), "another partition's session went, too");

    // The old incarnation is over, however far ahead it claims to be.
    put(store, old, session_rows("h-1", 310, 31_000)).await;
    let all = changed(PARTITION, 310, vec![change("h-1", 305, 3)]);
    assert_eq!(store.apply(old, cut(300), &all).await.expect("apply"), Applied::Lost);
    assert_eq!(look(store, "h-1").await, HotSession { progress: Some(cut(300)), session: None });
    // What it left behind takes no change, and does not stand in the way of what is put.
    assert_eq!(apply(store, new, 300, &all).await, [session_id("h-1")]);
    assert_eq!(look(store, "h-1").await.session, None);
    let whole = session_rows("h-1", 310, 31_000);
    put(store, new, whole.clone()).await;
    assert_eq!(*session(store, "h-1").await, whole);
}

async fn who_is_behind_does_not_begin(store: &dyn HotStore) {
    let incarnation = begin(store, PARTITION, 400).await;
    put(store, incarnation, session_rows("h-1", 400, 40_000)).await;
    let before = look(store, "h-1").await;
    assert_eq!(store.begin(PARTITION, cut(399)).await.expect("begin"), None);
    assert_eq!(look(store, "h-1").await, before);
    let all = changed(PARTITION, 410, vec![change("h-1", 405, 3)]);
    assert!(apply(store, incarnation, 400, &all).await.is_empty(), "the incarnation goes on");
}

async fn readers_see_whole_changes(store: &Arc<dyn HotStore>) {
    const ROUNDS: u64 = 500;
    const PARTITION: PartitionId = PartitionId(7);
    let whole = |next| SessionRows { partition: PARTITION, ..session_rows("h-4", next, next * 100) };
    let mut incarnation = begin(&**store, PARTITION, 1).await;
    put(&**store, incarnation, whole(1)).await;
    let mut readers = Vec::new();
    for _ in 0..2 {
        let store = store.clone();
        readers.push(tokio::spawn(async move {
            let mut last = 0;
            while last < ROUNDS {
                let look = store.session(PARTITION, "h-4").await.expect("session");
                let progress = look.progress.expect("begun");
                // Absent for a moment, at each new beginning.
                if let Some(read) = look.session {
                    let value = read.cut.next;
                    assert!(value >= last && read.cut >= progress, "went back, or progress is ahead");
                    assert_eq!(read.cut, cut(value));
                    assert!(read.session.offset == value, "torn");
                    assert!(
                        read.rows.len() == 4 && read.rows.iter().all(|row| row.values == [value; STORED])
                    );
                    last = value;
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    for round in 2..=ROUNDS {
        if round % 50 == 0 {
            incarnation = begin(&**store, PARTITION, round - 1).await;
            put(&**store, incarnation, whole(round - 1)).await;
        }
        let all = changed(PARTITION, round, vec![change("h-4", round, 3)]);
        assert!(apply(&**store, incarnation, round - 1, &all).await.is_empty());
        tokio::task::yield_now().await;
    }
    for reader in readers {
        timeout(PATIENCE, reader).await.expect("readers see the last change").expect("reader");
    }
}

async fn a_loss_is_noticed(store: &dyn HotStore, lose: impl AsyncFn()) {
    let old = begin(store, PARTITION, 500).await;
    put(store, old, session_rows("h-1", 500, 50_000)).await;
    lose().await;
    assert_eq!(progress(store, PARTITION).await, None);
    assert_eq!(look(store, "h-1").await, HotSession::default());

    put(store, old, session_rows("h-1", 500, 50_000)).await;
    let all = changed(PARTITION, 510, vec![change("h-1", 505, 3)]);
    assert_eq!(store.apply(old, cut(500), &all).await.expect("apply"), Applied::Lost);
    assert_eq!(look(store, "h-1").await, HotSession::default());

    // Nothing stands in the way now, not even of a writer that was behind; and the incarnation
    // that was lost does not come back under its name.
    let new = begin(store, PARTITION, 450).await;
    assert_ne!(new, old);
    assert_eq!(look(store, "h-1").await, HotSession { progress: Some(cut(450)), session: None });
    assert_eq!(store.apply(old, cut(450), &all).await.expect("apply"), Applied::Lost);
    put(store, new, session_rows("h-1", 450, 45_000)).await;
    assert_eq!(session(store, "h-1").await.cut, cut(450));
}
