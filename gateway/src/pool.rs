//! The query nodes of one chain over TCP.
//!
//! # Which node is asked
//! They take turns. One that fails sits out for a short while, longer each time it fails again, up
//! to a bound; so a dead node costs its chain next to nothing, and one that comes back is found
//! soon. When all of them sit out, the one whose time ends first is asked all the same: a guess is
//! no reason to refuse.
//!
//! # What counts as a failure
//! No connection, or one that ends before the whole answer is here. Whatever a node *answers* is
//! an answer, 503 too: that is for the router to judge, which can ask the other chain. And
//! silence: the router gives up on a slow node by dropping the question, so a node that was given
//! up on several times in a row without an answer in between is taken for hanging.
//!
//! # What is tried again
//! Reads are safe to repeat, and so are orders to repair. A question that fails on one node is put to one other node of the
//! chain, once; what fails there too is the chain's failure.
//!
//! Dropping the future closes the connection, and with it the work behind it stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use tokio::time::Instant;
use tower::{BoxError, service_fn};

use crate::ChainService;

/// Most nodes of one chain.
const NODES_MAX: usize = 64;
/// How long a node sits out after its first failure, and at most.
const PENALTIES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How many questions in a row must be given up on for a node to count as hanging.
const SILENCES_MAX: u32 = 3;
/// Idle connections are closed before the node does, so that no question runs into a closed one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// How many idle connections are kept per node.
const IDLE_MAX: usize = 256;

/// How the query nodes of a chain are reached.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Their addresses: scheme `http`, host and port. 1 to 64 of them.
    pub nodes: Vec<Uri>,
    /// How long a connection may take to be made. Default 250 ms: nodes are near.
    pub connect_timeout: Duration,
    /// Largest answer that is taken, in bytes. Default 256 MiB, the largest page for operators.
    pub answer_bytes_max: usize,
}

impl PoolConfig {
    /// The defaults, with these nodes.
    pub fn new(nodes: Vec<Uri>) -> Self {
        Self { nodes, connect_timeout: Duration::from_millis(250), answer_bytes_max: 256 << 20 }
    }
}

/// Why there can't be such a pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// None, or too many.
    #[error("a chain has 1 to {NODES_MAX} query nodes")]
    Count,
    /// Not the address of a node.
    #[error("{0} is no address of a query node: it must look like http://host:port")]
    Address(String),
}

/// The query nodes of one chain. Cheap to clone; clones share connections and what is known.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    http: Client<HttpConnector, Full<Bytes>>,
    nodes: Vec<Node>,
    turn: AtomicUsize,
    answer_bytes_max: usize,
}

struct Node {
    authority: Authority,
    state: Mutex<NodeState>,
}

#[derive(Debug, Default)]
struct NodeState {
    /// Until when it sits out.
    out_until: Option<Instant>,
    /// Failures since the last answer.
    failures_in_a_row: u32,
    /// Questions given up on since the last answer.
    silences_in_a_row: u32,
    counts: NodeCounts,
}

/// What was counted of one node since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// Questions put to it.
    pub asked: u64,
    /// Questions that failed, or were given up on while it hung.
    pub failures: u64,
    /// Questions whose asker went away before there was an answer.
    pub dropped: u64,
    /// Whether it sits out right now.
    pub is_out: bool,
}

impl Pool {
    /// A pool that has not connected yet. Questions need a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the nodes can't be such.
    pub fn new(config: &PoolConfig) -> Result<Self, PoolError> {
        if !(1..=NODES_MAX).contains(&config.nodes.len()) {
            return Err(PoolError::Count);
        }
        let node = |uri: &Uri| match (uri.scheme(), uri.authority(), uri.path()) {
            (Some(scheme), Some(authority), "" | "/") if *scheme == Scheme::HTTP && uri.query().is_none() => {
                Ok(Node { authority: authority.clone(), state: Mutex::default() })
            }
            _ => Err(PoolError::Address(uri.to_string())),
        };
        let nodes = config.nodes.iter().map(node).collect::<Result<_, _>>()?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(config.connect_timeout));
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        let answer_bytes_max = config.answer_bytes_max;
        Ok(Self { inner: Arc::new(Inner { http, nodes, turn: AtomicUsize::new(0), answer_bytes_max }) })
    }

    /// The chain, as the gateway asks it.
    pub fn service(&self) -> ChainService {
        let inner = Arc::clone(&self.inner);
        ChainService::new(service_fn(move |request: Request<Bytes>| {
            let inner = Arc::clone(&inner);
            async move { inner.ask(request).await }
        }))
    }

    /// What was counted of each node, with its address.
    pub fn counts(&self) -> Vec<(String, NodeCounts)> {
        let now = Instant::now();
        let nodes = self.inner.nodes.iter();
        nodes.map(|node| (node.authority.to_string(), node.counts(now))).collect()
    }
}

