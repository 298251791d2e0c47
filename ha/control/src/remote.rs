//! Control from afar: follows the control node over HTTP.
//!
//! One task waits at the node for the next decision and makes it known. What it rests on:
//!
//! - **Fail static.** While the node is away the last route stays, and after a restart the one
//!   that was remembered in a file. Where nothing was ever heard it is chain a in epoch 0, which no
//!   decision has: reads can be served from either chain, and nobody may publish with it.
//! - **Epochs never go back.** A node that knows less than we do (restored from an old copy, say)
//!   is complained about, not followed.
//! - [`Remote::current`] never answers from memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Uri;
use tandem_model::route::{Chain, Route};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Client, ClockReading, Control, ControlError, Decision, OperatorKey, memory};

/// How long one question waits at the node for the next decision.
const WAIT: Duration = Duration::from_secs(20);
/// First pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Before the first decision.
const UNKNOWN_EPOCH: u64 = 0;

/// How a [`Remote`] finds the control node.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// Its address: scheme `http`, host and port.
    pub node: Uri,
    /// The operator's key.
    pub key: OperatorKey,
    /// A file that remembers the last route over a restart; none where absent.
    pub memory: Option<PathBuf>,
}

/// How following the control node goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Nothing has been heard yet.
    Connecting,
    /// The route known here is the node's.
    Connected,
    /// The last route stays; says why nothing newer is heard.
    Lost(String),
}

/// [`Control`] over HTTP. Follows until it is dropped.
pub struct Remote {
    client: Arc<Client>,
    route: watch::Receiver<Route>,
    link: watch::Receiver<Link>,
    following: JoinHandle<()>,
}

impl Remote {
    /// Begins to follow. Must be called within a tokio runtime. Reads the memory, which is one
    /// small file.
    ///
    /// # Errors
    ///
    /// When the address can't be one, or the key can't be sent.
    pub fn start(options: RemoteOptions) -> Result<Self, ControlError> {
        let client = Arc::new(Client::new(options.node, &options.key)?);
        let remembered = options.memory.as_deref().and_then(memory::read);
        let route = remembered.unwrap_or_else(|| Route {
            active: Chain::A,
            epoch: UNKNOWN_EPOCH,
            reason: "no decision is known here yet".to_owned(),
        });
        let (route, route_known) = watch::channel(route);
        let (link, link_known) = watch::channel(Link::Connecting);
        let following = tokio::spawn(follow(Arc::clone(&client), route, link, options.memory));
        Ok(Self { client, route: route_known, link: link_known, following })
    }

    /// How following goes. Changes wake whoever waits.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// Compares our wall clock with the node's.
    ///
    /// # Errors
    ///
    /// When the node can't be asked.
    pub async fn clock(&self) -> Result<ClockReading, ControlError> {
        self.client.clock().await
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.following.abort();
    }
}

#[async_trait]
impl Control for Remote {
    fn route(&self) -> watch::Receiver<Route> {
        self.route.clone()
    }

    async fn current(&self) -> Result<Route, ControlError> {
        self.client.current().await
    }

    async fn switch(&self, to: Chain, reason: String) -> Result<Route, ControlError> {
        self.client.switch(to, reason).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<Decision>, ControlError> {
        self.client.history(limit).await
    }
}

/// Waits at the node for one decision after the other.
async fn follow(
    client: Arc<Client>,
    route: watch::Sender<Route>,
    link: watch::Sender<Link>,
    memory: Option<PathBuf>,
) {
    let (mut pause, longest) = PAUSES;
    loop {
        // The first question after a loss does not wait: whether the node is back shows at once.
        let is_connected = *link.borrow() == Link::Connected;
        let wait = if is_connected { WAIT } else { Duration::ZERO };
        let epoch = route.borrow().epoch;
        let news = client.next(epoch, wait).await.map_err(|error| error.to_string());
        let news = news.and_then(|route| match route.epoch >= epoch {
            true => Ok(route),
            false => Err(format!(
                "the control node {} stands at epoch {}, but epoch {epoch} has been decided: it has lost \
                 decisions, restore its data",
                client.node(),
                route.epoch
            )),
        });
        match news {
            Ok(newest) => {
                if !is_connected {
                    tracing::info!(node = %client.node(), epoch = newest.epoch, "following the control node");
                    link.send_replace(Link::Connected);
                }
                pause = PAUSES.0;
                if newest.epoch > epoch {
                    tracing::info!(active = %newest.active, epoch = newest.epoch, reason = newest.reason, "route");
                    route.send_replace(newest.clone());
                    remember(memory.clone(), newest).await;
                }
            }
            Err(why) => {
                // Once per loss; what is wrong may change meanwhile, and shows in the link.
                if !matches!(&*link.borrow(), Link::Lost(_)) {
                    tracing::warn!(why, epoch, "control is away; the last route stays");
                }
                link.send_if_modified(|link| {
                    let lost = Link::Lost(why);
                    let is_news = *link != lost;
                    *link = lost;
                    is_news
                });
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}

async fn remember(path: Option<PathBuf>, route: Route) {
    let Some(path) = path else { return };
    let file = path.display().to_string();
    let written = tokio::task::spawn_blocking(move || memory::write(&path, &route)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(file, %error, "the route can't be remembered for the next start");
    }
}
