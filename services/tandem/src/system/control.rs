//! The control group of a single process: three members, each with its own folder, thread and
//! port, that talk over loopback as they would between hosts.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Uri};
use tandem_control::{
    ChainReader, Control, Founders, MemberId, Node, NodeOptions, OperatorKey, Prober, Remote, RemoteOptions,
    api,
};
use tandem_failover::{DigestVerdict, Observation};
use tandem_gateway::{ChainService, Gateway, PortLimits, serve_http};
use tandem_model::route::Chain;
use tandem_model::{Scope, headers};
use tandem_parity::ParityReport;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::StartError;

/// How long a start waits for the first route.
const ROUTE_PATIENCE: Duration = Duration::from_secs(5);
/// How often gateways report.
const SYMPTOMS_EVERY: Duration = Duration::from_millis(100);
/// How many members there are.
const MEMBERS: u16 = 3;
/// What the control API's port bears, here and in a process of its own.
pub(crate) const LIMITS: PortLimits = PortLimits {
    connections_max: 4_096,
    // Followers ask again after 5 s at the latest, operators' switches may wait for minutes.
    header_timeout: Duration::from_secs(60),
    drain: Duration::from_secs(5),
};

/// Where the members listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlPorts {
    /// At free ports.
    Any,
    /// At this port and the two after it; at free ones where one of them is taken.
    Rather(u16),
    /// At this port and the two after it, or nowhere.
    From(u16),
}

/// The running group.
pub(super) struct Group {
    nodes: Vec<Node>,
    /// Follows all of them, as a gateway elsewhere would: one that is lost takes nobody with it.
    remote: Arc<Remote>,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
    probers: Vec<Prober>,
}

impl Group {
    /// Starts all members, with their folders in `folder`.
    pub(super) async fn start(
        folder: &Path,
        (listen, ports): (IpAddr, ControlPorts),
        key: &OperatorKey,
    ) -> Result<Self, StartError> {
        let listeners = match ports {
            ControlPorts::Any => listen_at(listen, 0).await?,
            ControlPorts::From(port) => listen_at(listen, port).await?,
            ControlPorts::Rather(port) => match listen_at(listen, port).await {
                Ok(listeners) => listeners,
                Err(error) => {
                    tracing::info!(%error, "the control group takes free ports");
                    listen_at(listen, 0).await?
                }
            },
        };
        let addresses = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| StartError::Listen { listen: SocketAddr::new(listen, 0), source })?;
        let uris: BTreeMap<MemberId, Uri> =
            (1..).map(MemberId).zip(addresses.iter().map(|address| reached_at(*address))).collect();
        let (stop, stopped) = watch::channel(false);
        let options =
            RemoteOptions { nodes: uris.values().cloned().collect(), key: key.clone(), memory: None };
        let remote = Arc::new(Remote::start(options).map_err(StartError::Control)?);
        let mut group =
            Self { nodes: Vec::new(), remote, addresses, stop, serving: Vec::new(), probers: Vec::new() };
        for (id, listener) in (1..).map(MemberId).zip(listeners) {
            let options = NodeOptions {
                id,
                folder: folder.join(format!("control-{id}")),
                addresses: uris.clone(),
                founders: Founders::Configured,
                key: key.clone(),
                settings: tandem_group::Settings::default(),
                judging: tandem_failover::Settings::default(),
            };
            let runtime = tokio::runtime::Handle::current();
            let started = tokio::task::spawn_blocking(move || {
                let _runtime = runtime.enter();
                Node::start(options)
            });
            let node = started.await.map_err(|error| StartError::Broken(error.to_string()))?;
            let node = node.map_err(StartError::Control)?;
            let pages = api::router(node.clone(), key.clone(), stopped.clone(), &drills());
            let mut serving_stopped = stopped.clone();
            group.serving.push(tokio::spawn(async move {
                let until = async move { _ = serving_stopped.wait_for(|stop| *stop).await };
                _ = serve_http(pages, LIMITS, listener, until).await;
            }));
            group.nodes.push(node);
        }
        // Every member knows what was decided before: no reason to begin without.
        let mut route = group.remote.route();
        let known = route.wait_for(|route| route.epoch > 0);
        if tokio::time::timeout(ROUTE_PATIENCE, known).await.is_err() {
            tracing::warn!("no route is known yet; going on without");
        }
        Ok(group)
    }

    /// Lets the members look at both chains.
    pub(super) fn watch(&mut self, chains: &[ChainService; 2], verdicts: &watch::Receiver<DigestVerdict>) {
        let reader: Arc<dyn ChainReader> = Arc::new(ByServices(chains.clone()));
        for (index, node) in self.nodes.iter().enumerate() {
            let all = self.nodes.clone();
            // One who compares is enough: a verdict is no matter of votes.
            let verdicts = (index == 0).then(|| verdicts.clone());
            let prober =
                Prober::start(format!("control-{}", node.id()), Arc::clone(&reader), verdicts, move |seen| {
                    tell(&all, &seen);
                });
            self.probers.push(prober);
        }
    }

    /// Whom to ask and follow.
    pub(super) fn control(&self) -> Arc<dyn Control> {
        Arc::clone(&self.remote) as _
    }

    /// Tells all members what the gateway's requests meet, until `stopped` says so.
    pub(super) fn tell_symptoms(
        &self,
        gateway: Gateway,
        mut stopped: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let remote = Arc::clone(&self.remote);
        async move {
            let mut ticks = symptom_ticks();
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    // An error means that the system was dropped.
                    _ = stopped.wait_for(|stop| *stop) => return,
                }
                remote.observe(&seen_by(&gateway, "gateway"));
            }
        }
    }

    /// The member that leads, where one does.
    pub(super) fn leader(&self) -> Option<Node> {
        self.nodes.iter().find(|node| node.view().borrow().outlook.is_some()).cloned()
    }

    /// Where their APIs are.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Ends it. What was decided is on disk, and the folders are free.
    pub(super) async fn stop(self) {
        drop(self.probers);
        self.stop.send_replace(true);
        for serving in self.serving {
            _ = serving.await;
        }
        let nodes = self.nodes;
        // Joins threads.
        let stopping = tokio::task::spawn_blocking(move || nodes.iter().for_each(Node::stop));
        if stopping.await.is_err() {
            tracing::error!("the control group broke down");
        }
    }
}

