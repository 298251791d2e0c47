//! Many streams at one time, half of them WebSockets: each hears everything once, and none is closed.
//!
//! `TANDEM_STREAMS` says how many (300), `TANDEM_STREAM_SECONDS` for how many seconds something is new every
//! second (10). What each stream costs the server in memory is printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::contract::{enter, now_ms, send};
use crate::program::{DEADLINE, KEY, until};
use crate::server::{Kind, Server};
use crate::streams::{FEW, Stream};

/// So many are opened at the same time.
const OPENED_AT_ONCE: usize = 32;
/// Files that a process needs besides its connections.
const OTHER_FILES: u64 = 500;

/// One stream, whatever it came by.
enum Held {
    Events(Stream),
    Socket(Box<WebSocketStream<TcpStream>>),
}

impl Held {
    /// Opens the stream with this number. Every tenth follows another session besides.
    async fn open(port: u16, number: usize) -> Self {
        let target = match number % 20 {
            0 | 1 => format!("/v1/stream?sessions=held,quiet&{FEW}"),
            _ => format!("/v1/sessions/held/stream?{FEW}"),
        };
        if number.is_multiple_of(2) {
            return Held::Events(Stream::open_at(port, &target, "").await);
        }
        let mut request = format!("ws://127.0.0.1:{port}{target}").into_client_request().expect("a request");
        let bearer = format!("Bearer {KEY}").parse().expect("a header");
        request.headers_mut().insert("authorization", bearer);
        let connection = TcpStream::connect(("127.0.0.1", port)).await.expect("the server runs");
        let (socket, _) = client_async(request, connection).await.expect("it becomes a socket");
        Held::Socket(Box::new(socket))
    }

    /// What comes next: kind, session where there are several, id, data.
    async fn next(&mut self) -> (String, Option<String>, String, Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match self {
            Held::Events(events) => {
                let (kind, id, mut data) = events.next().await;
                match data.get("session").filter(|session| session.is_string()).map(&text) {
                    Some(session) => (kind, Some(session), id, data["data"].take()),
                    None => (kind, None, id, data),
                }
            }
            Held::Socket(socket) => loop {
                let message = tokio::time::timeout(DEADLINE, socket.next()).await.expect("it goes on");
                match message.expect("it is not closed").expect("it holds") {
                    Message::Text(json) => {
                        let mut message: Value = serde_json::from_str(&json).expect("JSON");
                        let session = message.get("session").map(&text);
                        return (
                            text(&message["type"]),
                            session,
                            text(&message["id"]),
                            message["data"].take(),
                        );
                    }
                    Message::Ping(_) => {}
                    other => panic!("{other:?}"),
                }
            },
        }
    }

    /// Reads on until `total` views were told and then until the end of it all, and checks each word.
    async fn listen(mut self, total: u64, arrived: Arc<AtomicUsize>, mut end: watch::Receiver<bool>) {
        let (mut views, mut reports, mut ids) = (None, 0, Vec::new());
        loop {
            let (kind, session, id, data) = tokio::select! {
                said = self.next() => said,
                _ = end.wait_for(|is_over| *is_over) => break,
            };
            assert!(matches!(kind.as_str(), "report" | "change"), "{kind}: {data}");
            if ids.last() == Some(&id) {
                panic!("told twice: {id}");
            }
            ids.push(id);
            // Only the last ones: there are many of us.
            if ids.len() > 4 {
                ids.remove(0);
            }
            if session.is_some_and(|session| session != "held") {
                continue;
            }
            reports += usize::from(kind == "report");
            let Some(now) = data["metrics"]["views"].as_u64() else { continue };
            assert!(views.is_none_or(|before| before < now), "{views:?}, then {now} once more");
            views = Some(now);
            if now == total {
                arrived.fetch_add(1, Ordering::Relaxed);
            }
        }
        assert_eq!((views, reports), (Some(total), 1), "nothing was left out, and the whole came once");
    }
}

fn number_in(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Lets this process, and those that it starts, open that many files.
fn allow_files(needed: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return;
    }
    assert!(
        maximum.is_none_or(|maximum| maximum >= needed),
        "this needs {needed} open files, and {maximum:?} are allowed: raise `ulimit -Hn`"
    );
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .expect("up to the hard limit is allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_are_held_and_each_hears_everything_once() {
    let count = number_in("TANDEM_STREAMS", 300);
    let seconds = number_in("TANDEM_STREAM_SECONDS", 10) as u64;
    allow_files(count as u64 + OTHER_FILES);
    let server = Server::start(Kind::Crowded);
    let api = server.api();
    let first = [enter("held", "e0", now_ms(&api).await), enter("quiet", "q0", now_ms(&api).await)];
    let token = send(&api, &first).await;
    for session in ["held", "quiet"] {
        api.read(&format!("/v1/sessions/{session}/report?{FEW}"), &token).await;
    }
    let before = server.memory_bytes();
    let opening = stream::iter(0..count).map(|number| Held::open(server.port(), number));
    let held: Vec<Held> = opening.buffer_unordered(OPENED_AT_ONCE).collect().await;
    let (over, arrived) = (watch::Sender::new(false), Arc::new(AtomicUsize::new(0)));
    let mut listening = JoinSet::new();
    for one in held {
        listening.spawn(one.listen(1 + seconds, Arc::clone(&arrived), over.subscribe()));
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for number in 1..=seconds {
        ticks.tick().await;
        send(&api, &[enter("held", &format!("e{number}"), now_ms(&api).await)]).await;
    }
    until("each of them has heard everything", async || {
        // One that fails ends first.
        while let Some(ended) = listening.try_join_next() {
            ended.expect("a stream holds");
        }
        (arrived.load(Ordering::Relaxed) == count).then_some(())
    })
    .await;
    let after = server.memory_bytes();
    println!(
        "{count} streams, {seconds} updates: {} KiB a stream, {} MiB before, {} MiB with them",
        after.saturating_sub(before) / 1024 / count as u64,
        before >> 20,
        after >> 20,
    );
    over.send_replace(true);
    let mut ended = 0;
    while let Some(outcome) = listening.join_next().await {
        outcome.expect("a stream holds");
        ended += 1;
    }
    assert_eq!(ended, count, "none was closed before");
}
