//! Where a drill gets between the parts of a system. Everybody else puts nothing there.

use std::fmt;
use std::sync::Arc;

use tandem_control::Control;
use tandem_gateway::ChainService;
use tandem_model::route::Chain;
use tandem_storage::{ChainStores, EventLog};

/// Who uses a log or stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Ingest, metronome, housekeeping.
    Everybody,
    /// The compute of a chain.
    Compute(Chain),
    /// The query node of a chain.
    Query(Chain),
}

/// What stands between the parts: each method is given a part and hands out what its users get.
pub trait Hooks: Send + Sync {
    /// The log, as `user` gets it.
    fn log(&self, user: User, log: Arc<dyn EventLog>) -> Arc<dyn EventLog>;

    /// A chain's stores, as its compute and its query node get them.
    fn stores(&self, chain: Chain, stores: ChainStores) -> ChainStores;

    /// A chain's query node, as the gateway gets it.
    fn service(&self, chain: Chain, service: ChainService) -> ChainService;

    /// Control, as the gateway gets it.
    fn control(&self, control: Arc<dyn Control>) -> Arc<dyn Control>;
}

/// [`Hooks`], or nothing.
#[derive(Clone, Default)]
pub struct Between(pub Option<Arc<dyn Hooks>>);

impl fmt::Debug for Between {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Between(a drill)" } else { "Between(nothing)" })
    }
}

impl Between {
    pub(super) fn log(&self, user: User, log: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
        match &self.0 {
            Some(hooks) => hooks.log(user, log),
            None => log,
        }
    }

    pub(super) fn stores(&self, chain: Chain, stores: ChainStores) -> ChainStores {
        match &self.0 {
            Some(hooks) => hooks.stores(chain, stores),
            None => stores,
        }
    }

    pub(super) fn service(&self, chain: Chain, service: ChainService) -> ChainService {
        match &self.0 {
            Some(hooks) => hooks.service(chain, service),
            None => service,
        }
    }

    pub(super) fn control(&self, control: Arc<dyn Control>) -> Arc<dyn Control> {
        match &self.0 {
            Some(hooks) => hooks.control(control),
            None => control,
        }
    }
}
