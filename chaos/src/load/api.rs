//! A client's connection: HTTP/1.1, whole bodies, one deadline per request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tandem_model::headers::TOKEN;
use tandem_model::route::Chain;

use crate::history::{Figures, METRICS};

/// Who has no answer by then has none.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A client of one gateway.
pub struct Api {
    http: Client<HttpConnector, Full<Bytes>>,
    gateway: String,
    authorization: String,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    headers: HeaderMap,
    /// Its body; null where that is no JSON.
    pub json: Value,
}

impl Api {
    /// A client of `gateway` (`host:port`), not connected yet.
    pub fn new(gateway: &str, key: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(TIMEOUT));
        Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            gateway: gateway.to_owned(),
            authorization: format!("Bearer {key}"),
        }
    }

    /// Reads `path`. `None` without an answer in time.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        self.send(Method::GET, path, headers, Bytes::new()).await
    }

    /// Sends events. `None` without an answer in time: they may have been taken or not.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: Bytes) -> Option<Answer> {
        self.send(Method::POST, path, headers, body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Option<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.gateway))
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/x-ndjson");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).ok()?;
        let answering = async {
            let (head, body) = self.http.request(request).await.ok()?.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await.ok()?.to_bytes();
            let json = serde_json::from_slice(&body).unwrap_or_default();
            Some(Answer { status: head.status.as_u16(), headers: head.headers, json })
        };
        tokio::time::timeout(TIMEOUT, answering).await.ok().flatten()
    }
}

impl Answer {
    /// The token to send back.
    pub fn token(&self) -> Option<Arc<str>> {
        self.headers.get(TOKEN)?.to_str().ok().map(Arc::from)
    }

    /// Whether it is older than the token, and says so.
    pub fn is_stale(&self) -> bool {
        self.json["meta"]["stale"] == true
    }

    /// The chain it comes from.
    pub fn chain(&self) -> Option<Chain> {
        Chain::from_name(self.json["meta"]["chain"].as_str()?)
    }

    /// The epoch it names.
    pub fn epoch(&self) -> Option<u64> {
        self.json["meta"]["epoch"].as_u64()
    }

    /// The moment of event time it names, in milliseconds.
    pub fn as_of_ms(&self) -> u64 {
        self.json["meta"]["as_of"].as_u64().unwrap_or(0)
    }

    /// Its figures, if all are there.
    pub fn figures(&self) -> Option<Figures> {
        let mut figures = Figures::default();
        for (figure, metric) in figures.iter_mut().zip(METRICS) {
            *figure = self.json["metrics"][metric].as_u64()?;
        }
        Some(figures)
    }
}
