//! What partner teams read without asking us: the topic of summaries and the CQL tables.
//!
//! Described twice: for people and programs that look for a table (`GET /v1/catalog/tables`), and
//! for code generators (`GET /v1/asyncapi.json`). Both follow from the catalogue and from
//! [`tandem_model::summary`], where the messages are made, so that they can't say different things.

mod asyncapi;
mod schemas;
mod tables;
mod topic;
mod words;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use asyncapi::asyncapi;
pub(crate) use asyncapi::document;
pub(crate) use schemas::published_breakdowns;
pub(crate) use tables::__path_tables;
pub(crate) use tables::tables;

/// What there is for partner teams in this installation.
#[derive(Clone, Debug, Default)]
pub struct Partners {
    /// The topic of summaries, where it is published: its name.
    pub topic: Option<String>,
    /// The CQL tables of this chain, where it has any.
    pub cql: Option<Cql>,
}

/// The CQL tables of a chain.
#[derive(Clone, Debug)]
pub struct Cql {
    /// The chain's keyspace.
    pub keyspace: String,
    /// All its tables; those that are not public are left out of the answer.
    pub tables: Vec<CqlTable>,
}

/// A CQL table.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CqlTable {
    /// Its name, within the keyspace.
    pub name: String,
    /// What it holds.
    pub meaning: String,
    /// Whether it is for partner teams: others change without notice, and are not listed.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub is_public: bool,
    /// The columns that choose a partition, in order: a query names all of them.
    pub partition_key: Vec<String>,
    /// The columns that rows of a partition are sorted by, in order.
    pub clustering_key: Vec<String>,
    /// All columns.
    pub columns: Vec<CqlColumn>,
    /// How long rows are kept, in words.
    pub kept: String,
}

/// A column of a CQL table.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CqlColumn {
    /// Its name.
    pub name: String,
    /// Its CQL type.
    pub cql_type: String,
    /// `partition_key`, `clustering`, `static` or `regular`.
    pub kind: String,
    /// Of a clustering column: whether its greatest value comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_descending: Option<bool>,
    /// What it counts in, as in the catalogue of metrics; `null` for what counts nothing.
    #[schema(required)]
    pub unit: Option<String>,
    /// What it means.
    pub meaning: String,
}
