//! The OpenAPI 3.1 document of the whole port, put together once.
//!
//! Paths and shapes come from the handlers and types themselves. What calls have in common (who may
//! ask, the token, the headers of every answer, the problems) is added in `common.rs`, once.

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use tandem_model::problem::KINDS;
use utoipa::OpenApi;
use utoipa::openapi::Components;

use crate::{described, schemas};

mod common;
mod events;
mod examples;
mod problems;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tandem",
        version = "1",
        description = "The figures of live commerce: events in, figures out. Two complete chains work on the same \
            event log; a gateway reads from one of them.\n\n\
            Times are integers in milliseconds since the Unix epoch, UTC. Money is an integer in minor units (`_fen`). \
            Ids are 1 to 64 characters out of `A-Z a-z 0-9 . _ : -`. An empty parameter is the same as none, unless it \
            says otherwise; an unknown one is refused. Answers may gain members; ignore those you do not know. What can \
            be read with GET can be asked for with HEAD; any other method is a 405 that names the right ones in `Allow`.\n\n\
            ## Who asks\n\n\
            `Authorization` holds a key (`Bearer tdm_…`), a JWT (`Bearer …`) or a signature (`Tandem-HMAC-SHA256 …`).\n\n\
            A key sees what was granted to it: an anchor's and an MCN's the sessions of their anchors, a merchant's \
            breakdown `item` of the sessions that sold for it, an advertiser's its own keys of breakdown `channel` of \
            the sessions these brought viewers to, an operator's everything. Who sees a part of a session reads its \
            attributes, and its report and trend with that breakdown; for the rest there is a 403 that names it in \
            `allowed`. What a key does not see is answered as what does not exist, and a session whose \
            `session_start` has not come yet is seen by operators only.\n\n\
            ## Never backwards\n\n\
            Every answer carries a token, in `meta` and in the header `Tandem-Token`. Send the last one back in the same \
            header, and you never see anything older than what you have seen: not across requests, sessions, chains, or a \
            failover. Who has sent events and reads with the token of that answer finds them counted.\n\n\
            ## Limits\n\n\
            `RateLimit-Policy` says what is allowed, `RateLimit` what is left of it (draft-ietf-httpapi-ratelimit-headers). \
            Who asks for more gets 429 and, in `Retry-After`, when to try again. Path and query may have 8 KiB, all \
            headers together 24 KiB in at most 64 fields."
    ),
    tags(
        (name = "figures", description = "What a session's figures are: as a whole, split, over time, side by side."),
        (name = "sessions", description = "Which sessions there are."),
        (name = "boards", description = "Who stands where: rankings by the hour, day, week and month."),
        (name = "anchors", description = "Whose sessions they are: anchors over days."),
        (name = "exports", description = "Summary data (DWS) as files, for partner teams."),
        (name = "quality", description = "What was not counted, and why."),
        (name = "catalogue", description = "What the figures mean."),
        (name = "events", description = "Events in."),
        (name = "system", description = "The system itself."),
        (name = "operators", description = "For operators only."),
    ),
    components(schemas(crate::compare::ComparedKey, crate::report::BreakdownRow, crate::figures::RawSource)),
    paths(
        described::post_events,
        described::post_repairs,
        described::post_verdicts,
        described::definitions::post_definitions,
        described::shield::verdict,
        described::stream,
        described::streams,
        described::status,
        described::document,
        described::summaries,
        described::page
    ),
)]
struct Port;

/// The description of the whole port, OpenAPI 3.1.
pub fn openapi() -> Value {
    let mut document = Port::openapi();
    document.merge(crate::routes().into_openapi());
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.extend(schemas::components());
    components.schemas.insert("Problem".to_owned(), schemas::problem().into());
    document.info.description.get_or_insert_default().push_str(&errors());
    // From here on as JSON: much of what calls have in common is said once and referred to.
    let mut document = serde_json::to_value(&document).expect("the document holds only plain data");
    common::complete(&mut document);
    document
}

/// All kinds of problem, as a table.
fn errors() -> String {
    let mut text = String::from(
        "\n\n## Errors\n\nEvery error is a problem (RFC 9457, `application/problem+json`): `type` is stable and for \
         programs, `detail` says what happened and what to do about it. 500 is our fault and is logged; 503 and 429 \
         say in `Retry-After` when to try again.\n\n| status | type | meaning |\n|---|---|---|",
    );
    for (name, status, title) in KINDS {
        text.push_str(&format!("\n| {status} | `urn:tandem:problem:{name}` | {title} |"));
    }
    text
}

/// The document as JSON.
pub(crate) fn text() -> &'static Bytes {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    TEXT.get_or_init(|| {
        Bytes::from(serde_json::to_vec(&openapi()).expect("the document holds only plain data"))
    })
}

/// `GET /v1/openapi.json`
pub(crate) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], text().clone()).into_response()
}
