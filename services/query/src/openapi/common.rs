//! What calls have in common, added to each in one place: who may ask, the headers of the token
//! protocol, what parameters can be, the problems it can end in.

use serde_json::{Map, Value, json};
use tandem_exports::Dws;
use tandem_model::catalogue::{BOARDS, FORMULA_CHARS_MAX};
use tandem_model::id::ID_CHARS_MAX;
use tandem_model::time::INT_MAX;

use super::{events, examples, problems};
use crate::described;
use crate::partners::published_breakdowns;

/// Adds to the document what its calls have in common.
pub(super) fn complete(document: &mut Value) {
    // Wherever this document was fetched, the calls are beside it.
    document["servers"] = json!([{"url": "/", "description": "The server that this document is from."}]);
    document["components"]["securitySchemes"] = security_schemes();
    document["components"]["headers"] = headers();
    document["components"]["parameters"] = parameters();
    document["components"]["responses"] = problems::responses();
    document["components"]["schemas"]["Event"] = events::event();
    let taken = &mut document["paths"][described::EVENTS]["post"]["requestBody"]["content"];
    taken["application/x-ndjson"]["schema"] = events::lines();
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            complete_operation(path, operation);
        }
    }
}

fn complete_operation(path: &str, operation: &mut Value) {
    let is_public = described::is_public(path);
    let is_operators = described::is_operators(path);
    let is_read = described::is_read(path) && !is_public;
    let is_plain_read = is_read && !matches!(path, described::STREAM | described::STREAMS);
    operation["security"] = match is_public {
        // Not even a key is needed: an empty requirement.
        true => json!([{}]),
        false => json!([{"key": []}, {"token": []}, {"signature": []}]),
    };
    let mut own = operation["parameters"].as_array().cloned().unwrap_or_default();
    for parameter in &mut own {
        complete_parameter(path, parameter);
    }
    if !is_public && !is_operators {
        own.push(reference("parameters", "Token"));
    }
    if is_plain_read {
        own.extend(["IfNoneMatch", "Prefer", "Timeout", "Chain"].map(|name| reference("parameters", name)));
    }
    if !own.is_empty() {
        operation["parameters"] = Value::Array(own);
    }
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        complete_response(path, status, response);
    }
    let responses = &mut operation["responses"];
    if is_plain_read {
        responses["304"] = reference("responses", "NotModified");
    }
    for (status, name) in problems::of(path) {
        if responses.get(&status).is_none() {
            responses[&status] = reference("responses", name);
        }
    }
}

/// Text without control characters.
const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";

