//! Rows and changes for checks of stores.

use tandem_model::catalogue::{ROOM, STORED};
use tandem_model::row::{Attributes, BeatDigest, PartitionRow, SessionState};
use tandem_model::time::{SECOND_MS, Window};
use tandem_model::{
    Breakdown, Changes, Cut, Definition, PartitionId, Row, RowKey, SessionChange, SessionId, SessionRow,
    Table,
};

use crate::SessionRows;

/// The id in `text`, which must be one.
pub fn session_id(text: &str) -> SessionId {
    SessionId::new(text).expect("the test names a valid id")
}

/// Changes of `partition` up to offset `next` at `clock`, with nothing in them but the
/// partition's own row.
pub fn changes(partition: u32, next: u64, clock: u64) -> Changes {
    Changes {
        partition: PartitionId(partition),
        cut: Cut { next, clock },
        partition_row: PartitionRow { clock, offset: next.saturating_sub(1), ..PartitionRow::default() },
        sessions: Vec::new(),
        rejected: Vec::new(),
        beats: Vec::new(),
        editions: Vec::new(),
    }
}

/// A change of a session with its own row and `1 + keys` rows, all of which hold `value`
/// everywhere: so a mixture of two changes shows.
pub fn change(id: &str, value: u64, keys: u64) -> SessionChange {
    SessionChange { session_id: session_id(id), session: Some(session_row(value)), rows: rows(value, keys) }
}

/// The rows of [`change`]: the room's total, a total and a trend row for each further key.
pub fn rows(value: u64, keys: u64) -> Vec<Row> {
    let mut rows = vec![row(Table::Total, Breakdown::Room, ROOM, 0, value)];
    for key in 0..keys {
        let name = format!("key-{key}");
        rows.push(row(Table::Total, Breakdown::Item, &name, 0, value));
        let bucket = key * Window::Minute.length_ms();
        rows.push(row(Table::Trend(Window::Minute), Breakdown::Room, ROOM, bucket, value));
    }
    rows.sort_by(|left, right| left.key.cmp(&right.key));
    rows
}

/// A row that holds `value` in every column and as its offset.
pub fn row(table: Table, breakdown: Breakdown, key: &str, bucket: u64, value: u64) -> Row {
    Row { key: RowKey { table, breakdown, key: key.into(), bucket }, values: [value; STORED], offset: value }
}

/// A live session's own row at offset `offset`, started at 0, of the anchor `anchor`.
pub fn session_row(offset: u64) -> SessionRow {
    started(0, "anchor", SessionState::Live, offset)
}

/// A session's own row.
pub fn started(started_at: u64, anchor_id: &str, state: SessionState, offset: u64) -> SessionRow {
    let attributes = Attributes {
        anchor_id: anchor_id.to_owned(),
        room_id: "room-1".to_owned(),
        title: "直播 with a title".to_owned(),
        category: "美妆".to_owned(),
        anchor_name: String::new(),
        anchor_fans: 12_345,
        content_type: "sale".to_owned(),
        region: "浙江".to_owned(),
        merchant_id: None,
        brand: Some("brand".to_owned()),
        started_at,
    };
    SessionRow { attributes: Some(attributes), ended_at: None, first_ts: Some(started_at + 1), state, offset }
}

/// So many definitions of a metric, one after the other.
pub fn definitions(count: u32) -> Vec<Definition> {
    let of = |version| Definition {
        metric: "aov_fen".to_owned(),
        version,
        formula: "(gmv_fen-refund_fen)/orders".to_owned(),
        from: u64::from(version) << 40,
        reason: "退款不算".to_owned(),
    };
    (2..2 + count).map(of).collect()
}

/// A live session whole, as of offset `next` at `clock`, in partition 0, with some totals.
pub fn session_rows(id: &str, next: u64, clock: u64) -> SessionRows {
    let mut rows = rows(next, 3);
    rows.retain(|row| row.key.table == Table::Total);
    SessionRows {
        session_id: session_id(id),
        partition: PartitionId(0),
        cut: Cut { next, clock },
        session: session_row(next),
        rows,
    }
}

/// The digest of the beat of second `second`.
pub fn beat(partition: u32, second: u64) -> BeatDigest {
    let mut digests = tandem_model::digest::Digests::default();
    digests.add(Table::Total, u128::MAX - u128::from(second));
    BeatDigest { partition: PartitionId(partition), ts: second * SECOND_MS, offset: second, digests }
}
