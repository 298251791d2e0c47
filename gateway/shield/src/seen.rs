//! What is known of a request, and of its sender, when it is judged.

use std::net::IpAddr;

use http::{HeaderMap, Method, Version};

/// A request whose head was read and whose sender was identified.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When it came, in milliseconds since 1970. Going back a little does no harm.
    pub now_ms: u64,
    /// Where it comes from: the client's own address, not that of a proxy.
    pub address: IpAddr,
    /// Who sent it.
    pub who: Who<'a>,
    /// Its method.
    pub method: &'a Method,
    /// Its path, as it was sent.
    pub path: &'a str,
    /// What follows the question mark.
    pub query: Option<&'a str>,
    /// Its headers, in the order in which they came as far as the map keeps it.
    pub headers: &'a HeaderMap,
    /// Its version of HTTP.
    pub version: Version,
    /// How it greeted us in TLS or HTTP/2, as a hash, where we terminate that ourselves.
    pub fingerprint: Option<u64>,
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who<'a> {
    /// Showed no credential.
    Nobody,
    /// Showed a credential that was not taken.
    Failed,
    /// An application, with its key.
    Key {
        /// The key's id.
        id: &'a str,
        /// Whose it is.
        tenant: &'a str,
    },
    /// One person of a tenant's application, with a token.
    Token {
        /// Names the person or the token, the same over all of its requests.
        id: &'a str,
        /// Whose it is.
        tenant: &'a str,
    },
    /// An application that signs its requests.
    Signed {
        /// The signing key's id.
        id: &'a str,
        /// Whose it is.
        tenant: &'a str,
    },
    /// One of our own operators: always let through, and not remembered.
    Operator,
}

/// [`Who`] without names: what rules distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// [`Who::Nobody`].
    Nobody,
    /// [`Who::Failed`].
    Failed,
    /// [`Who::Key`].
    Key,
    /// [`Who::Token`].
    Token,
    /// [`Who::Signed`].
    Signed,
    /// [`Who::Operator`].
    Operator,
}

impl Who<'_> {
    /// Without the names.
    pub const fn caller(&self) -> Caller {
        match self {
            Who::Nobody => Caller::Nobody,
            Who::Failed => Caller::Failed,
            Who::Key { .. } => Caller::Key,
            Who::Token { .. } => Caller::Token,
            Who::Signed { .. } => Caller::Signed,
            Who::Operator => Caller::Operator,
        }
    }
}

impl Caller {
    /// Whether it showed a credential that was taken.
    pub const fn is_known(self) -> bool {
        !matches!(self, Caller::Nobody | Caller::Failed)
    }
}