/// What a parameter can be that its type does not say.
fn complete_parameter(path: &str, parameter: &mut Value) {
    let (name, place) = (text(&parameter["name"]).to_owned(), text(&parameter["in"]).to_owned());
    let schema = &mut parameter["schema"];
    match (name.as_str(), place.as_str()) {
        ("board", "path") => {
            *schema =
                json!({"type": "string", "enum": BOARDS.iter().map(|board| board.id).collect::<Vec<_>>()});
        }
        ("table", "path") => {
            *schema = json!({"type": "string", "enum": Dws::ALL.map(Dws::name)});
        }
        ("breakdowns", _) if path == described::EXPORT => {
            let names: Vec<_> = published_breakdowns();
            *schema = json!({"type": "array", "items": {"type": "string", "enum": names}});
        }
        // A category or a region is a subject too, and a label, in any script.
        ("id", "path") if path.starts_with("/v1/rankings") => {
            *schema = json!({"type": "string", "minLength": 1, "pattern": PRINTABLE});
        }
        ("request_id", "path") => {
            *schema = json!({"type": "string", "pattern": "^[0-9a-f]{16}-[0-9]{1,20}$"})
        }
        // Labels may be in any script; no target may hold a control character.
        ("category" | "content_type" | "region", "query") => schema["pattern"] = PRINTABLE.into(),
        ("id", "path") => *schema = id(),
        ("anchor_id" | "after", _) => *schema = id(),
        ("with", _) => {
            *schema =
                json!({"type": "array", "items": id(), "minItems": 1, "maxItems": 9, "uniqueItems": true});
        }
        ("cursor", _) => {
            let list = match path {
                "/v1/sessions" | "/v1/anchors/{id}/sessions" | "/v1/catalog/difference" => {
                    "tandem-session-cursor"
                }
                _ if path.starts_with("/v1/rankings") => "tandem-rank-cursor",
                described::EXPORT => "tandem-export-cursor",
                _ => "tandem-place-cursor",
            };
            *schema = json!({"type": "string", "format": list, "pattern": "^[A-Za-z0-9_-]+$"});
        }
        ("from" | "to", _) if path == "/v1/sessions/{id}/explain" => *schema = then(),
        ("at", _) if path == "/v1/sessions/{id}/report" => *schema = then(),
        ("from" | "to", _) => schema["maximum"] = INT_MAX.into(),
        ("formula", _) => {
            *schema = json!({"type": "string", "format": "tandem-formula", "minLength": 1,
                "maxLength": FORMULA_CHARS_MAX, "pattern": "^[a-z0-9_+/*·(), -]+$"});
        }
        ("Last-Event-ID" | "last_event_id" | "token", _) => *schema = token(),
        // As many as the operator allows.
        ("sessions", _) => {
            *schema = json!({"type": "array", "items": id(), "minItems": 1});
        }
        ("Idempotency-Key", _) => {
            *schema = json!({"type": "string", "minLength": 1, "maxLength": 255, 
                "pattern": r#"^([!#-~]{1,255}|"([ !#-\[\]-~]|\\["\\]){1,255}")$"#});
        }
        _ => {}
    }
    // The one that has to be there can't be empty, and the clock is nobody's by accident.
    if place == "query" && parameter["required"] != true && name != "clock" {
        parameter["allowEmptyValue"] = true.into();
    }
    if parameter["example"].is_null() {
        parameter["example"] = examples::parameter(path, &name);
    }
}

/// The headers of a part of an export.
const EXPORT_HEADERS: [&str; 10] = [
    "Tandem-Token",
    "Tandem-Chain",
    "ETag",
    "Repr-Digest",
    "Content-Disposition",
    "Link",
    "Tandem-Export-Next",
    "Tandem-Export-Rows",
    "Tandem-Export-First-Row",
    "Tandem-Provenance",
];

/// The headers of an answer, and an example.
fn complete_response(path: &str, status: &str, response: &mut Value) {
    let names: &[&str] = match path {
        _ if status == "422" => &["Idempotency-Replayed"],
        described::EVENTS => &["Tandem-Token"],
        described::STREAM | described::STREAMS => &[],
        _ if described::is_operators(path) => &[],
        _ if described::is_public(path) => &[],
        described::EXPORT => &EXPORT_HEADERS,
        _ => &["Tandem-Token", "Tandem-Chain", "ETag"],
    };
    for name in names.iter().chain(problems::ALWAYS) {
        response["headers"][name] = header(name);
    }
    if status == "422" {
        response["headers"]["Tandem-Token"] = json!({"description": "Where lines were kept: how far to read to find them.",
            "schema": {"type": "string"}, "example": examples::TOKEN});
    }
    // What has no content gets none.
    let contents = response.get_mut("content").and_then(Value::as_object_mut);
    for (media_type, content) in contents.into_iter().flatten() {
        let example = match media_type.as_str() {
            "application/problem+json" if path == described::EVENTS => {
                content["examples"] = json!({
                    "malformed-events": {"value": examples::malformed_events()},
                    "idempotency-key-reused": {"value": examples::problem("idempotency-key-reused")},
                });
                None
            }
            "application/problem+json" => None,
            "text/event-stream" => Some(examples::STREAM.into()),
            "text/csv" => Some(examples::CSV.into()),
            "application/x-ndjson" => Some(examples::LINES.into()),
            "application/vnd.apache.parquet" => {
                // Bytes, as they are (OpenAPI 3.1, 4.8.14.2); an example of them can only stand elsewhere.
                *content = json!({"schema": {"contentMediaType": media_type}, "examples": {"file": {
                    "summary": "A file of Apache Parquet",
                    "externalValue": "/v1/export/dws_session?format=parquet",
                }}});
                None
            }
            _ => examples::answer(path),
        };
        if let Some(example) = example {
            content["example"] = example;
        }
    }
}

fn security_schemes() -> Value {
    json!({
        "key": {"type": "http", "scheme": "bearer", "bearerFormat": "tdm_<id>_<secret>",
            "description": "An API key: the operator's, or one of a tenant's application."},
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "A JWT of a configured issuer, signed with EdDSA (Ed25519) or ES256. Its `tenant` is the \
                tenant; `permissions` and `grants` narrow what it may do and see."},
        "signature": {"type": "http", "scheme": "Tandem-HMAC-SHA256",
            "description": "A signed request, for senders whose requests pass through other hands. Six parameters: `key` \
                (the id of the key), `timestamp` (seconds, 60 s off at most), `nonce` (16 to 64 of `A-Z a-z 0-9 - _`, each \
                once), `headers` (names of the signed headers, sorted, `;` between them, `host` among them), `body` (SHA-256 \
                of the body, hexadecimal), `signature` (hexadecimal): the HMAC-SHA256, under the key derived from the \
                secret, of these lines: `tandem-hmac-sha256-v1`, key id, timestamp, nonce, method, path, sorted query, \
                names of the signed headers, each of them as `name:value`, hash of the body. `docs/signing.md` in the \
                repository is the whole description, with a client in Python and test vectors."},
    })
}

/// Headers of answers.
fn headers() -> Value {
    let text = |description: &str, example: &str| json!({"description": description, "schema": {"type": "string"}, "example": example});
    let required = |mut header: Value| {
        header["required"] = true.into();
        header
    };
    let policies = "The limits for such requests (draft-ietf-httpapi-ratelimit-headers): name, requests `q` in `w` seconds.";
    let left =
        "Of the limit that is nearest: what is left (`r`), and in how many seconds there is more (`t`).";
    json!({
        "Tandem-Token": required(text("How far you have read now. Send it back to never see anything older.", examples::TOKEN)),
        "Tandem-Chain": {"description": "The chain that answered.", "required": true,
            "schema": {"$ref": "#/components/schemas/Chain"}, "example": "a"},
        "Tandem-Request-Id": required(text("Names the request in our logs: say it when you report something.", "fbf9fd865d374381-1085")),
        "ETag": required(text(
            "Names the figures, whichever chain gives them and whenever. Send it back in `If-None-Match`.",
            "W/\"691e6127d27f5bf89229f24aee5d8c62\"")),
        "Idempotency-Replayed": {"description": "`true` where this is the first answer again; else it is not there.",
            "schema": {"type": "string", "enum": ["true"]}, "example": "true"},
        "RateLimit-Policy": text(policies, "\"key\";q=100;w=1;tandem-burst=200"),
        "RateLimit": text(left, "\"key\";r=199;t=1"),
        "Repr-Digest": required(text("The SHA-256 of the part (RFC 9530).", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")),
        "Content-Disposition": required(text("What to call the file.", "attachment; filename=\"dws_total.csv\"")),
        "Link": text("The address of the next part (RFC 8288); not there on the last one.",
            "</v1/export/dws_total?cursor=eDEu>; rel=\"next\""),
        "Tandem-Export-Next": text("The `cursor` of the next part; not there on the last one.", "eDEu"),
        "Tandem-Export-Rows": {"description": "How many rows are in the part.", "required": true,
            "schema": {"type": "integer", "minimum": 0}, "example": 16_384},
        "Tandem-Export-First-Row": {"description": "Of a piece of a session that is too large for one part: how many of its \
            rows came in the parts before; else 0.", "required": true, "schema": {"type": "integer", "minimum": 0}, "example": 0},
        "Tandem-Provenance": required(text("Where the rows are from (a dictionary of RFC 9651): the event log, up to which \
            position of each partition (`\"partition:next\"`), the chain, the route's epoch, the version of the definitions, the \
            time of the log, whether it is older than your token.",
            "log=\"01010101010101010101010101010101\", positions=(\"0:41\"), chain=a, epoch=7, definitions=1, as-of=1732190412000, stale=?0")),
        "Retry-After": {"description": "In how many seconds to try again.", "required": true,
            "schema": {"type": "integer", "minimum": 0}, "example": 1},
        "WWW-Authenticate": required(text("Both schemes by which one can show who one is.",
            "Bearer realm=\"tandem\", Tandem-HMAC-SHA256 realm=\"tandem\"")),
    })
}

/// Headers of requests.
fn parameters() -> Value {
    let any = |name: &str, description: &str, schema: Value, example: Value| {
        json!({"name": name, "in": "header", "required": false, "description": description,
            "schema": schema, "example": example})
    };
    let parameter = |name: &str, description: &str, schema: Value, example: &str| {
        any(name, description, schema, example.into())
    };
    let timeout = "How long you wait for the answer, in milliseconds. What can't be answered by then is not worked on \
        any more: 504.";
    let tags = "`ETag` of an answer you have, or several with commas between them: where one still stands, you get 304.";
    let fresh = "`fresh`: rather a problem `behind-token` (503) than an answer that is older than the token. Other \
        preferences are ignored.";
    let chain = json!({"$ref": "#/components/schemas/Chain"});
    json!({
        "Token": parameter("Tandem-Token",
            "The token of your last answer: no answer will be older, and this one's token covers it.", token(), examples::TOKEN),
        "IfNoneMatch": parameter("If-None-Match", tags, json!({"type": "string"}), "W/\"691e6127d27f5bf89229f24aee5d8c62\""),
        "Timeout": any("Tandem-Timeout-Ms", timeout,
            json!({"type": "integer", "minimum": 1, "maximum": 600_000}), 2_000.into()),
        "Prefer": parameter("Prefer", fresh, json!({"type": "string"}), "fresh"),
        "Chain": parameter("Tandem-Chain", "Operators only: ask this chain and no other.", chain, "b"),
    })
}

fn id() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": ID_CHARS_MAX, "pattern": "^[A-Za-z0-9._:-]+$"})
}

/// What only answers of this very system hold: a client takes it from there and does not look into it.
fn token() -> Value {
    json!({"type": "string", "format": "tandem-token", "maxLength": 16_384, "pattern": "^[A-Za-z0-9_-]+$"})
}

/// A token, or a time in milliseconds.
fn then() -> Value {
    json!({"type": "string", "format": "tandem-then", "maxLength": 16_384, "pattern": "^[A-Za-z0-9_-]+$"})
}

pub(super) fn header(name: &str) -> Value {
    reference("headers", name)
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
