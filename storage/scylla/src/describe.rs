//! The tables, described for those who read them directly.

use serde::Serialize;

use crate::Settings;
use crate::tables::{Kind, Table, names, tables};

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct TableDescription {
    /// Its name, within the keyspace.
    pub name: &'static str,
    /// What it holds.
    pub meaning: &'static str,
    /// Whether partner teams may read it: others change without notice.
    pub is_public: bool,
    /// The columns that choose a partition, in order: a query names all of them.
    pub partition_key: Vec<&'static str>,
    /// The columns that rows of a partition are sorted by, in order.
    pub clustering_key: Vec<&'static str>,
    /// All columns.
    pub columns: Vec<ColumnDescription>,
    /// How long rows are kept after they were written, in words.
    pub kept: String,
}

/// A column.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnDescription {
    /// Its name.
    pub name: &'static str,
    /// Its CQL type.
    pub cql_type: &'static str,
    /// `partition_key`, `clustering`, `static` or `regular`, as in `system_schema.columns`.
    pub kind: &'static str,
    /// Of a clustering column: whether its greatest value comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_descending: Option<bool>,
    /// What it counts in, as in the catalogue of metrics; none for what counts nothing.
    pub unit: Option<&'static str>,
    /// What it means.
    pub meaning: String,
}

/// All tables of a keyspace; how long rows are kept follows from the settings.
pub fn describe(settings: &Settings) -> Vec<TableDescription> {
    tables().into_iter().map(|table| describe_table(&table, settings)).collect()
}

fn describe_table(table: &Table, settings: &Settings) -> TableDescription {
    let is_clustering = |kind| matches!(kind, Kind::Ascending | Kind::Descending);
    TableDescription {
        name: table.name,
        meaning: table.meaning,
        is_public: table.is_public,
        partition_key: names(&table.columns, |kind| kind == Kind::Partition),
        clustering_key: names(&table.columns, is_clustering),
        columns: table
            .columns
            .iter()
            .map(|column| ColumnDescription {
                name: column.name,
                cql_type: column.cql_type,
                kind: column.kind.name(),
                is_descending: is_clustering(column.kind).then_some(column.kind == Kind::Descending),
                unit: column.unit,
                meaning: column.meaning.clone(),
            })
            .collect(),
        kept: table.expiry.words(settings),
    }
}
