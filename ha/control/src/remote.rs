//! Control from afar: follows the control node over HTTP.
//!
//! One task waits at the node for the next decision and makes it known. What it rests on:
//!
//! - **Fail static.** While the node is away the last route stays, and after a restart the one
//!   that was remembered in a file. Where nothing was ever heard it is chain a in epoch 0, which no
//!   decision has: reads can be served from either chain, and nobody may publish with it.
//! - **Epochs never go back.** A node that knows less than we do (restored from an old copy, say)
//!   is complained about, not followed.
//! - [`Remote::current`] never answers from memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use tandem_model::route::{Chain, Route};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::local::wall_ms;
use crate::wire::{STATE_PATH, SWITCH_PATH, State, Switch, Switched};
use crate::{ClockReading, Control, ControlError, Decision, OperatorKey, REASON_CHARS_MAX, memory};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the node may take for an answer, beyond what it was asked to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one question waits at the node for the next decision.
const WAIT: Duration = Duration::from_secs(20);
/// First pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Longest answer that is read, in bytes: 256 decisions with their reasons.
const ANSWER_BYTES_MAX: usize = 4 << 20;
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Before the first decision.
const UNKNOWN_EPOCH: u64 = 0;

/// How a [`Remote`] finds the control node.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// Its address: scheme `http`, host and port.
    pub node: Uri,
    /// The operator's key.
    pub key: OperatorKey,
    /// A file that remembers the last route over a restart; none where absent.
    pub memory: Option<PathBuf>,
}

/// How following the control node goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Nothing has been heard yet.
    Connecting,
    /// The route known here is the node's.
    Connected,
    /// The last route stays; says why nothing newer is heard.
    Lost(String),
}

/// [`Control`] over HTTP. Follows until it is dropped.
pub struct Remote {
    node: Arc<Node>,
    route: watch::Receiver<Route>,
    link: watch::Receiver<Link>,
    following: JoinHandle<()>,
}

impl Remote {
    /// Begins to follow. Must be called within a tokio runtime. Reads the memory, which is one
    /// small file.
    ///
    /// # Errors
    ///
    /// When the address can't be one, or the key can't be sent.
    pub fn start(options: RemoteOptions) -> Result<Self, ControlError> {
        let node = Arc::new(Node::new(&options)?);
        let remembered = options.memory.as_deref().and_then(memory::read);
        let route = remembered.unwrap_or_else(|| Route {
            active: Chain::A,
            epoch: UNKNOWN_EPOCH,
            reason: "no decision is known here yet".to_owned(),
        });
        let (route, route_known) = watch::channel(route);
        let (link, link_known) = watch::channel(Link::Connecting);
        let following = tokio::spawn(follow(Arc::clone(&node), route, link, options.memory));
        Ok(Self { node, route: route_known, link: link_known, following })
    }

    /// How following goes. Changes wake whoever waits.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// Compares our wall clock with the node's.
    ///
    /// # Errors
    ///
    /// When the node can't be asked.
    pub async fn clock(&self) -> Result<ClockReading, ControlError> {
        let (asked, asked_ms) = (Instant::now(), wall_ms());
        let state: State = self.node.get("history=0", Duration::ZERO).await?;
        // By the steady clock: the other one may step in between, which is what we look for.
        let half_ms = asked.elapsed().as_millis() as u64 / 2;
        Ok(ClockReading { ours_ms: asked_ms + half_ms, theirs_ms: state.now_ms, uncertainty_ms: half_ms })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.following.abort();
    }
}

#[async_trait]
impl Control for Remote {
    fn route(&self) -> watch::Receiver<Route> {
        self.route.clone()
    }

    async fn current(&self) -> Result<Route, ControlError> {
        let state: State = self.node.get("history=0", Duration::ZERO).await?;
        Ok(state.route)
    }

    async fn switch(&self, to: Chain, reason: String) -> Result<Route, ControlError> {
        if reason.trim().is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            return Err(ControlError::BadReason);
        }
        let body = serde_json::to_vec(&Switch { to, reason }).expect("a switch holds only plain data");
        let switched: Switched =
            self.node.ask(Method::POST, SWITCH_PATH, body.into(), Duration::ZERO).await?;
        Ok(switched.route)
    }

    async fn history(&self, limit: usize) -> Result<Vec<Decision>, ControlError> {
        let query = format!("history={}", limit.min(crate::HISTORY_MAX));
        Ok(self.node.get::<State>(&query, Duration::ZERO).await?.history)
    }
}

