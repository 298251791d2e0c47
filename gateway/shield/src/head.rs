//! The first stage: what the head of a request shows by itself, for less than a microsecond.

mod agents;
mod headers;
mod words;

pub use agents::AgentKind;
pub(crate) use agents::Agents;
pub(crate) use headers::{Faults, Shape};
pub(crate) use words::{Where, Words};

use std::sync::Arc;

use http::header::USER_AGENT;

use crate::rules::{Inner, has_path};
use crate::seen::{Seen, Who};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// Open to everybody.
    Public,
    /// A session, by its id.
    Session(&'a str),
    /// An export, or a further page of a list.
    Bulk,
    /// Anything else.
    Other,
}

/// The user agent as bytes; empty where there is none.
pub(crate) fn agent<'a>(seen: &Seen<'a>) -> &'a [u8] {
    seen.headers.get(USER_AGENT).map_or(&[], |value| value.as_bytes())
}

/// What is asked for.
pub(crate) fn target<'a>(seen: &Seen<'a>, rules: &Inner) -> Target<'a> {
    let path = seen.path;
    if let Some(rest) = path.strip_prefix("/v1/sessions/") {
        let id = rest.split('/').next().unwrap_or_default();
        return if id.is_empty() { Target::Other } else { Target::Session(id) };
    }
    let is_page = |query: &str| query.starts_with("cursor=") || query.contains("&cursor=");
    if path.starts_with("/v1/export") || (path == "/v1/sessions" && seen.query.is_some_and(is_page)) {
        return Target::Bulk;
    }
    if has_path(&rules.paths.public, path) { Target::Public } else { Target::Other }
}

/// Whether a path is one that only those ask for who look for holes. Sessions' ids are their
/// owners' choice and prove nothing.
pub(crate) fn is_honeypot(seen: &Seen<'_>, target: Target<'_>, rules: &Inner) -> bool {
    !matches!(target, Target::Session(_) | Target::Public)
        && rules.honeypots.find(seen.path.as_bytes()).is_some()
}

/// The beginning of the user agent of an application that signs, where this request is not signed.
pub(crate) fn missing_signature(seen: &Seen<'_>, agent: &[u8], rules: &Inner) -> Option<Arc<str>> {
    let header = rules.signature_header.as_ref()?;
    if matches!(seen.who, Who::Signed { .. }) || seen.headers.contains_key(header) {
        return None;
    }
    rules.signing_agents.iter().find(|beginning| agent.starts_with(beginning.as_bytes())).cloned()
}