impl Inner {
    async fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let first = self.choose(None);
        match self.ask_node(first, &request).await {
            Ok(answer) => Ok(answer),
            Err(error) if self.nodes.len() == 1 => Err(error),
            Err(_) => self.ask_node(self.choose(Some(first)), &request).await,
        }
    }

    /// The next node in turn that does not sit out; where all do, the one that is free first.
    fn choose(&self, but: Option<usize>) -> usize {
        let count = self.nodes.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut best = (0, None);
        for index in
            (0..count).map(|step| turn.wrapping_add(step) % count).filter(|index| Some(*index) != but)
        {
            match self.nodes[index].state.lock().out_until.filter(|until| *until > now) {
                None => return index,
                Some(until) if best.1.is_none_or(|earliest| until < earliest) => best = (index, Some(until)),
                Some(_) => {}
            }
        }
        best.0
    }

    async fn ask_node(&self, index: usize, request: &Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let node = &self.nodes[index];
        let mut uri = request.uri().clone().into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(node.authority.clone());
        let mut question = Request::new(Full::new(request.body().clone()));
        *question.method_mut() = request.method().clone();
        *question.uri_mut() = Uri::from_parts(uri)?;
        *question.headers_mut() = request.headers().clone();
        // It named the gateway; the client below names the node.
        question.headers_mut().remove(HOST);
        let asking = Asking::of(node);
        let answered = async {
            let (head, body) = self.http.request(question).await?.into_parts();
            let body = Limited::new(body, self.answer_bytes_max).collect().await?.to_bytes();
            Ok::<_, BoxError>(Response::from_parts(head, body))
        };
        match answered.await {
            Ok(answer) => {
                asking.answered();
                Ok(answer)
            }
            Err(error) => {
                asking.failed();
                Err(format!("{}: {}", node.authority, root(&*error)).into())
            }
        }
    }
}

impl Node {
    fn counts(&self, now: Instant) -> NodeCounts {
        let state = self.state.lock();
        NodeCounts { is_out: state.out_until.is_some_and(|until| until > now), ..state.counts }
    }
}

impl NodeState {
    fn answered(&mut self) {
        self.out_until = None;
        self.failures_in_a_row = 0;
        self.silences_in_a_row = 0;
    }

    fn failed(&mut self, now: Instant) {
        self.counts.failures += 1;
        let doublings = self.failures_in_a_row.min(16);
        self.failures_in_a_row += 1;
        self.out_until = Some(now + (PENALTIES.0 * (1 << doublings)).min(PENALTIES.1));
    }

    fn dropped(&mut self, now: Instant) {
        self.counts.dropped += 1;
        self.silences_in_a_row += 1;
        if self.silences_in_a_row >= SILENCES_MAX {
            self.failed(now);
        }
    }
}

/// A question under way. Dropped without a word, its asker has given up.
struct Asking<'a> {
    node: &'a Node,
    is_over: bool,
}

impl<'a> Asking<'a> {
    fn of(node: &'a Node) -> Self {
        node.state.lock().counts.asked += 1;
        Self { node, is_over: false }
    }

    fn answered(mut self) {
        self.is_over = true;
        self.node.state.lock().answered();
    }

    fn failed(mut self) {
        self.is_over = true;
        let mut state = self.node.state.lock();
        let is_news = state.failures_in_a_row == 0;
        state.failed(Instant::now());
        drop(state);
        if is_news {
            tracing::warn!(node = %self.node.authority, "a query node failed; it sits out for a moment");
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.node.state.lock().dropped(Instant::now());
        }
    }
}

/// What went wrong at the bottom: the layers above only say that a request failed.
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}

#[cfg(test)]
mod tests;