/// Waits at the node for one decision after the other.
async fn follow(
    node: Arc<Node>,
    route: watch::Sender<Route>,
    link: watch::Sender<Link>,
    memory: Option<PathBuf>,
) {
    let (mut pause, longest) = PAUSES;
    loop {
        // The first question after a loss does not wait: whether the node is back shows at once.
        let is_connected = *link.borrow() == Link::Connected;
        let wait = if is_connected { WAIT } else { Duration::ZERO };
        let epoch = route.borrow().epoch;
        let query = format!("history=0&after_epoch={epoch}&wait_ms={}", wait.as_millis());
        let news = node.get::<State>(&query, wait).await.map_err(|error| error.to_string());
        let news = news.and_then(|state| match state.route.epoch >= epoch {
            true => Ok(state.route),
            false => Err(format!(
                "the control node {} stands at epoch {}, but epoch {epoch} has been decided: it has lost \
                 decisions, restore its data",
                node.base, state.route.epoch
            )),
        });
        match news {
            Ok(newest) => {
                if !is_connected {
                    tracing::info!(node = %node.base, epoch = newest.epoch, "following the control node");
                    link.send_replace(Link::Connected);
                }
                pause = PAUSES.0;
                if newest.epoch > epoch {
                    tracing::info!(active = %newest.active, epoch = newest.epoch, reason = newest.reason, "route");
                    route.send_replace(newest.clone());
                    remember(memory.clone(), newest).await;
                }
            }
            Err(why) => {
                // Once per loss; what is wrong may change meanwhile, and shows in the link.
                if !matches!(&*link.borrow(), Link::Lost(_)) {
                    tracing::warn!(why, epoch, "control is away; the last route stays");
                }
                link.send_if_modified(|link| {
                    let lost = Link::Lost(why);
                    let is_news = *link != lost;
                    *link = lost;
                    is_news
                });
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}

async fn remember(path: Option<PathBuf>, route: Route) {
    let Some(path) = path else { return };
    let file = path.display().to_string();
    let written = tokio::task::spawn_blocking(move || memory::write(&path, &route)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(file, %error, "the route can't be remembered for the next start");
    }
}

/// The control node, as a client sees it.
struct Node {
    http: Client<HttpConnector, Full<Bytes>>,
    base: Uri,
    authorization: HeaderValue,
}

impl Node {
    fn new(options: &RemoteOptions) -> Result<Self, ControlError> {
        let refused = |why: &str| ControlError::Refused {
            node: options.node.to_string(),
            status: 400,
            why: why.to_owned(),
        };
        if options.node.scheme_str() != Some("http") || options.node.authority().is_none() {
            return Err(refused("its address must look like http://host:port"));
        }
        let authorization = options.key.bearer().ok_or_else(|| refused("the key can't be sent"))?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { http, base: options.node.clone(), authorization })
    }

    async fn get<T: DeserializeOwned>(&self, query: &str, wait: Duration) -> Result<T, ControlError> {
        self.ask(Method::GET, &format!("{STATE_PATH}?{query}"), Bytes::new(), wait).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        wait: Duration,
    ) -> Result<T, ControlError> {
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|error| self.unreachable(error))?);
        let uri = Uri::from_parts(parts).map_err(|error| self.unreachable(error))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert(AUTHORIZATION, self.authorization.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let asking = async {
            let response =
                self.http.request(request).await.map_err(|error| self.unreachable(root(&error)))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| self.unreachable(root(&*error)))?.to_bytes();
            self.read(head.status, &body)
        };
        match tokio::time::timeout(wait + ANSWER_TIMEOUT, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unreachable(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))),
        }
    }

    fn read<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, ControlError> {
        if status.is_success() {
            return serde_json::from_slice(body)
                .map_err(|error| self.unreachable(format!("its answer makes no sense: {error}")));
        }
        let detail = serde_json::from_slice::<serde_json::Value>(body)
            .ok()
            .and_then(|problem| problem["detail"].as_str().map(str::to_owned))
            .unwrap_or_else(|| format!("it answers {status}"));
        match status.is_client_error() {
            true => Err(ControlError::Refused {
                node: self.base.to_string(),
                status: status.as_u16(),
                why: detail,
            }),
            false => Err(self.unreachable(detail)),
        }
    }

    fn unreachable(&self, why: impl ToString) -> ControlError {
        ControlError::Unreachable { node: self.base.to_string(), why: why.to_string() }
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
