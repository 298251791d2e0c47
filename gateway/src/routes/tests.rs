//! Paths and methods, through the whole stack.

use http::Method;

use crate::config::ClockMode;
use crate::testing::{World, get, json_of, saying};

fn world() -> World {
    World::new([saying("a"), saying("b")], ClockMode::Live)
}

#[tokio::test]
async fn reads_go_to_the_active_chain() {
    let answer = world().ask(Method::GET, "/v1/sessions?limit=3", &[]).await;
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (200, &b"a"[..]));
    assert!(answer.headers().contains_key("tandem-request-id"));
}

#[tokio::test]
async fn what_is_internal_or_elsewhere_is_not_there() {
    let world = world();
    let paths = ["/internal/v1/status", "/internal", "/%69nternal/v1/status", "/v2/x", "/v1"];
    for path in paths {
        let answer = world.ask(Method::GET, path, &[]).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(json_of(&answer)["type"], "urn:tandem:problem:not-found");
    }
    // Spelt so that somebody else might take them for what they are not.
    for path in ["//internal/v1/status", "/v1/../internal/v1/status", "/v1/%2e%2e/internal/v1/status"] {
        assert_eq!(world.ask(Method::GET, path, &[]).await.status(), 400, "{path}");
    }
}

#[tokio::test]
async fn methods_that_a_path_does_not_have_say_which_it_has() {
    let world = world();
    let cases = [
        (Method::GET, "/v1/events", "POST"),
        (Method::PUT, "/v1/events", "POST"),
        (Method::POST, "/v1/sessions", "GET, HEAD"),
        (Method::DELETE, "/v1/sessions/s", "GET, HEAD"),
        (Method::POST, "/v1/status", "GET, HEAD"),
        (Method::POST, "/", "GET, HEAD"),
        (Method::POST, "/robots.txt", "GET, HEAD"),
        (Method::OPTIONS, "/healthz", "GET, HEAD"),
    ];
    for (method, path, allowed) in cases {
        let answer = world.ask(method.clone(), path, &[]).await;
        assert_eq!(answer.status(), 405, "{method} {path}");
        assert_eq!(answer.headers()["allow"], allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn public_pages_are_open_and_the_rest_is_not() {
    let world = world();
    let root = world.send(get("/")).await;
    assert_eq!((root.status().as_u16(), &root.headers()["location"]), (303, &"/v1/docs".parse().unwrap()));
    let robots = world.send(get("/robots.txt")).await;
    assert_eq!(
        (robots.status().as_u16(), &robots.headers()["content-type"]),
        (200, &"text/plain; charset=utf-8".parse().unwrap())
    );
    assert!(robots.body().ends_with(b"Disallow: /\n"));
    for path in ["/healthz", "/v1/docs", "/v1/openapi.json", "/v1/status"] {
        assert_eq!(world.send(get(path)).await.status(), 200, "{path}");
    }
    let mut post = get("/v1/events");
    *post.method_mut() = Method::POST;
    for request in [get("/v1/sessions"), get("/internal/v1/status"), post] {
        let answer = world.send(request).await;
        assert_eq!(answer.status(), 401);
        assert!(answer.headers().contains_key("tandem-request-id"));
    }
}
