//! One chain's query node: what users read, over HTTP, from that chain's stores.

use std::sync::Arc;

use tandem_model::route::Chain;
use tandem_storage::{ChainStores, EventLog};

/// What a query node reads from.
#[derive(Clone)]
pub struct Query {
    /// The chain it belongs to.
    pub chain: Chain,
    /// The log both chains follow: its identity, its ends, and raw records for operators.
    pub log: Arc<dyn EventLog>,
    /// The chain's own stores.
    pub stores: ChainStores,
}

/// The node as a service: answers under `/v1` and `/internal/v1`.
pub fn router(query: Query) -> axum::Router {
    axum::Router::new().with_state(Arc::new(query))
}

/// The description of the whole port, OpenAPI 3.1.
pub fn openapi() -> utoipa::openapi::OpenApi {
    utoipa::openapi::OpenApi::default()
}
