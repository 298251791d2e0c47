//! What load shedding is worth: a gateway over real sockets in front of nodes that can do so much and
//! no more, asked for 1, 2 and 4 times that, with and without, in turns, in one run:
//! `cargo run --release -p tandem-gateway --example overload`.
//!
//! A fifth of what is asked for are screens of sessions on air, of several tenants' other reads one
//! tenant sends most. Clients give up after a second. Good is an answer within a quarter of a second.

#![allow(clippy::print_stdout, reason = "it is what it is for")]
#![allow(clippy::unwrap_used, reason = "a measurement that can't go on fails")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use tandem_control::{Control, ControlError, Decision, Order, wire};
use tandem_gateway::{
    AdmissionConfig, ClockMode, Gateway, GatewayConfig, LimitsConfig, Pool, PoolConfig, PortLimits,
    serve_http,
};
use tandem_identity::{Key, KeySet, to_hexadecimal};
use tandem_ingest::Ingest;
use tandem_limits::RuleSet;
use tandem_model::route::{Chain, Route};
use tandem_storage::memory::MemoryEventLog;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::service_fn;

/// Reads that a node works on at one time, and how long one takes.
const WORKERS: usize = 8;
const WORK: Duration = Duration::from_millis(10);
const CAPACITY: f64 = WORKERS as f64 * 100.0;
/// How long each case is warmed up and measured.
const WARM: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(8);
/// When clients give up, and what is good.
const PATIENCE: Duration = Duration::from_secs(1);
const GOOD: Duration = Duration::from_millis(250);
const OPERATOR: &str = "operator";

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "node: {CAPACITY} reads/s, {} ms each; screens are a fifth of what is asked for",
        WORK.as_millis()
    );
    println!(
        " load  shedding  live: good of asked   p99 ms | others: good of asked   p99 ms | capacity used for good"
    );
    for load in [1.0, 2.0, 4.0] {
        for is_enabled in [false, true] {
            let [live, others] = runtime.block_on(measure(load, is_enabled));
            let good = (live.good + others.good) as f64 / MEASURED.as_secs_f64() / CAPACITY;
            println!(
                "{load:>4}×  {:>8}  {:>18.3}  {:>7.1} | {:>20.3}  {:>7.1} | {good:>8.3}",
                if is_enabled { "on" } else { "off" },
                live.good_part(),
                live.p99_ms(),
                others.good_part(),
                others.p99_ms(),
            );
        }
    }
}

/// What came of one class.
#[derive(Default)]
struct Outcome {
    asked: u64,
    good: u64,
    /// Of all that were answered with 200, in milliseconds.
    times_ms: Vec<f64>,
}

impl Outcome {
    fn good_part(&self) -> f64 {
        self.good as f64 / self.asked.max(1) as f64
    }

