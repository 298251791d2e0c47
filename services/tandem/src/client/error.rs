//! Why a request brought nothing, in words that say what to do.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use super::ServerUrl;

/// A request without the answer that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or it broke before the answer was whole.
    #[error(
        "no answer from {server} ({reason}): is it running there? `tandem up` starts one, --to URL names another"
    )]
    Unreachable {
        /// Who did not answer.
        server: ServerUrl,
        /// What the network said.
        reason: String,
    },
    /// No answer in time.
    #[error("no answer from {server} within {} s: it may be overloaded or stopped; try again", waited.as_secs())]
    Timeout {
        /// Who did not answer.
        server: ServerUrl,
        /// How long it had.
        waited: Duration,
    },
    /// The server answered that it won't.
    #[error("{0}")]
    Refused(Refusal),
    /// The answer is not what was expected.
    #[error("the server's answer can't be read: is it a Tandem of this version?")]
    Answer(#[source] serde_json::Error),
    /// The request itself can't be built.
    #[error("the request is not valid")]
    Request(#[source] http::Error),
}

impl ClientError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            ClientError::Unreachable { .. } | ClientError::Timeout { .. } => true,
            ClientError::Refused(refusal) => refusal.is_retryable(),
            ClientError::Answer(_) | ClientError::Request(_) => false,
        }
    }
}

/// A refusal: an answer whose status is not one of success, as RFC 9457 tells it.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The stable name of the problem, if the answer has one.
    pub kind: Option<String>,
    /// What the server says about it.
    pub detail: Option<String>,
}

impl Refusal {
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        struct Problem {
            #[serde(rename = "type")]
            kind: Option<String>,
            title: Option<String>,
            detail: Option<String>,
        }
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        Self { status, kind: problem.kind, detail: problem.detail.or(problem.title) }
    }

    /// Whether the problem is of this kind, without the prefix all kinds share.
    pub fn is(&self, name: &str) -> bool {
        self.kind.as_deref().and_then(|kind| kind.strip_prefix("urn:tandem:problem:")) == Some(name)
    }

    /// Whether the same request may succeed later: overload, a restart, a fault of the server's,
    /// or the same body still under way.
    pub fn is_retryable(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 409 | 425 | 429 | 500..=599)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the server answered {}", self.status)?;
        if let Some(detail) = &self.detail {
            write!(formatter, ": {detail}")?;
        }
        match self.status {
            StatusCode::UNAUTHORIZED => formatter
                .write_str(" (set TANDEM_KEY or --key to the key that `tandem up` printed or was given)"),
            StatusCode::FORBIDDEN => formatter.write_str(" (the operator's key may do this)"),
            _ => Ok(()),
        }
    }
}

/// The innermost reason: what the operating system said, without the layers around it.
pub(super) fn root_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_what_the_server_said_and_what_to_do() {
        let body =
            br#"{"type":"urn:tandem:problem:unauthorized","title":"t","status":401,"detail":"no key"}"#;
        let refusal = Refusal::read(StatusCode::UNAUTHORIZED, body);
        assert!(refusal.is("unauthorized"));
        assert!(!refusal.is_retryable());
        let text = refusal.to_string();
        assert!(text.contains("no key") && text.contains("TANDEM_KEY"), "{text}");
    }

    #[test]
    fn only_what_can_pass_is_retried() {
        for (status, is_retryable) in
            [(409, true), (429, true), (503, true), (400, false), (422, false), (500, true)]
        {
            let refusal = Refusal::read(StatusCode::from_u16(status).unwrap(), b"not json");
            assert_eq!(refusal.is_retryable(), is_retryable, "{status}");
        }
    }
}
