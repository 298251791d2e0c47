//! Who is let in, through the layer and through the whole stack.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap};
use http::{HeaderValue, Method, Request, Response};
use parking_lot::Mutex;
use serde_json::json;
use tandem_identity::{Caller, Key, KeySet, Parameters, sha256, sign};
use tandem_ingest::wall_ms;
use tandem_model::Scope;
use tandem_model::headers::SCOPE;
use tower::ServiceExt;

use super::*;
use crate::config::{ClockMode, GatewayConfig};
use crate::counters::Counters;
use crate::limits::LimitsConfig;
use crate::shield::{ShieldConfig, ShieldMode};
use crate::testing::{KEY, World, answering, chain, get, json_of, saying, tenant_key, tenant_keys};

async fn ask(method: Method, path: &str, authorization: &[&'static str]) -> Answer {
    let callers = Callers::new("k3y", Arc::new(Counters::default()));
    let limits = Arc::new(Limits::new(&LimitsConfig::default()));
    let guard = Arc::new(Guard::new(&ShieldConfig::default()));
    let layer = AuthLayer { callers: Arc::new(callers), limits, guard };
    let service = layer.layer(answering(|request| {
        let caller = request.extensions().get::<Caller>().map_or("nobody", |caller| &caller.key_id);
        Response::new(Bytes::from(caller.to_owned()))
    }));
    let mut request = get(path);
    *request.method_mut() = method;
    for value in authorization {
        request.headers_mut().append(AUTHORIZATION, HeaderValue::from_static(value));
    }
    service.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_key_opens_and_nothing_else_does() {
    for good in ["Bearer k3y", "bearer k3y", "BEARER  k3y"] {
        assert_eq!(ask(Method::GET, "/v1/sessions", &[good]).await.body(), "operator", "{good}");
    }
    for bad in [&[][..], &["k3y"], &["Basic k3y"], &["Bearer"], &["Bearer "], &["Bearer k3"]] {
        let answer = ask(Method::GET, "/v1/sessions", bad).await;
        assert_eq!(answer.status(), 401, "{bad:?}");
        assert_eq!(json_of(&answer)["type"], "urn:tandem:problem:unauthorized");
        let offered = answer.headers()["www-authenticate"].to_str().unwrap();
        assert_eq!(offered, "Bearer realm=\"tandem\", Tandem-HMAC-SHA256 realm=\"tandem\"");
    }
    assert_eq!(ask(Method::GET, "/v1/sessions", &["Bearer k3y", "Bearer k3y"]).await.status(), 401);
}

#[tokio::test]
async fn public_pages_need_no_key_and_can_only_be_read() {
    let world = World::new([saying("a"), saying("b")], ClockMode::Live);
    for path in PUBLIC {
        assert_eq!(ask(Method::GET, path, &[]).await.body(), "nobody", "{path}");
        assert_eq!(ask(Method::HEAD, path, &["Bearer wrong"]).await.body(), "nobody", "{path}");
        for method in [Method::POST, Method::PUT, Method::TRACE] {
            let mut request = get(path);
            *request.method_mut() = method;
            let answer = world.send(request).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["allow"]),
                (405, &"GET, HEAD".parse().unwrap()),
                "{path}"
            );
        }
    }
    for path in ["/v1/status/", "/v1/events", "/internal/v1/status", "//healthz"] {
        assert_eq!(ask(Method::GET, path, &[]).await.status(), 401, "{path}");
    }
}

/// A world whose chains note the scope they are asked with.
fn world() -> (World, Arc<Mutex<Vec<Option<String>>>>) {
    let scopes: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let noting = || {
        let scopes = Arc::clone(&scopes);
        chain(move |request: Request<Bytes>| {
            let sent =
                request.headers().get_all(SCOPE).iter().map(|value| value.to_str().unwrap().to_owned());
            let sent: Vec<String> = sent.collect();
            assert!(sent.len() <= 1);
            scopes.lock().push(sent.into_iter().next());
            async { Ok(Answer::new(Bytes::from_static(b"{}"))) }
        })
    };
    let world = World::new([noting(), noting()], ClockMode::Live);
    world.gateway.use_keys(tenant_keys());
    (world, scopes)
}

fn with_key(method: Method, target: &str, key: &Key) -> Request<Bytes> {
    let mut request = get(target);
    *request.method_mut() = method;
    let value = HeaderValue::try_from(format!("Bearer {}", key.to_text())).unwrap();
    request.headers_mut().insert(AUTHORIZATION, value);
    request
}

