//! The gateway's own answers.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::Serialize;
use tandem_model::problem::{self, Problem};

/// An answer inside the gateway: whole, since the largest is a page of some megabytes.
pub(crate) type Answer = Response<Bytes>;

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).expect("answers hold only plain data");
    with_body(status, "application/json", body.into())
}

/// An answer that says what went wrong and what to do. Status 503 says when to try again, 401 how
/// to show who one is: by either of two schemes (RFC 9110, 11.6.1).
pub(crate) fn problem(problem: &Problem) -> Answer {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = with_body(status, problem::CONTENT_TYPE, problem.to_json().into());
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        StatusCode::UNAUTHORIZED => {
            let how =
                HeaderValue::from_static("Bearer realm=\"tandem\", Tandem-HMAC-SHA256 realm=\"tandem\"");
            answer.headers_mut().insert(WWW_AUTHENTICATE, how);
        }
        _ => {}
    }
    answer
}

/// An answer that sends a browser elsewhere.
pub(crate) fn see_other(location: &'static str) -> Answer {
    let mut answer = with_body(
        StatusCode::SEE_OTHER,
        "text/plain; charset=utf-8",
        Bytes::from(format!("see {location}\n")),
    );
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static(location));
    answer
}

/// An answer with a body of some type.
pub(crate) fn with_body(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // None of these is worth keeping: figures change, and errors pass.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
