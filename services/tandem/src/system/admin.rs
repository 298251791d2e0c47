//! The admin port: metrics and health, on a port that the world does not see.

use std::net::SocketAddr;
use std::time::Duration;

use tandem_gateway::{PortLimits, serve_http};
use tandem_telemetry::{Health, Telemetry, admin};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::StartError;

/// Monitoring has few clients; pages are small.
const LIMITS: PortLimits = PortLimits {
    connections_max: 64,
    header_timeout: Duration::from_secs(10),
    drain: Duration::from_secs(1),
};

/// A running admin port.
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it shows.
    pub telemetry: Telemetry,
    /// Says whether the process is ready; starting until [`Health::open`].
    pub health: Health,
    serving: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Admin {
    /// Listens at `listen` (port 0 takes a free one) for a process in `role`.
    ///
    /// # Errors
    ///
    /// When the address can't be listened at.
    pub async fn start(listen: SocketAddr, role: &'static str) -> Result<Self, StartError> {
        let refused = |source| StartError::Admin { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let telemetry = Telemetry::new(role, env!("CARGO_PKG_VERSION"))
            .map_err(|error| StartError::Broken(error.to_string()))?;
        let health = Health::new();
        let (stop, mut stopped) = watch::channel(false);
        let pages = admin::router(telemetry.clone(), health.clone());
        let serving = tokio::spawn(async move {
            // An error means that the port was dropped: that is an end, too.
            serve_http(pages, LIMITS, listener, async { _ = stopped.wait_for(|stop| *stop).await }).await;
        });
        Ok(Self { address, telemetry, health, serving, stop })
    }

    /// Closes the port, and lets go of everything that it shows.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        super::log_panic("the admin port", self.serving.await);
    }
}
