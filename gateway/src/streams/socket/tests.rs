//! WebSockets over a chain whose report moves, in virtual time.

use std::sync::atomic::Ordering;

use futures::{SinkExt, StreamExt};
use http::Uri;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::config::{ClockMode, GatewayConfig};
use crate::streams::feed;
use crate::testing::{KEY, Reporter, World, read_up_to, saying, tenant_keys};

const ONE: &str = "/v1/sessions/s1/stream?metrics=views";

fn world(fake: &Reporter) -> World {
    let config = GatewayConfig { standby_percent: 0, stream_sessions_max: 3, ..GatewayConfig::new(KEY) };
    World::with(config, [fake.service(200), saying("no report")], ClockMode::Live)
}

/// A client's end.
struct Client(WebSocketStream<DuplexStream>);

/// The server's end after its handshake, over a pipe that holds so many bytes.
async fn pipe(world: &World, target: &str, caller: &tandem_identity::Caller, bytes: usize) -> DuplexStream {
    let uri: Uri = target.parse().unwrap();
    let parts = feed::parts(&uri, caller);
    let wanted = wanted::wanted(&uri).expect("a stream");
    let conversation = world.shared.streams.begin(&parts, wanted, true).await;
    let conversation = conversation.unwrap_or_else(|refused| panic!("{refused:?}"));
    let (ours, theirs) = tokio::io::duplex(bytes);
    tokio::spawn(conversation.hold(theirs));
    ours
}

async fn open(world: &World, target: &str) -> Client {
    let operator = tandem_identity::Caller::operator();
    let ours = pipe(world, target, &operator, 64 * 1024).await;
    Client(WebSocketStream::from_raw_socket(ours, Role::Client, None).await)
}

impl Client {
    /// The next message; pings are answered on the way.
    async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.expect("it goes on").expect("it holds") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code at the end.
    async fn end(&mut self) -> u16 {
        loop {
            match self.0.next().await.expect("a goodbye").expect("it holds") {
                Message::Close(frame) => return frame.expect("with a code").code.into(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.expect("it is taken");
    }
}

#[tokio::test(start_paused = true)]
async fn first_the_whole_then_what_changes_and_back_where_it_was() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake);
    let mut client = open(&world, ONE).await;
    let first = client.next().await;
    assert_eq!((&first["type"], &first["id"]), (&json!("report"), &json!(read_up_to(10).encode())));
    assert_eq!(first["data"]["metrics"], json!({"views": 10, "likes": 1}));
    assert_eq!(first.get("session"), None, "there is but one");
    fake.next.store(11, Ordering::Relaxed);
    let change = client.next().await;
    assert_eq!((&change["type"], &change["data"]["metrics"]), (&json!("change"), &json!({"views": 11})));
    let target = format!("{ONE}&last_event_id={}", first["id"].as_str().unwrap());
    let mut again = open(&world, &target).await;
    let change = again.next().await;
    assert_eq!((&change["type"], &change["data"]["metrics"]), (&json!("change"), &json!({"views": 11})));
    assert_eq!(world.gateway.streams(), 2);
    again.0.close(None).await.unwrap();
    drop(client);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.gateway.streams(), 0, "who leaves gives its place back");
}

#[tokio::test(start_paused = true)]
async fn a_drain_says_where_to_go_on_and_a_lost_key_says_no_more() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake);
    world.gateway.use_keys(tenant_keys());
    let mut client = open(&world, ONE).await;
    client.next().await;
    let keys = tandem_identity::Identity::new("x").with_keys(tenant_keys());
    let caller = keys.holder(crate::testing::tenant_key("read").id(), 1 << 42).unwrap();
    let ours = pipe(&world, ONE, &caller, 64 * 1024).await;
    let mut tenant = Client(WebSocketStream::from_raw_socket(ours, Role::Client, None).await);
    tenant.next().await;
    world.gateway.use_keys(Arc::default());
    let bye = tenant.next().await;
    assert_eq!((&bye["type"], &bye["reason"], bye.get("retry_ms")), (&json!("bye"), &json!("key"), None));
    assert_eq!(tenant.end().await, 1008);
    world.shared.streams.drain();
    let bye = client.next().await;
    assert_eq!((&bye["type"], &bye["reason"]), (&json!("bye"), &json!("closing")));
    assert_eq!(bye["id"], read_up_to(10).encode());
    assert!(bye["retry_ms"].as_u64().is_some_and(|ms| (500..3_000).contains(&ms)), "{bye}");
    assert_eq!(client.end().await, 1012);
}

