//! The problems that calls can end in, as answers that calls refer to: one per status, with the kinds
//! it can be and an example of each.

use serde_json::{Value, json};
use tandem_model::problem::{CONTENT_TYPE, KINDS};

use super::common::header;
use crate::described;

/// The headers that every answer has; those of the limits only where the path has one.
pub(super) const ALWAYS: &[&str] = &["Tandem-Request-Id", "RateLimit-Policy", "RateLimit"];

/// An answer: its name, its status, and the kinds of problem it can be.
struct Ending {
    name: &'static str,
    status: u16,
    kinds: &'static [&'static str],
}

const fn ending(name: &'static str, status: u16, kinds: &'static [&'static str]) -> Ending {
    Ending { name, status, kinds }
}

/// The statuses that any call can end in.
const ANY: [Ending; 8] = [
    ending("BadRequest", 400, &["bad-parameter", "bad-request", "bad-token"]),
    ending("Forbidden", 403, &["forbidden", "blocked", "proof-needed"]),
    ending("TargetTooLong", 414, &["target-too-long"]),
    ending("TooManyRequests", 429, &["rate-limited"]),
    ending("HeaderTooLarge", 431, &["header-too-large"]),
    ending("Internal", 500, &["internal"]),
    ending("NotImplemented", 501, &["not-implemented"]),
    ending("VersionNotSupported", 505, &["version-not-supported"]),
];
/// For what needs a key.
const KEYED: [Ending; 1] = [ending("Unauthorized", 401, &["unauthorized"])];
/// Of what can be missing.
const NO_SESSION: Ending = ending("NoSuchSession", 404, &["unknown-session", "not-found"]);
const NO_PARTITION: Ending = ending("NoSuchPartition", 404, &["not-found"]);
const NO_BOARD: Ending = ending("NoSuchBoard", 404, &["not-found"]);
const NO_ANCHOR: Ending = ending("NoSuchAnchor", 404, &["not-found"]);
const NO_TABLE: Ending = ending("NoSuchTable", 404, &["not-found"]);
const CHANGED: Ending = ending("Conflict", 409, &["conflict"]);
const NO_VERDICT: Ending = ending("NoSuchVerdict", 404, &["not-found"]);
/// Of bodies of events.
const BODIES: [Ending; 4] = [
    ending("RequestTimeout", 408, &["request-timeout"]),
    ending("Conflict", 409, &["conflict"]),
    ending("TooLarge", 413, &["too-large"]),
    ending("UnsupportedEncoding", 415, &["unsupported-encoding"]),
];
/// For now.
const READ_LATER: Ending = ending("ReadLater", 503, &["behind-token", "in-preparation", "unavailable"]);
const TOO_LATE: Ending = ending("DeadlinePassed", 504, &["deadline-passed"]);
const WRITE_LATER: Ending = ending("WriteLater", 503, &["unavailable"]);

/// The answers that a call refers to, by status.
pub(super) fn of(path: &str) -> Vec<(String, &'static str)> {
    let mut endings: Vec<&'static Ending> = ANY.iter().collect();
    if !described::is_public(path) {
        endings.extend(&KEYED);
    }
    match path {
        _ if path.contains("{board}") => endings.push(&NO_BOARD),
        described::EXPORT => endings.extend([&NO_TABLE, &CHANGED]),
        _ if path.starts_with("/v1/anchors") => endings.push(&NO_ANCHOR),
        _ if path.contains("{id}") || path == described::STREAMS => endings.push(&NO_SESSION),
        described::shield::PATH => endings.push(&NO_VERDICT),
        _ if path.contains('{') => endings.push(&NO_PARTITION),
        described::EVENTS => endings.extend(&BODIES),
        _ => {}
    }
    endings.push(if described::is_read(path) { &READ_LATER } else { &WRITE_LATER });
    if described::is_read(path) && !described::is_public(path) {
        endings.push(&TOO_LATE);
    }
    endings.into_iter().map(|ending| (ending.status.to_string(), ending.name)).collect()
}

/// The answers by name.
pub(super) fn responses() -> Value {
    let all =
        ANY.iter().chain(&KEYED).chain([&NO_SESSION, &NO_PARTITION, &NO_BOARD, &NO_VERDICT]).chain(&BODIES);
    let all = all.chain([&NO_ANCHOR, &NO_TABLE, &READ_LATER, &TOO_LATE, &WRITE_LATER]);
    let mut responses: serde_json::Map<String, Value> =
        all.map(|ending| (ending.name.to_owned(), response(ending))).collect();
    let known = "The figures are those that you named in `If-None-Match`: there is no body.";
    let headers = ["Tandem-Token", "Tandem-Chain", "ETag"].iter().chain(ALWAYS);
    let headers: serde_json::Map<String, Value> =
        headers.map(|name| ((*name).to_owned(), header(name))).collect();
    responses.insert("NotModified".to_owned(), json!({"description": known, "headers": headers}));
    Value::Object(responses)
}

fn response(ending: &Ending) -> Value {
    let kinds: Vec<_> = KINDS.iter().filter(|(name, ..)| ending.kinds.contains(name)).collect();
    let sentences: Vec<_> =
        kinds.iter().map(|(name, _, title)| format!("`urn:tandem:problem:{name}`: {title}.")).collect();
    let urns: Vec<_> = kinds.iter().map(|(name, ..)| format!("urn:tandem:problem:{name}")).collect();
    let examples: serde_json::Map<String, Value> = kinds
        .iter()
        .map(|(name, status, title)| ((*name).to_owned(), json!({"value": example(name, *status, title)})))
        .collect();
    let special: &[&str] = match ending.status {
        401 => &["WWW-Authenticate"],
        429 | 503 => &["Retry-After"],
        _ => &[],
    };
    let headers: serde_json::Map<String, Value> =
        special.iter().chain(ALWAYS).map(|name| ((*name).to_owned(), header(name))).collect();
    json!({
        "description": sentences.join(" "),
        "headers": headers,
        "content": {CONTENT_TYPE: {
            "schema": {
                "allOf": [{"$ref": "#/components/schemas/Problem"}],
                "properties": {"type": {"enum": urns}, "status": {"const": ending.status}},
                "additionalProperties": true,
            },
            "examples": examples,
        }},
    })
}

/// A problem as it may come.
pub(super) fn example(name: &str, status: u16, title: &str) -> Value {
    let mut problem = json!({
        "type": format!("urn:tandem:problem:{name}"),
        "title": title,
        "status": status,
        "detail": detail(name),
    });
    match name {
        "bad-parameter" => problem["parameter"] = "limit".into(),
        "bad-request" => problem["violation"] = "host-repeated".into(),
        "forbidden" => problem["allowed"] = json!(["item"]),
        "proof-needed" => {
            problem["challenge"] = "p1.16.193a4c2f000.00000000000000a7.5c…".into();
            problem["bits"] = 16.into();
        }
        "rate-limited" => problem["violated-policies"] = json!(["key"]),
        _ => {}
    }
    problem
}

fn detail(name: &str) -> &'static str {
    match name {
        "bad-parameter" => "`limit` must be a whole number from 1 to 1000",
        "bad-request" => "there is more than one Host",
        "bad-token" => {
            "the token is damaged: send back exactly what the last answer's Tandem-Token header held, or no token"
        }
        "unauthorized" => "send your key in the header `Authorization: Bearer <key>`, or sign the request",
        "forbidden" => "the key sees a part of this session: ask for what is in `allowed`",
        "blocked" => {
            "what comes from you looks hostile; if it is not, tell whoever runs this service the Tandem-Request-Id \
             of this answer"
        }
        "proof-needed" => {
            "this credential is used as programs use it: find a text of letters and digits that, behind `challenge` \
             and `:`, has a SHA-256 with 16 leading zero bits, and send `Tandem-Proof: <challenge> <text>`; the \
             answer's Tandem-Clearance, sent from then on, spares you further ones"
        }
        "unknown-session" => {
            "no session `s-1` is known: check the id; a session exists from its first event on"
        }
        "not-found" => "there is nothing at this path: see /v1/docs",
        "method-not-allowed" => "this path takes GET, HEAD",
        "request-timeout" => "the body did not arrive within 30 s: send it in smaller parts",
        "conflict" => "a body with this Idempotency-Key is being taken: try again in a moment",
        "too-large" => "the body is over 8388608 bytes; nothing of it was taken: send it in smaller parts",
        "target-too-long" => "the request line is over its limit",
        "unsupported-encoding" => "send the lines as they are, without Content-Encoding",
        "malformed-events" => {
            "1 of the lines are no events and were not counted; `errors` names them. The 2 other events and 0 beats \
             of this body are kept: send the corrected lines only."
        }
        "idempotency-key-reused" => {
            "this Idempotency-Key belongs to another body: take a new one for each body"
        }
        "rate-limited" => {
            "the limit key is used up: try again after 1 s, and send less; the headers RateLimit and \
             RateLimit-Policy say how much"
        }
        "header-too-large" => "at most 64 header fields are taken: send less",
        "internal" => {
            "this is a fault of ours and has been logged; name the Tandem-Request-Id when you report it"
        }
        "not-implemented" => "this method is not known here",
        "behind-token" => {
            "this chain has not read as far as your token yet: try again in a second, or ask the other chain"
        }
        "in-preparation" => "the session is being computed again from the log: ask the same in a second",
        "unavailable" => "this chain's store does not answer right now: try again in a second",
        "deadline-passed" => {
            "there was no answer within the time of your Tandem-Timeout-Ms: allow more, or try again"
        }
        "version-not-supported" => "HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_told_and_stands_under_its_status() {
        for (name, ..) in KINDS {
            assert!(!detail(name).is_empty(), "{name} has no example");
        }
        let endings = ANY.iter().chain(&KEYED).chain(&BODIES);
        for ending in endings.chain([&NO_SESSION, &NO_PARTITION, &READ_LATER, &TOO_LATE, &WRITE_LATER]) {
            for kind in ending.kinds {
                let known = KINDS.iter().find(|(name, ..)| name == kind);
                assert_eq!(known.map(|(_, status, _)| *status), Some(ending.status), "{kind}");
            }
        }
    }
}
