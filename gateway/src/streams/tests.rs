//! Streams over a chain whose report moves, in virtual time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use http_body_util::BodyExt;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tandem_identity::{Jwks, JwtRules};
use tandem_ingest::wall_ms;
use tandem_model::{LogId, Token};

use super::*;
use crate::config::{ClockMode, GatewayConfig};
use crate::testing::{KEY, Reporter, World, read_up_to, saying};

const TARGET: &str = "/v1/sessions/s1/stream?metrics=views";

fn world(fake: &Reporter, status: u16) -> World {
    let config = GatewayConfig { standby_percent: 0, streams_per_tenant_max: 3, ..GatewayConfig::new(KEY) };
    World::with(config, [fake.service(status), saying("no report")], ClockMode::Live)
}

/// A stream that is read.
struct Reading {
    body: StreamBody,
    told: String,
}

/// One event.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    token: Option<Token>,
    data: Value,
}

async fn open(world: &World, headers: &[(&'static str, &str)]) -> Reading {
    open_at(world, TARGET, headers).await
}

async fn open_at(world: &World, target: &str, headers: &[(&'static str, &str)]) -> Reading {
    reading(world.ask(Method::GET, target, headers).await)
}

async fn open_as(world: &World, target: &str, authorization: &str) -> Reading {
    let mut request = crate::testing::get(target);
    request.headers_mut().insert("authorization", authorization.parse().expect("a header"));
    reading(world.send(request).await)
}

fn reading(mut answer: Answer) -> Reading {
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    Reading { body: Body::take(&mut answer).expect("it goes on"), told: String::new() }
}

impl Reading {
    /// What comes next, lines that say nothing left out; nothing at the end.
    async fn next(&mut self) -> Option<Event> {
        let (name, id, data) = self.raw().await?;
        let token = id.map(|id| Token::decode(id.split('.').next().unwrap_or_default()).expect("a token"));
        Some(Event { name, token, data })
    }

    /// What comes next of several sessions, with its id as it came.
    async fn labelled(&mut self) -> (String, String, Value) {
        let (name, id, data) = self.raw().await.expect("it goes on");
        (name, id.unwrap_or_default(), data)
    }

    async fn raw(&mut self) -> Option<(String, Option<String>, Value)> {
        loop {
            if let Some((block, rest)) = self.told.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.told = rest;
                let field = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
                };
                let Some(name) = field("event") else { continue };
                let data = serde_json::from_str(&field("data").expect("data")).expect("JSON");
                return Some((name, field("id"), data));
            }
            let frame = self.body.frame().await?.expect("it never fails");
            self.told.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
        }
    }

    async fn told(&mut self) -> (String, Value) {
        let event = self.next().await.expect("it goes on");
        (event.name, event.data["metrics"].clone())
    }
}

#[tokio::test(start_paused = true)]
async fn first_the_whole_then_what_changes_for_everybody_from_one_feed() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake, 200);
    let mut all = [open(&world, &[]).await, open(&world, &[]).await, open(&world, &[]).await];
    let many = world.ask(Method::GET, TARGET, &[]).await;
    assert_eq!((many.status().as_u16(), world.gateway.streams()), (429, 3), "a tenant has so many at most");
    assert_eq!(many.headers()["retry-after"], "10");
    for one in &mut all {
        assert_eq!(one.told().await, ("report".to_owned(), json!({"views": 10, "likes": 1})));
    }
    let before = fake.asked();
    for next in [11, 12] {
        fake.next.store(next, Ordering::Relaxed);
        for one in &mut all {
            let event = one.next().await.expect("it goes on");
            assert_eq!((event.name.as_str(), event.token), ("change", Some(read_up_to(next))));
            assert_eq!(event.data["metrics"], json!({"views": next}), "and nothing else");
            assert_eq!(event.data["meta"]["as_of"], next);
        }
    }
    assert!(fake.asked() - before <= 4, "one feed for all: {} reads", fake.asked() - before);
    drop(all);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = fake.asked();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((fake.asked(), world.gateway.streams()), (before, 0), "nobody follows, nobody reads");
    assert_eq!(world.shared.streams.desk.feeds.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_goes_on_where_it_was_and_never_before() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake, 200);
    let mut first = open(&world, &[]).await;
    first.told().await;
    fake.next.store(20, Ordering::Relaxed);
    first.told().await;
    // Read here before: the changes since.
    let at = |next| read_up_to(next).encode();
    let mut known = open(&world, &[("last-event-id", &at(10))]).await;
    assert_eq!(known.told().await, ("change".to_owned(), json!({"views": 20})));
    drop(known);
    // Who has read as far elsewhere, its own write say, does not have the report.
    let mut writer = open(&world, &[("tandem-token", &at(20))]).await;
    assert_eq!(writer.told().await, ("report".to_owned(), json!({"views": 20, "likes": 1})));
    drop(writer);
    // Nothing new: nothing is told twice.
    let mut present = open(&world, &[("last-event-id", &at(20))]).await;
    let waited = tokio::time::timeout(Duration::from_secs(30), present.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    fake.next.store(21, Ordering::Relaxed);
    assert_eq!(present.told().await, ("change".to_owned(), json!({"views": 21})));
    drop(present);
    // Read elsewhere: the whole, once it is not older than that.
    let mut ahead = open(&world, &[("tandem-token", &at(25))]).await;
    let waited = tokio::time::timeout(Duration::from_secs(5), ahead.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    fake.next.store(26, Ordering::Relaxed);
    assert_eq!(ahead.told().await, ("report".to_owned(), json!({"views": 26, "likes": 1})));
    drop(ahead);
    let foreign = Token::new(LogId([9; 16])).encode();
    for nonsense in ["nonsense", foreign.as_str()] {
        let answer = world.ask(Method::GET, TARGET, &[("last-event-id", nonsense)]).await;
        assert_eq!(answer.status(), 400, "{nonsense}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_fails_ends_no_stream_and_lines_keep_coming() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake, 200);
    let mut stream = open(&world, &[]).await;
    stream.told().await;
    fake.is_broken.store(true, Ordering::Relaxed);
    fake.next.store(30, Ordering::Relaxed);
    let silence = tokio::time::timeout(Duration::from_secs(9), stream.body.frame()).await;
    assert!(silence.is_err(), "{silence:?}");
    let line = stream.body.frame().await.expect("it goes on").expect("it never fails");
    assert_eq!(line.data_ref().expect("data").as_ref(), b":\n\n", "a heartbeat");
    fake.is_broken.store(false, Ordering::Relaxed);
    assert_eq!(stream.told().await, ("change".to_owned(), json!({"views": 30})));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_drains_says_goodbye_with_the_place() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake, 200);
    let mut stream = open(&world, &[]).await;
    stream.told().await;
    world.shared.streams.drain();
    let last = stream.next().await.expect("a goodbye");
    assert_eq!((last.name.as_str(), last.token), ("goodbye", Some(read_up_to(10))));
    assert_eq!(stream.next().await, None);
    assert_eq!(world.ask(Method::GET, TARGET, &[]).await.status(), 503, "no more are opened");
}

#[tokio::test(start_paused = true)]
async fn what_can_be_no_stream_is_answered_as_the_report_would_be() {
    let fake = Reporter::default();
    let missing = world(&fake, 404);
    let answer = missing.ask(Method::GET, TARGET, &[]).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(missing.gateway.streams(), 0, "it took no place");
    let world = world(&fake, 200);
    assert_eq!(world.ask(Method::GET, TARGET, &[("tandem-chain", "a")]).await.status(), 400);
    assert_eq!(world.ask(Method::POST, TARGET, &[]).await.status(), 405);
}

#[tokio::test(start_paused = true)]
async fn a_full_gateway_says_so_to_everybody() {
    let fake = Reporter::default();
    let config = GatewayConfig { standby_percent: 0, streams_max: 1, ..GatewayConfig::new(KEY) };
    let world = World::with(config, [fake.service(200), saying("no report")], ClockMode::Live);
    let held = open(&world, &[]).await;
    let refused = world.ask(Method::GET, TARGET, &[]).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    drop(held);
    open(&world, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn where_no_header_can_be_set_parameters_say_the_same() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake, 200);
    let mut first = open(&world, &[]).await;
    first.told().await;
    fake.next.store(20, Ordering::Relaxed);
    first.told().await;
    let (at, ahead) = (read_up_to(10).encode(), read_up_to(25).encode());
    let mut known = open_at(&world, &format!("{TARGET}&last_event_id={at}"), &[]).await;
    assert_eq!(known.told().await, ("change".to_owned(), json!({"views": 20})));
    drop(known);
    let mut later = open_at(&world, &format!("{TARGET}&token={ahead}"), &[]).await;
    assert!(tokio::time::timeout(Duration::from_secs(5), later.next()).await.is_err());
    fake.next.store(26, Ordering::Relaxed);
    assert_eq!(later.told().await, ("report".to_owned(), json!({"views": 26, "likes": 1})));
    assert_eq!(world.shared.streams.desk.feeds.count(), 1, "the same report for all of them");
}

#[tokio::test(start_paused = true)]
async fn several_sessions_share_a_stream_and_each_goes_on_where_it_was() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let config = GatewayConfig { standby_percent: 0, stream_sessions_max: 3, ..GatewayConfig::new(KEY) };
    let world = World::with(config, [fake.service(200), saying("no report")], ClockMode::Live);
    let target = "/v1/stream?sessions=s1,s2&metrics=views";
    let mut both = open_at(&world, target, &[]).await;
    assert_eq!(world.gateway.streams(), 2, "each of them counts");
    let mut ids = Vec::new();
    for (next, kind) in [(10, "report"), (11, "change"), (12, "change")] {
        fake.next.store(next, Ordering::Relaxed);
        let mut sessions = Vec::new();
        for _ in 0..2 {
            let (name, id, data) = both.labelled().await;
            assert_eq!(name, kind);
            let session = data["session"].as_str().expect("whose it is").to_owned();
            assert_eq!(data["data"]["metrics"]["views"], next, "{data}");
            if kind == "report" {
                let target = format!("/v1/sessions/{session}/report?metrics=views");
                assert_eq!(data["data"]["target"], target, "its own report");
            }
            sessions.push(session);
            ids.push(id);
        }
        sessions.sort_unstable();
        assert_eq!(sessions, ["s1", "s2"]);
    }
    // After the first change of one of them the token is as far as that change, and the other had not heard of
    // it: it must, and the one must not again.
    let (token, _) = ids[2].split_once('.').expect("a token and marks");
    assert_eq!(Token::decode(token), Ok(read_up_to(11)));
    let mut again = open_at(&world, target, &[("last-event-id", &ids[2])]).await;
    let mut told = [again.labelled().await, again.labelled().await];
    told.sort_by_key(|(_, _, data)| data["session"].to_string());
    for (name, _, data) in &told {
        assert_eq!((name.as_str(), &data["data"]["metrics"]), ("change", &json!({"views": 12})), "{data}");
    }
    assert!(tokio::time::timeout(Duration::from_secs(5), again.next()).await.is_err(), "and nothing twice");
    // The id of a single session's event says nothing of others: the whole.
    let single = read_up_to(12).encode();
    let mut other = open_at(&world, target, &[("last-event-id", &single)]).await;
    assert_eq!(other.labelled().await.0, "report");
    // Back for one of them alone, and for another one besides.
    let last = ids.last().expect("ids").clone();
    let mut one =
        open_at(&world, "/v1/stream?sessions=s2,s9&metrics=views", &[("last-event-id", &last)]).await;
    let (name, _, data) = one.labelled().await;
    assert_eq!((name.as_str(), &data["session"]), ("report", &json!("s9")), "only this one is new");

    for (bad, status) in [
        ("/v1/stream", 400),
        ("/v1/stream?sessions=", 400),
        ("/v1/stream?sessions=a,b,c,d", 400),
        ("/v1/stream?sessions=a%2Fb", 400),
        ("/v1/stream?sessions=a&last_event_id=nonsense", 400),
    ] {
        assert_eq!(world.ask(Method::GET, bad, &[]).await.status(), status, "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_not_told_is_told_to_whoever_comes_back() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake, 200);
    let target = "/v1/stream?sessions=s1,s2&metrics=views";
    let mut both = open_at(&world, target, &[]).await;
    both.labelled().await;
    both.labelled().await;
    fake.next.store(11, Ordering::Relaxed);
    let (_, id, data) = both.labelled().await;
    let told = data["session"].clone();
    drop(both);
    // Both were read up to 11, and so far is the token; but one of them was not told.
    let mut again = open_at(&world, target, &[("last-event-id", &id)]).await;
    let (name, _, data) = again.labelled().await;
    assert_ne!(data["session"], told);
    assert_eq!(data["data"]["metrics"]["views"], 11, "{name}");
    assert!(tokio::time::timeout(Duration::from_secs(5), again.next()).await.is_err(), "and nothing else");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_seen_is_told_as_what_is_not_there() {
    // Knows one session and says of all others the same.
    let fake = Reporter::default();
    let (known, other) = (fake.service(200), fake.service(404));
    let chain = crate::testing::chain(move |request| {
        let service = if request.uri().path().contains("/s1/") { known.clone() } else { other.clone() };
        tower::ServiceExt::oneshot(service, request)
    });
    let config = GatewayConfig { standby_percent: 0, ..GatewayConfig::new(KEY) };
    let world = World::with(config, [chain, saying("no report")], ClockMode::Live);
    let mut some = open_at(&world, "/v1/stream?sessions=s1,foreign,missing", &[]).await;
    let mut problems = Vec::new();
    for _ in 0..2 {
        let (name, _, data) = some.labelled().await;
        assert_eq!(name, "error");
        problems.push(data["problem"].clone());
    }
    let at = |problem: &Value| problem.to_string().replace("foreign", "missing");
    assert_eq!(at(&problems[0]), at(&problems[1]));
    assert_eq!(some.labelled().await.0, "report", "the others are followed");
    assert_eq!(world.gateway.streams(), 1);
    assert_eq!(world.ask(Method::GET, "/v1/stream?sessions=foreign", &[]).await.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_what_opened_them() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake, 200);
    world.gateway.use_keys(crate::testing::tenant_keys());
    let bearer = format!("Bearer {}", crate::testing::tenant_key("read").to_text());
    let mut operators = open(&world, &[]).await;
    operators.told().await;
    let mut theirs = open_as(&world, TARGET, &bearer).await;
    theirs.told().await;
    // The same keys again: nobody notices.
    world.gateway.use_keys(crate::testing::tenant_keys());
    fake.next.store(11, Ordering::Relaxed);
    assert_eq!(theirs.told().await.0, "change");
    operators.told().await;
    // The tenant may see something else: come back.
    world.gateway.use_keys(crate::testing::tenant_keys_of("a2"));
    let last = theirs.next().await.expect("a goodbye");
    assert_eq!((last.name.as_str(), &last.data["reason"]), ("goodbye", &json!("changed")));
    assert_eq!(theirs.next().await, None);
    let mut theirs = open_as(&world, TARGET, &bearer).await;
    theirs.told().await;
    // The key is gone: do not.
    world.gateway.use_keys(Arc::default());
    let last = theirs.next().await.expect("a goodbye");
    assert_eq!((last.name.as_str(), &last.data["status"]), ("error", &json!(401)));
    assert_eq!(theirs.next().await, None);
    fake.next.store(12, Ordering::Relaxed);
    assert_eq!(operators.told().await.0, "change", "the operator stays");
}

/// A token of a user of tenant `mcn` that expires at this second, and who takes it.
fn token_until(exp_s: u64) -> (String, JwtRules) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": text(pair.public_key().as_ref())});
    let rules = JwtRules {
        issuer: "https://issuer.example".to_owned(),
        audience: "tandem".to_owned(),
        tenant_claim: "tenant".to_owned(),
        keys: Arc::new(Jwks::parse(json!({"keys": [key]}).to_string().as_bytes()).expect("a set of keys")),
    };
    let header = json!({"alg": "EdDSA", "kid": "ed"});
    let claims =
        json!({"iss": rules.issuer, "aud": rules.audience, "sub": "u1", "exp": exp_s, "tenant": "mcn"});
    let part = |value: Value| text(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = text(pair.sign(signed.as_bytes()).as_ref());
    (format!("{signed}.{signature}"), rules)
}

// By the wall clock, which is what tokens expire by.
#[tokio::test]
async fn a_stream_ends_when_its_token_does() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake, 200);
    world.gateway.use_keys(crate::testing::tenant_keys());
    // Clocks may differ by a minute: it is taken for about two seconds more.
    let (token, rules) = token_until(wall_ms() / 1_000 - tandem_identity::SKEW_MS / 1_000 + 2);
    world.gateway.use_tokens(rules);
    let bearer = format!("Bearer {token}");
    let mut theirs = open_as(&world, TARGET, &bearer).await;
    assert_eq!(theirs.told().await.0, "report");
    let last = tokio::time::timeout(Duration::from_secs(30), theirs.next()).await.expect("an end");
    let last = last.expect("a goodbye");
    assert_eq!((last.name.as_str(), &last.data["status"]), ("error", &json!(401)));
    assert_eq!(theirs.next().await, None);
    let mut again = crate::testing::get(TARGET);
    again.headers_mut().insert("authorization", bearer.parse().expect("a header"));
    assert_eq!(world.send(again).await.status(), 401);
}
