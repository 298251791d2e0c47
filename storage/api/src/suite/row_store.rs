//! What a row store promises: figures. Lists are in [`super::row_store_lists`].

use std::sync::Arc;

use tandem_model::catalogue::STORED;
use tandem_model::row::SessionState;
use tandem_model::time::Window;
use tandem_model::{Breakdown, Cut, PartitionId, Row, SessionChange, Table};
use tokio::time::timeout;

use super::PATIENCE;
use super::fixtures::{change, changes, row, session_id, session_row, started};
use super::row_store_lists::lists;
use super::row_store_repairs::repairs;
use crate::{Part, RowStore, Select, StoreError};

/// Checks a fresh store.
pub async fn row_store(store: Arc<dyn RowStore>) {
    nothing_is_there(&*store).await;
    rows_come_back_as_they_were(&*store).await;
    selects_choose(&*store).await;
    older_changes_are_ignored_per_session(&*store).await;
    progress_never_goes_back(&*store).await;
    a_first_change_must_bring_the_sessions_row(&*store).await;
    lists(&*store).await;
    repairs(&*store).await;
    readers_see_whole_changes(&store).await;
}

async fn nothing_is_there(store: &dyn RowStore) {
    let partition = PartitionId(0);
    assert_eq!(store.progress(partition).await.expect("progress"), None);
    assert_eq!(store.durable(partition).await.expect("durable"), None);
    assert_eq!(store.partition_row(partition).await.expect("partition row"), None);
    assert_eq!(store.session("absent", &Select::All).await.expect("session"), None);
    assert_eq!(store.session("not an id\u{0}", &Select::All).await.expect("session"), None);
    assert!(store.beats(partition, 10).await.expect("beats").is_empty());
    assert!(store.session_ids(None, 10).await.expect("ids").is_empty());
}

/// A row for every column with its own value, the largest one included.
fn odd_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, key) in ["room", "~other", "浙江", "with\u{0}zero", "a", "ab", "A"].into_iter().enumerate()
    {
        let mut one = row(Table::Total, Breakdown::Region, key, 0, 0);
        for column in 0..STORED {
            if (column + number) % 3 != 0 {
                one.values[column] = (column as u64 + 1) << (number * 8);
            }
        }
        one.values[number] = u64::MAX;
        one.offset = u64::MAX - number as u64;
        rows.push(one);
    }
    rows.push(row(Table::Total, Breakdown::Room, "room", 0, 0));
    rows.push(row(Table::Trend(Window::FiveMinutes), Breakdown::Fan, "guest", u64::MAX - 1, u64::MAX));
    rows.sort_by(|left, right| left.key.cmp(&right.key));
    rows
}

async fn rows_come_back_as_they_were(store: &dyn RowStore) {
    let rows = odd_rows();
    let session = session_row(41);
    let mut all = changes(0, 42, 7_000);
    let mut unsorted = rows.clone();
    unsorted.reverse();
    all.sessions = vec![
        SessionChange { session_id: session_id("odd"), session: Some(session.clone()), rows: unsorted },
        // Its id begins like the other's: prefixes must not run into each other.
        change("odd.", 3, 2),
    ];
    for _ in 0..2 {
        store.apply(&all).await.expect("apply");
        let read = store.session("odd", &Select::All).await.expect("session").expect("present");
        assert_eq!(read.session_id, session_id("odd"));
        assert_eq!((read.partition, read.cut), (PartitionId(0), Cut { next: 42, clock: 7_000 }));
        assert_eq!(read.session, session);
        assert_eq!(read.rows, rows);
        assert_eq!(store.progress(PartitionId(0)).await.expect("progress"), Some(all.cut));
        assert_eq!(store.partition_row(PartitionId(0)).await.expect("row"), Some(all.partition_row));
    }
    assert_eq!(store.durable(PartitionId(0)).await.expect("durable"), Some(all.cut));
    assert_eq!(store.progress(PartitionId(1)).await.expect("progress"), None);
}

