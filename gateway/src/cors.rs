//! Which web pages may call the API from a browser (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! None, unless their origins are configured. Cookies mean nothing here, so credentials in the sense of
//! CORS are never allowed: a page sends its key in `Authorization`, as every other client does.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use tower::{Layer, Service};

use crate::answer::Answer;
use crate::headers;
use crate::stack::Inner;

/// How long a browser may remember what it was told, in seconds.
const REMEMBERED_S: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,POST");
/// What an answer depends on, for whoever keeps answers between us and the browser.
const VARY: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");
/// What a page may send.
const SENT: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_NONE_MATCH,
    headers::LAST_EVENT_ID,
    headers::PREFER,
    headers::TOKEN,
    headers::CHAIN,
    headers::TIMEOUT_MS,
    headers::IDEMPOTENCY_KEY,
];
/// What a page may read of an answer, beside what every page may.
const READ: [HeaderName; 10] = [
    header::ETAG,
    header::RETRY_AFTER,
    headers::TOKEN,
    headers::CHAIN,
    headers::REQUEST_ID,
    header::WWW_AUTHENTICATE,
    header::ALLOW,
    headers::IDEMPOTENCY_REPLAYED,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
];

/// The layer for these origins; none where there are none.
pub(crate) fn layer(origins: &[String]) -> Option<CorsLayer> {
    let values: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let allowed = match origins {
        [] => return None,
        [any] if any == "*" => Allowed::Any,
        _ => Allowed::Some(values),
    };
    Some(CorsLayer(Arc::new(Words { allowed, sent: list(&SENT), read: list(&READ) })))
}

fn list(names: &[HeaderName]) -> HeaderValue {
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    HeaderValue::try_from(names.join(",")).expect("names of headers make a header")
}

/// Tells browsers what pages may do. All that it says is made once: a request costs it a comparison, and
/// an answer a few headers that are shared.
#[derive(Clone)]
pub(crate) struct CorsLayer(Arc<Words>);

/// What browsers are told.
struct Words {
    allowed: Allowed,
    sent: HeaderValue,
    read: HeaderValue,
}

enum Allowed {
    Any,
    Some(Vec<HeaderValue>),
}

impl Words {
    /// The origin that is told to be allowed, where this one is.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        match &self.allowed {
            Allowed::Any => Some(HeaderValue::from_static("*")),
            Allowed::Some(origins) => origins.iter().find(|allowed| Some(*allowed) == origin).cloned(),
        }
    }

    /// The answer to a browser that asks whether a page may call.
    fn preflight(&self, origin: Option<HeaderValue>) -> Answer {
        let mut answer = Answer::default();
        let headers = answer.headers_mut();
        say_origin(headers, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.sent.clone());
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_S);
        answer
    }
}

fn say_origin(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    // It may depend on more.
    headers.append(header::VARY, VARY);
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Cors<S> {
        Cors { inner, words: Arc::clone(&self.0) }
    }
}

/// See [`CorsLayer`].
#[derive(Clone)]
pub(crate) struct Cors<S> {
    inner: S,
    words: Arc<Words>,
}

