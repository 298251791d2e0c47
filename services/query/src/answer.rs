//! Answers: JSON with what it says about itself, or a problem.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use tandem_model::problem::{self, Problem};
use tandem_model::{Token, headers};
use tandem_storage::StoreError;
use xxhash_rust::xxh3::Xxh3;

use crate::wire::Meta;

/// An answer as JSON, its token in the header too.
pub(crate) fn json<T: Serialize>(body: &T, meta: &Meta) -> Response {
    let bytes = serde_json::to_vec(body).expect("answers hold only plain data with text as keys");
    let tag = entity_tag(&bytes, meta);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        // Whoever keeps it asks whether it still stands.
        (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (ETAG, HeaderValue::try_from(tag).expect("hexadecimal digits in quotes make a header")),
    ];
    let mut response = (headers, bytes).into_response();
    set_token(&mut response, &meta.token);
    // For the gateway: who reads what is on air goes before others.
    let state = HeaderValue::from_static(meta.state.name());
    response.headers_mut().insert(HeaderName::from_static(headers::STATE), state);
    response
}

/// Names what an answer says, whoever says it: everything but `meta`, which comes last, and of that
/// what changes the meaning of figures. It is weak, since equal figures at a later beat are other bytes.
fn entity_tag(body: &[u8], meta: &Meta) -> String {
    let needle = b"\"meta\":{";
    let end = body.windows(needle.len()).rposition(|window| window == needle).unwrap_or(body.len());
    let mut hash = Xxh3::new();
    hash.update(&body[..end]);
    hash.update(meta.state.name().as_bytes());
    hash.update(&meta.definitions.to_le_bytes());
    hash.update(&[u8::from(meta.stale)]);
    format!("W/\"{:032x}\"", hash.digest128())
}

fn set_token(response: &mut Response, token: &str) {
    let value = HeaderValue::from_str(token).expect("a token is base64url");
    response.headers_mut().insert(HeaderName::from_static(headers::TOKEN), value);
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    problem: Problem,
    /// Set where the failure itself tells how far the chain has read: what is missing at one
    /// place in the log must not turn up at an earlier one.
    token: Option<String>,
}

impl Failure {
    /// There is no such session up to where `token` reaches.
    pub(crate) fn unknown_session(id: &str, token: &Token) -> Self {
        // A made-up id may be of any length; it is only quoted where it can be one.
        let named = if tandem_model::id::is_id(id) { format!("`{id}`") } else { "with this id".to_owned() };
        let detail =
            format!("no session {named} is known: check the id; a session exists from its first event on");
        Self { problem: Problem::unknown_session(detail), token: Some(token.encode()) }
    }

    /// There is no such anchor for the asker up to where `token` reaches.
    pub(crate) fn unknown_anchor(id: &str, token: String) -> Self {
        let named = if tandem_model::id::is_id(id) { format!("`{id}`") } else { "with this id".to_owned() };
        let detail = format!(
            "no anchor {named} is known: check the id; an anchor exists from the start of their first session on"
        );
        Self { problem: Problem::not_found(detail), token: Some(token) }
    }

    /// What this chain has of the session is being computed again.
    pub(crate) fn repairing() -> Self {
        Problem::unavailable(
            "this chain is computing these figures again from the log: ask the other chain, or try again in a second",
        )
        .into()
    }

    /// The chain has not reached the client's token.
    pub(crate) fn behind() -> Self {
        Problem::behind_token(
            "this chain has not read as far as your token yet: try again in a second, or ask the other chain",
        )
        .into()
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem, token: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_retryable() {
            tracing::warn!(%error, "a store did not answer");
            Problem::unavailable("this chain's store does not answer right now: try again in a second").into()
        } else {
            // Damage and our own mistakes do not go away by asking again: somebody must look.
            tracing::error!(%error, "a store failed");
            Problem::internal(format!("{error}; asking again will not help, please tell the operators"))
                .into()
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { problem, token } = self;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = HeaderValue::from_static(problem::CONTENT_TYPE);
        let mut response = (status, [(CONTENT_TYPE, content_type)], problem.to_json()).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(token) = token {
            set_token(&mut response, &token);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tandem_model::route::Chain;
    use tandem_model::row::SessionState;

    use super::*;

    fn tag(body: Value, change: impl FnOnce(&mut Meta)) -> String {
        let mut meta = Meta {
            chain: Chain::A,
            epoch: 7,
            as_of: 1_000,
            token: "t1".to_owned(),
            state: SessionState::Live,
            definitions: 1,
            stale: false,
            degraded: Vec::new(),
        };
        change(&mut meta);
        let mut bytes = serde_json::to_vec(&body).expect("JSON");
        bytes.pop();
        bytes.extend(format!(",\"meta\":{}}}", serde_json::to_string(&meta).expect("JSON")).bytes());
        entity_tag(&bytes, &meta)
    }

    #[test]
    fn the_same_figures_have_the_same_tag_wherever_and_whenever_they_are_read() {
        let body = || json!({"title": "\"meta\":{", "views": 1});
        let first = tag(body(), |_| {});
        let later = |meta: &mut Meta| {
            (meta.chain, meta.epoch, meta.as_of, meta.token) = (Chain::B, 8, 2_000, "t2".to_owned());
            meta.degraded.push("hot".to_owned());
        };
        assert_eq!(tag(body(), later), first);
        let others = [
            tag(json!({"title": "\"meta\":{", "views": 2}), |_| {}),
            tag(body(), |meta| meta.state = SessionState::Final),
            tag(body(), |meta| meta.definitions = 2),
            tag(body(), |meta| meta.stale = true),
        ];
        assert!(others.iter().all(|other| *other != first), "{others:?}");
    }
}
