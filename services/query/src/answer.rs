//! Answers: JSON with what it says about itself, or a problem.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use tandem_model::problem::{self, Problem};
use tandem_model::{Token, headers};
use tandem_storage::StoreError;

use crate::wire::Meta;

/// An answer as JSON, its token in the header too.
pub(crate) fn json<T: Serialize>(body: &T, meta: &Meta) -> Response {
    let bytes = serde_json::to_vec(body).expect("answers hold only plain data with text as keys");
    let mut response =
        ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response();
    set_token(&mut response, &meta.token);
    response
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
