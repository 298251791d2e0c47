//! Sockets: accepting, the limits that belong to a connection, and draining.
//!
//! HTTP/1.1 and HTTP/2 with prior knowledge share the port. Against slow clients there are a time
//! for the first request, one for each header, and a bound on connections; hyper bounds what is
//! buffered while a header is read. A graceful end: no new connections, requests under way come to
//! their end, idle connections close, and what is left after the deadline is cut.
//!
//! The public port has an [`Edge`] for each connection besides: what comes by HTTP/1 is judged before
//! hyper reads it ([`guarded`]), and a connection is closed whose client does not take its answers,
//! or takes back most of its requests. Hyper bounds the rest of what HTTP/2 can be flooded with:
//! resets of either side, header blocks without an end. Pings and settings are answered one at a time,
//! and nothing more is read until the answer is written.
//!
//! The other ports of the system (query nodes, control) are served by the same loop: [`serve_http`].

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::{BoxError, Service, ServiceExt};

use crate::answer::Answer;
use crate::client_address::Peer;
use crate::counters::Counters;
use crate::header_limits;
use crate::stack::{Shared, stack};
use crate::streams::{self, StreamBody};
use edge::Edge;
use guarded::Guarded;

pub(crate) use edge::Arrival;

mod edge;
mod guarded;

/// What hyper buffers of an HTTP/1 header at most, in bytes; a little more than our own limit, so
/// that ours speaks first.
const BUFFER_BYTES_MAX: usize = 2 * header_limits::BYTES_MAX;
/// How many requests one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 128;
/// How many streams an HTTP/2 client may reset before they are looked at (rapid reset,
/// CVE-2023-44487), and how many it may have us reset by sending nonsense on them (CVE-2025-8671).
/// Beyond, the connection ends.
const PENDING_RESETS_MAX: usize = 20;
const ERROR_RESETS_MAX: usize = 100;
/// How often an HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long to wait after the system refused to accept (too many open files, mostly).
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// Sent to a connection too many, before it is closed.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that still had requests under way at the deadline, and were cut.
    pub connections_cut: usize,
}

/// What a port bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortLimits {
    /// Most connections at one time; one more is refused.
    pub connections_max: usize,
    /// How long a client may take to send a request's header, and how long a connection may idle
    /// between two requests.
    pub header_timeout: Duration,
    /// How long requests under way may go on after a shutdown has begun.
    pub drain: Duration,
}

pub(crate) async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let limits = PortLimits {
        connections_max: shared.config.connections_max,
        header_timeout: shared.config.header_timeout,
        drain: shared.config.drain,
    };
    let public = Public { counters: Arc::clone(&shared.counters), send_timeout: shared.config.send_timeout };
    let stack = stack::<Incoming>(Arc::clone(&shared));
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let is_head = *request.method() == Method::HEAD;
        let edge = request.extensions().get::<Arrival>().map(|arrival| Arc::clone(&arrival.edge));
        let answering = stack.clone().oneshot(request);
        async move { Ok(to_wire(answering.await?, is_head, edge)) }
    });
    let shutdown = async move {
        shutdown.await;
        // They would go on for ever.
        shared.streams.drain();
    };
    accept(service, limits, Some(public), listener, shutdown).await
}

/// What the connections of the public port need besides.
#[derive(Clone)]
struct Public {
    counters: Arc<Counters>,
    send_timeout: Duration,
}

/// Serves HTTP/1.1 and HTTP/2 (with prior knowledge) from `service` until `shutdown` is done, then
/// lets what is under way come to its end, within `limits.drain`.
pub async fn serve_http<S, B>(
    service: S,
    limits: PortLimits,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Drained
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    accept(service, limits, None, listener, shutdown).await
}

