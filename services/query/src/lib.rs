//! One chain's query node: what users read, over HTTP, from that chain's stores.
//!
//! The gateway asks it, users never do. So there is no authentication here; there is the scope, in
//! which the gateway says what the caller may see ([`tandem_model::scope`]): `/v1` answers within it,
//! and without it only what is public. `/internal` is for Tandem's own programs and has none. And there
//! is the token protocol, by which no reader ever goes back: see [`wire`] for its headers and
//! `reading.rs` for how an answer comes to be one consistent cut.
//!
//! | what | where |
//! |---|---|
//! | headers and parameters of a request | `request.rs` |
//! | who asks, and what of a session that is | `asker.rs` `sight.rs` `listing.rs` |
//! | which route is the newest | `newest.rs` |
//! | until when an answer is waited for | `deadline.rs` |
//! | which store, which cut, how long to wait | `reading.rs` `health.rs` |
//! | one call each | `sessions.rs` `report.rs` `trend.rs` `rejected.rs` `compare.rs` `explain.rs` `catalogue.rs` `operator.rs` `status.rs` `copies.rs` `repairs.rs` |
//! | boards | `rankings/` |
//! | what was, from the log | `past/` |
//! | anchors over days | `anchors/` |
//! | tables for partner teams, part by part | `exports/` |
//! | the rows of many sessions | `gathering.rs` |
//! | figures as JSON | `figures.rs` `buckets.rs` |
//! | by which definitions | `definitions.rs` `difference.rs` |
//! | what partner teams read directly | `partners/` |
//! | the description of the whole port | `openapi/` `schemas.rs` `described.rs`; as a page: `docs/` |

mod anchors;
mod answer;
mod asker;
mod buckets;
mod catalogue;
mod compare;
mod copies;
mod cursor;
mod deadline;
mod definitions;
mod described;
mod difference;
mod docs;
mod explain;
mod exports;
mod figures;
mod gathering;
mod health;
mod listing;
mod newest;
mod openapi;
mod operator;
mod partners;
mod past;
mod rankings;
mod reading;
mod rejected;
mod repairs;
mod report;
mod request;
mod schemas;
mod sessions;
mod sight;
mod status;
mod trend;
pub mod wire;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tandem_model::Calendar;
use tandem_model::problem::Problem;
use tandem_model::route::Chain;
use tandem_storage::{ChainStores, EventLog};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Failure;
use crate::asker::Askers;
use crate::exports::Exports;
use crate::health::Health;
use crate::newest::Newest;
use crate::past::Desk;
use crate::rankings::Rankings;

pub use openapi::openapi;
pub use partners::{Cql, CqlColumn, CqlTable, Partners, asyncapi};

/// What a query node reads from.
#[derive(Clone)]
pub struct Query {
    chain: Chain,
    log: Arc<dyn EventLog>,
    stores: ChainStores,
    health: Arc<Health>,
    partners: Arc<Partners>,
    newest: Arc<Newest>,
    askers: Arc<Askers>,
    rankings: Arc<Rankings>,
    desk: Arc<Desk>,
    exports: Arc<Exports>,
    definitions: Arc<definitions::Known>,
}

impl Query {
    /// A node of `chain`, which reads from the chain's own `stores`, and from the `log` that both
    /// chains follow: its identity, its ends, and raw records for operators.
    pub fn new(chain: Chain, log: Arc<dyn EventLog>, stores: ChainStores) -> Self {
        let health = Arc::new(Health::new(log.partitions()));
        Self {
            chain,
            log,
            stores,
            health,
            partners: Arc::default(),
            newest: Arc::default(),
            askers: Arc::default(),
            rankings: Arc::default(),
            desk: Arc::new(Desk::within(Calendar::default())),
            exports: Arc::default(),
            definitions: Arc::default(),
        }
    }

    /// The same in another calendar than the default one: that in which the chain folds.
    #[must_use]
    pub fn within(self, calendar: Calendar) -> Self {
        let desk = Arc::new(Desk::within(calendar.clone()));
        Self { rankings: Arc::new(self.rankings.within(calendar)), desk, ..self }
    }

    /// The same with so many bytes for boards that were worked out: those of a million subjects take 60 to 200 MB
    /// each.
    #[must_use]
    pub fn keeping_boards(self, bytes: usize) -> Self {
        Self { rankings: Arc::new(self.rankings.keeping(bytes)), ..self }
    }

    /// The same, which describes what there is for partner teams to read directly.
    #[must_use]
    pub fn offering(self, partners: Partners) -> Self {
        Self { partners: Arc::new(partners), ..self }
    }
}

/// The node as a service: answers under `/v1` and `/internal/v1`.
///
/// Beside what [`openapi()`] describes it answers `GET /internal/v1/status` with a
/// [`tandem_model::status::ChainStatus`], and `GET /internal/v1/sessions` and
/// `GET /internal/v1/copies/{session}` with what one store holds, and takes orders at
/// `POST /internal/v1/repairs`, for gateway and control group only. `POST /v1/events`,
/// `POST /v1/repairs`, `POST /v1/verdicts` and `GET /v1/status` are described there and answered elsewhere.
pub fn router(query: Query) -> axum::Router {
    let query = Arc::new(query);
    let (described, _) = routes().split_for_parts();
    described
        .route("/v1/openapi.json", get(openapi::document))
        .route("/v1/asyncapi.json", get(partners::document))
        .route("/v1/docs", get(docs::page))
        .route(tandem_model::status::PATH, get(status::status))
        .route("/internal/v1/sessions", get(copies::ids))
        .route("/internal/v1/copies/{session}", get(copies::copy))
        .route(
            tandem_model::repair::PATH,
            post(repairs::order).layer(DefaultBodyLimit::max(repairs::BODY_BYTES_MAX)),
        )
        .fallback(|| async {
            Failure::from(Problem::not_found("there is nothing at this path: see /v1/docs"))
        })
        .method_not_allowed_fallback(|| async {
            Failure::from(Problem::method_not_allowed("this path can only be read: use GET or HEAD"))
        })
        .layer(axum::middleware::from_fn(deadline::within))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&query), newest::around))
        .with_state(query)
}

/// The calls that are described and answered here.
fn routes() -> OpenApiRouter<Arc<Query>> {
    OpenApiRouter::default()
        .routes(routes!(sessions::sessions))
        .routes(routes!(sessions::session))
        .routes(routes!(report::report))
        .routes(routes!(trend::trend))
        .routes(routes!(compare::compare))
        .routes(routes!(explain::explain))
        .routes(routes!(rejected::rejected))
        .routes(routes!(rejected::dead_letters))
        .routes(routes!(catalogue::metrics))
        .routes(routes!(difference::definition_difference))
        .routes(routes!(partners::tables))
        .routes(routes!(anchors::anchor))
        .routes(routes!(anchors::anchor_sessions))
        .routes(routes!(rankings::boards))
        .routes(routes!(rankings::ranking))
        .routes(routes!(rankings::subject))
        .routes(routes!(exports::export))
        .routes(routes!(operator::log))
        .routes(routes!(operator::rows))
        .routes(routes!(operator::partitions))
}
