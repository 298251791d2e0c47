//! Why the gateway's shield met a request as it did: told by the gateway, described here.

#![allow(dead_code, reason = "these only carry descriptions")]

use serde::Serialize;
use utoipa::ToSchema;

/// Where operators learn about verdicts of the shield.
pub(crate) const PATH: &str = "/v1/shield/verdicts/{request_id}";

/// A verdict of the shield that was more than to let through, or would have been.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShieldVerdict {
    request_id: String,
    /// When the request came, in milliseconds since 1970.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    at_ms: u64,
    /// Where it came from.
    address: String,
    caller: ShieldCaller,
    /// Which credential; absent where none was taken.
    #[schema(nullable = false)]
    credential: Option<String>,
    /// Whose it is; absent where none was taken.
    #[schema(nullable = false)]
    tenant: Option<String>,
    method: String,
    /// Its path, without the query; the first 256 bytes.
    path: String,
    /// What the rules say is to be done.
    action: ShieldAction,
    /// What would be done if the rules that only observe had a say.
    would_be: ShieldAction,
    /// Whether verdicts were carried out then.
    enforced: bool,
    /// The points of all rules that have a say.
    #[schema(maximum = 65_535)]
    score: u32,
    reasons: Vec<ShieldReason>,
}

/// How a request showed who asks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ShieldCaller {
    /// With nothing.
    Nobody,
    /// With what was not taken.
    Failed,
    Key,
    Token,
    Signed,
    Operator,
}

/// What is done with a request, from the mildest to the hardest.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ShieldAction {
    Allow,
    Tag,
    Slow,
    Challenge,
    Limit,
    Deny,
}

/// What one rule had to say.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShieldReason {
    rule: String,
    /// Below 0 they speak for the request.
    points: i32,
    /// Whether the rule only observes.
    observed: bool,
    /// What it saw, in one sentence.
    evidence: String,
}

/// Why a request was met as it was, for operators.
///
/// The gateway that answered the request remembers its newest verdicts for a while; to others than operators
/// there is nothing here.
#[utoipa::path(
    get,
    path = "/v1/shield/verdicts/{request_id}",
    tag = "operators",
    params(("request_id" = String, Path, description = "The `Tandem-Request-Id` of the answer.",
        example = "5f1c09a3b2d4e677-1042")),
    responses((status = 200, description = "The verdict, with its reasons.", body = ShieldVerdict)),
)]
pub(crate) fn verdict() {}