impl<S: Inner<B>, B> Service<Request<B>> for Cors<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let origin = self.words.allowed(request.headers().get(header::ORIGIN));
        if *request.method() == Method::OPTIONS {
            return ready(Ok(self.words.preflight(origin))).boxed();
        }
        let answering = self.inner.call(request);
        let read = self.words.read.clone();
        async move {
            let mut answer = answering.await?;
            say_origin(answer.headers_mut(), origin);
            answer.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, read);
            Ok(answer)
        }
        .boxed()
    }
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
    use crate::testing::{KEY, World, chain, saying};

    const PAGE: &str = "https://live.example";

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

    /// The names in a header that lists them.
    fn names(answer: &Answer, header: &str) -> Vec<String> {
        let values = answer.headers().get_all(header).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
    }

    #[tokio::test]
    async fn a_browser_may_send_what_clients_send_and_remembers_that() {
        let some = world(&[PAGE]);
        let asked = [
            ("origin", PAGE),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,idempotency-key,tandem-token"),
        ];
        let answer = some.ask(Method::OPTIONS, "/v1/events", &asked).await;
        assert_eq!((answer.status().as_u16(), answer.body().len()), (200, 0));
        assert_eq!(names(&answer, "access-control-max-age"), ["600"]);
        let methods = names(&answer, "access-control-allow-methods");
        assert!(["get", "head", "post"].iter().all(|method| methods.iter().any(|one| one == method)));
        let headers = names(&answer, "access-control-allow-headers");
        // What the calls of the description take.
        for name in [
            "authorization",
            "content-type",
            "if-none-match",
            "prefer",
            "tandem-token",
            "tandem-chain",
            "idempotency-key",
            "last-event-id",
        ] {
            assert!(headers.iter().any(|one| one == name), "{name}");
        }
        assert!(!answer.headers().contains_key("access-control-allow-credentials"), "there are no cookies");
    }

    /// A request, whether with a key, its status, and headers that the page has to read.
    type Case<'a> = (&'a World, Method, &'a str, bool, u16, &'a [&'a str]);

    #[tokio::test]
    async fn every_answer_can_be_read_by_the_page_also_a_refusal() {
        let rules = "[[rules]]\nname = \"few\"\nkey = \"address\"\nclasses = [\"write\"]\nrequests = 1\nwindow_s = 60\n";
        let rules = tandem_limits::RuleSet::parse(rules).expect("rules");
        let limits = crate::LimitsConfig { rules, keys: 100, ..crate::LimitsConfig::default() };
        let config = GatewayConfig { cors_origins: vec![PAGE.to_owned()], limits, ..GatewayConfig::new(KEY) };
        let away = || chain(|_| async { Err("away".into()) });
        let with_chains = World::with(config.clone(), [saying("a"), saying("b")], ClockMode::Live);
        let without = World::with(config, [away(), away()], ClockMode::Live);
        let cases: [Case<'_>; 9] = [
            (&with_chains, Method::GET, "/v1/sessions", true, 200, &["ratelimit", "tandem-chain"]),
            (&with_chains, Method::GET, "/v1/status", false, 200, &[]),
            (&with_chains, Method::GET, "/v1/sessions", false, 401, &[]),
            (&with_chains, Method::GET, "/nothing", true, 404, &[]),
            (&with_chains, Method::DELETE, "/v1/sessions", true, 405, &[]),
            (&with_chains, Method::POST, "/v1/events?x=1", true, 400, &[]),
            (
                &with_chains,
                Method::POST,
                "/v1/events",
                true,
                429,
                &["retry-after", "ratelimit", "ratelimit-policy"],
            ),
            (&without, Method::GET, "/v1/sessions", true, 503, &["retry-after"]),
            (&without, Method::GET, "/v1/sessions/s/stream", true, 503, &["retry-after"]),
        ];
        for (world, method, path, has_key, status, readable) in cases {
            let mut request = crate::testing::request(method, path, &[("origin", PAGE)], "");
            if !has_key {
                request.headers_mut().remove(header::AUTHORIZATION);
            }
            let answer = world.send(request).await;
            assert_eq!(answer.status(), status, "{path}");
            assert_eq!(names(&answer, "access-control-allow-origin"), [PAGE], "{status} {path}");
            assert!(names(&answer, "vary").contains(&"origin".to_owned()), "{status} {path}");
            let exposed = names(&answer, "access-control-expose-headers");
            for name in ["tandem-request-id", "tandem-token", "etag"].iter().chain(readable) {
                assert!(exposed.iter().any(|one| one == name), "{name}: {status} {path}");
            }
            for name in readable.iter().filter(|name| **name != "ratelimit" && **name != "tandem-chain") {
                assert!(answer.headers().contains_key(*name), "{name}: {status} {path}");
            }
        }
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