async fn accept<S, B>(
    service: S,
    limits: PortLimits,
    public: Option<Public>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Drained
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let builder = Arc::new(builder(limits));
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match Arc::clone(&connections).try_acquire_owned() {
                    Ok(permit) => {
                        let edge = public
                            .as_ref()
                            .map(|public| Edge::new(Arc::clone(&public.counters), public.send_timeout));
                        let connection =
                            Connection { stream, peer, permit, edge, header_timeout: limits.header_timeout };
                        tasks.spawn(connection.serve(service.clone(), Arc::clone(&builder), graceful.watcher()));
                    }
                    Err(_) => _ = stream.try_write(FULL),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            },
        }
    }
    // New connections are refused from here on, not left waiting.
    drop(listener);
    let draining = async {
        graceful.shutdown().await;
        while tasks.join_next().await.is_some() {}
    };
    _ = tokio::time::timeout(limits.drain, draining).await;
    let connections_cut = tasks.len();
    if connections_cut > 0 {
        tracing::warn!(connections_cut, "requests were still under way at the deadline");
    }
    tasks.shutdown().await;
    Drained { connections_cut }
}

fn builder(limits: PortLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(BUFFER_BYTES_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        .max_header_list_size(BUFFER_BYTES_MAX as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
    edge: Option<Arc<Edge>>,
    header_timeout: Duration,
}

impl Connection {
    async fn serve<S, B>(self, service: S, builder: Arc<Builder<TokioExecutor>>, watcher: Watcher)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Connection { stream, peer, permit: _permit, edge, header_timeout } = self;
        // Answers are small and whole: waiting to fill a packet only adds latency.
        _ = stream.set_nodelay(true);
        let requests = Arc::new(AtomicU64::new(0));
        let counting = Arc::clone(&requests);
        let arriving = edge.clone();
        let answer = service_fn(move |mut incoming: Request<Incoming>| {
            incoming.extensions_mut().insert(Peer(peer.ip()));
            let request = counting.fetch_add(1, Ordering::Relaxed) + 1;
            let begun = arriving.as_ref().map(|edge| {
                let is_guarded = incoming.version() < Version::HTTP_2;
                incoming.extensions_mut().insert(Arrival { edge: Arc::clone(edge), request, is_guarded });
                edge.begin()
            });
            let answering = service.clone().oneshot(incoming);
            async move {
                let answer = answering.await;
                begun.into_iter().for_each(edge::Begun::answered);
                answer
            }
        });
        let stream = Guarded::new(stream, edge.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), answer);
        let connection = watcher.watch(connection);
        let abused = async {
            match &edge {
                Some(edge) => edge.until_abused().await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(connection, abused);
        let serving = async {
            tokio::select! {
                outcome = &mut connection => Some(outcome),
                () = &mut abused => None,
            }
        };
        tokio::pin!(serving);
        // Hyper's own timer starts once it knows which version is spoken, which a client can delay
        // for ever by sending nothing.
        let outcome = match tokio::time::timeout(header_timeout, &mut serving).await {
            Ok(outcome) => outcome,
            Err(_) if requests.load(Ordering::Relaxed) == 0 => return,
            Err(_) => serving.await,
        };
        match outcome {
            Some(Ok(())) => {}
            // Clients hang up and send nonsense; that is no news.
            Some(Err(error)) => tracing::debug!(%peer, error, "a connection ended"),
            None => tracing::debug!(%peer, "a connection was closed: its client abused it"),
        }
    }
}

/// What goes over the wire: whole, or as it comes.
type WireBody = Either<Full<Bytes>, StreamBody>;

/// The answer to HEAD has the length of the body it leaves out. What is sent is watched by the `edge`
/// until the client has taken it.
fn to_wire(mut answer: Answer, is_head: bool, edge: Option<Arc<Edge>>) -> Response<WireBody> {
    let stream = streams::Body::take(&mut answer).filter(|_| !is_head);
    let watched = move |bytes: Bytes| edge.as_ref().map_or(bytes.clone(), |edge| edge.watched(bytes));
    let (mut parts, body) = answer.into_parts();
    let body = match stream {
        Some(stream) => {
            let frames = stream.map_frame(move |frame| frame.map_data(&watched));
            Either::Right(frames.boxed_unsync())
        }
        None if !is_head => Either::Left(Full::new(watched(body))),
        None => {
            parts.headers.insert(CONTENT_LENGTH, body.len().into());
            Either::Left(Full::default())
        }
    };
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests;
