//! What several tests need: small services, requests, a gateway over fake chains.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use tandem_control::{Control, ControlError, Decision, Order, wire};
use tandem_identity::{Key, KeySet, to_hexadecimal};
use tandem_ingest::Ingest;
use tandem_model::problem::Problem;
use tandem_model::route::{Chain, Route};
use tandem_model::{LogId, PartitionId, Token};
use tandem_storage::memory::MemoryEventLog;
use tokio::sync::watch;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt, service_fn};

use crate::answer::{Answer, problem};
use crate::config::{ClockMode, GatewayConfig};
use crate::headers::TOKEN;
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

/// How long a [`Reporter`] takes for an answer.
pub(crate) const TAKES: Duration = Duration::from_millis(20);

/// A chain whose reports change with what it has read, and what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Reporter {
    /// How far it has read; that many views it reports.
    pub(crate) next: Arc<AtomicU64>,
    pub(crate) asked: Arc<AtomicUsize>,
    /// Questions that were dropped before their answer.
    pub(crate) dropped: Arc<AtomicUsize>,
    /// Whether it answers nothing of use.
    pub(crate) is_broken: Arc<AtomicBool>,
}

/// Counts itself unless defused: a question that was dropped before its answer.
pub(crate) struct Dropped(Arc<AtomicUsize>, bool);

impl Dropped {
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        Self(Arc::clone(count), true)
    }

    pub(crate) fn defuse(&mut self) {
        self.1 = false;
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(usize::from(self.1), Ordering::Relaxed);
    }
}

pub(crate) fn read_up_to(next: u64) -> Token {
    let mut token = Token::new(LOG);
    token.advance(PartitionId(1), next);
    token
}

impl Reporter {
    /// Answers like a query node, with what it has read when it is asked.
    pub(crate) fn service(&self, status: u16) -> ChainService {
        let fake = self.clone();
        chain(move |request| {
            fake.asked.fetch_add(1, Ordering::Relaxed);
            let (next, fake) = (fake.next.load(Ordering::Relaxed), fake.clone());
            let mut dropped = Dropped::new(&fake.dropped);
            let sent =
                request.headers().get(TOKEN).and_then(|text| Token::decode(text.to_str().unwrap()).ok());
            async move {
                tokio::time::sleep(TAKES).await;
                dropped.defuse();
                if fake.is_broken.load(Ordering::Relaxed) {
                    return Ok(problem(&Problem::unavailable("test")));
                }
                if sent.as_ref().is_some_and(|sent| !sent.is_reached_by(PartitionId(1), next)) {
                    return Ok(behind());
                }
                let mut joined = sent.unwrap_or_else(|| read_up_to(0));
                joined.join(&read_up_to(next));
                let text = joined.encode();
                let target = request.uri().path_and_query().unwrap().as_str();
                let body = format!(
                    r#"{{"target":"{target}","metrics":{{"views":{next},"likes":1}},"next":{next},"meta":{{"as_of":{next},"token":"{text}"}}}}"#
                );
                Ok(Response::builder().status(status).header(TOKEN, text).body(Bytes::from(body)).unwrap())
            }
        })
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The key of a tenant for this: `read`, `write` or `signing` (which writes).
pub(crate) fn tenant_key(what: &str) -> Key {
    Key::from_random(&[what.len() as u8; 40])
}

/// Tenant `mcn` with anchor `a1` and a key for each of [`tenant_key`].
pub(crate) fn tenant_keys() -> Arc<KeySet> {
    tenant_keys_of("a1")
}

/// The same with another anchor.
pub(crate) fn tenant_keys_of(anchor: &str) -> Arc<KeySet> {
    let mut text = format!("[[tenants]]\nname = \"mcn\"\nanchors = [\"{anchor}\"]\n");
    for what in ["read", "write", "signing"] {
        let key = tenant_key(what);
        let (may, secret) = match what {
            "signing" => ("write", format!("signing_key = \"{}\"", to_hexadecimal(&key.signing_key()))),
            may => (may, format!("sha256 = \"{}\"", to_hexadecimal(&key.secret_sha256()))),
        };
        text.push_str(&format!(
            "[[keys]]\nid = \"{}\"\ntenant = \"mcn\"\napplication = \"{what}\"\nmay = [\"{may}\"]\n{secret}\n\
             created_at = 2024-01-01T00:00:00Z\n",
            key.id()
        ));
    }
    Arc::new(KeySet::parse(text.as_bytes(), 0).unwrap())
}
