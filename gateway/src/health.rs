//! For whoever runs us: are we alive, and can we serve. Not for choosing a chain.

use http::StatusCode;
use serde_json::json;
use tandem_model::problem::Problem;

use crate::answer::{Answer, json as json_answer, problem};
use crate::stack::Shared;
use crate::status;

/// `GET /healthz`: the process answers.
pub(crate) fn alive() -> Answer {
    json_answer(StatusCode::OK, &json!({ "status": "alive" }))
}

/// `GET /readyz`: at least one chain can answer reads, and the log can be written.
pub(crate) async fn ready(shared: &Shared) -> Answer {
    let (chains, is_writable) = futures::join!(status::chains(shared), shared.ingest.is_writable());
    let is_readable = chains.iter().flatten().any(|chain| chain.ready);
    match (is_readable, is_writable) {
        (true, true) => json_answer(StatusCode::OK, &json!({ "status": "ready" })),
        (true, false) => problem(&Problem::unavailable("the event log can't be written")),
        (false, true) => problem(&Problem::unavailable("no chain is ready")),
        (false, false) => {
            problem(&Problem::unavailable("no chain is ready, and the event log can't be written"))
        }
    }
}
