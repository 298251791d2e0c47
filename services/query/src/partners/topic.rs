//! The topic of summaries in the list of tables.

use serde::Serialize;
use tandem_model::catalogue::Metric;
use tandem_model::row::Table;
use tandem_model::summary::{self, Schema, TABLES, TOPIC};
use tandem_model::{Breakdown, Stored};
use utoipa::ToSchema;

use super::words::{TOPIC_MAY_CHANGE, TOPIC_NOT_PROMISED, TOPIC_READER, TOPIC_STAYS};

/// The topic of summaries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SummariesTopic)]
pub(crate) struct Topic {
    /// Its name in Kafka.
    name: String,
    /// Whether it is published in this installation.
    offered: bool,
    /// The version of the form of keys and values. Another version comes under another name.
    version: u32,
    /// How many partitions it has: as many as the event log, and a session's rows stand in the
    /// partition of its events.
    partitions: u32,
    /// Where the AsyncAPI document stands, with all schemas.
    asyncapi: &'static str,
    /// The kinds of messages.
    messages: Vec<MessageKind>,
    /// The tables of figures in it.
    tables: Vec<TopicTable>,
    /// What goes for those who read it.
    rules: Rules,
}

/// What goes for those who read directly.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rules {
    /// What a reader must do.
    reader_must: &'static [&'static str],
    /// What may change within the version.
    may_change: &'static [&'static str],
    /// What does not.
    stays: &'static [&'static str],
    /// What is not promised.
    not_promised: &'static [&'static str],
}

/// A kind of message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageKind {
    /// The `type` member of its key.
    r#type: &'static str,
    /// What its header `schema` says.
    schema: &'static str,
    /// The members of its key, in order.
    key: &'static [&'static str],
    /// What it means.
    meaning: &'static str,
}

/// A table of figures in the topic.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicTable {
    /// The `table` member of keys.
    name: &'static str,
    /// How long a bucket is, in milliseconds; `null` for totals.
    #[schema(required)]
    bucket_ms: Option<u64>,
    /// Its breakdowns.
    breakdowns: Vec<TopicBreakdown>,
}

/// A breakdown in such a table.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicBreakdown {
    /// The `breakdown` member of keys.
    name: &'static str,
    /// What its rows hold.
    columns: Vec<Column>,
}

/// A stored metric as a column.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetricColumn)]
pub(crate) struct Column {
    /// The metric's id, and the member of `metrics`.
    id: &'static str,
    /// `count`, `users`, `ms` or `fen`, as in the catalogue of metrics.
    unit: &'static str,
    /// What it means, in words.
    meaning: String,
    /// The version of its definition.
    definition: u32,
}

impl Topic {
    pub(super) fn new(name: Option<&str>, partitions: u32) -> Self {
        Self {
            name: name.unwrap_or(TOPIC).to_owned(),
            offered: name.is_some(),
            version: summary::VERSION,
            partitions,
            asyncapi: "/v1/asyncapi.json",
            messages: Schema::ALL.map(kind).into(),
            tables: TABLES.map(table).into(),
            rules: Rules {
                reader_must: TOPIC_READER,
                may_change: TOPIC_MAY_CHANGE,
                stays: TOPIC_STAYS,
                not_promised: TOPIC_NOT_PROMISED,
            },
        }
    }
}

impl Rules {
    pub(super) const fn new(
        [reader_must, may_change, stays, not_promised]: [&'static [&'static str]; 4],
    ) -> Self {
        Self { reader_must, may_change, stays, not_promised }
    }
}

fn kind(schema: Schema) -> MessageKind {
    let (key, meaning): (&'static [&'static str], _) = match schema {
        Schema::Session => (&["v", "type", "session_id"], "a session's attributes and state"),
        Schema::Row => (
            &["v", "type", "session_id", "table", "breakdown", "key", "bucket"],
            "a row of a session's figures",
        ),
        Schema::Marker => {
            (&["v", "type", "partition"], "the end of a transaction: the partition's rows are as of its beat")
        }
    };
    MessageKind { r#type: schema.kind(), schema: schema.name(), key, meaning }
}

fn table(table: Table) -> TopicTable {
    let bucket_ms = match table {
        Table::Total | Table::Calendar(_) => None,
        Table::Trend(window) => Some(window.length_ms()),
    };
    let breakdown = |breakdown: Breakdown| TopicBreakdown {
        name: breakdown.name(),
        columns: summary::metrics(table, breakdown).map(column).collect(),
    };
    let breakdowns = std::iter::once(Breakdown::Room).chain(Breakdown::PUBLIC).map(breakdown).collect();
    TopicTable { name: table.name(), bucket_ms, breakdowns }
}

fn column(stored: Stored) -> Column {
    let metric = Metric::Stored(stored);
    Column {
        id: metric.id(),
        unit: metric.unit().name(),
        meaning: format!("{} · {}: {}", metric.en(), metric.zh(), metric.formula()),
        definition: metric.definition(),
    }
}
