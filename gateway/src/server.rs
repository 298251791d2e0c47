//! Sockets: accepting, the limits that belong to a connection, and draining.
//!
//! HTTP/1.1 and HTTP/2 with prior knowledge share the port; beside it there may be one with TLS
//! ([`tls`](crate::tls)), where all this holds as well. Against slow clients there are a time
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
//! A connection that became something else than HTTP (a WebSocket) stays this loop's: it keeps its place
//! among the connections, is waited for at the end, and cut at the deadline. Its own limits on time take
//! over: HTTP's are about requests.
//!
//! The other ports of the system (query nodes, control) are served by the same loop: [`serve_http`].

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::{BoxError, Service, ServiceExt};

use crate::answer::Answer;
use crate::client_address::Peer;
use crate::header_limits;
use crate::places::{Place, Places};
use crate::stack::{Shared, Stacks, stack};
use crate::streams::{self, StreamBody};
use crate::tls::Tls;
use edge::Edge;
use guarded::Guarded;
use wire::Wire;

pub(crate) use edge::Arrival;

mod edge;
mod guarded;
mod wire;

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

/// A port with TLS: where it listens, and what it shows.
pub(crate) type TlsPort = (TcpListener, Arc<Tls>);

pub(crate) async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    tls: Option<TlsPort>,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let limits = shared.port_limits();
    let stacks = Arc::new(Stacks::new(Arc::clone(&shared), stack::<Incoming>));
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let is_head = *request.method() == Method::HEAD;
        let edge = request.extensions().get::<Arrival>().map(|arrival| Arc::clone(&arrival.edge));
        let answering = stacks.current().oneshot(request);
        async move { Ok(to_wire(answering.await?, is_head, edge)) }
    });
    let public = Public(Arc::clone(&shared));
    let shutdown = async move {
        shutdown.await;
        // They would go on for ever.
        shared.streams.drain();
    };
    accept(service, limits, Some(public), Ports { plain: listener, tls }, shutdown).await
}

/// What the connections of the public port need besides.
#[derive(Clone)]
struct Public(Arc<Shared>);

impl Public {
    fn edge(&self) -> Arc<Edge> {
        let Self(shared) = self;
        Edge::new(Arc::clone(&shared.counters), shared.config().send_timeout)
    }
}

/// Where connections come from.
struct Ports {
    plain: TcpListener,
    tls: Option<TlsPort>,
}

impl Ports {
    /// The next connection; with what to show it, where it is to be one with TLS.
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, Option<Arc<Tls>>)> {
        let Some((listener, tls)) = &self.tls else {
            let (stream, peer) = self.plain.accept().await?;
            return Ok((stream, peer, None));
        };
        tokio::select! {
            accepted = self.plain.accept() => accepted.map(|(stream, peer)| (stream, peer, None)),
            accepted = listener.accept() => {
                accepted.map(|(stream, peer)| (stream, peer, Some(Arc::clone(tls))))
            }
        }
    }
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
    let (_never, limits) = watch::channel(limits);
    accept(service, limits, None, Ports { plain: listener, tls: None }, shutdown).await
}

/// `limits` may change: new connections have the new ones.
async fn accept<S, B>(
    service: S,
    mut limits: watch::Receiver<PortLimits>,
    public: Option<Public>,
    ports: Ports,
    shutdown: impl Future<Output = ()>,
) -> Drained
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut now = *limits.borrow_and_update();
    let mut versions = Arc::new(Versions::new(now));
    let connections = Places::new(now.connections_max);
    let graceful = GracefulShutdown::new();
    let is_closing = watch::Sender::new(false);
    let mut tasks = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = tasks.join_next() => {}
            Ok(()) = limits.changed() => {
                now = *limits.borrow_and_update();
                versions = Arc::new(Versions::new(now));
                connections.set_max(now.connections_max);
            }
            accepted = ports.accept() => match accepted {
                Ok((stream, peer, tls)) => match connections.enter() {
                    Some(place) => {
                        // Answers are small and whole: waiting to fill a packet only adds latency.
                        _ = stream.set_nodelay(true);
                        let connection = Connection {
                            stream,
                            peer,
                            place,
                            edge: public.as_ref().map(Public::edge),
                            header_timeout: now.header_timeout,
                        };
                        let (service, versions) = (service.clone(), Arc::clone(&versions));
                        let watcher = graceful.watcher();
                        match (tls, public.clone()) {
                            (Some(tls), Some(public)) => {
                                let is_closing = is_closing.subscribe();
                                tasks.spawn(async move {
                                    if let Some(connection) = connection.shake(&tls, &public, is_closing).await {
                                        connection.serve(service, versions, watcher).await;
                                    }
                                });
                            }
                            _ => _ = tasks.spawn(connection.plain().serve(service, versions, watcher)),
                        }
                    }
                    None if tls.is_none() => _ = stream.try_write(FULL),
                    // Whoever can't be told sees the connection close.
                    None => {}
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            },
        }
    }
    // New connections are refused from here on, not left waiting.
    drop(ports);
    is_closing.send_replace(true);
    let draining = async {
        graceful.shutdown().await;
        while tasks.join_next().await.is_some() {}
    };
    let drain = limits.borrow().drain;
    _ = tokio::time::timeout(drain, draining).await;
    let connections_cut = tasks.len();
    if connections_cut > 0 {
        tracing::warn!(connections_cut, "requests were still under way at the deadline");
    }
    tasks.shutdown().await;
    Drained { connections_cut }
}

