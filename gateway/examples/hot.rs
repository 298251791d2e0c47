//! What one read costs the gateway, counted rather than timed: a gateway with its usual layers on, on a
//! thread of its own, over real sockets in front of a bare hyper server; one client asks one read after
//! the other.
//!
//!     cargo build --release -p tandem-gateway --example hot
//!     valgrind --tool=callgrind --separate-threads=yes target/release/examples/hot miss 4000
//!
//! The thread `hot-gateway` is the gateway (or, with `bare`, a hyper server that answers the same); its
//! instructions, and its calls of `malloc` and `realloc`, by the number of requests are what a request
//! costs. Instructions of the system are not among them; `strace -c -f` tells how often it is called.
//! Without valgrind the processor time of that thread is told, which other load on the machine raises.
//!
//! `miss` asks for another session each time, `hit` always for the same one. Spans are made as in
//! the `tandem` program unless `quiet` is said behind the count.

#![allow(clippy::print_stdout, reason = "it is what it is for")]
#![allow(clippy::unwrap_used, reason = "a measurement that can't go on fails")]

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tandem_control::{Control, ControlError, Decision, Order, wire};
use tandem_gateway::{
    ClockMode, Gateway, GatewayConfig, LimitsConfig, Pool, PoolConfig, PortLimits, TrustedProxies, serve_http,
};
use tandem_identity::{Key, KeySet, to_hexadecimal};
use tandem_ingest::Ingest;
use tandem_limits::RuleSet;
use tandem_model::route::{Chain, Route};
use tandem_model::{LogId, PartitionId, Token};
use tandem_storage::memory::MemoryEventLog;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};
use tower::service_fn;
use tracing_subscriber::EnvFilter;

/// Requests before those that are counted.
const WARM: usize = 500;
/// How long a page is, in bytes; a usual report.
const PAGE_BYTES: usize = 6 * 1024;
const ORIGIN: &str = "https://live.example";
const LIMITS: &str = "[[rules]]\nname = \"key\"\nkey = \"key\"\nrequests = 1000000000\nwindow_s = 10\n\
    [[rules]]\nname = \"tenant\"\nkey = \"tenant\"\nrequests = 1000000000\nwindow_s = 10\n\
    [[rules]]\nname = \"address\"\nkey = \"anonymous_address\"\nrequests = 1000\nwindow_s = 1\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let what = arguments.first().map_or("miss", String::as_str);
    let count: usize = arguments.get(1).map_or(20_000, |count| count.parse().unwrap());
    let is_quiet = arguments.get(2).is_some_and(|word| word == "quiet");
    if !is_quiet {
        let filter = EnvFilter::new("warn,tandem=info");
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .init();
    }
    let (backend, _backend) = on_thread("hot-backend", bare());
    let key = Key::from_random(&[7; 40]);
    let (address, cost) = match what {
        "bare" => on_thread("hot-gateway", bare()),
        _ => on_thread("hot-gateway", gateway(backend, key_set(&key))),
    };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 << 10];
    for number in 0..WARM + count {
        if number == WARM {
            cost.begin();
        }
        let session = if what == "miss" { number } else { 0 };
        ask(&mut stream, session, &key, &mut buffer);
    }
    let cpu_ns = cost.end();
    println!("{what}: {count} requests, {:.1} µs each", cpu_ns as f64 / count as f64 / 1e3);
}

fn ask(stream: &mut TcpStream, session: usize, key: &Key, buffer: &mut [u8]) {
    let request = format!(
        "GET /v1/sessions/s{session}/report HTTP/1.1\r\nhost: gateway\r\nuser-agent: bench/1.0\r\n\
         accept: application/json\r\norigin: {ORIGIN}\r\nauthorization: Bearer {}\r\ntandem-token: {}\r\n\
         x-forwarded-for: 203.0.113.7\r\n\r\n",
        key.to_text(),
        token(0).encode()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "the server hung up");
        filled += read;
        let text = &buffer[..filled];
        assert!(text.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(text));
        if text
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .is_some_and(|head| filled >= head + 4 + PAGE_BYTES)
        {
            return;
        }
    }
}

fn token(next: u64) -> Token {
    let mut token = Token::new(LogId([5; 16]));
    (0..12).for_each(|partition| token.advance(PartitionId(partition), next));
    token
}

/// What a thread costs: it is told to begin, and says at its end.
struct Cost {
    thread: u64,
    begin_ns: std::cell::Cell<u64>,
}

impl Cost {
    fn begin(&self) {
        self.begin_ns.set(self.cpu_ns());
    }

    fn end(&self) -> u64 {
        self.cpu_ns() - self.begin_ns.get()
    }

    fn cpu_ns(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.thread)).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }
}

