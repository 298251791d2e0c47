//! Sessions of every size.

use tandem_model::{Breakdown, Row, Table};
use tandem_storage::suite::fixtures;

use super::*;

/// A session with about `rows` totals as a busy one has them.
pub(super) fn session(id: &str, next: u64, rows: usize) -> SessionRows {
    let mut whole = SessionRows { partition: PARTITION, ..fixtures::session_rows(id, next, next * 10) };
    whole.rows = (0..rows).map(|index| row(index, next)).collect();
    whole.rows.sort_by(|left, right| left.key.cmp(&right.key));
    whole
}

/// The room's row has nearly all columns, those of items a handful.
fn row(index: usize, offset: u64) -> Row {
    let (breakdown, name, columns) = match index {
        0 => (Breakdown::Room, "room".to_owned(), 36),
        1..15 => (Breakdown::Source, tandem_model::catalogue::SOURCES[index].to_owned(), 24),
        15..19 => (Breakdown::Fan, tandem_model::catalogue::FANS[index - 15].to_owned(), 24),
        19..23 => (Breakdown::Channel, format!("channel-{index}"), 24),
        _ => (Breakdown::Item, format!("6{index:011}"), 10),
    };
    let mut row = fixtures::row(Table::Total, breakdown, &name, 0, 0);
    for (column, value) in row.values.iter_mut().enumerate().take(columns) {
        *value = (index as u64 + 1) * 7_919 % (1 << (6 + column % 20));
    }
    row.offset = offset;
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_every_size_are_whole() {
    let (_services, address) = one_server();
    let hot = open(Settings { call_timeout_ms: 20_000, ..single(&address) }).await;
    let incarnation = hot.begin(PARTITION, cut(1)).await.unwrap().unwrap();
    // None, at the bounds of a call, and beyond what the contract allows (some 10,000).
    for rows in [0, 1, 511, 512, 513, 1_024, 1_025, 5_001, 20_000] {
        let whole = session(&format!("s-{rows}"), 1, rows);
        hot.put(incarnation, whole.clone()).await.unwrap();
        assert_eq!(*look(&hot, &format!("s-{rows}")).await.session.unwrap(), whole);
    }
    assert!(!format!("{:?}", ask(&address, &["KEYS", "*"]).unwrap()).contains(":p:"), "left over");
    // All of it changes, in one change with many small ones beside, some of them absent.
    let mut changes = fixtures::changes(PARTITION.0, 2, 20);
    let mut expected = Vec::new();
    for rows in [0, 1, 513, 5_001, 20_000] {
        let mut whole = session(&format!("s-{rows}"), 2, rows);
        whole.cut = changes.cut;
        changes.sessions.push(tandem_model::SessionChange {
            session_id: whole.session_id.clone(),
            session: Some(whole.session.clone()),
            rows: whole.rows.clone(),
        });
        expected.push(whole);
    }
    changes.sessions.extend((0..500).map(|index| fixtures::change(&format!("t-{index}"), 2, 1)));
    changes.sessions.sort_by(|left, right| left.session_id.cmp(&right.session_id));
    let applied = hot.apply(incarnation, cut(1), &changes).await.unwrap();
    let absent = changes.sessions.iter().map(|change| change.session_id.clone());
    let absent = absent.filter(|id| id.as_str().starts_with('t')).collect();
    assert_eq!(applied, Applied::Done { absent });
    for whole in expected {
        assert_eq!(*look(&hot, whole.session_id.as_str()).await.session.unwrap(), whole);
    }
    assert_eq!(look(&hot, "s-512").await.session.unwrap().cut, cut(1), "it did not change");
}