async fn selects_choose(store: &dyn RowStore) {
    let mut rows = vec![row(Table::Total, Breakdown::Room, "room", 0, 5)];
    let mut all = changes(0, 50, 7_000);
    for window in Window::ALL {
        for breakdown in [Breakdown::Room, Breakdown::Item, Breakdown::Source] {
            for key in ["a", "b"] {
                for bucket in 0..4 {
                    let bucket = bucket * window.length_ms();
                    rows.push(row(Table::Trend(window), breakdown, key, bucket, bucket + 1));
                }
            }
        }
    }
    rows.push(row(Table::Total, Breakdown::Source, "a", 0, 6));
    rows.sort_by(|left, right| left.key.cmp(&right.key));
    let session = Some(session_row(41));
    all.sessions = vec![SessionChange { session_id: session_id("select"), session, rows: rows.clone() }];
    store.apply(&all).await.expect("apply");

    let part = |table, breakdown, buckets| Part { table, breakdown, buckets };
    let minute = |buckets| part(Table::Trend(Window::Minute), Breakdown::Item, buckets);
    let ten = part(Table::Trend(Window::TenSeconds), Breakdown::Room, 0..20_000);
    let sources = part(Table::Total, Breakdown::Source, 0..1);
    let one = |part: Part| Select::Parts(vec![part]);
    #[allow(clippy::reversed_empty_ranges, reason = "callers may ask for one")]
    let selects = [
        (Select::Session, 0),
        (Select::Totals, 2),
        (Select::All, rows.len()),
        (one(minute(0..u64::MAX)), 8),
        (one(minute(60_000..180_000)), 4),
        (one(minute(60_001..180_001)), 4),
        (one(minute(60_000..60_000)), 0),
        (one(minute(180_000..60_000)), 0),
        (one(minute(300_000..u64::MAX)), 0),
        (one(sources.clone()), 1),
        (Select::Parts(Vec::new()), 0),
        (Select::Parts(vec![minute(0..60_000), ten, sources]), 2 + 4 + 1),
        // Parts that overlap: each row once.
        (Select::Parts(vec![minute(60_000..180_000), minute(0..120_000)]), 6),
    ];
    for (select, count) in selects {
        let read = store.session("select", &select).await.expect("session").expect("present");
        let expected: Vec<Row> = rows.iter().filter(|row| select.wants(&row.key)).cloned().collect();
        assert_eq!(expected.len(), count, "{select:?}");
        assert_eq!(read.rows, expected, "{select:?}");
        assert_eq!(read.cut, all.cut, "{select:?}");
    }
}

async fn older_changes_are_ignored_per_session(store: &dyn RowStore) {
    let values = async |id: &str| {
        let read = store.session(id, &Select::Totals).await.expect("session").expect("present");
        assert!(read.rows.iter().all(|row| row.values == read.rows[0].values), "torn");
        (read.cut.next, read.session.offset, read.rows[0].offset)
    };
    let mut first = changes(2, 100, 1_000);
    first.sessions = vec![change("o-1", 90, 2), change("o-2", 95, 2)];
    store.apply(&first).await.expect("apply");
    let mut second = changes(2, 200, 2_000);
    second.sessions = vec![change("o-1", 150, 2)];
    store.apply(&second).await.expect("apply");

    // A replay with other flush boundaries: "o-1" is beyond it, "o-2" is not, "o-3" is new.
    let mut replay = changes(2, 180, 1_800);
    replay.sessions = vec![change("o-1", 130, 2), change("o-2", 96, 2), change("o-3", 140, 2)];
    store.apply(&replay).await.expect("apply");
    assert_eq!(values("o-1").await, (200, 150, 150));
    assert_eq!(values("o-2").await, (180, 96, 96));
    assert_eq!(values("o-3").await, (180, 140, 140));

    // The same again, and a part of what is there, as another flush would have cut it.
    for (next, offset) in [(180, 140), (170, 135)] {
        let mut same = changes(2, next, 1_800);
        same.sessions = vec![change("o-3", offset, 2)];
        store.apply(&same).await.expect("apply");
        assert_eq!(values("o-3").await, (180, 140, 140));
    }

    // Rows and a session's own row stay where a newer change does not name them.
    let mut partial = changes(2, 300, 3_000);
    let one = row(Table::Total, Breakdown::Item, "key-0", 0, 250);
    partial.sessions =
        vec![SessionChange { session_id: session_id("o-1"), session: None, rows: vec![one.clone()] }];
    store.apply(&partial).await.expect("apply");
    let read = store.session("o-1", &Select::Totals).await.expect("session").expect("present");
    assert_eq!((read.cut.next, read.session.offset), (300, 150));
    let offsets: Vec<_> = read.rows.iter().map(|row| (&*row.key.key, row.offset)).collect();
    assert_eq!(offsets, [("room", 150), ("key-0", 250), ("key-1", 150)]);
}