#[tokio::test]
async fn chains_are_told_what_the_caller_may_see_and_nobody_else_says_it() {
    let (world, scopes) = world();
    let all = Scope::All.encode();
    let answer = world.ask(Method::GET, "/v1/sessions", &[("tandem-scope", "made up")]).await;
    assert_eq!(answer.status(), 200);
    assert!(scopes.lock().drain(..).all(|scope| scope.as_deref() == Some(&all)));
    let mut request = with_key(Method::GET, "/v1/sessions", &tenant_key("read"));
    request.headers_mut().insert("tandem-scope", HeaderValue::try_from(&all).unwrap());
    assert_eq!(world.send(request).await.status(), 200);
    for scope in scopes.lock().drain(..) {
        let Ok(Scope::Granted(grants)) = Scope::decode(&scope.unwrap()) else { panic!("not everything") };
        assert_eq!(grants.anchors.into_iter().collect::<Vec<_>>(), ["a1"]);
    }
    // Public: without a scope, whatever is sent.
    let mut request = get("/v1/openapi.json");
    request.headers_mut().insert("tandem-scope", HeaderValue::try_from(&all).unwrap());
    assert_eq!(world.send(request).await.status(), 200);
    assert!(scopes.lock().drain(..).all(|scope| scope.is_none()));
}

#[tokio::test]
async fn a_tenants_key_does_what_it_may_and_no_more() {
    let (world, scopes) = world();
    let reader = tenant_key("read");
    let writer = tenant_key("write");
    let post = |target: &str, key: &Key, body: &str| {
        let mut request = with_key(Method::POST, target, key);
        *request.body_mut() = Bytes::from(body.to_owned());
        world.send(request)
    };
    assert_eq!(world.send(with_key(Method::GET, "/v1/sessions", &writer)).await.status(), 403);
    assert_eq!(post("/v1/events", &reader, "").await.status(), 403);
    assert_eq!(post("/v1/events?clock=replay", &writer, "").await.status(), 403);
    assert!(scopes.lock().is_empty(), "no chain hears of it");
    assert_eq!(world.send(with_key(Method::GET, "/v1/openapi.json", &writer)).await.status(), 200);
    let order = json!({"chain": "b", "partition": 1, "reason": "x"}).to_string();
    for path in ["/v1/repairs", "/v1/verdicts", "/v1/definitions"] {
        assert_eq!(post(path, &reader, &order).await.status(), 403);
    }
    let mut named = with_key(Method::GET, "/v1/sessions", &reader);
    named.headers_mut().insert("tandem-chain", HeaderValue::from_static("b"));
    assert_eq!(world.send(named).await.status(), 403);
    // Keys are taken away while it runs.
    assert_eq!(world.send(with_key(Method::GET, "/v1/sessions", &reader)).await.status(), 200);
    world.gateway.use_keys(Arc::new(KeySet::default()));
    assert_eq!(world.send(with_key(Method::GET, "/v1/sessions", &reader)).await.status(), 401);
    let counts = world.gateway.counts().callers;
    assert_eq!((counts.unknown, counts.loaded), (1, 2));
}

/// A signed POST of events.
fn signed(body: &'static str, signed_body: &str, nonce: &str, timestamp_ms: u64) -> Request<Bytes> {
    let key = tenant_key("signing");
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("h"));
    let parameters = Parameters {
        key: key.id().to_owned(),
        timestamp_s: timestamp_ms / 1_000,
        nonce: nonce.to_owned(),
        headers: vec!["host".to_owned()],
        body_sha256: sha256(signed_body.as_bytes()),
    };
    let mut request = get("/v1/events");
    *request.method_mut() = Method::POST;
    *request.body_mut() = Bytes::from_static(body.as_bytes());
    let value = sign(&key.signing_key(), &parameters, &Method::POST, request.uri(), &headers).unwrap();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(value).unwrap());
    *request.headers_mut() = headers;
    request
}

#[tokio::test]
async fn a_signed_body_is_taken_once_and_as_it_was_signed() {
    const NONCE: &str = "0123456789abcdef";
    let world = World::new([saying("{}"), saying("{}")], ClockMode::Live);
    world.gateway.use_keys(tenant_keys());
    let now_ms = wall_ms();
    let end = |world: &World| world.shared.ingest.log().ends().borrow().iter().sum::<u64>();
    let other = world.send(signed("\n", "", NONCE, now_ms)).await;
    assert_eq!(other.status(), 401);
    assert_eq!(end(&world), 0);
    assert!(json_of(&other)["detail"].as_str().unwrap().contains("not the one that was signed"));
    let good = || signed("\n", "\n", "0123456789abcdeg", now_ms);
    assert_eq!(world.send(good()).await.status(), 200);
    let again = world.send(good()).await;
    assert_eq!(again.status(), 401);
    assert!(json_of(&again)["detail"].as_str().unwrap().contains("taken before"));
    assert_eq!(world.send(signed("\n", "\n", NONCE, now_ms - 70_000)).await.status(), 401);
    let counts = world.gateway.counts().callers;
    assert_eq!((counts.bodies, counts.replayed, counts.signatures), (1, 1, 1));
}

