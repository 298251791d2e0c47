//! A web page of another origin, as a browser lets it call.

use http::Method;

use crate::api::{Answer, Call};
use crate::contract::{enter, now_ms, send};
use crate::program::KEY;
use crate::server::{Kind, Server};

/// Where the page is from.
const PAGE: &str = "http://page.localhost:5173";

/// What a page has to read beside the body.
const READ: [&str; 6] =
    ["tandem-token", "etag", "ratelimit", "ratelimit-policy", "retry-after", "tandem-request-id"];
/// What it has to send.
const SENT: [&str; 6] =
    ["authorization", "tandem-token", "if-none-match", "prefer", "idempotency-key", "last-event-id"];

fn names(answer: &Answer, header: &str) -> Vec<String> {
    let values = answer.headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_configured_origin_reads_and_writes() {
    let server = Server::start_with(Kind::Live, &["--cors-origin", PAGE]);
    let api = server.api();
    let token = send(&api, &[enter("page", "e1", now_ms(&api).await)]).await;

    // First the browser asks whether it may, without a key, and remembers the answer.
    for (path, method) in
        [("/v1/sessions", "GET"), ("/v1/events", "POST"), ("/v1/sessions/page/stream", "GET")]
    {
        let asked = Call::new(Method::OPTIONS, path)
            .without_key()
            .header("origin", PAGE)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", SENT.join(","));
        let answer = api.call(asked).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, PAGE), "{answer:?}");
        assert_eq!(answer.header("access-control-max-age"), "600");
        assert!(
            names(&answer, "access-control-allow-methods").contains(&method.to_lowercase()),
            "{answer:?}"
        );
        let allowed = names(&answer, "access-control-allow-headers");
        assert!(SENT.iter().all(|name| allowed.iter().any(|one| one == name)), "{answer:?}");
    }

    let good = format!("Bearer {KEY}");
    let cases = [
        ("/v1/sessions", good.as_str(), &token, 200),
        ("/v1/sessions/page/report", &good, &token, 200),
        ("/v1/sessions", "Bearer wrong", &token, 401),
        ("/v1/sessions/nobody", &good, &token, 404),
        ("/v1/sessions?limit=0", &good, &token, 400),
        ("/v1/sessions", &good, &"damaged".to_owned(), 400),
    ];
    for (path, key, token, status) in cases {
        let call = || Call::get(path).without_key().header("authorization", key).token(token);
        let answer = api.call(call().header("origin", PAGE)).await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (status, PAGE),
            "{answer:?}"
        );
        assert!(names(&answer, "vary").contains(&"origin".to_owned()), "{answer:?}");
        let exposed = names(&answer, "access-control-expose-headers");
        assert!(READ.iter().all(|name| exposed.iter().any(|one| one == name)), "{answer:?}");
        // Another page gets the same, and its browser keeps it from it.
        let other = api.call(call().header("origin", "http://other.localhost")).await;
        assert_eq!((other.status, other.header("access-control-allow-origin")), (status, ""), "{other:?}");
    }
}