async fn progress_never_goes_back(store: &dyn RowStore) {
    let partition = PartitionId(3);
    let newer = changes(3, 20, 2_000);
    store.apply(&newer).await.expect("apply");
    store.apply(&changes(3, 10, 1_000)).await.expect("apply");
    assert_eq!(store.progress(partition).await.expect("progress"), Some(newer.cut));
    assert_eq!(store.durable(partition).await.expect("durable"), Some(newer.cut));
    assert_eq!(store.partition_row(partition).await.expect("row"), Some(newer.partition_row));
}

async fn a_first_change_must_bring_the_sessions_row(store: &dyn RowStore) {
    let mut bad = changes(4, 20, 2_000);
    let rows = change("unknown", 1, 1).rows;
    bad.sessions =
        vec![change("known", 1, 1), SessionChange { session_id: session_id("unknown"), session: None, rows }];
    let outcome = store.apply(&bad).await;
    assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
    for id in ["known", "unknown"] {
        assert_eq!(store.session(id, &Select::All).await.expect("session"), None, "{id}");
    }
    assert_eq!(store.progress(PartitionId(4)).await.expect("progress"), None);
}

/// A writer and readers at once: every change sets all rows of two sessions to one value.
async fn readers_see_whole_changes(store: &Arc<dyn RowStore>) {
    const ROUNDS: u64 = 150;
    const KEYS: u64 = 40;
    let write = async |round: u64| {
        let mut all = changes(5, round, round);
        all.sessions = vec![change("torn-1", round, KEYS), change("torn-2", round, KEYS)];
        for session in &mut all.sessions {
            session.session = Some(started(round, "torn", SessionState::Live, round));
        }
        store.apply(&all).await.expect("apply");
    };
    write(1).await;
    let mut readers = Vec::new();
    for id in ["torn-1", "torn-2", "torn-1"] {
        let store = store.clone();
        readers.push(tokio::spawn(async move {
            let mut last = 0;
            while last < ROUNDS {
                let progress = store.progress(PartitionId(5)).await.expect("progress").expect("present");
                let durable = store.durable(PartitionId(5)).await.expect("durable").expect("present");
                let read = store.session(id, &Select::All).await.expect("session").expect("present");
                let value = read.cut.next;
                assert!(value >= last, "went back from {last} to {value}");
                assert!(value >= progress.next && value >= durable.next, "progress is ahead of the rows");
                assert_eq!(read.rows.len() as u64, 1 + 2 * KEYS);
                assert_eq!((read.session.offset, read.cut.clock), (value, value), "torn");
                assert!(read.rows.iter().all(|row| row.values == [value; STORED]), "torn");
                last = value;
                tokio::task::yield_now().await;
            }
        }));
    }
    for round in 2..=ROUNDS {
        write(round).await;
    }
    for reader in readers {
        timeout(PATIENCE, reader).await.expect("readers see the last change").expect("reader");
    }
}