#[tokio::test]
async fn signatures_that_come_again_are_held_against_whoever_sends_them_from_there() {
    let mut config = GatewayConfig::new(KEY);
    config.shield.mode = ShieldMode::Enforce;
    let world = World::with(config, [saying("{}"), saying("{}")], ClockMode::Live);
    world.gateway.use_keys(tenant_keys());
    let good = || signed("\n", "\n", "0123456789abcdef", wall_ms());
    assert_eq!(world.send(good()).await.status(), 200);
    let captured = signed("\n", "\n", "0123456789abcdeh", wall_ms());
    let copy = || {
        let mut copy = get("/v1/events");
        (*copy.method_mut(), *copy.body_mut()) = (Method::POST, Bytes::from_static(b"\n"));
        *copy.headers_mut() = captured.headers().clone();
        copy
    };
    assert_eq!(world.send(copy()).await.status(), 200);
    let mut limited = false;
    for _ in 0..40 {
        let status = world.send(copy()).await.status();
        assert!(matches!(status.as_u16(), 401 | 429), "signed requests are limited at most: {status}");
        limited |= status == 429;
    }
    assert!(limited);
    let replays = world.gateway.shield().rules.iter().find(|rule| rule.rule == "replays").unwrap().fired;
    assert!(replays > 0, "{replays}");
}

const GUESSES: &str = "[[rules]]\nname = \"guesses\"\nkey = \"anonymous_address\"\nclasses = [\"failure\"]\n\
                       requests = 20\nwindow_s = 60\n\
                       [[rules]]\nname = \"strangers\"\nkey = \"anonymous_address\"\nclasses = [\"read\"]\n\
                       requests = 3\nwindow_s = 60\n";

/// A world where two guesses a minute are free, and its answers to a credential from an address.
struct Guessed(World);

impl Guessed {
    fn new() -> Self {
        let rules = tandem_limits::RuleSet::parse(GUESSES).unwrap();
        let limits = LimitsConfig { rules, ..LimitsConfig::default() };
        let config = crate::GatewayConfig { limits, ..crate::GatewayConfig::new(KEY) };
        let world = World::with(config, [saying("a"), saying("b")], ClockMode::Live);
        world.gateway.use_keys(tenant_keys());
        Self(world)
    }

    async fn ask(&self, last: u8, path: &str, credential: &str) -> Answer {
        let mut request = get(path);
        if !credential.is_empty() {
            let value = HeaderValue::try_from(format!("Bearer {credential}")).unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let peer = std::net::IpAddr::from([192, 0, 2, last]);
        request.extensions_mut().insert(crate::client_address::Peer(peer));
        self.0.send(request).await
    }

    async fn status(&self, last: u8, credential: &str) -> u16 {
        self.ask(last, "/v1/sessions", credential).await.status().as_u16()
    }
}

#[tokio::test(start_paused = true)]
async fn who_guesses_too_often_is_not_looked_at_and_good_keys_of_tenants_are() {
    let world = Guessed::new();
    let good = tenant_key("read").to_text();
    let unknown = Key::from_random(&[99; 40]).to_text();
    for credential in ["guess-1", &unknown] {
        assert_eq!(world.status(1, credential).await, 401, "{credential}");
    }
    let refused = world.ask(1, "/v1/sessions", "guess-2").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "30");
    assert_eq!(json_of(&refused)["violated-policies"], json!(["guesses"]));
    // Not even the right one: it would be told apart from the wrong ones.
    assert_eq!(world.status(1, KEY).await, 429);
    // Whether a key of a tenant exists can't be told either.
    let wrong = good.clone().replace(&good[good.len() - 8..], "AAAAAAAA");
    for credential in [&unknown, &wrong] {
        assert_eq!(world.status(1, credential).await, 429, "{credential}");
    }
    // The honest behind the same address.
    assert_eq!(world.status(1, &good).await, 200);
    assert_eq!(world.ask(1, "/v1/docs", "guess-3").await.status(), 200);
    // Elsewhere nothing has happened; and what was good there is looked at here.
    assert_eq!(world.status(2, KEY).await, 200);
    assert_eq!(world.status(1, KEY).await, 200);
    tokio::time::advance(std::time::Duration::from_secs(30)).await;
    assert_eq!((world.status(1, "guess-4").await, world.status(1, "guess-5").await), (401, 429));
}

#[tokio::test(start_paused = true)]
async fn who_shows_nothing_is_limited_like_everybody_without_a_key() {
    let world = Guessed::new();
    for _ in 0..3 {
        assert_eq!(world.status(1, "").await, 401);
    }
    assert_eq!((world.status(1, "").await, world.status(2, "").await), (429, 401));
    assert_eq!(world.status(1, KEY).await, 200);
    assert_eq!(world.ask(1, "/healthz", "").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn many_honest_users_behind_one_address_are_let_in_while_one_guesses() {
    let world = Guessed::new();
    let keys: Vec<String> = ["read", "write", "signing"].map(|what| tenant_key(what).to_text()).to_vec();
    for round in 0..200 {
        let guess = world.status(1, &format!("guess-{round}")).await;
        assert_eq!(guess, if round < 2 { 401 } else { 429 });
        // Not with the key that writes, nor with the one that must not be sent.
        assert_eq!(world.status(1, &keys[0]).await, 200, "{round}");
    }
    let counts = world.0.gateway.limits();
    let guesses = counts.rules.iter().find(|counts| counts.rule == "guesses").unwrap();
    assert_eq!(guesses.allowed, 2);
}
