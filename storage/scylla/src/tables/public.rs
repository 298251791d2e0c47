//! The tables partner teams may read.

use tandem_model::catalogue::Stored;

use super::Kind::{Ascending, Descending, Partition, Regular, Static};
use super::{Column, Expiry, Table, column, generation};

pub(super) fn tables() -> Vec<Table> {
    let mut tables = vec![rows()];
    tables.extend(lists());
    tables.push(Table {
        name: "progress",
        meaning: "per log partition, how far the log has been computed; written after all rows of it",
        is_public: true,
        columns: progress(),
        expiry: Expiry::Never,
    });
    tables
}

fn rows() -> Table {
    let mut columns = vec![
        column("session_id", "text", Partition, "the session (场次)"),
        column(
            "table_name",
            "text",
            Ascending,
            "total, trend_10s, trend_1m, trend_5m, hour or day; hours and days are those of the boards' time zone",
        ),
        column(
            "breakdown",
            "text",
            Ascending,
            "room, item, channel, source, fan, region, device; raw_source is internal",
        ),
        column("bucket", "bigint", Ascending, "where the bucket, hour or day starts, event time; 0 in total")
            .unit("ms"),
        column("key", "text", Ascending, "the key within the breakdown; `room` in room"),
    ];
    columns.extend(header());
    columns.push(column(
        "version",
        "bigint",
        Regular,
        "the offset of the last record of the log partition that changed the row",
    ));
    columns.extend(Stored::ALL.iter().map(|stored| {
        let meaning = format!("{} ({}): {}", stored.en(), stored.zh(), stored.formula());
        column(stored.id(), "bigint", Regular, &meaning).unit(stored.unit().name())
    }));
    Table {
        name: "rows",
        meaning: "a session's figures, one row per breakdown, key and bucket, and the session itself in the \
                  static columns. Figures are absolute; null means 0. While writing_next is greater than \
                  cut_next, a change is being written and rows may be ahead of cut_next: read again. So \
                  too when cut_next is not the same in all the rows of one read",
        is_public: true,
        columns,
        expiry: Expiry::ByTable,
    }
}

/// The session's own row.
pub(crate) fn header() -> Vec<Column> {
    let what = |name, cql_type, meaning| column(name, cql_type, Static, meaning);
    vec![
        what("generation", "int", "which of the logs that stood under this name it was computed from"),
        what("log_partition", "int", "the partition of the log that the session lives in"),
        what("cut_next", "bigint", "the rows reflect every record of log_partition below this offset"),
        what("cut_clock", "bigint", "the log partition's clock there, event time").unit("ms"),
        what("writing_next", "bigint", "what cut_next will be after the change under way"),
        what("session_version", "bigint", "the offset of the last record that changed the session itself"),
        what("state", "text", "live, final or corrected"),
        what("first_ts", "bigint", "ts of the first accepted event, in log order").unit("ms"),
        what("ended_at", "bigint", "ts of the last accepted session_end").unit("ms"),
        what("started_at", "bigint", "ts of the last accepted session_start; null before the first")
            .unit("ms"),
        what("anchor_id", "text", "of the last accepted session_start, as is everything down to brand"),
        what("room_id", "text", "the room"),
        what("title", "text", "the title"),
        what("category", "text", "the category"),
        what("anchor_name", "text", "the anchor's name"),
        what("anchor_fans", "bigint", "fans of the anchor at the start").unit("users"),
        what("content_type", "text", "the type of content"),
        what("region", "text", "the session's region"),
        what("merchant_id", "text", "the merchant, if named"),
        what("brand", "text", "the brand, if named"),
    ]
}

fn lists() -> [Table; 5] {
    let list = |name, meaning, first: Vec<Column>, rest: Vec<Column>| {
        let mut columns = first;
        columns.extend([
            column("sort_ts", "bigint", Descending, "started_at; before the first session_start, first_ts")
                .unit("ms"),
            column("session_id", "text", Ascending, "the session; its own columns in rows decide"),
        ]);
        columns.extend(rest);
        Table { name, meaning, is_public: true, columns, expiry: Expiry::Total }
    };
    let slot = || column("slot", "int", Partition, "0 to 7: read all of them");
    let state = || column("state", "text", Regular, "the session's state when it was listed");
    [
        list(
            "session_list",
            "sessions, newest first. An entry may be out of date: it counts if the session's started_at \
             (or first_ts) is its sort_ts",
            vec![
                generation(),
                slot(),
                column("month", "int", Partition, "calendar month (UTC) of sort_ts: year · 100 + month"),
            ],
            vec![state()],
        ),
        list(
            "session_list_live",
            "sessions that are not final, newest first. Entries may be out of date",
            vec![generation(), slot()],
            vec![column("log_partition", "int", Regular, "the partition of the log it lives in")],
        ),
        list(
            "session_list_by_anchor",
            "an anchor's sessions, newest first. Entries may be out of date, as in session_list",
            vec![generation(), column("anchor_id", "text", Partition, "the anchor")],
            vec![state()],
        ),
        Table {
            name: "session_months",
            meaning: "the months that session_list has sessions in",
            is_public: true,
            columns: vec![
                generation(),
                column("month", "int", Descending, "year · 100 + month"),
                column("seen_next", "bigint", Regular, "a position of the log at which one was listed"),
            ],
            expiry: Expiry::Total,
        },
        Table {
            name: "session_ids",
            meaning: "all sessions, by id",
            is_public: true,
            columns: vec![
                generation(),
                slot(),
                column("session_id", "text", Ascending, "the session"),
                column("log_partition", "int", Regular, "the partition of the log it lives in"),
            ],
            expiry: Expiry::Total,
        },
    ]
}

fn progress() -> Vec<Column> {
    let what = |name, cql_type, meaning| column(name, cql_type, Regular, meaning);
    vec![
        column("log_partition", "int", Partition, "the partition of the log"),
        what("generation", "int", "which of the logs that stood under this name"),
        what("cut_next", "bigint", "every record below this offset is in the rows of all sessions"),
        what("cut_clock", "bigint", "the partition's clock there, event time").unit("ms"),
        what("version", "bigint", "the offset of the last record that changed what follows"),
        what("clock", "bigint", "ts of the last beat that counted").unit("ms"),
        what("beats", "bigint", "beats that counted").unit("count"),
        what("ignored_beats", "bigint", "beats that did not rise").unit("count"),
        what("malformed_events", "bigint", "malformed lines that name no session").unit("count"),
        what("late_events", "bigint", "events for sessions that are over for more than 30 days")
            .unit("count"),
    ]
}
