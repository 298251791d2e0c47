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

/// `GET /readyz`: at least one chain can answer reads. Whether events can be written is said beside
/// it, and does not decide: while the log is away every gateway would leave its load balancer at
/// once, and the figures, which are all there, would go with them.
pub(crate) async fn ready(shared: &Shared) -> Answer {
    let (chains, writes) = futures::join!(status::chains(shared), shared.ingest.is_writable());
    if chains.iter().flatten().any(|chain| chain.ready) {
        return json_answer(StatusCode::OK, &json!({ "status": "ready", "reads": true, "writes": writes }));
    }
    problem(&Problem::unavailable(match writes {
        true => "no chain is ready",
        false => "no chain is ready, and the event log can't be written",
    }))
}
