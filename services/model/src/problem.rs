//! Problems as answers: RFC 9457 `application/problem+json`.

use serde::Serialize;
use serde_json::{Map, Value};

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A problem, as a client sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// Stable, for programs: `urn:tandem:problem:` and a name.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for people, without particulars.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do about it.
    pub detail: String,
    /// Further members, as the kind defines them.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

/// Declares the kinds of problem in one place: constructor, name, status, title.
macro_rules! problems {
    ($($(#[$meta:meta])* $constructor:ident $name:literal $status:literal $title:literal;)+) => {
        impl Problem {
            $($(#[$meta])* pub fn $constructor(detail: impl Into<String>) -> Self {
                Self {
                    kind: concat!("urn:tandem:problem:", $name).to_owned(),
                    title: $title,
                    status: $status,
                    detail: detail.into(),
                    members: Map::new(),
                }
            })+
        }

        /// All kinds of problem: name, status, title.
        pub const KINDS: &[(&str, u16, &str)] = &[$(($name, $status, $title)),+];
    };
}

problems! {
    /// A parameter is unknown, malformed or out of range.
    bad_parameter "bad-parameter" 400 "A parameter is not valid";
    /// The request is not one this server understands.
    bad_request "bad-request" 400 "The request is not valid";
    /// The token was not made by this system, or was changed.
    bad_token "bad-token" 400 "The token is not valid";
    /// No key, or an unknown one.
    unauthorized "unauthorized" 401 "A valid key is needed";
    /// The key does not allow this.
    forbidden "forbidden" 403 "The key does not allow this";
    /// The request looks hostile.
    blocked "blocked" 403 "This request was blocked";
    /// A proof of work is asked for first; `challenge` and `bits` say which.
    proof_needed "proof-needed" 403 "A proof of work is needed";
    /// There is no such session.
    unknown_session "unknown-session" 404 "There is no such session";
    /// There is nothing at this path.
    not_found "not-found" 404 "There is nothing here";
    /// The path exists, the method does not.
    method_not_allowed "method-not-allowed" 405 "The method is not allowed here";
    /// The body did not come in time.
    request_timeout "request-timeout" 408 "The request took too long to arrive";
    /// It contradicts what is there or under way.
    conflict "conflict" 409 "The request conflicts with the present state";
    /// The body is over its limit.
    too_large "too-large" 413 "The body is too large";
    /// The path with its query is over its limit.
    target_too_long "target-too-long" 414 "The path is too long";
    /// The body is encoded in a way this server does not read.
    unsupported_encoding "unsupported-encoding" 415 "The body's encoding is not supported";
    /// Lines of the body are malformed.
    malformed_events "malformed-events" 422 "Some lines are no events";
    /// The idempotency key was used for another body.
    key_reused "idempotency-key-reused" 422 "The idempotency key belongs to another body";
    /// The caller asks for more than a limit allows.
    rate_limited "rate-limited" 429 "Too many requests";
    /// The header is over its limit.
    header_too_large "header-too-large" 431 "The request header is too large";
    /// Our own fault.
    internal "internal" 500 "Something went wrong on our side";
    /// A method or a transfer coding that this server will never have.
    not_implemented "not-implemented" 501 "This server does not know how to do that";
    /// This chain has not read as far as the client's token yet.
    behind_token "behind-token" 503 "The data is not as new as what you have seen";
    /// It takes a while, and is worked on: the same question finds it done later.
    in_preparation "in-preparation" 503 "The answer is being prepared";
    /// For now; try again.
    unavailable "unavailable" 503 "The service is not available right now";
    /// The time that the client allowed has passed.
    deadline "deadline-passed" 504 "There was no answer in the time you allowed";
    /// The client speaks a version that this server does not.
    version_not_supported "version-not-supported" 505 "The HTTP version is not supported";
}

impl Problem {
    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Its JSON text.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a problem holds only plain data")
    }
}