#[tokio::test(start_paused = true)]
async fn sessions_come_and_go() {
    let fake = Reporter::default();
    fake.next.store(10, Ordering::Relaxed);
    let world = world(&fake);
    let mut client = open(&world, "/v1/stream?metrics=views").await;
    client.say(&json!({"type": "subscribe", "sessions": ["s1"]})).await;
    assert_eq!(client.next().await, json!({"type": "subscribed", "session": "s1"}));
    let report = client.next().await;
    assert_eq!((&report["type"], &report["session"]), (&json!("report"), &json!("s1")));
    assert_eq!(report["data"]["target"], "/v1/sessions/s1/report?metrics=views");
    client.say(&json!({"type": "subscribe", "sessions": ["s2", "s3", "s4", "s1"]})).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        let answer = client.next().await;
        answers.push((answer["session"].as_str().unwrap().to_owned(), answer["type"].clone()));
    }
    answers.sort_by(|(one, _), (other, _)| one.cmp(other));
    let kinds: Vec<&Value> = answers.iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["subscribed", "subscribed", "subscribed", "error"], "three at most: {answers:?}");
    assert_eq!(world.gateway.streams(), 3);
    for _ in 0..2 {
        assert_eq!(client.next().await["type"], "report");
    }
    client.say(&json!({"type": "unsubscribe", "sessions": ["s1", "s3"]})).await;
    assert_eq!(client.next().await, json!({"type": "unsubscribed", "session": "s1"}));
    assert_eq!(client.next().await, json!({"type": "unsubscribed", "session": "s3"}));
    fake.next.store(11, Ordering::Relaxed);
    let change = client.next().await;
    assert_eq!((&change["type"], &change["session"]), (&json!("change"), &json!("s2")), "of what is left");
    // Back over another connection, with what it had of the one that it still has.
    let mut again = open(&world, "/v1/stream?metrics=views").await;
    again.say(&json!({"type": "subscribe", "sessions": ["s2"], "id": change["id"]})).await;
    assert_eq!(again.next().await["type"], "subscribed");
    fake.next.store(12, Ordering::Relaxed);
    let next = again.next().await;
    assert_eq!((&next["type"], &next["data"]["metrics"]), (&json!("change"), &json!({"views": 12})));
}

#[tokio::test(start_paused = true)]
async fn who_says_what_it_may_not_is_let_go_with_the_right_code() {
    let fake = Reporter::default();
    let world = world(&fake);
    let large = "x".repeat(40 * 1024);
    let text = |text: &str| Message::text(text.to_owned());
    let many = json!({"type": "unsubscribe", "sessions": vec!["a"; 257]});
    for (target, message, code) in [
        ("/v1/stream?sessions=s1", text(&many.to_string()), 1008),
        (ONE, text(r#"{"type":"subscribe","sessions":["s1"]}"#), 1008),
        ("/v1/stream?sessions=s1", text("nonsense"), 1008),
        ("/v1/stream?sessions=s1", text(r#"{"type":"subscribe","sessions":["a/b"]}"#), 1008),
        ("/v1/stream?sessions=s1", text(r#"{"type":"subscribe","sessions":["a"],"id":"x"}"#), 1008),
        (ONE, Message::binary(vec![1_u8]), 1008),
        (ONE, text(&large), 1009),
    ] {
        let mut client = open(&world, target).await;
        client.next().await;
        client.0.send(message.clone()).await.unwrap();
        assert_eq!(client.end().await, code, "{target} {message:?}");
    }
    // Pings are messages too.
    let mut client = open(&world, ONE).await;
    client.next().await;
    for _ in 0..100 {
        _ = client.0.send(Message::Ping(bytes::Bytes::new())).await;
    }
    let code = loop {
        match client.0.next().await.expect("a goodbye").expect("it holds") {
            Message::Close(frame) => break u16::from(frame.expect("with a code").code),
            Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 1008);
}

#[tokio::test(start_paused = true)]
async fn broken_frames_end_it() {
    let fake = Reporter::default();
    let world = world(&fake);
    let operator = tandem_identity::Caller::operator();
    for (frame, code) in [
        // Without a mask.
        (vec![0x81, 1, b'a'], 1002_u16),
        // With a mask, and not UTF-8.
        (vec![0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        // A bit that nobody agreed on.
        (vec![0xc1, 0x81, 0, 0, 0, 0, b'a'], 1002),
        // A length that nobody will wait for.
        ([&[0x82, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat(), 1009),
    ] {
        let mut raw = pipe(&world, ONE, &operator, 64 * 1024).await;
        raw.write_all(&frame).await.unwrap();
        let mut told = Vec::new();
        raw.read_to_end(&mut told).await.unwrap();
        let close = told.windows(2).rposition(|pair| pair[0] == 0x88).expect("a goodbye");
        let found = u16::from_be_bytes([told[close + 2], told[close + 3]]);
        assert_eq!(found, code, "{frame:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_not_there_and_who_answers_pings_is() {
    let fake = Reporter::default();
    let world = world(&fake);
    let operator = tandem_identity::Caller::operator();
    let mut silent = pipe(&world, ONE, &operator, 64 * 1024).await;
    let mut there = open(&world, ONE).await;
    there.next().await;
    let reading = tokio::spawn(async move {
        let quiet = tokio::time::timeout(Duration::from_secs(600), there.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        there
    });
    let begun = Instant::now();
    let mut told = Vec::new();
    silent.read_to_end(&mut told).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 30);
    let mut there = reading.await.unwrap();
    fake.next.store(7, Ordering::Relaxed);
    assert_eq!(there.next().await["type"], "change");
    assert_eq!(world.gateway.streams(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_gets_the_newest_and_one_that_takes_nothing_is_let_go() {
    let fake = Reporter::default();
    fake.next.store(1, Ordering::Relaxed);
    let world = world(&fake);
    let operator = tandem_identity::Caller::operator();
    // Less than a message fits.
    let slow = pipe(&world, ONE, &operator, 64).await;
    for next in 2..50 {
        fake.next.store(next, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let mut slow = Client(WebSocketStream::from_raw_socket(slow, Role::Client, None).await);
    assert_eq!(slow.next().await["data"]["metrics"]["views"], 1, "it was under way");
    let next = slow.next().await;
    assert_eq!(
        (&next["type"], &next["data"]["metrics"]),
        (&json!("change"), &json!({"views": 49})),
        "{next}"
    );
    // Nothing is read any more.
    for next in 50..400 {
        fake.next.store(next, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(world.gateway.streams(), 0);
}