/// When a gateway's symptoms are due.
pub(crate) fn symptom_ticks() -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(SYMPTOMS_EVERY);
    // After a pause one report says it all.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

/// What a gateway's requests met since it was asked last.
pub(crate) fn seen_by(gateway: &Gateway, observer: &str) -> Vec<Observation> {
    gateway.symptoms(observer).into_iter().map(Observation::Symptoms).collect()
}

/// Passes on what comparing both chains gives, until one side is gone.
pub(super) async fn tell_verdicts(
    mut parity: watch::Receiver<ParityReport>,
    verdict: watch::Sender<DigestVerdict>,
) {
    loop {
        let newest = parity.borrow_and_update().digest_verdict();
        verdict.send_if_modified(|known| std::mem::replace(known, newest) != newest);
        if parity.changed().await.is_err() {
            return;
        }
    }
}

/// What can be rehearsed, for the control API.
pub(crate) fn drills() -> serde_json::Value {
    serde_json::to_value(tandem_chaos::drill::catalogue()).expect("drills hold only plain data")
}

/// Tells all members: whoever leads listens.
pub(super) fn tell(nodes: &[Node], seen: &[Observation]) {
    for node in nodes {
        node.observe(seen.to_vec());
    }
}

/// Listens at three ports from `port` on; at free ones where that is 0.
async fn listen_at(listen: IpAddr, port: u16) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::new();
    for index in 0..MEMBERS {
        let port = if port == 0 { 0 } else { port.saturating_add(index) };
        let listen = SocketAddr::new(listen, port);
        listeners
            .push(TcpListener::bind(listen).await.map_err(|source| StartError::Listen { listen, source })?);
    }
    Ok(listeners)
}

/// Members talk over loopback also where the port is open to everybody.
fn reached_at(address: SocketAddr) -> Uri {
    let host: IpAddr = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(host, address.port())).parse().expect("an address makes a URI")
}

/// Asks query nodes through their services: in this process, or pools of nodes elsewhere. They are told
/// that who asks may see everything: any session will do for a probe.
pub(crate) struct ByServices(pub(crate) [ChainService; 2]);

#[async_trait]
impl ChainReader for ByServices {
    async fn get(&self, chain: Chain, path: &str) -> Result<Bytes, String> {
        let mut question = http::Request::new(Bytes::new());
        *question.uri_mut() = path.parse().map_err(|_| format!("{path} is no path"))?;
        let scope = HeaderValue::try_from(Scope::All.encode()).expect("base64 is visible ASCII");
        question.headers_mut().insert(headers::SCOPE, scope);
        let answer =
            self.0[chain as usize].clone().oneshot(question).await.map_err(|error| error.to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(answer.into_body()),
            status => Err(status.to_string()),
        }
    }
}