    fn p99_ms(&self) -> f64 {
        let mut times = self.times_ms.clone();
        times.sort_by(f64::total_cmp);
        times.get((times.len() * 99 / 100).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }
}

async fn measure(load: f64, is_enabled: bool) -> [Outcome; 2] {
    let nodes = [node().await, node().await];
    let keys: Vec<Key> = (0..4_u8).map(|tenant| Key::from_random(&[tenant + 1; 40])).collect();
    let (address, serving) = gateway(nodes, is_enabled, &keys).await;
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(4_096).build_http();
    let outcomes = Arc::new(Mutex::new([Outcome::default(), Outcome::default()]));
    let gap = Duration::from_secs_f64(1.0 / (CAPACITY * load));
    let begin = Instant::now();
    let mut count = 0_u32;
    while begin.elapsed() < WARM + MEASURED {
        let due = gap * count;
        if let Some(early) = due.checked_sub(begin.elapsed()) {
            tokio::time::sleep(early.max(Duration::from_millis(1))).await;
            continue;
        }
        count += 1;
        let is_live = count.is_multiple_of(5);
        // Of the others one tenant sends four in five.
        let tenant = if count % 25 < 20 && !is_live { 0 } else { 1 + (count / 5) as usize % 3 };
        let path = match is_live {
            true => format!("/v1/sessions/live-{}/report?n={count}", tenant),
            false => format!("/v1/sessions/s-{count}"),
        };
        let request = Request::get(format!("http://{address}{path}"))
            .header(AUTHORIZATION, format!("Bearer {}", keys[tenant].to_text()))
            .body(Full::default())
            .unwrap();
        let (client, outcomes, is_measured) = (client.clone(), Arc::clone(&outcomes), due >= WARM);
        tokio::spawn(async move {
            // From when it was due: what is sent late because all is busy is late.
            let asking = async {
                let answer = client.request(request).await.ok()?;
                let status = answer.status();
                answer.into_body().collect().await.ok()?;
                Some(status)
            };
            let answered = tokio::time::timeout(PATIENCE, asking).await.ok().flatten();
            let took = begin.elapsed().saturating_sub(due);
            if is_measured {
                let outcome = &mut outcomes.lock()[usize::from(!is_live)];
                outcome.asked += 1;
                if answered.is_some_and(|status| status == 200) {
                    outcome.good += u64::from(took <= GOOD);
                    outcome.times_ms.push(took.as_secs_f64() * 1e3);
                }
            }
        });
    }
    tokio::time::sleep(PATIENCE + Duration::from_millis(500)).await;
    serving.abort();
    std::mem::take(&mut *outcomes.lock())
}

/// A query node that does so much and no more, in the order of asking.
async fn node() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let workers = Arc::new(Semaphore::new(WORKERS));
    let served = Arc::new(AtomicU64::new(0));
    let service = service_fn(move |request: Request<Incoming>| {
        let (workers, served) = (Arc::clone(&workers), Arc::clone(&served));
        async move {
            let _worker = workers.acquire().await.unwrap();
            tokio::time::sleep(WORK).await;
            served.fetch_add(1, Ordering::Relaxed);
            let state = if request.uri().path().contains("/live-") { "live" } else { "final" };
            let answer = Response::builder().header("tandem-state", state);
            Ok::<_, Infallible>(answer.body(Full::<Bytes>::from("{}")).unwrap())
        }
    });
    tokio::spawn(serve_http(service, port_limits(), listener, std::future::pending()));
    address
}

fn port_limits() -> PortLimits {
    let header_timeout = Duration::from_secs(30);
    PortLimits { connections_max: 10_000, header_timeout, drain: Duration::ZERO }
}

async fn gateway(
    nodes: [SocketAddr; 2],
    is_enabled: bool,
    keys: &[Key],
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let pools = nodes.map(|node| {
        let node = format!("http://{node}").parse().unwrap();
        Pool::new(&PoolConfig::new(vec![node])).unwrap().service()
    });
    let free = "[[rules]]\nname = \"none\"\nkey = \"key\"\nrequests = 1000000\nwindow_s = 1\n";
    let config = GatewayConfig {
        admission: AdmissionConfig { is_enabled, ..AdmissionConfig::default() },
        limits: LimitsConfig { rules: RuleSet::parse(free).unwrap(), ..LimitsConfig::default() },
        ..GatewayConfig::new(OPERATOR)
    };
    let ingest = Arc::new(Ingest::new(Arc::new(MemoryEventLog::new(2))));
    let gateway = Gateway::new(config, pools, Arc::new(Still::default()), ingest, ClockMode::Live).unwrap();
    gateway.use_keys(Arc::new(key_set(keys)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        gateway.serve(listener, std::future::pending()).await;
    });
    (address, serving)
}

fn key_set(keys: &[Key]) -> KeySet {
    let mut text = String::new();
    for (tenant, key) in keys.iter().enumerate() {
        let (id, hash) = (key.id(), to_hexadecimal(&key.secret_sha256()));
        text.push_str(&format!(
            "[[tenants]]\nname = \"t{tenant}\"\nanchors = [\"a{tenant}\"]\n[[keys]]\nid = \"{id}\"\n\
             tenant = \"t{tenant}\"\napplication = \"app\"\nmay = [\"read\"]\nsha256 = \"{hash}\"\n\
             created_at = 2024-01-01T00:00:00Z\n"
        ));
    }
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
