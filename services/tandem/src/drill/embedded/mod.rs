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
use std::time::Duration;

use async_trait::async_trait;
use tandem_chaos::fault::Fault;
use tandem_chaos::stand::{Decided, Injected, Stand, StandError};
use tandem_control::Node;
use tandem_failover::{Condition, Evidence};
use tandem_gateway::ClockMode;
use tandem_model::route::{Chain, Route};

use super::decided::{self, said};
use crate::failure::Failure;
use crate::key::Key;
use crate::system::hooks::Between;
use crate::system::{Options, System};

use faults::Switches;

/// Enough for sessions to spread, few enough for two cores.
const PARTITIONS: u32 = 2;
/// How long the control group may take to find both chains well, and how often that is looked at.
const SETTLE_MAX: Duration = Duration::from_secs(60);
const LOOK_PAUSE: Duration = Duration::from_millis(200);

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

    /// Waits until the control group has seen both chains well for a calm time, as it has in a
    /// system that was not started a moment ago: before, it leaves a chain only when that is down.
    /// Gives up after a while; the report then shows what that led to.
    pub async fn settle(&self) {
        let settled = async {
            loop {
                let outlook =
                    self.system.control_leader().and_then(|node| node.view().borrow().outlook.clone());
                let is_well = outlook.is_some_and(|outlook| {
                    let Evidence { active, target, .. } = outlook.evidence;
                    [active, target].iter().all(|finding| finding.condition == Condition::Healthy)
                });
                if is_well {
                    return;
                }
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        if tokio::time::timeout(SETTLE_MAX, settled).await.is_err() {
            tracing::warn!("the control group does not find both chains well; going on all the same");
        }
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

    fn cannot(&self, _fault: Fault) -> Option<String> {
        None
    }

    async fn inject(&self, fault: Fault, chain: Option<Chain>) -> Result<Box<dyn Injected>, StandError> {
        if fault == Fault::ControlLeaderLost {
            let leader = self.system.control_leader();
            let leader = leader.ok_or_else(|| StandError("nobody leads the control group".to_owned()))?;
            return Ok(Box::new(Leaderless::begin(leader)));
        }
        Ok(Box::new(self.switches.begin(fault, chain)?))
    }

    async fn switch(&self, to: Chain, reason: String) -> Result<Route, StandError> {
        self.system.control().switch(to, reason).await.map_err(said)
    }

    async fn decisions(&self) -> Result<Vec<Decided>, StandError> {
        decided::decisions(&*self.system.control()).await
    }

    async fn rules(&self) -> Vec<String> {
        decided::rules(&*self.system.control()).await
    }
}

/// The leader of the control group is cut off from everybody.
struct Leaderless {
    leader: Node,
    term: u64,
    struck: bool,
}

impl Leaderless {
    fn begin(leader: Node) -> Self {
        let term = leader.view().borrow().standing.term;
        leader.cut_off(true);
        Self { leader, term, struck: false }
    }

    /// Whether it has noticed, or the others have gone on without it.
    fn is_noticed(&self) -> bool {
        let view = self.leader.view();
        let standing = &view.borrow().standing;
        standing.term != self.term || !standing.is_leader()
    }
}

impl Injected for Leaderless {
    fn heal(&mut self) {
        self.struck |= self.is_noticed();
        self.leader.cut_off(false);
    }

    fn struck(&self) -> Option<u64> {
        Some((self.struck || self.is_noticed()).into())
    }
}

impl Drop for Leaderless {
    fn drop(&mut self) {
        self.leader.cut_off(false);
    }
}

#[cfg(test)]
mod tests;
