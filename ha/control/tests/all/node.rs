//! A control node in this process that can be killed and started again on the same port.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tandem_control::{Local, OperatorKey, Remote, RemoteOptions, api};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) const KEY: &str = "operator-key";
/// No wait in these tests takes longer; one that does has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) local: Arc<Local>,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Node {
    pub(crate) async fn start(folder: &Path, address: Option<SocketAddr>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address.unwrap_or(([127, 0, 0, 1], 0).into())).unwrap();
        Self::over(socket.listen(64).unwrap(), Arc::new(Local::open(folder).unwrap()))
    }

    fn over(listener: TcpListener, local: Arc<Local>) -> Self {
        let address = listener.local_addr().unwrap();
        let (stopping, stopped) = watch::channel(false);
        let router = api::router(local.clone(), OperatorKey::new(KEY), stopped);
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
        Self { address, local, stopping, serving }
    }

    pub(crate) fn uri(&self) -> Uri {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn options(&self) -> RemoteOptions {
        RemoteOptions { node: self.uri(), key: OperatorKey::new(KEY), memory: None }
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
        // Connection tasks that were aborted drop what they hold a moment later.
        let weak = Arc::downgrade(&self.local);
        drop(self.local);
        while weak.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Waits until `is_it` holds.
pub(crate) async fn until<T>(receiver: &mut watch::Receiver<T>, is_it: impl FnMut(&T) -> bool) {
    tokio::time::timeout(PATIENCE, receiver.wait_for(is_it)).await.expect("in time").expect("still there");
}
