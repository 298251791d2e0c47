//! One request, with what is true about it.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Version};

use crate::Family;

/// One request of one actor.
#[derive(Clone, Debug, PartialEq)]
pub struct Shot {
    /// When its head is there, in milliseconds since the epoch.
    pub at_ms: u64,
    /// Who is behind it: a person, a program, or all machines of one attacker. Counted from 0.
    pub actor: u32,
    /// Which sitting of that actor it belongs to, counted from 0: for a person a session.
    pub visit: u32,
    /// What kind of actor that is.
    pub family: Family,
    /// Whether nobody would miss it: the truth by which verdicts are judged.
    pub worthless: bool,
    /// Where it comes from.
    pub address: IpAddr,
    /// What authentication makes of it.
    pub who: Who,
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// What stands behind the question mark.
    pub query: Option<String>,
    /// The header fields, in the order in which the client sends them.
    pub headers: HeaderMap,
    /// The version of HTTP.
    pub version: Version,
    /// How the gateway answers without a shield: 200, 202, 304, 401, 404.
    pub status: u16,
    /// Whether it is refused because its nonce was used before.
    pub replayed: bool,
}

/// What authentication makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// It shows nothing.
    Nobody,
    /// It shows something that is not taken.
    Failed,
    /// A key of an application.
    Key {
        /// What names it.
        id: Arc<str>,
        /// Whose it is.
        tenant: Arc<str>,
    },
    /// A token of a person.
    Token {
        /// What names the person.
        id: Arc<str>,
        /// Of whose application.
        tenant: Arc<str>,
    },
    /// A signature that was taken.
    Signed {
        /// What names the key.
        id: Arc<str>,
        /// Whose it is.
        tenant: Arc<str>,
    },
    /// The operator.
    Operator,
}

impl Shot {
    /// Path and query as they stand in the request line.
    pub fn target(&self) -> String {
        self.query.as_ref().map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }

    /// The head as HTTP/1.1. What HTTP/2 sends as `:authority` stands as `Host`.
    pub fn head(&self) -> Vec<u8> {
        let mut text = String::new();
        // Writing into a string can't fail.
        let _ = write!(text, "{} {} HTTP/1.1\r\n", self.method, self.target());
        if !self.headers.contains_key(http::header::HOST) {
            text.push_str("host: ");
            text.push_str(crate::client::HOST);
            text.push_str("\r\n");
        }
        let mut head = text.into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}
