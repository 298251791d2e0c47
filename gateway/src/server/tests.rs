//! Over real sockets.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::config::{ClockMode, GatewayConfig};
use crate::testing::{KEY, World, chain, saying};
use crate::{ChainService, Gateway};

mod autobahn;
mod floods;
mod frames;
mod hangup;
mod replaced;
mod slow;
mod sockets;
mod strict;
mod tls;

struct Running {
    gateway: Gateway,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

async fn run(config: GatewayConfig, chains: [ChainService; 2]) -> Running {
    let gateway = World::with(config, chains, ClockMode::Live).gateway;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = {
        let gateway = gateway.clone();
        tokio::spawn(async move { gateway.serve(listener, async { _ = stopped.await }).await })
    };
    Running { gateway, address, stop, serving }
}

async fn run_plain() -> Running {
    run(GatewayConfig::new(KEY), [saying("from a"), saying("from b")]).await
}

impl Running {
    /// Sends raw bytes and reads until the server closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let reading = stream.read_to_end(&mut text);
    _ = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the server closes");
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads one answer that is known to end with `end`.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.ends_with(end) {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

/// Waits until it holds, which must be soon.
async fn eventually(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it comes to hold");
}

/// A chain that counts what it is asked, and says what `saying` does.
fn counted(asked: &Arc<AtomicU64>, text: &'static str) -> ChainService {
    let asked = Arc::clone(asked);
    chain(move |_| {
        asked.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Response::new(Bytes::from_static(text.as_bytes()))) }
    })
}

fn get(path: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{more}\r\n").into_bytes()
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let running = run_plain().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(&get("/v1/sessions", "")).await.unwrap();
        let answer = read_until(&mut stream, "from a").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\ncontent-length: 6\r\n"), "{answer}");
        assert!(answer.contains("\r\ntandem-request-id: "), "{answer}");
    }
    // Two at once, on the same connection.
    stream
        .write_all(&[get("/v1/sessions", ""), get("/healthz", "connection: close\r\n")].concat())
        .await
        .unwrap();
    let both = read_to_end(&mut stream).await;
    assert_eq!(both.matches("HTTP/1.1 200 OK").count(), 2, "{both}");
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let running = run_plain().await;
    let head =
        String::from_utf8(get("/v1/sessions", "connection: close\r\n")).unwrap().replace("GET", "HEAD");
    let answer = running.raw(head.as_bytes()).await;
    assert!(answer.contains("\r\ncontent-length: 6\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn nonsense_is_a_400_and_does_no_harm() {
    let running = run_plain().await;
    let huge = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    let fields: String = (0..500).map(|index| format!("x-{index}: y\r\n")).collect();
    let cases: [(&[u8], &str); 6] = [
        (b"\x00\x01\x02\x03\r\n\r\n", "400"),
        (b"GET\r\n\r\n", "400"),
        (b"GET / HTTP/9.9\r\n\r\n", "505"),
        (b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n", "400"),
        (huge.as_bytes(), "431"),
        (&get("/v1/sessions", &fields), "431"),
    ];
    for (bytes, expected) in cases {
        let answer = running.raw(bytes).await;
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{shown:?}: {answer:?}");
    }
    assert!(running.raw(&get("/healthz", "connection: close\r\n")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_large_body_is_told_so_although_it_is_sent_whole() {
    let running = run_plain().await;
    let body = vec![b'x'; (8 << 20) + 1];
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = running.raw(&[head.as_bytes(), &body].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("urn:tandem:problem:too-large"), "{answer}");
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_spoken() {
    let running = run_plain().await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    for (method, body) in [("GET", "from a"), ("HEAD", "")] {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}/v1/sessions", running.address))
            .header("authorization", format!("Bearer {KEY}"))
            .body(Full::<Bytes>::default())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-length"]),
            (200, &"6".parse().unwrap())
        );
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body);
    }
}

#[tokio::test]
async fn silent_and_slow_clients_are_let_go() {
    let config = GatewayConfig { header_timeout: Duration::from_millis(200), ..GatewayConfig::new(KEY) };
    let running = run(config, [saying("a"), saying("b")]).await;
    // Nothing at all, the beginning of what could be HTTP/2, half a header.
    for begun in [&b""[..], b"PRI * HT", b"GET / HTTP/1.1\r\nhost:"] {
        let begin = Instant::now();
        running.raw(begun).await;
        assert!(begin.elapsed() >= Duration::from_millis(150), "{begun:?}");
    }
}

#[tokio::test]
async fn a_connection_too_many_is_refused() {
    let config = GatewayConfig { connections_max: 1, ..GatewayConfig::new(KEY) };
    let running = run(config, [saying("a"), saying("b")]).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    first.write_all(&get("/v1/x", "")).await.unwrap();
    read_until(&mut first, "\r\n\r\na").await;
    assert!(running.raw(b"").await.starts_with("HTTP/1.1 503"));
}

/// A chain that answers once `release` is sent, and says when it was asked.
fn held(asked: Arc<tokio::sync::Notify>, release: Arc<tokio::sync::Notify>) -> ChainService {
    chain(move |_| {
        let (asked, release) = (Arc::clone(&asked), Arc::clone(&release));
        async move {
            asked.notify_one();
            release.notified().await;
            Ok(Response::new(Bytes::from_static(b"at last")))
        }
    })
}

#[tokio::test]
async fn a_shutdown_lets_requests_end_and_closes_what_is_idle() {
    let (asked, release) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let chain = held(Arc::clone(&asked), Arc::clone(&release));
    let config = GatewayConfig { hedge_delay: Duration::from_secs(60), ..GatewayConfig::new(KEY) };
    let running = run(config, [chain, saying("b")]).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(&get("/healthz", "")).await.unwrap();
    read_until(&mut idle, "}").await;
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(&get("/v1/sessions", "")).await.unwrap();
    asked.notified().await;

    running.stop.send(()).unwrap();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(TcpStream::connect(running.address).await.is_err());
    assert!(!running.serving.is_finished());
    release.notify_one();
    assert!(read_to_end(&mut busy).await.ends_with("at last"));
    assert_eq!(running.serving.await.unwrap(), Drained { connections_cut: 0 });
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let (asked, release) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let chain = held(Arc::clone(&asked), release);
    let config = GatewayConfig {
        hedge_delay: Duration::from_secs(60),
        drain: Duration::from_millis(100),
        ..GatewayConfig::new(KEY)
    };
    let running = run(config, [chain, saying("b")]).await;
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(&get("/v1/sessions", "")).await.unwrap();
    asked.notified().await;
    running.stop.send(()).unwrap();
    assert_eq!(running.serving.await.unwrap(), Drained { connections_cut: 1 });
}
