//! A control node in this process that can be killed and started again on the same port.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tandem_control::{
    Control, Founders, MemberId, Node as Member, NodeOptions, OperatorKey, Order, Remote, RemoteOptions, api,
    wire,
};
use tandem_model::route::{Chain, Route};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) const KEY: &str = "operator-key";
/// No wait in these tests takes longer; one that does has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) member: Member,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Node {
    /// The only member of its group.
    pub(crate) async fn start(folder: &Path, address: Option<SocketAddr>) -> Self {
        let listener = listen(address);
        let own = listener.local_addr().unwrap();
        Self::over(listener, 1, &[own], folder, Founders::Configured)
    }

    /// Member `id` of a group whose founders listen at `addresses`, the first one being member 1.
    pub(crate) fn over(
        listener: TcpListener,
        id: u64,
        addresses: &[SocketAddr],
        folder: &Path,
        founders: Founders,
    ) -> Self {
        let uris = addresses.iter().map(|address| format!("http://{address}").parse().unwrap());
        let member = Member::start(NodeOptions {
            id: MemberId(id),
            folder: folder.to_owned(),
            addresses: (1..).map(MemberId).zip(uris).collect(),
            founders,
            key: OperatorKey::new(KEY),
            settings: tandem_group::Settings::default(),
            judging: tandem_failover::Settings::default(),
        })
        .unwrap();
        let address = listener.local_addr().unwrap();
        let (stopping, stopped) = watch::channel(false);
        let router = api::router(member.clone(), OperatorKey::new(KEY), stopped, &serde_json::json!([]));
        let serving = tokio::spawn(async move {
            // Connections end with the set, so that a kill leaves nothing behind.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(router.clone());
                connections.spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, member, stopping, serving }
    }

    pub(crate) fn uri(&self) -> Uri {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn options(&self) -> RemoteOptions {
        RemoteOptions { nodes: vec![self.uri()], key: OperatorKey::new(KEY), memory: None }
    }

    pub(crate) fn remote(&self) -> Remote {
        Remote::start(self.options()).unwrap()
    }

    /// Waiting questions are answered, as in an orderly stop.
    pub(crate) fn announce_stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Ends everything, connections included, and lets go of the folder.
    pub(crate) async fn kill(self) {
        self.serving.abort();
        _ = self.serving.await;
        let member = self.member;
        tokio::task::spawn_blocking(move || member.stop()).await.unwrap();
    }
}

/// Listens at `address`, again if need be.
pub(crate) fn listen(address: Option<SocketAddr>) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address.unwrap_or(([127, 0, 0, 1], 0).into())).unwrap();
    socket.listen(64).unwrap()
}

/// A switch that asks nobody how the chains are.
pub(crate) fn at_once(to: Chain, reason: &str) -> Order {
    Order::Switch(wire::Switch { break_glass: true, ..wire::Switch::planned(to, reason) })
}

pub(crate) async fn switch(control: &dyn Control, to: Chain) -> Route {
    control.order(at_once(to, "test")).await.unwrap().route
}

/// Waits until `is_it` holds.
pub(crate) async fn until<T>(receiver: &mut watch::Receiver<T>, is_it: impl FnMut(&T) -> bool) {
    tokio::time::timeout(PATIENCE, receiver.wait_for(is_it)).await.expect("in time").expect("still there");
}
