//! Calls that are answered elsewhere (by gateway and ingest) or hold no JSON of ours, described
//! here so that one document covers the whole port.

#![allow(dead_code, reason = "these only carry descriptions")]

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

/// Whether a call needs no key, and has no token.
pub(crate) fn is_public(path: &str) -> bool {
    matches!(path, "/v1/openapi.json" | "/v1/docs" | "/v1/status")
}

/// How to take the events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsParameters {
    /// `replay` lets `beat` lines move time; operators only.
    #[param(schema_with = clock)]
    clock: Option<String>,
}

fn clock() -> utoipa::openapi::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        .enum_values(Some(["replay"]))
        .build()
}

/// What became of a body.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventsAnswer {
    /// Lines that are events and are now in the log.
    events: u64,
    /// Lines that are beats and are now in every partition.
    beats: u64,
    /// Lines that are neither.
    malformed: u64,
}

/// A line that is no event.
#[derive(Serialize, ToSchema)]
#[schema(as = LineError)]
pub(crate) struct Line {
    /// Its number in the body, from 1; blank lines count.
    line: u64,
    /// The field that is wrong, where it is a field.
    #[schema(required)]
    field: Option<String>,
    /// What is wrong, for programs.
    reason: String,
    /// What is wrong, for people.
    detail: String,
}

/// Events in, one JSON object per line.
///
/// At most 8 MiB and 50,000 lines. With an `Idempotency-Key` the same body counts once, however
/// often it is sent within 24 hours, and gets its first answer again. Lines that are no events
/// are named in a 422; the good lines of the same body are kept all the same.
#[utoipa::path(
    post,
    path = "/v1/events",
    tag = "events",
    params(
        EventsParameters,
        ("Idempotency-Key" = Option<String>, Header, description = "Yours, unique per body: makes it safe to send the body again."),
    ),
    request_body(
        content = String,
        content_type = "application/x-ndjson",
        description = "One event per line.",
        example = "{\"type\":\"enter\",\"event_id\":\"e1\",\"ts\":1732190400000,\"session_id\":\"s1\",\"user_id\":\"u1\",\"source\":\"recommend\"}",
    ),
    responses(
        (status = 200, description = "All lines are in the log.", body = EventsAnswer),
        (status = 409, description = "`urn:tandem:problem:conflict`: a body with this key is still under way."),
        (status = 413, description = "`urn:tandem:problem:too-large`: more than 8 MiB or 50,000 lines."),
        (status = 422, description = "`urn:tandem:problem:malformed-events`: some lines are no events; `errors` names the first of them, the others are kept. \
            `urn:tandem:problem:idempotency-key-reused`: the key belongs to another body.", body = Vec<Line>),
    ),
)]
pub(crate) fn post_events() {}

/// How the system is: both chains, positions, freshness, the last digest verdict.
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "system",
    responses((status = 200, description = "The state of both chains.", body = Object)),
)]
pub(crate) fn status() {}

/// This document.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "system",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)),
)]
pub(crate) fn document() {}

/// This document as a page to read.
#[utoipa::path(
    get,
    path = "/v1/docs",
    tag = "system",
    responses((status = 200, description = "HTML.", body = String, content_type = "text/html")),
)]
pub(crate) fn page() {}
