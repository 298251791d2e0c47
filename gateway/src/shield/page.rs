//! `GET /v1/shield/verdicts/{request id}`: why a request was met as it was. For operators; for all others
//! there is nothing.

use http::StatusCode;
use tandem_identity::Caller;
use tandem_model::problem::Problem;

use super::Guard;
use crate::answer::{Answer, json, problem};

/// What stands before the id.
const BEFORE: &str = "/v1/shield/verdicts/";

/// The request that a path asks about.
pub(crate) fn asked(path: &str) -> Option<&str> {
    path.strip_prefix(BEFORE)
}

/// Explains a verdict.
pub(crate) fn answer(guard: &Guard, caller: Option<&Caller>, request_id: &str) -> Answer {
    if !caller.is_some_and(Caller::is_operator) {
        return problem(&Problem::not_found("the API is below /v1; /v1/docs describes it"));
    }
    match guard.explain(request_id) {
        Some(verdict) => json(StatusCode::OK, &verdict),
        None => problem(&Problem::not_found(
            "this gateway remembers no verdict about such a request: it was let through without a word, \
             came to another gateway, or is too long ago",
        )),
    }
}
