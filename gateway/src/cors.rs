//! Which web pages may call the API from a browser (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! None, unless their origins are configured. Cookies mean nothing here, so credentials in the sense of
//! CORS are never allowed: a page sends its key in `Authorization`, as every other client does.

use std::time::Duration;

use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::headers;

/// How long a browser may remember what it was told.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The layer for these origins; none where there are none.
pub(crate) fn layer(origins: &[String]) -> Option<CorsLayer> {
    let values: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let allowed = match origins {
        [] => return None,
        [any] if any == "*" => AllowOrigin::any(),
        _ => AllowOrigin::list(values),
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("prefer"),
            headers::TOKEN,
            headers::IDEMPOTENCY_KEY,
        ])
        .expose_headers([
            header::ETAG,
            header::RETRY_AFTER,
            headers::TOKEN,
            headers::CHAIN,
            headers::REQUEST_ID,
            headers::IDEMPOTENCY_REPLAYED,
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
        ])
        .max_age(REMEMBERED);
    Some(layer)
}

/// Whether this is an origin as browsers send it, or `*` for all.
pub(crate) fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return text == "*" };
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte);
    matches!(scheme, "http" | "https") && !authority.is_empty() && authority.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClockMode, GatewayConfig};
    use crate::testing::{KEY, World, saying};

    fn world(origins: &[&str]) -> World {
        let cors_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let config = GatewayConfig { cors_origins, ..GatewayConfig::new(KEY) };
        World::with(config, [saying("a"), saying("b")], ClockMode::Live)
    }

    async fn allowed(world: &World, method: Method, origin: &str) -> (u16, Option<String>) {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "authorization,tandem-token"),
        ];
        let answer = world.ask(method, "/v1/x", &headers).await;
        let allowed = answer.headers().get("access-control-allow-origin");
        (answer.status().as_u16(), allowed.map(|value| value.to_str().expect("text").to_owned()))
    }

    #[tokio::test]
    async fn configured_pages_may_call_and_no_others() {
        let (ours, theirs) = ("https://live.example", "https://evil.example");
        let some = world(&[ours, "http://localhost:5173"]);
        assert_eq!(allowed(&some, Method::OPTIONS, ours).await, (200, Some(ours.to_owned())), "needs no key");
        assert_eq!(allowed(&some, Method::GET, ours).await, (200, Some(ours.to_owned())));
        assert_eq!(allowed(&some, Method::OPTIONS, theirs).await.1, None);
        assert_eq!(allowed(&some, Method::GET, theirs).await.1, None);
        assert_eq!(allowed(&world(&["*"]), Method::GET, theirs).await.1.as_deref(), Some("*"));
        let none = world(&[]);
        assert_eq!(allowed(&none, Method::GET, ours).await, (200, None));
        assert_eq!(allowed(&none, Method::OPTIONS, ours).await, (405, None));
    }

    #[test]
    fn origins_are_what_browsers_send() {
        for good in ["*", "https://live.example", "http://localhost:5173", "http://[::1]:8080"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "live.example",
            "https://",
            "https://live.example/",
            "https://*.example",
            "https://a b",
            "ftp://x",
            "https://Live.example",
            "null",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
