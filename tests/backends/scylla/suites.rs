//! The suites of `storage/api`.

use std::sync::Arc;

use tandem_model::calendar::Span;
use tandem_model::time::Window;
use tandem_model::{Breakdown, EditionPart, EditionSession, PartitionId, Step, Table};
use tandem_scylla::Settings;
use tandem_storage::suite::fixtures::{change, changes, row, session_id};
use tandem_storage::{Editions, RowStore, suite};

use super::support::{fresh, gone, open, raw};

#[tokio::test(flavor = "multi_thread")]
async fn rows_pass_the_suite() {
    let settings = fresh("rows").await;
    suite::row_store(Arc::new(open(&settings).await)).await;
    gone(&settings).await;
}

/// Everything in parts and pages, nothing remembered for long.
#[tokio::test(flavor = "multi_thread")]
async fn rows_pass_the_suite_in_small_parts() {
    let settings = Settings {
        batch_bytes_max: 8 * 1_024,
        page_rows: 10,
        known_sessions_max: 1_000,
        requests_max: 4,
        ..fresh("parts").await
    };
    let store = open(&settings).await;
    suite::row_store(Arc::new(store.clone())).await;
    assert!(store.counts().sessions_split > 100, "{:?}", store.counts());
    gone(&settings).await;
}

#[tokio::test]
async fn dead_letters_pass_the_suite() {
    let settings = fresh("letters").await;
    suite::dead_letters(&open(&settings).await).await;
    gone(&settings).await;
}

#[tokio::test]
async fn editions_pass_the_suite() {
    let settings = fresh("editions").await;
    suite::editions(&open(&settings).await).await;
    gone(&settings).await;
}

/// A part that is too large for one mutation comes back whole, and as it was written last.
#[tokio::test]
async fn large_parts_of_editions_come_in_pieces() {
    let settings = fresh("pieces").await;
    let store = open(&settings).await;
    let part = |minute: u64, rows: u64| {
        let key = |number| format!("item-{number}-{}", "x".repeat(40));
        let row = |number| row(Table::Calendar(Span::Hour), Breakdown::Item, &key(number), 0, number);
        let rows = (0..rows).map(row).collect();
        let session = EditionSession { session_id: session_id("s"), attributes: None, rows, came_at: 0 };
        let (slot, partition) = (minute * 60_000, PartitionId(0));
        let sessions = vec![session];
        let (step, definitions) = (Step::Minute, Vec::new());
        EditionPart { partition, step, slot, ts: slot, from: 0, next: 9_000_000, sessions, definitions }
    };
    let parts = [part(1, 30_000), part(2, 2), part(3, 60_000)];
    store.keep(&parts, 9_000_000).await.expect("kept");
    assert_eq!(store.parts(PartitionId(0), Step::Minute, 0, 10).await.expect("parts"), parts);
    for (number, expected) in (1..).zip(&parts) {
        let last = store.last_part(PartitionId(0), Step::Minute, number * 60_000).await.expect("part");
        assert_eq!(last.as_ref(), Some(expected));
    }
    // Fewer pieces than before.
    let anew = part(3, 20_000);
    store.keep(std::slice::from_ref(&anew), 9_000_001).await.expect("kept");
    let listed = store.parts(PartitionId(0), Step::Minute, 120_001, 10).await.expect("parts");
    assert_eq!(listed, [anew]);
    gone(&settings).await;
}

/// What is written carries its position, and lives as long as the settings say; nothing is null
/// that could be a tombstone.
#[tokio::test]
async fn rows_are_written_with_position_and_expiry() {
    let settings = Settings { total_expiry_s: 0, ..fresh("expiry").await };
    let store = open(&settings).await;
    let mut all = changes(0, 42, 42);
    all.sessions = vec![change("s", 40, 0)];
    for (window, offset) in [(Window::TenSeconds, 30), (Window::Minute, 31), (Window::FiveMinutes, 32)] {
        let one = row(Table::Trend(window), Breakdown::Room, "room", 300_000, offset);
        all.sessions[0].rows.push(one);
    }
    store.apply(&all).await.expect("apply");
    let text = format!(
        "SELECT table_name, writetime(version), ttl(views), suspect_views, writetime(cut_next), ttl(cut_next) FROM \
         {}.rows WHERE session_id = 's'",
        settings.keyspace
    );
    let answer =
        raw(&settings).await.query_unpaged(text, ()).await.expect("read").into_rows_result().expect("rows");
    type Columns = (String, i64, Option<i32>, Option<i64>, i64, Option<i32>);
    let mut found: Vec<Columns> = answer.rows().expect("columns").map(|row| row.expect("row")).collect();
    for (_, _, left_s, ..) in &mut found {
        // Some seconds may have passed.
        *left_s = left_s.map(|left_s| (left_s + 3_599) / 3_600 * 3_600);
    }
    let expected = |table: &str, offset: i64, left_s| {
        (table.to_owned(), (offset + 1) << 4, left_s, Some(offset), 42 << 4, None)
    };
    assert_eq!(
        found,
        [
            expected("total", 40, None),
            expected("trend_10s", 30, Some(48 * 3_600)),
            expected("trend_1m", 31, Some(90 * 86_400)),
            expected("trend_5m", 32, None),
        ]
    );
    gone(&settings).await;
}
