//! Streams of the real program, over a real connection, and what else saves reading the same twice.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::api::Call;
use crate::contract::{LIVE, enter, now_ms, send};
use crate::program::{DEADLINE, KEY, until};

/// More beats than anything takes.
const EVENTS_MAX: usize = 60;

/// Of the report, what these tests are about.
pub(crate) const FEW: &str = "metrics=views&breakdowns=";

/// A stream that is being read.
pub(crate) struct Stream {
    connection: TcpStream,
    told: String,
}

/// An event: its name, its id, its data.
pub(crate) type Event = (String, String, Value);

impl Stream {
    async fn open(port: u16, session: &str, more: &str) -> Self {
        Self::open_at(port, &format!("/v1/sessions/{session}/stream?{FEW}"), more).await
    }

    /// Opens the stream at `target`, with `more` lines in the header.
    pub(crate) async fn open_at(port: u16, target: &str, more: &str) -> Self {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).await.expect("the server runs");
        let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{more}\r\n");
        connection.write_all(head.as_bytes()).await.expect("it takes requests");
        Self { connection, told: String::new() }
    }

    /// The next event. Sizes of chunks stand between events, and are passed over with what has no name.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some((block, rest)) = self.told.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.told = rest;
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let (Some(name), Some(data)) = (field("event: "), field("data: ")) else { continue };
                let data = serde_json::from_str(&data).expect("JSON");
                return (name, field("id: ").unwrap_or_default(), data);
            }
            let mut bytes = vec![0; 64 * 1024];
            let reading = tokio::time::timeout(DEADLINE, self.connection.read(&mut bytes)).await;
            let count = reading.expect("it goes on").expect("it is not cut");
            assert!(count > 0, "it ended: {}", self.told);
            self.told.push_str(std::str::from_utf8(&bytes[..count]).expect("text"));
        }
    }

    /// The views in the next event that tells of any, and its id.
    async fn views(&mut self) -> (String, String, u64) {
        // Beats come in between.
        for _ in 0..EVENTS_MAX {
            let (name, id, data) = self.next().await;
            if let Some(views) = data["metrics"]["views"].as_u64() {
                return (name, id, views);
            }
        }
        panic!("no views in {EVENTS_MAX} events");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_tells_what_changes_and_goes_on_where_it_was() {
    let server = LIVE.server();
    let api = server.api();
    let event = async |number: u32| enter("streamed", &format!("e{number}"), now_ms(&api).await);
    let token = send(&api, &[event(1).await]).await;
    let own = format!("tandem-token: {token}\r\n");
    let mut stream = Stream::open(server.port(), "streamed", &own).await;
    let (name, _, views) = stream.views().await;
    assert_eq!((name.as_str(), views), ("report", 1), "not before its own event is in it");
    send(&api, &[event(2).await]).await;
    let (name, id, views) = stream.views().await;
    assert_eq!((name.as_str(), views), ("change", 2));

    send(&api, &[event(3).await]).await;
    let (_, last, views) = stream.views().await;
    assert_eq!(views, 3);

    // Back with the id of an event before: what came since, and nothing twice.
    let mut again = Stream::open(server.port(), "streamed", &format!("last-event-id: {id}\r\n")).await;
    assert_eq!(again.views().await.2, 3);
    let mut present = Stream::open(server.port(), "streamed", &format!("last-event-id: {last}\r\n")).await;
    send(&api, &[event(4).await]).await;
    assert_eq!(present.views().await.2, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_that_stand_still_are_sent_once() {
    let server = LIVE.server();
    let api = server.api();
    let token = send(&api, &[enter("still", "e1", now_ms(&api).await)]).await;
    let report = || Call::get("/v1/sessions/still/report?metrics=views").token(&token);
    let first = api.call(report()).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "{first:?}");
    until("the next beat", async || {
        (now_ms(&api).await > first.json()["meta"]["as_of"].as_u64()?).then_some(())
    })
    .await;
    let again = api.try_send(report().header("if-none-match", tag)).await.expect("an answer");
    assert_eq!((again.status, again.body.len()), (304, 0), "{again:?}");
    assert!(!again.header("tandem-token").is_empty());
    send(&api, &[enter("still", "e2", now_ms(&api).await)]).await;
    until("other figures have another tag", async || {
        let changed = api.call(report()).await;
        (changed.header("etag") != first.header("etag")).then_some(())
    })
    .await;
}
