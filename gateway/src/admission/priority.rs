//! What a read is worth: its class, and whose it is.

use http::request::Parts;
use http::{Method, Request};
use tandem_admission::Class;
use tandem_identity::Caller;
use tandem_limits::RouteClass;
use tokio::time::Instant;

use super::gate::Gate;
use crate::client_address::ClientAddress;
use crate::limits;

/// What a read is worth. In the extensions of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Priority {
    pub(crate) class: Class,
    /// A hash of whose it is.
    pub(crate) tenant: u64,
    /// Until when its client wants the answer.
    pub(crate) deadline: Option<Instant>,
}

/// What a read is worth, and what its answer may teach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Worth {
    pub(super) class: Class,
    pub(super) tenant: u64,
    /// Caller and session, where the session's state is worth noting.
    pub(super) pair: Option<u64>,
}

/// What a request is worth; nothing where it is no read of the chains.
pub(super) fn of<B>(request: &Request<B>, gate: &Gate) -> Option<Worth> {
    // Who writes is bounded elsewhere, and an order that was begun is not dropped half way.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let path = request.uri().path();
    let route = limits::class_of(request.method(), path)?;
    let Some(caller) = request.extensions().get::<Caller>() else {
        let is_own = matches!(path, "/" | "/v1/status");
        let tenant = request.extensions().get::<ClientAddress>().map_or(0, |client| gate.hash(client.0));
        return (!is_own).then_some(Worth { class: Class::Unsigned, tenant, pair: None });
    };
    let tenant = gate.hash(&*caller.tenant);
    let worth = |class| Some(Worth { class, tenant, pair: None });
    if caller.is_operator() {
        return worth(Class::Operator);
    }
    match route {
        RouteClass::Stream => worth(Class::Live),
        RouteClass::Export => worth(Class::Export),
        RouteClass::Report => {
            let Some(session) = screen_of(path) else { return worth(Class::Ordinary) };
            let pair = gate.hash((caller.scope_header.as_bytes(), session));
            let class = if gate.is_screen(pair) { Class::Live } else { Class::Ordinary };
            Some(Worth { class, tenant, pair: Some(pair) })
        }
        _ => worth(Class::Ordinary),
    }
}

/// The session of which this path shows what screens show.
fn screen_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v1/sessions/")?;
    let (session, what) = rest.split_once('/')?;
    matches!(what, "report" | "trend").then_some(session)
}

/// What a question to the chains is worth. What the gateway asks of itself stands for somebody who is
/// there already: streams that are open, and whose the sessions are that events are sent for.
pub(crate) fn priority_of(parts: &Parts) -> Priority {
    if let Some(priority) = parts.extensions.get::<Priority>() {
        return *priority;
    }
    let is_operator = parts.extensions.get::<Caller>().is_some_and(Caller::is_operator);
    let class = if is_operator { Class::Operator } else { Class::Live };
    Priority { class, tenant: 0, deadline: None }
}
