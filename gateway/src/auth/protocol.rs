//! Keys of browsers that open a WebSocket.
//!
//! A page can set no header there: only the target and the sub-protocols are its own. A key in the target
//! would stand in histories and in the logs of every proxy. So it is shown as a sub-protocol,
//! `tandem.key.<key>`, beside the one that is spoken: `new WebSocket(url, ["tandem.v1", "tandem.key." + key])`.
//! It is taken out here, before anything else looks at the request, and stands in no answer. Of use are keys
//! and tokens, whose characters a sub-protocol may have; pages should be given tokens, which end soon.
//!
//! It counts as an Authorization header does, so whoever shows two things is refused. Nothing of it is sent by a
//! browser on its own account, as cookies are: no other page can use it.

use http::header::{AUTHORIZATION, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{Method, Request};

use crate::streams;

/// What stands before the key.
const PREFIX: &str = "tandem.key.";

/// Moves the key of a request for a WebSocket into the header where all others have it.
pub(super) fn move_key<B>(request: &mut Request<B>) {
    let is_asked =
        *request.method() == Method::GET && streams::asks_for_socket(request.headers(), request.uri());
    if !is_asked {
        return;
    }
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let (keys, others): (Vec<&str>, Vec<&str>) =
        offered.map(str::trim).filter(|name| !name.is_empty()).partition(|name| name.starts_with(PREFIX));
    if keys.is_empty() {
        return;
    }
    let values: Vec<HeaderValue> = keys.iter().filter_map(|name| bearer(&name[PREFIX.len()..])).collect();
    // What is left may be nothing, and says even then that something was offered.
    let others = HeaderValue::try_from(others.join(", ")).expect("parts of a header make a header");
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, others);
    for value in values {
        request.headers_mut().append(AUTHORIZATION, value);
    }
}

fn bearer(key: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(target: &str, headers: &[(&'static str, &'static str)]) -> (Vec<String>, Vec<String>) {
        let mut request = Request::builder().uri(target).body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        move_key(&mut request);
        let all = |name| {
            let values = request.headers().get_all(name).iter();
            values.map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        (all(AUTHORIZATION), all(SEC_WEBSOCKET_PROTOCOL))
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_key_is_taken_out_of_the_protocols_of_a_stream() {
        let upgrade = ("upgrade", "websocket");
        for target in ["/v1/sessions/s1/stream", "/v1/stream?sessions=s1"] {
            let both = [upgrade, ("sec-websocket-protocol", "tandem.v1, tandem.key.abc")];
            assert_eq!(moved(target, &both), (texts(&["Bearer abc"]), texts(&["tandem.v1"])), "{target}");
        }
        let apart =
            [upgrade, ("sec-websocket-protocol", "tandem.key.abc"), ("sec-websocket-protocol", "tandem.v1")];
        assert_eq!(moved("/v1/stream", &apart), (texts(&["Bearer abc"]), texts(&["tandem.v1"])));
        let alone = [upgrade, ("sec-websocket-protocol", "tandem.key.abc")];
        assert_eq!(moved("/v1/stream", &alone), (texts(&["Bearer abc"]), texts(&[""])));
        // Two credentials are two, wherever they stand; who asks is then refused.
        let two = [upgrade, ("authorization", "Bearer x"), ("sec-websocket-protocol", "tandem.key.abc")];
        assert_eq!(moved("/v1/stream", &two).0, texts(&["Bearer x", "Bearer abc"]));
    }

    #[test]
    fn elsewhere_it_is_nothing() {
        let offered = ("sec-websocket-protocol", "tandem.v1, tandem.key.abc");
        let upgrade = ("upgrade", "websocket");
        for (target, headers) in [
            ("/v1/sessions/s1/report", vec![upgrade, offered]),
            ("/v1/stream", vec![offered]),
            ("/v1/stream", vec![("upgrade", "h2c"), offered]),
        ] {
            assert_eq!(moved(target, &headers).0, texts(&[]), "{target}");
        }
    }
}
