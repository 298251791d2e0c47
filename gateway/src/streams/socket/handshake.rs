//! From a request to a WebSocket (RFC 6455, 4.2).
//!
//! Browsers let any page open a WebSocket anywhere, and say from where in `Origin`. Nothing here rests on
//! cookies, so a foreign page has no key to show; still, who may call from a browser is configured in one
//! place ([`crate::cors`]), and holds here too.

use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tandem_model::problem::Problem;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::answer::{Answer, problem};
use crate::streams::wanted::asks_for_socket;

/// The protocol that is spoken.
const PROTOCOL: &str = "tandem.v1";
/// A key is 16 bytes in base64.
const KEY_CHARS: usize = 24;

/// A request that may become a WebSocket.
#[derive(Debug)]
pub(crate) struct Handshake {
    accept: String,
    names_protocol: bool,
    on_upgrade: OnUpgrade,
}

impl Handshake {
    /// Takes it out of a request; nothing where it does not ask for one, or its connection can't become one:
    /// that of HTTP/1.0 and HTTP/2.
    ///
    /// # Errors
    ///
    /// The answer to a request that asks wrongly, or from a page that may not.
    pub(crate) fn of(parts: &mut Parts, origins: &[String]) -> Result<Option<Self>, Box<Answer>> {
        if parts.method != Method::GET || !asks_for_socket(&parts.headers, &parts.uri) {
            return Ok(None);
        }
        let Some(on_upgrade) = parts.extensions.remove::<OnUpgrade>() else { return Ok(None) };
        check_origin(&parts.headers, origins).map_err(|reason| Box::new(problem(&reason)))?;
        let checked = check(&parts.headers).map_err(|reason| {
            let mut answer = problem(&reason);
            answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            Box::new(answer)
        })?;
        let (accept, names_protocol) = checked;
        Ok(Some(Self { accept, names_protocol, on_upgrade }))
    }

    /// The answer after which the connection is a WebSocket, and what to wait for.
    pub(crate) fn answer(self) -> (Answer, OnUpgrade) {
        let mut answer = Response::new(bytes::Bytes::new());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let accept = HeaderValue::try_from(self.accept).expect("base64 makes a header");
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        if self.names_protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        }
        (answer, self.on_upgrade)
    }
}

/// What proves that the request was understood, and whether our protocol is named.
fn check(headers: &HeaderMap) -> Result<(String, bool), Problem> {
    let one = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().and_then(|value| value.to_str().ok()).map(str::trim);
        value.filter(|_| values.next().is_none())
    };
    if one(&SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Problem::bad_request("a WebSocket needs `Sec-WebSocket-Version: 13`"));
    }
    let key = one(&SEC_WEBSOCKET_KEY).filter(|key| {
        use base64::Engine;
        key.len() == KEY_CHARS && base64::engine::general_purpose::STANDARD.decode(key).is_ok()
    });
    let key = key.ok_or_else(|| {
        Problem::bad_request("a WebSocket needs one `Sec-WebSocket-Key`: 16 bytes in base64")
    })?;
    let mut offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().peekable();
    let offers = offered.peek().is_some();
    let names_protocol = offered
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|name| name.trim() == PROTOCOL));
    if offers && !names_protocol {
        let detail = "of the sub-protocols in `Sec-WebSocket-Protocol`, `tandem.v1` must be one";
        return Err(Problem::bad_request(detail));
    }
    Ok((derive_accept_key(key.as_bytes()), names_protocol))
}

/// Whether the page that asks may. Who is no browser says nothing of pages.
fn check_origin(headers: &HeaderMap, origins: &[String]) -> Result<(), Problem> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let is_configured = origins.iter().any(|known| known == "*" || known == origin);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_own = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
    match is_configured || is_own {
        true => Ok(()),
        false => Err(Problem::forbidden("pages of this origin may not call: ask the operator to allow it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn the_key_is_answered_as_the_standard_has_it() {
        // RFC 6455, 1.3.
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let version = ("sec-websocket-version", "13");
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned();
        assert_eq!(check(&headers(&[key, version])), Ok((accept.clone(), false)));
        let named = ("sec-websocket-protocol", "other, tandem.v1");
        assert_eq!(check(&headers(&[key, version, named])), Ok((accept, true)));
        for bad in [
            vec![key],
            vec![version],
            vec![key, ("sec-websocket-version", "8")],
            vec![key, key, version],
            vec![("sec-websocket-key", "c2hvcnQ="), version],
            vec![("sec-websocket-key", "!GhlIHNhbXBsZSBub25jZQ=="), version],
            vec![key, version, ("sec-websocket-protocol", "other")],
            vec![key, version, ("sec-websocket-protocol", "")],
        ] {
            assert!(check(&headers(&bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn pages_that_may_not_call_open_nothing() {
        let from = |origin: &'static str, origins: &[&str]| {
            let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
            check_origin(&headers(&[("host", "api.example:8080"), ("origin", origin)]), &origins).is_ok()
        };
        assert!(from("https://live.example", &["https://live.example"]));
        assert!(from("https://live.example", &["*"]));
        assert!(from("http://api.example:8080", &[]), "our own page");
        assert!(!from("https://evil.example", &["https://live.example"]));
        assert!(!from("https://api.example", &[]), "another port");
        assert!(!from("null", &[]));
        assert!(check_origin(&headers(&[]), &[]).is_ok(), "no browser");
    }
}
