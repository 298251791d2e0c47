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
use tandem_model::route::{Chain, Route};
use tokio::time::Instant;

use crate::local::wall_ms;
use crate::wire::{STATE_PATH, SWITCH_PATH, State, Switch, Switched};
use crate::{ClockReading, ControlError, Decision, HISTORY_MAX, OperatorKey, REASON_CHARS_MAX};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the node may take for an answer, beyond what it was asked to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
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

    /// The route in force.
    ///
    /// # Errors
    ///
    /// When the node can't be asked or refuses.
    pub async fn current(&self) -> Result<Route, ControlError> {
        let state: State = self.get("history=0", Duration::ZERO).await?;
        Ok(state.route)
    }

    /// Waits at the node, up to `wait`, while its epoch is `epoch`; then answers its route.
    pub(crate) async fn next(&self, epoch: u64, wait: Duration) -> Result<Route, ControlError> {
        let query = format!("history=0&after_epoch={epoch}&wait_ms={}", wait.as_millis());
        let state: State = self.get(&query, wait).await?;
        Ok(state.route)
    }

    /// Asks for a switch; see [`crate::Control::switch`].
    ///
    /// # Errors
    ///
    /// When the reason can't be one, or the node can't be asked or refuses.
    pub async fn switch(&self, to: Chain, reason: String) -> Result<Route, ControlError> {
        if reason.trim().is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            return Err(ControlError::BadReason);
        }
        let body = serde_json::to_vec(&Switch { to, reason }).expect("a switch holds only plain data");
        let switched: Switched = self.ask(Method::POST, SWITCH_PATH, body.into(), Duration::ZERO).await?;
        Ok(switched.route)
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
        let state: State = self.get("history=0", Duration::ZERO).await?;
        // By the steady clock: the other one may step in between, which is what we look for.
        let half_ms = asked.elapsed().as_millis() as u64 / 2;
        Ok(ClockReading { ours_ms: asked_ms + half_ms, theirs_ms: state.now_ms, uncertainty_ms: half_ms })
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
        let mut parts = self.node.clone().into_parts();
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

/// What went wrong at the bottom: the layers above only say that a request failed.
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}
