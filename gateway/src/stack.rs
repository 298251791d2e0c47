//! The stack, put together in one place, outermost first.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Request;
use parking_lot::RwLock;
use tandem_control::Control;
use tandem_ingest::Ingest;
use tandem_parity::ParityReport;
use tokio::sync::watch;
use tower::{BoxError, Service, ServiceBuilder};

use crate::admission::{AdmissionLayer, Gate};
use crate::answer::Answer;
use crate::auth::AuthLayer;
use crate::callers::Callers;
use crate::chains::{ChainRouter, RouterConfig};
use crate::client_address::ClientAddressLayer;
use crate::config::{ClockMode, ConfigError, GatewayConfig};
use crate::counters::Counters;
use crate::header_limits::HeaderLimitLayer;
use crate::limits::{LimitLayer, Limits};
use crate::ownership::Ownership;
use crate::panics::PanicLayer;
use crate::places::Places;
use crate::request_id::RequestIdLayer;
use crate::routes::Routes;
use crate::server::PortLimits;
use crate::sharing::Sharing;
use crate::shield::{Guard, ShieldLayer};
use crate::status::StatusCache;
use crate::streams::Streams;
use crate::strict::StrictLayer;
use crate::{ChainService, cors};

/// What all requests share.
pub(crate) struct Shared {
    /// What is in force right now.
    config: RwLock<Arc<GatewayConfig>>,
    port_limits: watch::Sender<PortLimits>,
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
    pub(crate) bodies: Places,
    pub(crate) limits: Arc<Limits>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) guard: Arc<Guard>,
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
        let gate = Arc::new(Gate::new(&config.admission, config.reads_max));
        let chains = Arc::new(ChainRouter::new(
            &router(&config, &gate),
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
        let limits = Arc::new(Limits::new(&config.limits));
        Self {
            clock,
            streams: Streams::new(&config, Arc::clone(&reads), Arc::clone(&limits), Arc::clone(&callers)),
            reads,
            chains,
            ingest,
            counters,
            status: StatusCache::default(),
            parity: OnceLock::new(),
            bodies: Places::new(config.bodies_max),
            limits,
            gate,
            guard: Arc::new(Guard::new(&config.shield)),
            callers,
            ownership: Ownership::default(),
            port_limits: watch::Sender::new(port_limits(&config)),
            config: RwLock::new(Arc::new(config)),
        }
    }

    /// What is in force right now. Whoever needs several options takes them from one look.
    pub(crate) fn config(&self) -> Arc<GatewayConfig> {
        Arc::clone(&self.config.read())
    }

    /// What the public port bears, now and from then on.
    pub(crate) fn port_limits(&self) -> watch::Receiver<PortLimits> {
        self.port_limits.subscribe()
    }

    /// Puts another configuration in force, or leaves everything as it is.
    ///
    /// What is known of chains, callers and answers stays, and so do streams and requests under way.
    pub(crate) fn replace_config(&self, config: GatewayConfig) -> Result<(), ConfigError> {
        config.check()?;
        // From here on nothing can fail.
        let mut in_force = self.config.write();
        self.callers.use_operator(&config.operator_key);
        self.chains.configure(&router(&config, &self.gate));
        self.gate.configure(&config.admission, config.reads_max);
        self.reads.configure(config.answer_kept, config.answers_bytes_max);
        self.streams.configure(&config);
        self.bodies.set_max(config.bodies_max);
        self.limits.limiter.replace(config.limits.rules.clone());
        self.guard.configure(&config.shield);
        self.port_limits.send_replace(port_limits(&config));
        *in_force = Arc::new(config);
        Ok(())
    }
}

fn router(config: &GatewayConfig, gate: &Arc<Gate>) -> RouterConfig {
    RouterConfig {
        hedge_delay_min: config.hedge_delay_min,
        hedge_delay: config.hedge_delay,
        upstream_timeout: config.upstream_timeout,
        gate: Arc::clone(gate),
        standby_percent: config.standby_percent,
    }
}

fn port_limits(config: &GatewayConfig) -> PortLimits {
    PortLimits {
        connections_max: config.connections_max,
        header_timeout: config.header_timeout,
        drain: config.drain,
    }
}

/// The stack for the configuration in force: made anew when that is another. A request goes through
/// one of them, whatever happens meanwhile.
pub(crate) struct Stacks<S, F> {
    shared: Arc<Shared>,
    make: F,
    /// For which configuration, and the stack.
    current: RwLock<(Arc<GatewayConfig>, S)>,
}

impl<S: Clone, F: Fn(Arc<Shared>) -> S> Stacks<S, F> {
    pub(crate) fn new(shared: Arc<Shared>, make: F) -> Self {
        let current = RwLock::new((shared.config(), make(Arc::clone(&shared))));
        Self { shared, make, current }
    }

    pub(crate) fn current(&self) -> S {
        let config = self.shared.config();
        {
            let current = self.current.read();
            if Arc::ptr_eq(&current.0, &config) {
                return current.1.clone();
            }
        }
        let made = (self.make)(Arc::clone(&self.shared));
        *self.current.write() = (config, made.clone());
        made
    }
}

/// The whole stack over the routes. Limits that need the connection (time to send a header, its
/// size while it is read) are the [`server`](crate::server)'s.
pub(crate) fn stack<B>(shared: Arc<Shared>) -> impl Inner<B>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let config = shared.config();
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
        .option_layer(cors::layer(&config.cors_origins))
        // Before anything that asks where a request comes from.
        .layer(ClientAddressLayer(Arc::new(config.limits.trusted_proxies.clone())))
        // Before anything that costs something: routes read bodies and ask chains.
        .layer(AuthLayer {
            callers: Arc::clone(&shared.callers),
            limits: Arc::clone(&shared.limits),
            guard: Arc::clone(&shared.guard),
        })
        // Behind it, so that a good credential counts for more than an address; before the limits, so
        // that hostile traffic does not use up what others share.
        .layer(ShieldLayer(Arc::clone(&shared.guard)))
        // Behind it, so that callers are counted by who they are.
        .layer(LimitLayer(Arc::clone(&shared.limits)))
        // Behind it, so that what is refused there takes nobody's place; before what costs.
        .layer(AdmissionLayer(Arc::clone(&shared.gate)))
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
