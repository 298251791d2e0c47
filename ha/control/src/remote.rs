//! Control from afar: follows the control group over HTTP.
//!
//! One task for each control node waits there for the next decision; the highest epoch counts. So
//! a node that hangs, or is cut off from the others, delays nothing while another one answers.
//! What it rests on:
//!
//! - **Fail static.** While all nodes are away the last route stays, and after a restart the one
//!   that was remembered in a file. Where nothing was ever heard it is chain a in epoch 0, which no
//!   decision has: reads can be served from either chain, and nobody may publish with it.
//! - **Epochs never go back.** A node that knows less than we do is not followed: it may be behind
//!   for a moment. One that stays behind has lost decisions, and is complained about.
//! - [`Remote::current`] never answers from memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::{join_all, select_ok};
use futures::stream::FuturesUnordered;
use http::Uri;
use parking_lot::Mutex;
use tandem_failover::{Chains, Observation};
use tandem_model::route::{Chain, Route};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wire::{Known, Noted, Ordered, Shunned};
use crate::{Client, ClockReading, Control, ControlError, Decision, OperatorKey, Order, Teller, memory};

/// How long one question waits at a node for the next decision. A node that hangs shows after this
/// and the patience for an answer.
const WAIT: Duration = Duration::from_secs(5);
/// First pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A node that is behind is asked again after this.
const BEHIND_PAUSE: Duration = Duration::from_millis(500);
/// So many times in a row behind is no matter of a moment.
const BEHIND_MAX: u32 = 20;
/// Before the first decision.
const UNKNOWN_EPOCH: u64 = 0;

/// How a [`Remote`] finds the control nodes.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// Their addresses: scheme `http`, host and port.
    pub nodes: Vec<Uri>,
    /// The operator's key.
    pub key: OperatorKey,
    /// A file that remembers the last route over a restart; none where absent.
    pub memory: Option<PathBuf>,
}

/// How following the control nodes goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Nothing has been heard yet.
    Connecting,
    /// A node answers.
    Connected,
    /// No node answers, and the last route stays. Why, for the one that failed last.
    Lost(String),
}

/// [`Control`] over HTTP. Follows until it is dropped.
pub struct Remote {
    clients: Vec<Arc<Client>>,
    route: watch::Receiver<Route>,
    shunned: watch::Receiver<Chains<bool>>,
    links: Vec<watch::Receiver<Link>>,
    link: watch::Receiver<Link>,
    teller: Teller,
    tasks: Vec<JoinHandle<()>>,
}

impl Remote {
    /// Begins to follow. Must be called within a tokio runtime. Reads the memory, which is one
    /// small file.
    ///
    /// # Errors
    ///
    /// When an address can't be one, there is none, or the key can't be sent.
    pub fn start(options: RemoteOptions) -> Result<Self, ControlError> {
        let RemoteOptions { nodes, key, memory } = options;
        if nodes.is_empty() {
            return Err(ControlError::Unsafe("there is no control node to follow".to_owned()));
        }
        let clients = nodes
            .into_iter()
            .map(|node| Ok(Arc::new(Client::new(node, &key)?)))
            .collect::<Result<Vec<_>, ControlError>>()?;
        let remembered = memory.as_deref().and_then(memory::read);
        let route = remembered.unwrap_or_else(|| Route {
            active: Chain::A,
            epoch: UNKNOWN_EPOCH,
            reason: "no decision is known here yet".to_owned(),
        });
        let (route, route_known) = watch::channel(route);
        let (shunned, shunned_known) = watch::channel(Chains::default());
        let known = Arc::new(Heard { route, newest: Mutex::default(), shunned });
        let mut tasks = Vec::new();
        let mut links = Vec::new();
        for client in &clients {
            let (link, link_known) = watch::channel(Link::Connecting);
            links.push(link_known);
            tasks.push(tokio::spawn(follow(Arc::clone(client), Arc::clone(&known), link)));
        }
        // Answers to reports name the route, too.
        let teller = Teller::of(&clients, {
            let known = Arc::clone(&known);
            move |Noted { route, shunned }| known.adopt(route, shunned)
        });
        let (link, link_known) = watch::channel(Link::Connecting);
        tasks.push(tokio::spawn(sum_up(links.clone(), link)));
        if let Some(memory) = memory {
            tasks.push(tokio::spawn(remember(memory, route_known.clone())));
        }
        Ok(Self {
            clients,
            route: route_known,
            shunned: shunned_known,
            links,
            link: link_known,
            teller,
            tasks,
        })
    }

    /// How following goes, all nodes together. Changes wake whoever waits.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// How following each node goes, by its address.
    pub fn links(&self) -> impl Iterator<Item = (&Uri, Link)> {
        let links = self.links.iter().map(|link| link.borrow().clone());
        self.clients.iter().map(|client| client.node()).zip(links)
    }

    /// Tells all nodes what was seen: see [`Teller::tell`].
    pub fn observe(&self, seen: &[Observation]) {
        self.teller.tell(seen);
    }

