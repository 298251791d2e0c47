//! What several tests need: small services, requests, a gateway over fake chains.

use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use tandem_control::{Control, ControlError, Decision, Order, wire};
use tandem_ingest::Ingest;
use tandem_model::LogId;
use tandem_model::problem::Problem;
use tandem_model::route::{Chain, Route};
use tandem_storage::memory::MemoryEventLog;
use tokio::sync::watch;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt, service_fn};

use crate::answer::{Answer, problem};
use crate::config::{ClockMode, GatewayConfig};
use crate::stack::{Inner, Shared, stack};
use crate::{ChainService, Gateway};

pub(crate) const KEY: &str = "test-key";
/// The log of [`World`].
pub(crate) const LOG: LogId = LogId([5; 16]);

/// A service that answers at once.
pub(crate) fn answering(
    answer: impl Fn(Request<Bytes>) -> Answer + Clone + Send + 'static,
) -> impl Inner<Bytes> {
    service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer) }
    })
}

pub(crate) fn get(path: &str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = path.parse().unwrap();
    request
}

pub(crate) fn json_of(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(answer.body()).unwrap()
}

/// A chain that does what `answer` says.
pub(crate) fn chain<F>(answer: impl Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static) -> ChainService
where
    F: Future<Output = Result<Answer, BoxError>> + Send + 'static,
{
    BoxCloneSyncService::new(service_fn(answer))
}

/// A chain that answers every request with this text.
pub(crate) fn saying(text: &'static str) -> ChainService {
    chain(move |_| async move { Ok(Answer::new(Bytes::from_static(text.as_bytes()))) })
}

pub(crate) fn behind() -> Answer {
    problem(&Problem::behind_token("test"))
}

/// A control whose route never changes.
pub(crate) struct Fixed(watch::Sender<Route>);

impl Fixed {
    pub(crate) fn new(active: Chain, epoch: u64) -> Self {
        Self(watch::Sender::new(Route { active, epoch, reason: "test".to_owned() }))
    }
}

#[async_trait]
impl Control for Fixed {
    fn route(&self) -> watch::Receiver<Route> {
        self.0.subscribe()
    }

    async fn current(&self) -> Result<Route, ControlError> {
        Ok(self.0.borrow().clone())
    }

    async fn order(&self, _order: Order) -> Result<wire::Ordered, ControlError> {
        Err(ControlError::Malformed("nobody decides here".to_owned()))
    }

    async fn history(&self, _: usize) -> Result<Vec<Decision>, ControlError> {
        Ok(Vec::new())
    }
}

/// A gateway over fake chains and a log in memory with 2 partitions.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) shared: Arc<Shared>,
}

impl World {
    pub(crate) fn new(chains: [ChainService; 2], clock: ClockMode) -> Self {
        Self::with(GatewayConfig::new(KEY), chains, clock)
    }

    pub(crate) fn with(config: GatewayConfig, chains: [ChainService; 2], clock: ClockMode) -> Self {
        let ingest = Arc::new(Ingest::new(Arc::new(MemoryEventLog::new(2).with_id(LOG))));
        let control = Arc::new(Fixed::new(Chain::A, 7));
        let gateway = Gateway::new(config, chains, control, ingest, clock).unwrap();
        Self { shared: Arc::clone(&gateway.shared), gateway }
    }

    /// Sends a request through the whole stack.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Answer {
        let request = request.map(Full::new);
        stack::<Full<Bytes>>(Arc::clone(&self.shared)).oneshot(request).await.unwrap()
    }

    pub(crate) async fn ask(&self, method: Method, target: &str, headers: &[(&'static str, &str)]) -> Answer {
        self.send(request(method, target, headers, "")).await
    }

    pub(crate) async fn post(&self, target: &str, headers: &[(&'static str, &str)], body: &str) -> Answer {
        self.send(request(Method::POST, target, headers, body)).await
    }
}

/// A request with the operator's key.
pub(crate) fn request(
    method: Method,
    target: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Request<Bytes> {
    let mut request = get(target);
    *request.method_mut() = method;
    *request.body_mut() = Bytes::from(body.to_owned());
    request.headers_mut().insert("authorization", HeaderValue::try_from(format!("Bearer {KEY}")).unwrap());
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::try_from(*value).unwrap());
    }
    request
}