/// How HTTP is spoken.
struct Versions {
    /// Either version, as the client begins.
    any: Builder<TokioExecutor>,
    /// HTTP/2, where that was agreed on.
    second: Builder<TokioExecutor>,
}

impl Versions {
    fn new(limits: PortLimits) -> Self {
        Self { any: builder(limits), second: builder(limits).http2_only() }
    }
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

/// One connection: before the handshake, or as its bytes come.
struct Connection<IO = TcpStream> {
    stream: IO,
    peer: SocketAddr,
    place: Place,
    edge: Option<Arc<Edge>>,
    header_timeout: Duration,
}

impl Connection {
    /// As it comes.
    fn plain(self) -> Connection<Wire> {
        let Self { stream, peer, place, edge, header_timeout } = self;
        Connection { stream: Wire::Plain(stream), peer, place, edge, header_timeout }
    }

    /// Does the handshake; nothing where it fails, or we close meanwhile: no request is under way.
    async fn shake(
        self,
        tls: &Tls,
        public: &Public,
        mut is_closing: watch::Receiver<bool>,
    ) -> Option<Connection<Wire>> {
        let Self { stream, peer, place, edge, header_timeout } = self;
        let stream = tokio::select! {
            stream = tls.handshake(stream, header_timeout, &public.0.counters.tls) => stream?,
            _ = is_closing.wait_for(|is_closing| *is_closing) => return None,
        };
        Some(Connection { stream: Wire::Tls(stream), peer, place, edge, header_timeout })
    }
}

impl Connection<Wire> {
    async fn serve<S, B>(self, service: S, versions: Arc<Versions>, watcher: Watcher)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Connection { stream, peer, place: _place, edge, header_timeout } = self;
        let http = Http { stream, peer, edge: edge.clone(), header_timeout };
        // In a box: of what HTTP needs nothing is left where it is HTTP no longer.
        Box::pin(http.speak(service, &versions, watcher)).await;
        if let Some(rest) = edge.and_then(|edge| edge.take_rest()) {
            rest.await;
        }
    }
}

/// A connection as long as it is HTTP.
struct Http {
    stream: Wire,
    peer: SocketAddr,
    edge: Option<Arc<Edge>>,
    header_timeout: Duration,
}

impl Http {
    async fn speak<S, B>(self, service: S, versions: &Versions, watcher: Watcher)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Http { stream, peer, edge, header_timeout } = self;
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
        // Of HTTP/2 there is nothing to guard.
        let is_http_2 = stream.is_http_2();
        let stream = Guarded::new(stream, edge.clone().filter(|_| !is_http_2));
        let stream = TokioIo::new(stream);
        let connection = match is_http_2 {
            // With upgrades, of which HTTP/2 has none, hyper would look for either version.
            true => future::Either::Left(watcher.watch(versions.second.serve_connection(stream, answer))),
            false => future::Either::Right(
                watcher.watch(versions.any.serve_connection_with_upgrades(stream, answer)),
            ),
        };
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
    if let (Some(rest), Some(edge)) = (streams::Upgrade::take(&mut answer), &edge) {
        edge.go_on_with(rest);
    }
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