/// A server on a thread of its own, and what that thread costs.
fn on_thread<F>(
    name: &str,
    serve: impl FnOnce(oneshot::Sender<SocketAddr>) -> F + Send + 'static,
) -> (SocketAddr, Cost)
where
    F: Future<Output = ()>,
{
    let (listening, address) = oneshot::channel();
    let (sender, thread) = std::sync::mpsc::channel();
    let body = move || {
        let own = std::fs::read_link("/proc/thread-self").unwrap();
        sender.send(own.file_name().unwrap().to_str().unwrap().parse().unwrap()).unwrap();
        runtime().block_on(serve(listening));
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(body).unwrap();
    let cost = Cost { thread: thread.recv().unwrap(), begin_ns: std::cell::Cell::new(0) };
    (address.blocking_recv().unwrap(), cost)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn listen(listening: oneshot::Sender<SocketAddr>) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listening.send(listener.local_addr().unwrap()).unwrap();
    listener
}

/// A hyper server that answers every request with the same page.
fn bare() -> impl FnOnce(oneshot::Sender<SocketAddr>) -> std::pin::Pin<Box<dyn Future<Output = ()>>> + Send {
    |listening| {
        Box::pin(async {
            let text = token(9).encode();
            let meta = format!("\",\"meta\":{{\"token\":\"{text}\"}}}}");
            let page = format!("{{\"x\":\"{}{meta}", "x".repeat(PAGE_BYTES - 6 - meta.len()));
            let page = Bytes::from(page);
            let service = service_fn(move |_: Request<Incoming>| {
                let answer = Response::builder()
                    .header("content-type", "application/json")
                    .header("cache-control", "no-store")
                    .header("etag", "W/\"0123456789abcdef\"")
                    .header("tandem-chain", "a")
                    .header("tandem-state", "live")
                    .header("tandem-token", &text)
                    .body(Full::new(page.clone()));
                async move { Ok::<_, Infallible>(answer.unwrap()) }
            });
            let header_timeout = Duration::from_secs(30);
            let limits = PortLimits { connections_max: 100, header_timeout, drain: Duration::ZERO };
            serve_http(service, limits, listen(listening).await, std::future::pending()).await;
        })
    }
}

fn gateway(
    node: SocketAddr,
    keys: KeySet,
) -> impl FnOnce(oneshot::Sender<SocketAddr>) -> std::pin::Pin<Box<dyn Future<Output = ()>>> + Send {
    move |listening| {
        Box::pin(async move {
            let pool =
                || Pool::new(&PoolConfig::new(vec![format!("http://{node}").parse().unwrap()])).unwrap();
            let mut config = GatewayConfig {
                limits: LimitsConfig { rules: RuleSet::parse(LIMITS).unwrap(), ..LimitsConfig::default() },
                cors_origins: vec![ORIGIN.to_owned()],
                // A hit is to be one however slow the machine, or valgrind, is.
                answer_kept: Duration::from_secs(1),
                hedge_delay_min: Duration::from_secs(1),
                hedge_delay: Duration::from_secs(1),
                ..GatewayConfig::new("operator")
            };
            config.limits.trusted_proxies = TrustedProxies::Networks(vec!["127.0.0.0/8".parse().unwrap()]);
            let ingest = Arc::new(Ingest::new(Arc::new(MemoryEventLog::new(2))));
            let chains = [pool().service(), pool().service()];
            let gateway =
                Gateway::new(config, chains, Arc::new(Still::default()), ingest, ClockMode::Live).unwrap();
            gateway.use_keys(Arc::new(keys));
            gateway.serve(listen(listening).await, std::future::pending()).await;
        })
    }
}

fn key_set(key: &Key) -> KeySet {
    let (id, hash) = (key.id(), to_hexadecimal(&key.secret_sha256()));
    let text = format!(
        "[[tenants]]\nname = \"mcn\"\nanchors = [\"a1\"]\n[[keys]]\nid = \"{id}\"\ntenant = \"mcn\"\n\
         application = \"bench\"\nmay = [\"read\"]\nsha256 = \"{hash}\"\ncreated_at = 2024-01-01T00:00:00Z\n"
    );
    KeySet::parse(text.as_bytes(), 0).unwrap()
}

/// A control whose route never changes.
struct Still(watch::Sender<Route>);

impl Default for Still {
    fn default() -> Self {
        Self(watch::Sender::new(Route { active: Chain::A, epoch: 1, reason: "bench".to_owned() }))
    }
}

#[async_trait]
impl Control for Still {
    fn route(&self) -> watch::Receiver<Route> {
        self.0.subscribe()
    }

    async fn current(&self) -> Result<Route, ControlError> {
        Ok(self.0.borrow().clone())
    }

    async fn order(&self, _: Order) -> Result<wire::Ordered, ControlError> {
        Err(ControlError::Malformed("nobody decides here".to_owned()))
    }

    async fn history(&self, _: usize) -> Result<Vec<Decision>, ControlError> {
        Ok(Vec::new())
    }
}
