//! Asks the control node, over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use tandem_failover::Action;
use tandem_model::route::Route;
use tokio::time::Instant;

use crate::wire::{
    FORWARDED, Known, MEMBERS_PATH, MemberOrder, Members, Noted, OBSERVATIONS_PATH, Observations, Ordered,
    RAFT_PATH, SIMPLE, STATE_PATH, SWITCH_PATH, Simple, State, action, simple_path,
};
use crate::{ClockReading, ControlError, Decision, HISTORY_MAX, OperatorKey, Order, wall_ms};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the node may take for an answer, beyond what it was asked to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(7);
/// How long a node may take to show that it is there.
const PRESENCE_TIMEOUT: Duration = Duration::from_millis(500);
/// Longest answer that is read, in bytes: 256 decisions with their reasons.
const ANSWER_BYTES_MAX: usize = 4 << 20;
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The control node, as a client sees it. It answers from nobody's memory: what the node can't be
/// asked is an error. Questions need a tokio runtime.
pub struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    node: Uri,
    authorization: HeaderValue,
}

impl Client {
    /// A client of the node at `node` (scheme `http`, host and port), which has not connected yet.
    ///
    /// # Errors
    ///
    /// When the address can't be one, or the key can't be sent.
    pub fn new(node: Uri, key: &OperatorKey) -> Result<Self, ControlError> {
        let refused =
            |why: &str| ControlError::Refused { node: node.to_string(), status: 400, why: why.to_owned() };
        if node.scheme_str() != Some("http") || node.authority().is_none() {
            return Err(refused("its address must look like http://host:port"));
        }
        let authorization = key.bearer().ok_or_else(|| refused("the key can't be sent"))?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { http, node, authorization })
    }

    /// The node's address.
    pub fn node(&self) -> &Uri {
        &self.node
    }

    /// The whole state. `is_local`: as this node knows it, which may be old.
    ///
    /// # Errors
    ///
    /// When the node can't be asked or refuses; where it is not local, also when no majority of the
    /// group answers.
    pub async fn state(&self, history: usize, is_local: bool) -> Result<State, ControlError> {
        self.get(&format!("history={}&local={is_local}", history.min(HISTORY_MAX)), Duration::ZERO).await
    }

    /// The route in force.
    ///
    /// # Errors
    ///
    /// When the node can't be asked or refuses, or no majority of the group answers.
    pub async fn current(&self) -> Result<Route, ControlError> {
        Ok(self.get::<Known>("history=0", Duration::ZERO).await?.route)
    }

    /// Waits at the node, up to `wait`, while its epoch is `epoch`; then answers what it knows.
    pub(crate) async fn next(&self, epoch: u64, wait: Duration) -> Result<Known, ControlError> {
        let query = format!("history=0&after_epoch={epoch}&wait_ms={}", wait.as_millis());
        self.get(&query, wait).await
    }

    /// Wants something decided; see [`crate::Control::order`]. `is_forwarded`: the node is not to
    /// pass it on.
    ///
    /// # Errors
    ///
    /// When it can't be asked for, rules stand against it, or the node can't be asked or refuses.
    pub async fn order(&self, order: &Order, is_forwarded: bool) -> Result<Ordered, ControlError> {
        let plain = |value: serde_json::Result<Vec<u8>>| value.expect("an order holds only plain data");
        let (path, body, wait) = match order {
            Order::Switch(switch) => {
                let wait = Duration::from_millis(switch.within_ms);
                (SWITCH_PATH.to_owned(), plain(serde_json::to_vec(switch)), wait)
            }
            Order::Decide { by, reason, action: wanted } => {
                let (verb, simple) = simple(by, reason, wanted)?;
                (simple_path(verb), plain(serde_json::to_vec(&simple)), Duration::ZERO)
            }
        };
        self.ask(Method::POST, &path, body.into(), wait, is_forwarded).await
    }

    /// Whether the node answers at once.
    pub async fn answers(&self) -> bool {
        let asking = self.get::<Known>("history=0&local=true", Duration::ZERO);
        matches!(tokio::time::timeout(PRESENCE_TIMEOUT, asking).await, Ok(Ok(_)))
    }

    /// Who is in the group, as the node knows it.
    ///
    /// # Errors
    ///
    /// When the node can't be asked or refuses.
    pub async fn members(&self) -> Result<Members, ControlError> {
        self.ask(Method::GET, MEMBERS_PATH, Bytes::new(), Duration::ZERO, false).await
    }

    /// Changes who is in the group.
    ///
    /// # Errors
    ///
    /// When it can't be, or the node can't be asked or refuses.
    pub async fn change(&self, order: &MemberOrder, is_forwarded: bool) -> Result<Members, ControlError> {
        let body = serde_json::to_vec(order).expect("an order holds only plain data");
        self.ask(Method::POST, MEMBERS_PATH, body.into(), Duration::ZERO, is_forwarded).await
    }

    /// Tells what was seen, and answers what the node knows.
    pub(crate) async fn observe(&self, seen: &Observations) -> Result<Noted, ControlError> {
        let body = serde_json::to_vec(seen).expect("observations hold only plain data");
        self.ask(Method::POST, OBSERVATIONS_PATH, body.into(), Duration::ZERO, false).await
    }

    /// Hands a body of messages to a member.
    pub(crate) async fn raft(&self, body: Bytes, timeout: Duration) -> Result<(), ControlError> {
        let request = self.request(Method::POST, RAFT_PATH, body, false)?;
        match tokio::time::timeout(timeout, self.exchange(request)).await {
            Ok(Ok((status, _))) if status.is_success() => Ok(()),
            Ok(Ok((status, body))) => self.read::<serde_json::Value>(status, &body).map(|_| ()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.unreachable(format!("no answer within {} ms", timeout.as_millis()))),
        }
    }

    /// The last decisions, newest first.
    ///
    /// # Errors
    ///
    /// When the node can't be asked or refuses.
    pub async fn history(&self, limit: usize) -> Result<Vec<Decision>, ControlError> {
        let query = format!("history={}", limit.min(HISTORY_MAX));
        Ok(self.get::<State>(&query, Duration::ZERO).await?.history)
    }

    /// Compares our wall clock with the node's.
    ///
    /// # Errors
    ///
    /// When the node can't be asked or refuses.
    pub async fn clock(&self) -> Result<ClockReading, ControlError> {
        let (asked, asked_ms) = (Instant::now(), wall_ms());
        // A clock needs no majority.
        let state: Known = self.get("history=0&local=true", Duration::ZERO).await?;
        // By the steady clock: the other one may step in between, which is what we look for.
        let half_ms = asked.elapsed().as_millis() as u64 / 2;
        Ok(ClockReading { ours_ms: asked_ms + half_ms, theirs_ms: state.now_ms, uncertainty_ms: half_ms })
    }

    async fn get<T: DeserializeOwned>(&self, query: &str, wait: Duration) -> Result<T, ControlError> {
        self.ask(Method::GET, &format!("{STATE_PATH}?{query}"), Bytes::new(), wait, false).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        wait: Duration,
        is_forwarded: bool,
    ) -> Result<T, ControlError> {
        let request = self.request(method, path, body, is_forwarded)?;
        match tokio::time::timeout(wait + ANSWER_TIMEOUT, self.exchange(request)).await {
            Ok(answer) => answer.and_then(|(status, body)| self.read(status, &body)),
            Err(_) => {
                Err(self.unreachable(format!("no answer within {} s", (wait + ANSWER_TIMEOUT).as_secs())))
            }
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        is_forwarded: bool,
    ) -> Result<Request<Full<Bytes>>, ControlError> {
        let mut parts = self.node.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|error| self.unreachable(error))?);
        let uri = Uri::from_parts(parts).map_err(|error| self.unreachable(error))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if is_forwarded {
            headers.insert(FORWARDED, HeaderValue::from_static("1"));
        }
        Ok(request)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), ControlError> {
        let response = self.http.request(request).await.map_err(|error| self.unreachable(root(&error)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| self.unreachable(root(&*error)))?.to_bytes();
        Ok((head.status, body))
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
            true if status == StatusCode::CONFLICT => Err(ControlError::Ruled(detail)),
            true => Err(ControlError::Refused {
                node: self.node.to_string(),
                status: status.as_u16(),
                why: detail,
            }),
            false => Err(self.unreachable(detail)),
        }
    }

    fn unreachable(&self, why: impl ToString) -> ControlError {
        ControlError::Unreachable { node: self.node.to_string(), why: why.to_string() }
    }
}

/// How an action is asked for.
fn simple<'a>(by: &str, reason: &str, wanted: &Action) -> Result<(&'a str, Simple), ControlError> {
    let (chain, window, bounds) = match wanted {
        Action::Drain(chain)
        | Action::Undrain(chain)
        | Action::Quarantine(chain)
        | Action::Release(chain) => (Some(*chain), None, None),
        Action::Block(window) | Action::Unblock(window) => (None, Some(*window), None),
        Action::SetBounds(bounds) => (None, None, Some(*bounds)),
        Action::Freeze | Action::Unfreeze | Action::Switch(_) => (None, None, None),
    };
    let simple = Simple { chain, window, bounds, reason: reason.to_owned(), by: by.to_owned() };
    SIMPLE
        .iter()
        .map(|(verb, _)| *verb)
        .find(|verb| action(verb, &simple).as_ref() == Some(wanted))
        .map(|verb| (verb, simple))
        .ok_or_else(|| ControlError::Malformed("a switch is asked for as one".to_owned()))
}

/// What went wrong at the bottom: the layers above only say that a request failed.
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}
