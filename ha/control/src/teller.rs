//! Tells control nodes what was seen, one report at a time each.

use std::sync::Arc;

use http::Uri;
use tandem_failover::Observation;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::wire::{Noted, Observations};
use crate::{Client, ControlError, OperatorKey};

/// Reports that may wait for a node.
const REPORTS_MAX: usize = 16;

/// Tells until it is dropped. Who follows the group as well has one in its [`crate::Remote`].
pub struct Teller {
    nodes: Vec<mpsc::Sender<Observations>>,
    _tasks: JoinSet<()>,
}

impl Teller {
    /// Tells `nodes` (scheme `http`, host and port), and has no ear for what they answer. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When an address can't be one, or the key can't be sent.
    pub fn start(nodes: Vec<Uri>, key: &OperatorKey) -> Result<Self, ControlError> {
        let clients: Result<Vec<_>, ControlError> =
            nodes.into_iter().map(|node| Ok(Arc::new(Client::new(node, key)?))).collect();
        Ok(Self::of(&clients?, |_| ()))
    }

    /// The same over these clients; `hear` is told what the nodes answer.
    pub(crate) fn of(clients: &[Arc<Client>], hear: impl Fn(Noted) + Clone + Send + Sync + 'static) -> Self {
        let mut tasks = JoinSet::new();
        let nodes = clients.iter().map(|client| {
            let (node, mut seen) = mpsc::channel::<Observations>(REPORTS_MAX);
            let (client, hear) = (Arc::clone(client), hear.clone());
            tasks.spawn(async move {
                while let Some(seen) = seen.recv().await {
                    // That a node is away shows to whoever follows it.
                    if let Ok(noted) = client.observe(&seen).await {
                        hear(noted);
                    }
                }
            });
            node
        });
        Self { nodes: nodes.collect(), _tasks: tasks }
    }

    /// Tells all nodes what was seen. A node that has not taken what was told before is left out:
    /// the next report says as much.
    pub fn tell(&self, seen: &[Observation]) {
        for node in &self.nodes {
            if let Ok(room) = node.try_reserve() {
                room.send(Observations(seen.to_vec()));
            }
        }
    }
}
