//! What readers must do, what may change, and what is not promised: one sentence each.

/// What a reader of the topic must do.
pub(super) const TOPIC_READER: &[&str] = &[
    "Read with isolation.level=read_committed: without it, rows of transactions that were given up show.",
    "Keep the latest message per key, in the order of the partition. A row is absolute and complete: it replaces \
     the one before, and applying it twice does no harm. A value of null withdraws the row: drop it.",
    "To start from nothing, read every partition from its beginning until you have caught up with its end. The last \
     message there is a marker, and your rows are those of its beat. On the way they may be of different beats.",
    "To go on after a stop, keep your offsets together with your rows, or read again from any earlier offset.",
    "Take rows between two markers as one change: a marker closes a transaction, and with it all rows of its \
     partition are as of its beat. A transaction may cover several beats.",
    "Ignore what you do not know: members of values, metrics, tables, breakdowns, keys of breakdowns, key \
     types, and messages of another schema than the one you were built for.",
    "Compute ratios from the sums (formulas: /v1/catalog/metrics). Distinct counts (unit users) can't be added up \
     over keys, buckets or sessions.",
];

/// What is not promised of the topic.
pub(super) const TOPIC_NOT_PROMISED: &[&str] = &[
    "No token: nothing ties what you read here to what you have read over HTTP, but the beat.",
    "No tenant scope: whoever may read the topic reads all sessions. Access is granted per topic.",
    "No 10 second trend (it lives for the screens and for a short time only: read the API), no sources as they were \
     sent, no events that were not counted, and nothing about single users.",
    "No order between partitions, and no bound on how late a beat comes.",
    "If publishing is switched on when the log no longer reaches back to its beginning, rows that have not changed \
     since are not in the topic: read them from the API or the CQL tables.",
];

/// What may change within a version of the topic, and what not.
pub(super) const TOPIC_MAY_CHANGE: &[&str] = &[
    "New members of values, new metrics, tables, breakdowns, keys of breakdowns, headers, and new types of keys.",
    "A metric's definition, with a new version of it in /v1/catalog/metrics: rows say in `definitions` by which they \
     were computed.",
    "How many beats a transaction covers, and in which order its rows stand.",
];

/// What only a new version brings: another topic beside this one, until all readers have moved.
pub(super) const TOPIC_STAYS: &[&str] = &[
    "Names, meanings, units and types of members; which members there are; the form of keys; that a session stays \
     in its partition; that a marker ends every transaction.",
    "An id of a metric is never used for another one.",
];

/// What a reader of the tables must do.
pub(super) const CQL_READER: &[&str] = &[
    "Read the keyspace of the active chain: route.active in GET /v1/status. Both chains hold the same rows, but are \
     not at the same place in the log at the same time: do not mix them in one result, and read a result again \
     from the beginning after a switch.",
    "Read a session with one query by its partition key, and only use rows whose cut_next is the same in all of them \
     and not smaller than writing_next; else a change is being written: read again.",
    "Take null in a column of figures as 0.",
    "Read with consistency LOCAL_QUORUM, or ONE where a row that is a little older does no harm.",
    "Name the columns you read: new ones are added.",
    "Compute ratios from the sums (formulas: /v1/catalog/metrics). Distinct counts (unit users) can't be added up \
     over keys, buckets or sessions.",
];

/// What is not promised of the tables.
pub(super) const CQL_NOT_PROMISED: &[&str] = &[
    "No token: two reads may go backwards, above all after a switch.",
    "No tenant scope: whoever may read a keyspace reads all sessions. SELECT is granted per keyspace; never write.",
    "Nothing about tables that are not listed here: they change without notice.",
    "Rows are gone when their time is over, see `kept`.",
];

/// What may change within a version of the tables.
pub(super) const CQL_MAY_CHANGE: &[&str] = &[
    "New tables, new columns, new keys of breakdowns, new values of text columns, times rows are kept.",
    "A metric's definition, with a new version of it in /v1/catalog/metrics.",
];

/// What only a new version brings: another keyspace beside this one, until all readers have moved.
pub(super) const CQL_STAYS: &[&str] = &[
    "Names, meanings, units and types of columns, keys of tables, and that they are there.",
    "An id of a metric is never used for another one.",
];
