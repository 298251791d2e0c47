//! The stack, put together in one place, outermost first.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Request;
use tandem_control::Control;
use tandem_ingest::Ingest;
use tandem_parity::ParityReport;
use tokio::sync::{Semaphore, watch};
use tower::{BoxError, Service, ServiceBuilder};

use crate::answer::Answer;
use crate::auth::AuthLayer;
use crate::callers::Callers;
use crate::chains::{ChainRouter, RouterConfig};
use crate::client_address::{ClientAddressLayer, TrustedProxies};
use crate::config::{ClockMode, GatewayConfig};
use crate::counters::Counters;
use crate::header_limits::HeaderLimitLayer;
use crate::limits::{LimitLayer, Limits};
use crate::ownership::Ownership;
use crate::panics::PanicLayer;
use crate::request_id::RequestIdLayer;
use crate::routes::Routes;
use crate::sharing::Sharing;
use crate::status::StatusCache;
use crate::streams::Streams;
use crate::strict::StrictLayer;
use crate::{ChainService, cors};

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) config: GatewayConfig,
    pub(crate) clock: ClockMode,
    pub(crate) chains: Arc<ChainRouter>,
    /// In front of the chains.
    pub(crate) reads: Arc<Sharing>,
    pub(crate) streams: Streams,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) status: StatusCache,
    /// What whoever compares the chains finds, where somebody does.
    pub(crate) parity: OnceLock<watch::Receiver<ParityReport>>,
    /// A permit per body that is being read or taken.
    pub(crate) bodies: Semaphore,
    pub(crate) limits: Arc<Limits>,
    trusted_proxies: Arc<TrustedProxies>,
    pub(crate) callers: Arc<Callers>,
    pub(crate) ownership: Ownership,
}

impl Shared {
    pub(crate) fn new(
        config: GatewayConfig,
        chains: [ChainService; 2],
        control: &dyn Control,
        ingest: Arc<Ingest>,
        clock: ClockMode,
    ) -> Self {
        let counters = Arc::new(Counters::default());
        let callers = Arc::new(Callers::new(&config.operator_key, Arc::clone(&counters)));
        let router = RouterConfig {
            hedge_delay_min: config.hedge_delay_min,
            hedge_delay: config.hedge_delay,
            upstream_timeout: config.upstream_timeout,
            reads_max: config.reads_max,
            standby_percent: config.standby_percent,
        };
        let chains = Arc::new(ChainRouter::new(
            &router,
            chains,
            control.route(),
            control.shunned(),
            Arc::clone(&counters),
        ));
        let reads = Arc::new(Sharing::new(
            Arc::clone(&chains),
            Arc::clone(&counters),
            config.answer_kept,
            config.answers_bytes_max,
        ));
        Self {
            clock,
            streams: Streams::new(Arc::clone(&reads), config.streams_max, config.streams_per_tenant_max),
            reads,
            chains,
            ingest,
            counters,
            status: StatusCache::default(),
            parity: OnceLock::new(),
            bodies: Semaphore::new(config.bodies_max),
            limits: Arc::new(Limits::new(&config.limits)),
            trusted_proxies: Arc::new(config.limits.trusted_proxies.clone()),
            callers,
            ownership: Ownership::default(),
            config,
        }
    }
}

/// The whole stack over the routes. Limits that need the connection (time to send a header, its
/// size while it is read) are the [`server`](crate::server)'s.
pub(crate) fn stack<B>(shared: Arc<Shared>) -> impl Inner<B>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    ServiceBuilder::new()
        // First, so that every answer has an id, also one about a panic.
        .layer(RequestIdLayer::new())
        // Around everything that could panic.
        .layer(PanicLayer)
        // Before anything looks at the request: what has two readings is looked at by nobody.
        .layer(StrictLayer(Arc::clone(&shared.counters)))
        // Before anything that costs more with the header's size.
        .layer(HeaderLimitLayer)
        // Before the key: browsers ask whether they may call without showing one.
        .option_layer(cors::layer(&shared.config.cors_origins))
        // Before anything that asks where a request comes from.
        .layer(ClientAddressLayer(Arc::clone(&shared.trusted_proxies)))
        // Before anything that costs something: routes read bodies and ask chains.
        .layer(AuthLayer(Arc::clone(&shared.callers)))
        // Behind it, so that callers are counted by who they are.
        .layer(LimitLayer(Arc::clone(&shared.limits)))
        .service(Routes::new(shared))
}

/// A service in the stack: it always answers, and is always ready.
pub(crate) trait Inner<B>:
    Service<Request<B>, Response = Answer, Error = Infallible, Future: Future + Send + 'static>
    + Clone
    + Send
    + 'static
{
}

impl<B, S> Inner<B> for S where
    S: Service<Request<B>, Response = Answer, Error = Infallible, Future: Future + Send + 'static>
        + Clone
        + Send
        + 'static
{
}
