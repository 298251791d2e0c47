//! The OpenAPI 3.1 document of the whole port, put together once.
//!
//! Paths and shapes come from the handlers and types themselves. What all calls have in common
//! (the token, the headers of every answer, the problems) is added here, in one place.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use tandem_model::problem;
use utoipa::OpenApi;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{self, Components, ContentBuilder, RefOr, Required, ResponseBuilder};

use crate::{described, examples, schemas};

const SECURITY: &str = "bearer";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tandem",
        version = "1",
        description = "The figures of live commerce: events in, figures out. Two complete chains work on the same \
            event log; a gateway reads from one of them.\n\nTimes are integers in milliseconds since the Unix \
            epoch, UTC. Money is an integer in minor units (`_fen`). Ids are 1 to 64 characters out of \
            `A-Z a-z 0-9 . _ : -`. An empty parameter is the same as none, unless it says otherwise; an unknown one \
            is refused.\n\nEvery answer carries a token, in `meta` and in the header `Tandem-Token`. Send the last \
            one back in the same header, and you never see anything older than what you have seen: not across \
            requests, sessions, chains, or a failover. Answers may gain members; ignore those you do not know.\n\n\
            A key sees what was granted to it: an anchor's and an MCN's the sessions of their anchors, a merchant's \
            breakdown `item` of the sessions that sold for it, an advertiser's its own keys of breakdown `channel` of \
            the sessions these brought viewers to, an operator's everything. Who sees a part of a session reads its \
            attributes, and its report and trend with that breakdown; for the rest there is a 403 that names it in \
            `allowed`. What a key does not see is answered as what does not exist, and a session whose \
            `session_start` has not come yet is seen by operators only."
    ),
    tags(
        (name = "figures", description = "What a session's figures are: as a whole, split, over time, side by side."),
        (name = "sessions", description = "Which sessions there are."),
        (name = "quality", description = "What was not counted, and why."),
        (name = "catalogue", description = "What the figures mean."),
        (name = "events", description = "Events in."),
        (name = "system", description = "The system itself."),
        (name = "operators", description = "For operators only."),
    ),
    components(schemas(crate::report::BreakdownRow, crate::figures::RawSource)),
    paths(
        described::post_events,
        described::post_repairs,
        described::post_verdicts,
        described::stream,
        described::status,
        described::document,
        described::summaries,
        described::page
    ),
)]
struct Port;

/// The description of the whole port, OpenAPI 3.1.
pub fn openapi() -> openapi::OpenApi {
    let mut document = Port::openapi();
    document.merge(crate::routes().into_openapi());
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.extend(schemas::components());
    components.schemas.insert("Problem".to_owned(), schemas::problem().into());
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key, or a JWT.")).build();
    components.add_security_scheme(SECURITY, SecurityScheme::Http(bearer));
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            complete(path, operation);
        }
    }
    document
}

/// Adds to a call what it has in common with others.
fn complete(path: &str, operation: &mut Operation) {
    let is_read = described::is_read(path);
    if described::is_public(path) {
        // Not even a key is needed: an empty requirement.
        operation.security = Some(vec![SecurityRequirement::default()]);
        return;
    }
    operation.security = Some(vec![SecurityRequirement::new(SECURITY, Vec::<String>::new())]);
    if matches!(path, described::REPAIRS | described::VERDICTS) {
        return add_problems(path, operation);
    }
    let parameters = operation.parameters.get_or_insert_default();
    parameters.push(RefOr::T(header_parameter(
        "Tandem-Token",
        "The token of your last answer: no answer will be older, and this one's token covers it.",
    )));
    if path == described::STREAM {
        return add_problems(path, operation);
    }
    if is_read {
        parameters.extend(read_parameters().map(RefOr::T));
    }
    add_problems(path, operation);
    if is_read {
        let known = "The figures are those that you named in `If-None-Match`: there is no body.";
        operation
            .responses
            .responses
            .insert("304".to_owned(), ResponseBuilder::new().description(known).build().into());
    }
    let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200") else { return };
    let token = "How far you have read now. Send it back to never see anything older.";
    answer.headers.insert("Tandem-Token".to_owned(), RefOr::T(header(Type::String, token)));
    if is_read {
        let chain = "The chain that answered: `a` or `b`.";
        answer.headers.insert("Tandem-Chain".to_owned(), RefOr::T(header(Type::String, chain)));
        let tag =
            "Names the figures, whichever chain gives them and whenever. Send it back in `If-None-Match`.";
        answer.headers.insert("ETag".to_owned(), RefOr::T(header(Type::String, tag)));
    }
    if let (Some(RefOr::T(content)), Some(example)) =
        (answer.content.get_mut("application/json"), examples::answer(path))
    {
        content.example = Some(example);
    }
}

fn read_parameters() -> [Parameter; 3] {
    [
        header_parameter(
            "If-None-Match",
            "`ETag` of an answer you have: where it still stands, you get 304.",
        ),
        header_parameter(
            "Prefer",
            "`fresh`: rather a problem `behind-token` (503) than an answer that is older than the token.",
        ),
        header_parameter("Tandem-Chain", "Operators only: ask this chain, `a` or `b`."),
    ]
}

fn header_parameter(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn header(schema_type: Type, description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(schema_type);
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

/// The problems a call can end in, by status.
fn add_problems(path: &str, operation: &mut Operation) {
    let (is_read, has_place, has_session) =
        (described::is_read(path), path.contains('{'), path.contains("{id}"));
    let can_end_in = |name: &str, status: u16| match status {
        404 => has_place && (has_session || name != "unknown-session"),
        // There is a method for every path, or it would not be described.
        405 => false,
        408 | 409 | 413 | 415 => path == described::EVENTS,
        422 => false,
        _ => is_read || name != "behind-token",
    };
    let mut sentences: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for (name, status, title) in problem::KINDS.iter().filter(|(name, status, _)| can_end_in(name, *status)) {
        sentences.entry(*status).or_default().push(format!("`urn:tandem:problem:{name}`: {title}."));
    }
    for (status, sentences) in sentences {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let mut response =
            ResponseBuilder::new().description(sentences.join(" ")).content(problem::CONTENT_TYPE, content);
        if matches!(status, 429 | 503) {
            response =
                response.header("Retry-After", header(Type::Integer, "In how many seconds to try again."));
        }
        if status == 429 {
            let policy = "The limits for such requests (draft-ietf-httpapi-ratelimit-headers-11).";
            let left = "What the limits that refused have left, and in how many seconds there is more.";
            response = response
                .header("RateLimit-Policy", header(Type::String, policy))
                .header("RateLimit", header(Type::String, left));
        }
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| response.build().into());
    }
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
