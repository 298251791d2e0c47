//! The embedded stand: a whole system in this process, with switches between its parts.
//!
//! A process can't be killed here without killing the drill, so a crash is what a crash does to
//! others: the query node refuses every question, and the compute ends in the middle of its work,
//! writes nothing of what it holds, and comes back from its last snapshot. Hanging, vanishing and
//! failing are done where the parts meet: in front of the query node, the log and the stores.

mod faults;
mod lossy;
mod view;

use std::sync::Arc;

use async_trait::async_trait;
use tandem_chaos::fault::Fault;
use tandem_chaos::stand::{Decided, Injected, Stand, StandError};
use tandem_gateway::ClockMode;
use tandem_model::route::{Chain, Route};

use crate::failure::Failure;
use crate::key::Key;
use crate::system::hooks::Between;
use crate::system::{Options, System};

use faults::Switches;

/// Enough for sessions to spread, few enough for two cores.
const PARTITIONS: u32 = 2;
/// Decisions that are looked at.
const DECISIONS_MAX: usize = 200;

/// A whole system in this process.
pub struct Embedded {
    system: System,
    key: Key,
    switches: Arc<Switches>,
}

impl Embedded {
    /// Starts one in a temporary folder, and waits until both chains follow. `seed` decides which
    /// answers fail where some do.
    ///
    /// # Errors
    ///
    /// When it can't start.
    pub async fn start(seed: u64) -> Result<Self, Failure> {
        let key = Key::random()
            .map_err(|error| Failure::failed(anyhow::anyhow!("no randomness for a key: {error}")))?;
        let switches = Arc::new(Switches::new(seed));
        let options = Options {
            partitions: Some(PARTITIONS),
            clock: ClockMode::Live,
            between: Between(Some(Arc::clone(&switches) as _)),
            ..Options::new(key.clone())
        };
        let system = System::start(options).await.map_err(Failure::failed)?;
        system.recovered().await;
        Ok(Self { system, key, switches })
    }

    /// Takes it down; its data is removed.
    pub async fn stop(self) {
        // Whatever is still disturbed would hold up the end.
        self.switches.heal();
        self.system.stop().await;
    }
}

#[async_trait]
impl Stand for Embedded {
    fn name(&self) -> String {
        "embedded: one process, embedded storage, faults between its parts".to_owned()
    }

    fn gateways(&self) -> Vec<String> {
        vec![self.system.address().to_string()]
    }

    fn key(&self) -> String {
        self.key.as_str().to_owned()
    }

    fn cannot(&self, fault: Fault) -> Option<String> {
        let why = "the embedded system has no control node of its own that could be lost";
        (fault == Fault::ControlLeaderLost).then(|| why.to_owned())
    }

    async fn inject(&self, fault: Fault, chain: Option<Chain>) -> Result<Box<dyn Injected>, StandError> {
        match self.cannot(fault) {
            Some(why) => Err(StandError(why)),
            None => Ok(Box::new(self.switches.begin(fault, chain)?)),
        }
    }

    async fn switch(&self, to: Chain, reason: String) -> Result<Route, StandError> {
        self.system.control().switch(to, reason).await.map_err(said)
    }

    async fn decisions(&self) -> Result<Vec<Decided>, StandError> {
        let decisions = self.system.control().history(DECISIONS_MAX).await.map_err(said)?;
        let decided = decisions.into_iter();
        Ok(decided.map(|one| Decided { route: one.route, decided_ms: one.decided_ms }).collect())
    }
}

fn said(error: impl std::fmt::Display) -> StandError {
    StandError(error.to_string())
}

#[cfg(test)]
mod tests;
