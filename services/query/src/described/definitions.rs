//! New definitions of metrics: written by the gateway, described here.

use serde::Serialize;
use utoipa::ToSchema;

use crate::schemas::ComputedName;

/// Where operators define metrics anew.
pub(crate) const PATH: &str = "/v1/definitions";

/// How a metric is to be defined.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefinitionOrder {
    #[schema(value_type = ComputedName)]
    metric: String,
    /// The version of this definition: one more than that of the newest one of this metric.
    #[schema(minimum = 2)]
    version: u32,
    /// How the metric is computed of stored ones: in its unit, a quotient if it is one.
    #[schema(min_length = 1, max_length = 300, example = "(gmv_fen-refund_fen)/orders")]
    formula: String,
    /// From when on: at least 65 seconds ahead, in milliseconds, and not before the definition before it.
    from: u64,
    /// Why, for people: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500, pattern = "\\S", example = "what is given back was not sold")]
    reason: String,
}

/// A definition that stands in the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct DefinitionSpoken {
    #[schema(value_type = ComputedName)]
    metric: String,
    version: u32,
    /// In the form that the catalogue writes formulas in.
    formula: String,
    from: u64,
    /// Where it stands.
    partition: u32,
    /// Its own offset.
    at: u64,
}

/// Defines a computed metric anew, from a moment to come; for operators.
///
/// What it would change, and for whom, `/v1/catalog/difference` says before. From the first beat that is not
/// before `from` on, every answer is computed by it: on both chains, for sessions of before, too, since nothing
/// is stored of a computed metric. Answers about earlier moments stay as they were. Boards rank by formulas of
/// their own, which stay.
///
/// The record is in the log with the answer; whether it holds, `/v1/catalog/metrics` shows within seconds, in
/// the metric's `history`. It does not where its version is not the next one: of two at a time only the first
/// holds, the other stands in `/v1/deadletters`. To take a definition back, define it as it was.
#[utoipa::path(
    post,
    path = "/v1/definitions",
    tag = "operators",
    request_body(content = DefinitionOrder, content_type = "application/json", description = "The definition.",
        example = json!({"metric": "aov_fen", "version": 2, "formula": "(gmv_fen-refund_fen)/orders",
            "from": 1_732_190_520_000_u64, "reason": "what is given back was not sold"})),
    responses((status = 202, description = "The definition stands in the log.", body = DefinitionSpoken)),
)]
pub(crate) fn post_definitions() {}
