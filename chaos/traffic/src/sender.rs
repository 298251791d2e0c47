//! What one request consists of before anybody is named, and who can make one.

use std::net::IpAddr;

use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue, Method, Version};

use crate::client::Client;
use crate::shot::Who;
use crate::target::Target;
use crate::world::{Credential, World};

/// An actor: it says what it sends now, and when it acts again.
pub(crate) trait Actor {
    /// What it sends at `now_ms`, and when it sends the next, which is later; `None` when it is done.
    fn act(&mut self, now_ms: u64, world: &World) -> (Request, Option<u64>);
}

/// A request of an actor.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) visit: u32,
    pub(crate) worthless: bool,
    pub(crate) address: IpAddr,
    pub(crate) who: Who,
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) version: Version,
    pub(crate) status: u16,
    pub(crate) replayed: bool,
}

/// A client with a credential at an address.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) client: Client,
    pub(crate) credential: Credential,
    pub(crate) address: IpAddr,
}

impl Sender {
    /// A read. `status` is what an accepted credential would be answered; others get 401, except on
    /// public pages, where `status` stands.
    pub(crate) fn get(&self, target: Target, status: u16) -> Request {
        let is_refused = matches!(self.credential.who, Who::Nobody | Who::Failed) && !is_public(&target.path);
        Request {
            visit: 0,
            worthless: false,
            address: self.address,
            who: self.credential.who.clone(),
            method: Method::GET,
            target,
            headers: self.client.headers(self.credential.value.as_ref()),
            version: self.client.version,
            status: if is_refused { 401 } else { status },
            replayed: false,
        }
    }

    /// The same, when the client has an answer of before and asks whether it still holds.
    pub(crate) fn get_again(&self, target: Target, has_changed: bool, tag: u64) -> Request {
        let mut request = self.get(target, if has_changed { 200 } else { 304 });
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag:016x}\"")) {
            request.headers.insert(IF_NONE_MATCH, tag);
        }
        request
    }
}

impl Request {
    pub(crate) fn worthless(self) -> Self {
        Self { worthless: true, ..self }
    }

    pub(crate) fn in_visit(self, visit: u32) -> Self {
        Self { visit, ..self }
    }
}

/// Whether a page is answered without a credential.
pub(crate) fn is_public(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/v1/status" | "/v1/docs" | "/v1/openapi.json" | "/robots.txt")
}
