//! The tables, described for those who read them directly.

use serde::Serialize;

use crate::Settings;

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
    /// What it counts in, as in the catalogue of metrics; none for what counts nothing.
    pub unit: Option<&'static str>,
    /// What it means.
    pub meaning: String,
}

/// All tables of a keyspace.
pub fn describe(settings: &Settings) -> Vec<TableDescription> {
    let _ = settings;
    Vec::new()
}
