//! A user of a server. Every answer is checked against the server's own description.

use std::sync::Mutex;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tandem_model::route::Chain;
use tandem_model::{LogId, PartitionId, Token};
use tokio::sync::OnceCell;

use crate::description::Description;
use crate::program::{DEADLINE, KEY, until};

/// Both chains, as the header names them.
pub const CHAINS: [Chain; 2] = Chain::ALL;

/// Talks to one server.
pub struct Api {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    description: OnceCell<Description>,
    /// The path of every answer that was checked.
    checked: Mutex<Vec<String>>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    has_key: bool,
    body: Bytes,
}

impl Call {
    /// Anything.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), has_key: true, body: Bytes::new() }
    }

    /// A read.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Events that happen now.
    pub fn events(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::new(Method::POST, "/v1/events") }
    }

    /// Events that carry their own beats.
    pub fn replay(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::new(Method::POST, "/v1/events?clock=replay") }
    }

    /// An operator's order.
    pub fn order(path: &str, order: &Value) -> Self {
        Self { body: order.to_string().into(), ..Self::new(Method::POST, path) }
    }

    /// With this header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As somebody who has seen this.
    pub fn token(self, token: &str) -> Self {
        self.header("tandem-token", token)
    }

    /// Asks this chain on purpose.
    pub fn chain(self, chain: Chain) -> Self {
        self.header("tandem-chain", chain.name())
    }

    /// Without the key, so that another one, or none, can be shown.
    pub fn without_key(mut self) -> Self {
        self.has_key = false;
        self
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What was asked, for failures.
    pub call: String,
}

impl Answer {
    /// A header, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {self:?}", self.call))
    }

    /// The token to send back.
    pub fn token(&self) -> &str {
        let token = self.header("tandem-token");
        assert!(!token.is_empty(), "{}: no token: {self:?}", self.call);
        token
    }

    /// Its JSON, where it is an answer and no problem.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}: {self:?}", self.call);
        self.json()
    }

    /// Its detail, where it is this problem, in the one form that problems have.
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}: {self:?}", self.call);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.call);
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:tandem:problem:{kind}"), "{}: {problem}", self.call);
        assert_eq!(problem["status"], status, "{}: {problem}", self.call);
        for member in ["title", "detail"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{}: {member} in {problem}", self.call);
        }
        problem
    }
}

impl Api {
    /// A user of the server at `url`.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            description: OnceCell::new(),
            checked: Mutex::default(),
        }
    }

    /// Reads something.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Call::get(path)).await
    }

    /// Reads something that is as new as `token`, from whichever chain.
    pub async fn read(&self, path: &str, token: &str) -> Value {
        self.fresh(Call::get(path).token(token)).await
    }

    /// Reads something that is as new as `token`, from one chain.
    pub async fn read_from(&self, chain: Chain, path: &str, token: &str) -> Value {
        let json = self.fresh(Call::get(path).token(token).chain(chain)).await;
        assert_eq!(json["meta"]["chain"], chain.name(), "{path}");
        json
    }

    /// A chain that can't get as far as the token within 300 ms says so, rather than something
    /// older; then it is asked again.
    async fn fresh(&self, call: Call) -> Value {
        let call = call.header("prefer", "fresh");
        let json = until("a chain is as far as the token", async || {
            let answer = self.call(call.clone()).await;
            if answer.status == 503 {
                answer.problem(503, "behind-token");
                return None;
            }
            Some(answer.ok())
        })
        .await;
        assert_eq!(json["meta"]["stale"], false, "{call:?}");
        json
    }

    /// The token of somebody who has read as far as either chain has.
    pub async fn newest_token(&self) -> String {
        let status = until("both chains say how far they are", async || {
            let status = self.get("/v1/status").await.ok();
            let chains = status["chains"].as_array().expect("a list");
            let is_told = chains.iter().all(|chain| chain["partitions"] != json!([]));
            is_told.then_some(status)
        })
        .await;
        let id = status["log"]["id"].as_str().and_then(|id| u128::from_str_radix(id, 16).ok());
        let mut token = Token::new(LogId(id.expect("32 hexadecimal digits").to_be_bytes()));
        for chain in status["chains"].as_array().expect("a list") {
            for partition in chain["partitions"].as_array().expect("a list") {
                let number = |name: &str| partition[name].as_u64().expect("a number");
                token.advance(PartitionId(number("partition") as u32), number("next"));
            }
        }
        token.encode()
    }

    /// Sends a request, and checks the answer.
    pub async fn call(&self, call: Call) -> Answer {
        let (method, path) = (call.method.clone(), call.path.clone());
        let answer = self.send(call).await;
        if matches!(method, Method::GET | Method::POST) && path.starts_with("/v1/") {
            self.description().await.check(&method, &path, &answer);
        }
        if method == Method::GET {
            self.checked.lock().expect("no test fails while it holds it").push(path);
        }
        answer
    }

    /// The server's description of itself.
    pub async fn description(&self) -> &Description {
        let read = async || Description::new(self.send(Call::get("/v1/openapi.json")).await.ok());
        self.description.get_or_init(read).await
    }

    /// The paths that were read, and whose answers were found to be as described.
    pub fn checked(&self) -> Vec<String> {
        self.checked.lock().expect("no test fails while it holds it").clone()
    }

    async fn send(&self, call: Call) -> Answer {
        let name = format!("{} {}", call.method, call.path);
        self.try_send(call).await.unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    /// Sends a request; the answer may be anything, also none.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn try_send(&self, call: Call) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        tokio::time::timeout(DEADLINE, self.answer(call)).await?
    }

    async fn answer(&self, call: Call) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::builder()
            .method(&call.method)
            .uri(format!("{}{}", self.url, call.path))
            .header(CONTENT_TYPE, "application/x-ndjson");
        if call.has_key {
            request = request.header(AUTHORIZATION, format!("Bearer {KEY}"));
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let answer = self.client.request(request.body(Full::new(call.body))?).await?;
        let (head, body) = answer.into_parts();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
            call: format!("{} {}", call.method, call.path),
        })
    }
}
