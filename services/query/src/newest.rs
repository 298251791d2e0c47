//! The newest route that any gateway has told this node: what `meta.epoch` says, and what every
//! answer names to the gateway that asked.
//!
//! So a gateway that has lost the control group hears of a switch from the answers it gets. The
//! node itself does nothing with the route: no read is refused for its epoch. What isn't a route is
//! passed over; a read must not fail over a header that has nothing to do with its answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use tandem_model::headers;
use tandem_model::route::Signpost;

use crate::Query;

/// The newest route; nothing before the first.
#[derive(Debug, Default)]
pub(crate) struct Newest(Mutex<Option<Signpost>>);

impl Newest {
    /// Its epoch, 0 before the first.
    pub(crate) fn epoch(&self) -> u64 {
        self.0.lock().map_or(0, |newest| newest.epoch)
    }

    fn hear(&self, headers: &HeaderMap) {
        let told = headers.get(headers::ROUTE).and_then(|value| value.to_str().ok());
        let Some(told) = told.and_then(Signpost::parse) else { return };
        let mut newest = self.0.lock();
        if newest.is_none_or(|newest| newest.epoch < told.epoch) {
            *newest = Some(told);
        }
    }

    fn name(&self, headers: &mut HeaderMap) {
        let Some(newest) = *self.0.lock() else { return };
        let value = HeaderValue::try_from(newest.to_string());
        let value = value.expect("digits, a colon and a letter are visible ASCII");
        headers.insert(HeaderName::from_static(headers::ROUTE), value);
    }
}

/// Around every call: hears what the gateway says, and names the chain and the newest route.
pub(crate) async fn around(State(query): State<Arc<Query>>, request: Request, next: Next) -> Response {
    query.newest.hear(request.headers());
    let mut response = next.run(request).await;
    let chain = HeaderValue::from_static(query.chain.name());
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(headers::CHAIN), chain);
    query.newest.name(headers);
    response
}
