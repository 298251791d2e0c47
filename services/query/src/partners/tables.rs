//! `GET /v1/catalog/tables`: what partner teams may read without asking us.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use tandem_exports::{Column, Dws, Format};
use tandem_model::catalogue::DEFINITIONS;
use tandem_model::row::SessionState;
use utoipa::ToSchema;

use super::CqlTable;
use super::topic::{Rules, Topic};
use super::words::{CQL_MAY_CHANGE, CQL_NOT_PROMISED, CQL_READER, CQL_STAYS};
use crate::Query;
use crate::answer::{Failure, json};
use crate::request::{Call, Parameters};
use crate::schemas::ChainName;
use crate::sessions::NoParameters;
use crate::wire::Meta;

/// The version of the CQL tables. Another version comes in other keyspaces.
const CQL_VERSION: u32 = 1;

/// What partner teams may read directly.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tables<'a> {
    /// The version of the metrics' definitions as a whole.
    definitions: u32,
    /// The Kafka topic of summaries.
    topic: Topic,
    /// The CQL tables of the chain that answered; `null` where it has none.
    #[schema(required)]
    cql: Option<CqlTables<'a>>,
    /// The tables that `/v1/export/{table}` gives as files.
    exports: Vec<ExportTable>,
    /// About the answer. It depends on no figures: `as_of` is 0.
    meta: &'a Meta,
}

/// A table that can be exported.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportTable {
    /// Its name.
    name: &'static str,
    /// What a row of it is.
    meaning: &'static str,
    /// The columns that no two rows have in common.
    key: Vec<&'static str>,
    /// The columns, in their order.
    columns: Vec<ExportColumn>,
    /// How rows are written.
    formats: Vec<&'static str>,
}

/// A column of such a table.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportColumn {
    /// Its name.
    name: &'static str,
    /// `text`, `integer` (64 bits, unsigned) or `timestamp_ms`.
    kind: &'static str,
    /// Whether it can be null.
    is_nullable: bool,
    /// What it counts in, as in the catalogue of metrics; `null` for what counts nothing.
    #[schema(required)]
    unit: Option<&'static str>,
    /// What it means.
    meaning: String,
}

fn exports() -> Vec<ExportTable> {
    let column = |column: Column| ExportColumn {
        name: column.name(),
        kind: column.kind().name(),
        is_nullable: column.is_nullable(),
        unit: column.unit(),
        meaning: column.meaning(),
    };
    let table = |table: Dws| ExportTable {
        name: table.name(),
        meaning: table.meaning(),
        key: table.key(),
        columns: table.columns().into_iter().map(column).collect(),
        formats: Format::ALL.map(Format::name).to_vec(),
    };
    Dws::ALL.map(table).into()
}

/// The CQL tables of one chain.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CqlTables<'a> {
    /// The chain.
    #[schema(value_type = ChainName)]
    chain: &'static str,
    /// Its keyspace.
    keyspace: &'a str,
    /// The version of the tables.
    version: u32,
    /// The tables.
    tables: Vec<&'a CqlTable>,
    /// What goes for those who read it.
    rules: Rules,
}

/// What partner teams may read: the topic of summaries, the CQL tables, and tables as files.
///
/// Columns, units, meanings, keys, and for each what a reader must do, what may change within its
/// version and what not, and what is not promised.
#[utoipa::path(
    get,
    path = "/v1/catalog/tables",
    tag = "catalogue",
    responses((status = 200, description = "The tables.", body = Tables)),
)]
pub(crate) async fn tables(
    State(query): State<Arc<Query>>,
    call: Call,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Failure> {
    let meta = query.meta(&call, &[], SessionState::Live, false);
    let partners = &query.partners;
    let cql = partners.cql.as_ref().map(|cql| CqlTables {
        chain: query.chain.name(),
        keyspace: &cql.keyspace,
        version: CQL_VERSION,
        tables: cql.tables.iter().filter(|table| table.is_public).collect(),
        rules: Rules::new([CQL_READER, CQL_MAY_CHANGE, CQL_STAYS, CQL_NOT_PROMISED]),
    });
    let topic = Topic::new(partners.topic.as_deref(), query.log.partitions());
    Ok(json(&Tables { definitions: DEFINITIONS, topic, cql, exports: exports(), meta: &meta }, &meta))
}
