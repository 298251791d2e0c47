//! The names of our own headers, and which headers may pass between client and chains.

use http::header::{self, HeaderMap, HeaderName};
use tandem_model::headers;

/// How far the client has read.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static(headers::TOKEN);
/// Names the request in answers and logs.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("tandem-request-id");
/// From operators: ask this chain and no other.
pub(crate) const CHAIN: HeaderName = HeaderName::from_static(headers::CHAIN);
/// To and from query nodes: the newest route that the sender knows.
pub(crate) const ROUTE: HeaderName = HeaderName::from_static(headers::ROUTE);
/// To query nodes: what the caller may see.
pub(crate) const SCOPE: HeaderName = HeaderName::from_static(headers::SCOPE);
/// To query nodes: how long they may wait for the token, in milliseconds.
pub(crate) const WAIT_MS: HeaderName = HeaderName::from_static(headers::WAIT_MS);
/// To query nodes: an older answer than the token is welcome.
pub(crate) const STALE: HeaderName = HeaderName::from_static(headers::STALE);
/// From clients, and to query nodes: how long an answer is waited for, in milliseconds.
pub(crate) const TIMEOUT_MS: HeaderName = HeaderName::from_static(headers::TIMEOUT_MS);
/// From query nodes: whether a session is on air.
pub(crate) const STATE: HeaderName = HeaderName::from_static(headers::STATE);
/// From clients: how sure of repeating a POST they want to be.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// To clients: this is the first answer again.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// From clients: `fresh` rather an error than an old answer.
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// From clients: the token of the last event they got of a stream.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Headers that belong to one connection and end there (RFC 9110, 7.6.1), and lengths, which the
/// next hop works out itself.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
];

/// What a query node gets of a client's headers: not its key, nothing of the connection, and of
/// our own headers only the token: the others are for the gateway to set.
pub(crate) fn to_chain(from: &HeaderMap) -> HeaderMap {
    let mut headers = without_hop_by_hop(from.clone());
    for name in [header::AUTHORIZATION, header::COOKIE, header::EXPECT] {
        headers.remove(name);
    }
    let own = headers.keys().filter(|name| name.as_str().starts_with("tandem-") && **name != TOKEN);
    for name in own.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
    headers
}

/// What a client gets of a query node's headers.
pub(crate) fn to_client(from: HeaderMap) -> HeaderMap {
    let mut headers = without_hop_by_hop(from);
    headers.remove(ROUTE);
    headers
}

fn without_hop_by_hop(mut headers: HeaderMap) -> HeaderMap {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> = named.flat_map(|value| value.split(',')).map(str::to_owned).collect();
    for name in named {
        headers.remove(name.trim());
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers
}

/// Whether the client would rather have an error than an old answer: `Prefer: fresh`.
pub(crate) fn prefers_fresh(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter_map(|preference| preference.split(['=', ';']).next())
        .any(|name| name.trim().eq_ignore_ascii_case("fresh"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, http::HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn clients_cannot_speak_for_the_gateway() {
        let from = headers(&[
            ("authorization", "Bearer secret"),
            ("cookie", "c"),
            ("connection", "close, x-private"),
            ("x-private", "1"),
            ("transfer-encoding", "chunked"),
            ("tandem-stale", "1"),
            ("tandem-route", "99:b"),
            ("tandem-wait-ms", "99999"),
            ("tandem-scope", "ImFsbCI"),
            ("tandem-anything", "x"),
            ("tandem-scope", "everything"),
            ("tandem-token", "t"),
            ("accept", "application/json"),
        ]);
        let expected = headers(&[("tandem-token", "t"), ("accept", "application/json")]);
        assert_eq!(to_chain(&from), expected);
    }

    #[test]
    fn clients_do_not_get_what_is_between_us() {
        let from =
            headers(&[("tandem-route", "7:a"), ("tandem-token", "t"), ("tandem-chain", "a"), ("te", "x")]);
        assert_eq!(to_client(from), headers(&[("tandem-token", "t"), ("tandem-chain", "a")]));
    }

    #[test]
    fn fresh_is_found_among_preferences() {
        for value in ["fresh", "Fresh", "respond-async, fresh", "fresh; x=1", "a=b,fresh=1"] {
            assert!(prefers_fresh(&headers(&[("prefer", value)])), "{value}");
        }
        for value in ["freshest", "a=fresh", ""] {
            assert!(!prefers_fresh(&headers(&[("prefer", value)])), "{value}");
        }
        assert!(prefers_fresh(&headers(&[("prefer", "a"), ("prefer", "fresh")])));
    }
}
