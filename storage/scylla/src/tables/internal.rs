//! The tables that are nobody else's business.

use super::Kind::{Ascending, Descending, Partition, Regular};
use super::{Column, Expiry, Table, column, generation};

/// The columns of a partition's digests, in the order of [`tandem_model::digest::TABLES`].
pub(crate) const DIGESTS: [&str; 8] = [
    "digest_total",
    "digest_trend_10s",
    "digest_trend_1m",
    "digest_trend_5m",
    "digest_session",
    "digest_partition",
    "digest_hour",
    "digest_day",
];

pub(super) fn tables() -> Vec<Table> {
    let log_partition = |kind| column("log_partition", "int", kind, "the partition of the log");
    let mut beats = vec![
        generation(),
        log_partition(Partition),
        column("ts", "bigint", Descending, "ts of the beat").unit("ms"),
        column("offset", "bigint", Regular, "its offset"),
    ];
    beats.extend(DIGESTS.map(|name| column(name, "blob", Regular, "16 bytes, the most significant first")));

    let offset = || column("offset", "bigint", Ascending, "where it stands");
    let mut letters = vec![
        generation(),
        log_partition(Partition),
        column("bucket", "bigint", Partition, "offset / 2^18"),
        offset(),
    ];
    letters.push(column("session_id", "text", Regular, "the session it counts for, if any"));
    letters.extend(letter());
    let mut by_session = vec![
        generation(),
        column("session_id", "text", Partition, "the session it counts for"),
        log_partition(Ascending),
        offset(),
    ];
    by_session.extend(letter());

    let table = |name, meaning, columns, expiry| Table { name, meaning, is_public: false, columns, expiry };
    vec![
        table("beats", "digests after each of the latest beats", beats, Expiry::Never),
        table("dead_letters", "events that were not counted, by place", letters, Expiry::DeadLetters),
        table("dead_letters_by_session", "the same, by session", by_session, Expiry::DeadLetters),
        table(
            "dead_letter_buckets",
            "where dead_letters has some",
            vec![
                generation(),
                log_partition(Ascending),
                column("bucket", "bigint", Ascending, "a bucket with dead letters"),
                column("last_offset", "bigint", Regular, "one of them"),
            ],
            Expiry::DeadLetters,
        ),
        table("editions", "what boards are made of, at cuts", editions(), Expiry::Never),
        table(
            "edition_buckets",
            "where editions has some",
            editions().into_iter().take(4).map(index_column).collect(),
            Expiry::Never,
        ),
        table(
            "repairs",
            "the latest order to compute rows again, and how it stands",
            vec![
                generation(),
                log_partition(Partition),
                column("session_id", "text", Regular, "only this session; all of the partition where absent"),
                column("reason", "text", Regular, "why, for people"),
                column("ordered_ms", "bigint", Regular, "when, by the clock of whoever ordered").unit("ms"),
                column("state", "text", Regular, "done or failed; ordered where absent"),
                column("failure", "text", Regular, "why it failed, for people"),
            ],
            Expiry::Never,
        ),
        table(
            "log_identity",
            "the log the rows are computed from; one row, `log`",
            vec![
                column("name", "text", Partition, "`log`"),
                column("log_id", "blob", Regular, "the log's own id"),
                column("generation", "int", Regular, "which of the logs that stood under its name"),
                column("partitions", "int", Regular, "how many partitions it has"),
                column("time_zone", "text", Regular, "that of hours and days; Asia/Shanghai where absent"),
            ],
            Expiry::Never,
        ),
        table(
            "schema_versions",
            "the migrations that were done; one partition, `tandem`",
            vec![
                column("name", "text", Partition, "`tandem`"),
                column("version", "int", Descending, "the migration's number"),
                column("what", "text", Regular, "what it did"),
            ],
            Expiry::Never,
        ),
        table(
            "schema_lock",
            "who is migrating; one row, `schema`, that expires",
            vec![
                column("name", "text", Partition, "`schema`"),
                column("holder", "text", Regular, "whose lock it is"),
            ],
            Expiry::Never,
        ),
    ]
}

fn editions() -> Vec<Column> {
    vec![
        generation(),
        column("log_partition", "int", Partition, "the partition of the log"),
        column("step", "text", Partition, "from cut to cut: sessions, 5s or 1m"),
        column("bucket", "bigint", Partition, "slot by 30 days, 6 hours or a day"),
        column("slot", "bigint", Ascending, "the multiple that the cut stands for").unit("ms"),
        column("piece", "int", Ascending, "a large part has several"),
        column("pieces", "int", Regular, "how many"),
        column("part", "blob", Regular, "what changed since the cut before"),
    ]
}

/// The bucket sorts the index of buckets.
fn index_column(column: Column) -> Column {
    let kind = if column.name == "bucket" { Ascending } else { column.kind };
    Column { kind, ..column }
}

/// What is kept of a rejected event, its place and session aside.
pub(crate) fn letter() -> Vec<Column> {
    let what = |name, cql_type, meaning| column(name, cql_type, Regular, meaning);
    vec![
        what("reason", "text", "late, future, duplicate or malformed"),
        what("clock", "bigint", "the partition's clock when it came").unit("ms"),
        what("problem", "text", "what is wrong with a malformed one"),
        what("field", "text", "with which of its fields"),
        what("named_session_id", "text", "the session a malformed one names"),
        what("event_id", "text", "its id; null if malformed"),
        what("event_type", "text", "its type"),
        what("ts", "bigint", "when it happened").unit("ms"),
        what("user", "blob", "the viewer's pseudonym, 16 bytes"),
        what("would_add", "frozen<list<frozen<tuple<text, bigint>>>>", "what it would have added"),
    ]
}
