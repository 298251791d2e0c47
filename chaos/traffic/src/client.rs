//! Clients by the heads they send: which fields, in which order, under which name.
//!
//! The orders are those of the real clients as their makers and public notes describe them: browsers
//! put the fields of a call by script (`fetch`) in an order of their own, libraries send few.

mod browsers;
mod programs;

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, Version};

pub(crate) use browsers::{any_agent, browser, mobile_app, page_view};
pub(crate) use programs::{crawler, disguised, script, server};

/// The host that clients ask.
pub(crate) const HOST: &str = "api.tandem.example";

/// A client: the fields of all its requests, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// In the order sent; where the credential stands, [`AUTHORIZATION`] with an empty value.
    fields: Vec<(HeaderName, HeaderValue)>,
    pub(crate) version: Version,
}

impl Client {
    /// Of `name: value`; `authorization` stands for the place of the credential.
    fn new(version: Version, fields: &[(&'static str, &str)]) -> Self {
        let field = |(name, value): &(&'static str, &str)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
        };
        let is_sent = |(name, _): &&(&'static str, &str)| {
            // HTTP/2 names the host otherwise and keeps no word about the connection.
            version != Version::HTTP_2 || !matches!(*name, "host" | "connection")
        };
        Self { fields: fields.iter().filter(is_sent).filter_map(field).collect(), version }
    }

    /// The header of one request.
    pub(crate) fn headers(&self, credential: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.fields.len() + 2);
        for (name, value) in &self.fields {
            if *name != AUTHORIZATION {
                headers.append(name.clone(), value.clone());
            } else if let Some(credential) = credential {
                let mut credential = credential.clone();
                credential.set_sensitive(true);
                headers.append(AUTHORIZATION, credential);
            }
        }
        headers
    }

    /// The same under another name.
    pub(crate) fn named(mut self, agent: &str) -> Self {
        for (name, value) in &mut self.fields {
            if *name == http::header::USER_AGENT
                && let Ok(agent) = HeaderValue::from_str(agent)
            {
                *value = agent;
            }
        }
        self
    }
}