    /// Compares our wall clock with the nodes': the reading in the middle of those that answer.
    ///
    /// # Errors
    ///
    /// When no node can be asked.
    pub async fn clock(&self) -> Result<ClockReading, ControlError> {
        let asked = join_all(self.clients.iter().map(|client| client.clock())).await;
        let mut readings = Vec::new();
        let mut failed = None;
        for reading in asked {
            match reading {
                Ok(reading) => readings.push(reading),
                Err(error) => failed = Some(error),
            }
        }
        readings.sort_by_key(ClockReading::difference_ms);
        match (readings.get(readings.len() / 2), failed) {
            (Some(middle), _) => Ok(*middle),
            (None, Some(error)) => Err(error),
            (None, None) => unreachable!("there is at least one node"),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[async_trait]
impl Control for Remote {
    fn route(&self) -> watch::Receiver<Route> {
        self.route.clone()
    }

    fn shunned(&self) -> watch::Receiver<Chains<bool>> {
        self.shunned.clone()
    }

    async fn current(&self) -> Result<Route, ControlError> {
        // Any node that reaches a majority knows; one that hangs must not hold this up.
        first_good(self.clients.iter().map(|client| client.current())).await
    }

    async fn order(&self, order: Order) -> Result<Ordered, ControlError> {
        let mut unreached = None;
        for client in &self.clients {
            match client.order(&order, false).await {
                // It may have been decided: then the next node finds it so already.
                Err(error @ ControlError::Unreachable { .. }) => unreached = Some(error),
                outcome => return outcome,
            }
        }
        Err(unreached.expect("there is at least one node"))
    }

    async fn history(&self, limit: usize) -> Result<Vec<Decision>, ControlError> {
        first_good(self.clients.iter().map(|client| client.history(limit))).await
    }
}

/// The first good answer; a refusal rather than an absence where there is none, as that is what
/// somebody has to mend.
async fn first_good<T>(
    asking: impl Iterator<Item = impl Future<Output = Result<T, ControlError>>>,
) -> Result<T, ControlError> {
    let mut open: FuturesUnordered<_> = asking.collect();
    let mut failed = None;
    while let Some(answer) = open.next().await {
        match answer {
            Ok(answer) => return Ok(answer),
            Err(error @ ControlError::Refused { .. }) => failed = Some(error),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed.expect("there is at least one node"))
}

/// Waits at a node for one decision after the other.
async fn follow(client: Arc<Client>, known: Arc<Heard>, link: watch::Sender<Link>) {
    let (mut pause, longest) = PAUSES;
    let mut behind = 0;
    loop {
        // The first question after a loss does not wait: whether the node is back shows at once.
        let is_connected = *link.borrow() == Link::Connected;
        let wait = if is_connected { WAIT } else { Duration::ZERO };
        let epoch = known.route.borrow().epoch;
        match client.next(epoch, wait).await {
            Ok(Known { route: newest, shunned, .. }) => {
                if !is_connected {
                    tracing::info!(node = %client.node(), epoch = newest.epoch, "following the control node");
                    link.send_replace(Link::Connected);
                }
                pause = PAUSES.0;
                if newest.epoch < epoch {
                    behind += 1;
                    if behind == BEHIND_MAX {
                        tracing::error!(
                            node = %client.node(), epoch = newest.epoch, known = epoch,
                            "this control node stays behind: it is cut off from the others, or has lost its data"
                        );
                    }
                    tokio::time::sleep(BEHIND_PAUSE).await;
                } else {
                    behind = 0;
                    known.adopt(newest, shunned);
                }
            }
            Err(error) => {
                let why = error.to_string();
                // Once per loss; what is wrong may change meanwhile, and shows in the link.
                if !matches!(&*link.borrow(), Link::Lost(_)) {
                    tracing::warn!(why, epoch, "a control node is away");
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

/// What was heard from any node.
struct Heard {
    route: watch::Sender<Route>,
    /// As of which decision the chains below are.
    newest: Mutex<u64>,
    shunned: watch::Sender<Chains<bool>>,
}

impl Heard {
    fn adopt(&self, newest: Route, shunned: Shunned) {
        {
            let mut decisions = self.newest.lock();
            if shunned.decisions >= *decisions {
                *decisions = shunned.decisions;
                self.shunned.send_if_modified(|known| {
                    let is_news = *known != shunned.chains;
                    if is_news {
                        tracing::info!(a = shunned.chains.a, b = shunned.chains.b, "chains to be left out");
                        *known = shunned.chains;
                    }
                    is_news
                });
            }
        }
        self.route.send_if_modified(|known| {
            let is_news = newest.epoch > known.epoch;
            if is_news {
                tracing::info!(active = %newest.active, epoch = newest.epoch, reason = newest.reason, "route");
                *known = newest;
            }
            is_news
        });
    }
}

/// Connected while any node answers, lost when all are.
async fn sum_up(mut links: Vec<watch::Receiver<Link>>, sum: watch::Sender<Link>) {
    loop {
        let all: Vec<Link> = links.iter_mut().map(|link| link.borrow_and_update().clone()).collect();
        let lost = all.iter().rev().find(|link| matches!(link, Link::Lost(_))).cloned();
        let now = match lost {
            _ if all.contains(&Link::Connected) => Link::Connected,
            Some(lost) if !all.contains(&Link::Connecting) => lost,
            _ => Link::Connecting,
        };
        sum.send_if_modified(|known| {
            let is_news = *known != now;
            if is_news && matches!(now, Link::Lost(_)) {
                tracing::warn!("control is away; the last route stays");
            }
            *known = now;
            is_news
        });
        let changes = links.iter_mut().map(|link| Box::pin(link.changed()));
        if select_ok(changes).await.is_err() {
            return;
        }
    }
}

async fn remember(path: PathBuf, mut route: watch::Receiver<Route>) {
    let file = path.display().to_string();
    while route.changed().await.is_ok() {
        let (path, newest) = (path.clone(), route.borrow_and_update().clone());
        let written = tokio::task::spawn_blocking(move || memory::write(&path, &newest)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(file, %error, "the route can't be remembered for the next start");
        }
    }
}
