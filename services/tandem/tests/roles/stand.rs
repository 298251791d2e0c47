//! A gateway as a process, in front of query nodes of ours. It needs nothing else to serve reads: Kafka
//! and the control node are away.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderMap, Uri};
use tandem_model::route::Chain;
use tandem_model::status::{ChainStatus, PATH, PartitionStatus};
use tandem_model::{LogId, PartitionId, Token};

use crate::process::{KEY, PATIENCE, Process, get};

const LOG: LogId = LogId([5; 16]);

/// The query nodes of both chains, on a runtime of their own.
pub(crate) struct Nodes {
    addresses: Vec<SocketAddr>,
    _runtime: tokio::runtime::Runtime,
}

impl Nodes {
    pub(crate) fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let views = Arc::new(AtomicU64::new(0));
        let addresses = Chain::ALL.map(|chain| {
            let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
            let (address, views) = (listener.local_addr().unwrap(), Arc::clone(&views));
            runtime.spawn(async move { axum::serve(listener, node(chain, views)).await });
            address
        });
        Self { addresses: addresses.to_vec(), _runtime: runtime }
    }

    /// The configuration of a gateway in front of them, and more lines of its section.
    pub(crate) fn configuration(&self, more: &str) -> String {
        let nobody = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        format!(
            "[log]\nbrokers = [\"{}\"]\nrequest_timeout_ms = 500\n[control]\nnodes = [\"http://{}\"]\n\
             [gateway]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             chain_a = [\"http://{}\"]\nchain_b = [\"http://{}\"]\n{more}\n",
            nobody(),
            nobody(),
            self.addresses[0],
            self.addresses[1],
        )
    }
}

/// Says how its chain is, and answers everything else with a report whose figures rise.
fn node(chain: Chain, views: Arc<AtomicU64>) -> Router {
    Router::new().fallback(move |uri: Uri| {
        let now = views.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", "application/json".parse().unwrap());
            if uri.path() == PATH {
                return (headers, serde_json::to_string(&status(chain, now)).unwrap());
            }
            let mut token = Token::new(LOG);
            token.advance(PartitionId(0), now);
            let token = token.encode();
            headers.insert("tandem-token", token.parse().unwrap());
            let body =
                format!(r#"{{"metrics":{{"views":{now}}},"meta":{{"as_of":{now},"token":"{token}"}}}}"#);
            (headers, body)
        }
    })
}

fn status(chain: Chain, next: u64) -> ChainStatus {
    let partition = PartitionStatus {
        partition: 0,
        next,
        clock: next,
        log_end: next,
        lag_records: 0,
        hot_next: Some(next),
        late_events: 0,
        malformed_events: 0,
        ignored_beats: 0,
    };
    ChainStatus {
        chain,
        ready: true,
        degraded: Vec::new(),
        log: format!("{:032x}", u128::from_be_bytes(LOG.0)),
        time_zone: tandem_model::calendar::DEFAULT_ZONE.to_owned(),
        partitions: vec![partition],
        beats: Vec::new(),
        repairs: Vec::new(),
    }
}

/// The gateway.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    admin: String,
    pub(crate) api: String,
}

impl Gateway {
    pub(crate) fn start(file: &str) -> Self {
        let mut process = Process::start(&["gateway", "--config", file], &[("TANDEM_KEY", KEY)]);
        let admin = process.rest_of("admin listening on ");
        let api = process.rest_of("listening on ");
        Self { process, admin, api }
    }

    /// Where it listens, without the scheme.
    pub(crate) fn authority(&self) -> String {
        self.api.trim_start_matches("http://").to_owned()
    }

    /// Waits until its page of metrics has this line.
    pub(crate) fn until_metric(&self, line: &str) {
        let url = format!("{}/metrics", self.admin);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, body) = get(&url, None);
            if body.lines().any(|found| found == line) {
                return;
            }
            assert!(Instant::now() < deadline, "{line:?} does not come:\n{body}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Somebody who goes on until told to stop, and says how much he got.
pub(crate) struct Reader {
    is_over: Arc<AtomicBool>,
    pub(crate) count: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn spawn(go_on: impl FnOnce(Arc<AtomicBool>, Arc<AtomicU64>) + Send + 'static) -> Self {
        let (is_over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (over, counted) = (Arc::clone(&is_over), Arc::clone(&count));
        Self { is_over, count, thread: std::thread::spawn(move || go_on(over, counted)) }
    }

    /// Reads one session after the other on one connection; panics where an answer is not 200.
    pub(crate) fn of_reports(authority: &str) -> Self {
        let authority = authority.to_owned();
        Self::spawn(move |is_over, count| {
            let mut stream = TcpStream::connect(&authority).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !is_over.load(Ordering::Relaxed) {
                let session = count.load(Ordering::Relaxed) % 50;
                write!(
                    stream,
                    "GET /v1/sessions/s{session}/report HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n"
                )
                .unwrap();
                let (status, head) = head(&mut reader);
                assert_eq!(status, 200, "{head:?}");
                let mut body = vec![0; head["content-length"].parse().unwrap()];
                reader.read_exact(&mut body).unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        })
    }

    /// Reads the events of one stream; panics where it ends.
    pub(crate) fn of_a_stream(authority: &str) -> Self {
        let authority = authority.to_owned();
        Self::spawn(move |is_over, count| {
            let mut stream = TcpStream::connect(&authority).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let ask = "GET /v1/sessions/s/stream HTTP/1.1\r\nhost: x\r\n";
            write!(stream, "{ask}authorization: Bearer {KEY}\r\n\r\n").unwrap();
            let mut reader = BufReader::new(stream);
            let (status, head) = head(&mut reader);
            assert_eq!(status, 200, "{head:?}");
            let mut line = String::new();
            while !is_over.load(Ordering::Relaxed) {
                line.clear();
                assert!(reader.read_line(&mut line).unwrap() > 0, "the stream has ended");
                count.fetch_add(u64::from(line.starts_with("data:")), Ordering::Relaxed);
            }
        })
    }

    /// Waits until it got so much more.
    pub(crate) fn goes_on(&self, more: u64) {
        let (before, deadline) = (self.count.load(Ordering::Relaxed), Instant::now() + PATIENCE);
        while self.count.load(Ordering::Relaxed) < before + more {
            assert!(Instant::now() < deadline && !self.thread.is_finished(), "it does not go on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// The status and the headers of an answer.
pub(crate) fn head(reader: &mut impl BufRead) -> (u16, BTreeMap<String, String>) {
    let mut lines = reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty());
    let status = lines.next().unwrap_or_default();
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let fields = lines.filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.to_owned()))
    });
    (status, fields.collect())
}

/// What a request that ends its connection is answered, whole.
pub(crate) fn ask(authority: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{head}host: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n{body}")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
