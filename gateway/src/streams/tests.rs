//! Streams over a chain whose report moves, in virtual time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
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
    let mut answer = world.ask(Method::GET, TARGET, headers).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    Reading { body: Body::take(&mut answer).expect("it goes on"), told: String::new() }
}

impl Reading {
    /// What comes next, lines that say nothing left out; nothing at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.told.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.told = rest;
                let field = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
                };
                let Some(name) = field("event") else { continue };
                let token = field("id").map(|id| Token::decode(&id).expect("a token"));
                let data = serde_json::from_str(&field("data").expect("data")).expect("JSON");
                return Some(Event { name, token, data });
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
    assert_eq!((many.status().as_u16(), world.gateway.streams()), (503, 3), "a tenant has so many at most");
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
    assert_eq!(world.shared.streams.feeds.count(), 0);
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
    for (path, report) in [
        ("/v1/sessions/s1/stream", Some("/v1/sessions/s1/report")),
        ("/v1/sessions/s%201/stream?a=b&c", Some("/v1/sessions/s%201/report?a=b&c")),
        ("/v1/sessions//stream", None),
        ("/v1/sessions/stream", None),
        ("/v1/sessions/a/b/stream", None),
        ("/v1/sessions/a/streams", None),
    ] {
        let uri: Uri = path.parse().expect("a path");
        assert_eq!(report_of(&uri).map(|uri| uri.to_string()).as_deref(), report, "{path}");
    }
}
