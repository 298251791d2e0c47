//! The catalogue as an answer: every metric and breakdown, with its one definition.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use tandem_model::Breakdown;
use tandem_model::catalogue::Metric;
use tandem_model::row::SessionState;
use utoipa::ToSchema;

use crate::Query;
use crate::answer::{Failure, json};
use crate::definitions::{self, InForce};
use crate::figures::closed_keys;
use crate::request::{Call, Parameters};
use crate::sessions::NoParameters;
use crate::wire::Meta;

/// All metrics and breakdowns.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Catalogue<'a> {
    /// The version of the definitions as a whole, of those that hold now.
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
    /// How it is defined now.
    formula: String,
    /// The version of this definition.
    definition: u32,
    /// Where it was, or will be, defined otherwise: all of its definitions, the first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    history: Vec<DefinitionEntry>,
    /// Whether only the session as a whole has it, not its breakdowns.
    room_only: bool,
    /// Whether it exists per bucket of time.
    trend: bool,
}

/// One definition of a metric.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PastDefinition)]
pub(crate) struct DefinitionEntry {
    /// Its version.
    definition: u32,
    formula: String,
    /// It holds for answers whose `as_of` is not before this, in milliseconds, up to the next one; 0 for the
    /// first one.
    from: u64,
    /// Why it came, as who gave it said; `null` for the first one.
    #[schema(required)]
    reason: Option<String>,
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
/// the version of all of them together: it stands in every answer's `meta`. Those are shown that hold now, as
/// far as the chain has read; an answer is computed by those that hold at its `as_of`, also one about the past.
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
    let (in_force, is_fresh) = query.newest_in_force().await;
    let mut meta = Meta { definitions: in_force.version(), ..meta };
    if !is_fresh {
        meta.degraded.push(definitions::DEGRADED.to_owned());
    }
    let metric = |metric: Metric| MetricEntry {
        id: metric.id(),
        zh: metric.zh(),
        en: metric.en(),
        unit: metric.unit().name(),
        group: metric.group().name(),
        kind: metric.kind().name(),
        formula: metric.formula(),
        definition: metric.definition(),
        history: history(&in_force, metric.id()),
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
        definitions: in_force.version(),
        metrics: in_force.metrics(Metric::all().collect()).into_iter().map(metric).collect(),
        breakdowns: Breakdown::PUBLIC.into_iter().map(breakdown).collect(),
        meta: &meta,
    };
    Ok(json(&answer, &meta))
}

/// All definitions of a metric; none where there is only the one of the catalogue.
fn history(in_force: &InForce, id: &str) -> Vec<DefinitionEntry> {
    let mut later = in_force.history(id).peekable();
    let first = Metric::from_id(id).filter(|_| later.peek().is_some()).map(|first| DefinitionEntry {
        definition: first.definition(),
        formula: first.formula(),
        from: 0,
        reason: None,
    });
    let later = later.map(|change| DefinitionEntry {
        definition: change.computed.definition,
        formula: change.computed.formula.to_string(),
        from: change.said.from,
        reason: Some(change.said.reason.clone()),
    });
    first.into_iter().chain(later).collect()
}
