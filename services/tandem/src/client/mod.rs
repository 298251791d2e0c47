//! How the commands talk to a server: HTTP/1.1, whole bodies, one deadline per request.

mod error;
mod url;

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use tandem_model::headers;

pub use error::{ClientError, Refusal};
pub use url::{ServerUrl, UrlError};

use crate::key::Key;

/// Header of the token that keeps a client from reading anything older than it has seen.
pub const TOKEN: HeaderName = HeaderName::from_static(headers::TOKEN);
/// Header that asks one chain on purpose.
pub const CHAIN: HeaderName = HeaderName::from_static(headers::CHAIN);
/// Header that makes a repeated body count once.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server answers within this, or the request counts as failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Idle connections are dropped before the server does, so that no request runs into a closed one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A client of one server. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    server: ServerUrl,
    authorization: Option<HeaderValue>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(server: ServerUrl, key: Option<Key>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        let authorization = key.map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.as_str()))
                .expect("a key holds only characters a header may hold");
            value.set_sensitive(true);
            value
        });
        Self { http, server, authorization }
    }

    /// The server it talks to.
    pub fn server(&self) -> &ServerUrl {
        &self.server
    }

    /// Whether it has a key to show.
    pub fn has_key(&self) -> bool {
        self.authorization.is_some()
    }

    /// Reads `path_and_query`.
    ///
    /// # Errors
    ///
    /// When there was no whole answer; any status is an answer.
    pub async fn get(
        &self,
        path_and_query: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer, ClientError> {
        self.send(Method::GET, path_and_query, headers, Bytes::new()).await
    }

    /// Reads `path_and_query` as JSON.
    ///
    /// # Errors
    ///
    /// When there was no answer, a refusal, or something else than was expected.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        path_and_query: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<T, ClientError> {
        self.get(path_and_query, headers).await?.successful()?.json()
    }

    /// Sends `body` (NDJSON) to `path_and_query`.
    ///
    /// # Errors
    ///
    /// When there was no whole answer: the server may have taken the body or not.
    pub async fn post(
        &self,
        path_and_query: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        self.send(Method::POST, path_and_query, headers, body).await
    }

    async fn send(
        &self,
        method: Method,
        path_and_query: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::builder().method(&method).uri(self.server.join(path_and_query));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-ndjson");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(ClientError::Request)?;
        match tokio::time::timeout(ANSWER_TIMEOUT, self.whole_answer(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Timeout { server: self.server.clone(), waited: ANSWER_TIMEOUT }),
        }
    }

    async fn whole_answer(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let response = self.http.request(request).await.map_err(|error| ClientError::Unreachable {
            server: self.server.clone(),
            reason: error::root_of(&error),
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
            ClientError::Unreachable { server: self.server.clone(), reason: error::root_of(&*error) }
        })?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }
}

impl Answer {
    /// The answer, if it is no refusal.
    ///
    /// # Errors
    ///
    /// When its status is not one of success.
    pub fn successful(self) -> Result<Self, ClientError> {
        if self.status.is_success() { Ok(self) } else { Err(ClientError::Refused(self.refusal())) }
    }

    /// What a refusal says.
    pub fn refusal(&self) -> Refusal {
        Refusal::read(self.status, &self.body)
    }

    /// Its body as JSON.
    ///
    /// # Errors
    ///
    /// When the body is not what was expected.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(ClientError::Answer)
    }

    /// A header as text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
