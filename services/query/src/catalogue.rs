//! The catalogue as an answer: every metric and breakdown, with its one definition.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use tandem_model::catalogue::Metric;
use tandem_model::row::SessionState;
use tandem_model::{Breakdown, catalogue};
use utoipa::ToSchema;

use crate::Query;
use crate::answer::{Failure, json};
use crate::figures::closed_keys;
use crate::request::{Call, Parameters};
use crate::sessions::NoParameters;
use crate::wire::Meta;

/// All metrics and breakdowns.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Catalogue<'a> {
    /// The version of the definitions as a whole.
    definitions: u32,
    metrics: Vec<MetricEntry>,
    breakdowns: Vec<BreakdownEntry>,
    /// About the answer. It depends on no figures: `as_of` is 0.
    meta: &'a Meta,
}

/// One metric.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetricDefinition)]
pub(crate) struct MetricEntry {
    id: &'static str,
    /// Its Chinese name.
    zh: &'static str,
    /// Its English name.
    en: &'static str,
    /// `count`, `users`, `ms`, `fen` (minor units of money), or `ratio` (a fraction, not per cent).
    unit: &'static str,
    /// `visit`, `interaction`, `conversion`, `transaction` or `quality`.
    group: &'static str,
    /// `sum`, `distinct` (users), `gauge` (sampled at beats) or `computed` (when read).
    kind: &'static str,
    /// How it is defined.
    formula: String,
    /// The version of this definition.
    definition: u32,
    /// Whether only the session as a whole has it, not its breakdowns.
    room_only: bool,
    /// Whether it exists per bucket of time.
    trend: bool,
}

/// One breakdown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BreakdownDefinition)]
pub(crate) struct BreakdownEntry {
    id: &'static str,
    /// Its Chinese name.
    zh: &'static str,
    /// Its English name.
    en: &'static str,
    /// All keys, where they are a closed set; else `null`.
    #[schema(required, value_type = Option<Vec<String>>)]
    keys: Option<&'static [&'static str]>,
    /// How many keys a session's breakdown holds; later ones count under `~other`.
    keys_max: usize,
}

/// Every metric and breakdown, with its one definition.
///
/// Chinese and English name, unit, group, formula, and the version of the definition. `definitions` is
/// the version of all of them together: it stands in every answer's `meta`.
#[utoipa::path(
    get,
    path = "/v1/catalog/metrics",
    tag = "catalogue",
    responses((status = 200, description = "The catalogue.", body = Catalogue)),
)]
pub(crate) async fn metrics(
    State(query): State<Arc<Query>>,
    call: Call,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Failure> {
    let meta = query.meta(&call, &[], SessionState::Live, false);
    let metric = |metric: Metric| MetricEntry {
        id: metric.id(),
        zh: metric.zh(),
        en: metric.en(),
        unit: metric.unit().name(),
        group: metric.group().name(),
        kind: metric.kind().name(),
        formula: metric.formula(),
        definition: metric.definition(),
        room_only: metric.is_room_only(),
        trend: metric.has_trend(),
    };
    let breakdown = |breakdown: Breakdown| BreakdownEntry {
        id: breakdown.name(),
        zh: breakdown.titles().0,
        en: breakdown.titles().1,
        keys: closed_keys(breakdown),
        keys_max: breakdown.keys_max(),
    };
    let answer = Catalogue {
        definitions: catalogue::DEFINITIONS,
        metrics: Metric::all().map(metric).collect(),
        breakdowns: Breakdown::PUBLIC.into_iter().map(breakdown).collect(),
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}
