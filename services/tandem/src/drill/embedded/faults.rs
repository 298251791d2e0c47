//! Every switch between the parts of an embedded system, and which of them make up a fault.

use std::sync::Arc;
use std::time::Duration;

use tandem_chaos::fault::{ERRORS_PERCENT, Fault, SLOW_FACTOR, SLOW_MS_MIN};
use tandem_chaos::stand::{Injected, StandError};
use tandem_chaos::tools::{Disturb, ServiceFault, ServiceGuard};
use tandem_control::Control;
use tandem_gateway::ChainService;
use tandem_model::route::Chain;
use tandem_storage::faulty::{ChainPlans, Fault as Trouble, Faulty, Outcome, Plan, chain_stores};
use tandem_storage::{ChainStores, EventLog, StoreError};

use super::PARTITIONS;
use super::lossy::{Loss, Lossy};
use super::view::View;
use crate::system::hooks::{Hooks, User};

/// How many events a chain with wrong data misses.
const LOST_EVENTS: u64 = 5;

/// All switches.
pub(super) struct Switches {
    chains: [OfChain; 2],
    /// The log as ingest and metronome have it.
    everybody: Arc<Plan>,
    view: View,
}

/// The switches of one chain.
struct OfChain {
    service: Disturb,
    stores: ChainPlans,
    /// The log, as the compute and the query node have it.
    compute_log: Arc<Plan>,
    query_log: Arc<Plan>,
    loss: Arc<Loss>,
}

impl OfChain {
    fn new(seed: u64) -> Self {
        Self {
            service: Disturb::new(seed),
            stores: ChainPlans::default(),
            compute_log: Arc::default(),
            query_log: Arc::default(),
            loss: Arc::default(),
        }
    }

    fn plans(&self) -> [&Arc<Plan>; 7] {
        let ChainPlans { rows, hot, snapshots, dead_letters, editions } = &self.stores;
        [rows, hot, snapshots, dead_letters, editions, &self.compute_log, &self.query_log]
    }
}

impl Switches {
    pub(super) fn new(seed: u64) -> Self {
        let chains = [OfChain::new(seed), OfChain::new(seed.wrapping_add(1))];
        Self { chains, everybody: Arc::default(), view: View::default() }
    }

    /// Puts everything back to normal.
    pub(super) fn heal(&self) {
        for chain in &self.chains {
            chain.plans().into_iter().for_each(|plan| plan.clear());
            chain.loss.end();
            drop(chain.service.begin(ServiceFault::None));
        }
        self.everybody.clear();
        self.view.join();
    }

    /// Puts a fault in force.
    pub(super) fn begin(&self, fault: Fault, chain: Option<Chain>) -> Result<Guard, StandError> {
        let mut guard = Guard::default();
        match (fault, chain) {
            (Fault::LogLost, _) => {
                let logs = self.chains.iter().flat_map(|chain| [&chain.compute_log, &chain.query_log]);
                logs.chain([&self.everybody]).for_each(|log| guard.trouble(log, Trouble::unavailable()));
            }
            (Fault::GatewayCutOff, _) => {
                self.view.cut();
                guard.view = Some(self.view.clone());
            }
            (Fault::ControlLeaderLost, _) => {
                return Err(StandError(format!(
                    "{fault} is the control group's, not a switch between parts"
                )));
            }
            (_, None) => return Err(StandError(format!("{fault} needs a chain"))),
            (fault, Some(chain)) => self.chains[chain as usize].begin(fault, &mut guard),
        }
        Ok(guard)
    }
}

impl OfChain {
    fn begin(&self, fault: Fault, guard: &mut Guard) {
        let ChainPlans { rows, hot, snapshots, dead_letters, editions } = &self.stores;
        let writes = [(rows, "apply"), (snapshots, "put"), (dead_letters, "append"), (editions, "keep")];
        match fault {
            Fault::Crash => {
                guard.service = Some(self.service.begin(ServiceFault::Refuse));
                // What trying again does not mend ends each partition's thread where it stands. It
                // is started again, as a process would be, and gets no farther until the fault ends.
                let dead = StoreError::Lost("crashed by a drill".to_owned());
                let once_each = Trouble::new(Outcome::FailBefore(dead)).on("read").times(PARTITIONS.into());
                guard.trouble(&self.compute_log, once_each);
                guard.trouble(&self.compute_log, Trouble::hold());
            }
            Fault::Pause => {
                guard.service = Some(self.service.begin(ServiceFault::Hold));
                self.plans().into_iter().for_each(|plan| guard.trouble(plan, Trouble::hold()));
            }
            Fault::BlackholeIn => guard.service = Some(self.service.begin(ServiceFault::VanishIn)),
            Fault::BlackholeOut => guard.service = Some(self.service.begin(ServiceFault::VanishOut)),
            Fault::Blackhole => {
                guard.service = Some(self.service.begin(ServiceFault::VanishIn));
                self.plans().into_iter().for_each(|plan| guard.trouble(plan, Trouble::hold()));
            }
            Fault::Slow => {
                let least = Duration::from_millis(SLOW_MS_MIN);
                let slow = ServiceFault::Slow { factor: SLOW_FACTOR, least };
                guard.service = Some(self.service.begin(slow));
            }
            Fault::Errors => {
                let some = ServiceFault::Fail { percent: ERRORS_PERCENT };
                guard.service = Some(self.service.begin(some));
            }
            Fault::StuckCompute => guard.trouble(&self.compute_log, Trouble::hold().on("read")),
            Fault::WrongData => {
                self.loss.begin(LOST_EVENTS);
                guard.loss = Some(Arc::clone(&self.loss));
            }
            Fault::HotLost => guard.trouble(hot, Trouble::unavailable()),
            Fault::RowsLost => {
                [rows, dead_letters, editions]
                    .into_iter()
                    .for_each(|plan| guard.trouble(plan, Trouble::unavailable()));
            }
            Fault::LogCut => {
                let logs = [&self.compute_log, &self.query_log];
                logs.into_iter().for_each(|plan| guard.trouble(plan, Trouble::unavailable()));
            }
            Fault::DiskStall => {
                writes.into_iter().for_each(|(plan, call)| guard.trouble(plan, Trouble::hold().on(call)));
            }
            Fault::DiskFull => {
                for (plan, call) in writes {
                    let full = StoreError::Unavailable("no space left, by a drill".to_owned());
                    guard.trouble(plan, Trouble::new(Outcome::FailBefore(full)).on(call));
                }
            }
            // Not of a chain.
            Fault::LogLost | Fault::ControlLeaderLost | Fault::GatewayCutOff => {}
        }
    }
}

/// A fault in force.
#[derive(Default)]
pub(super) struct Guard {
    service: Option<ServiceGuard>,
    /// Plans with trouble, and how many calls they had disturbed before.
    plans: Vec<(Arc<Plan>, u64)>,
    loss: Option<Arc<Loss>>,
    view: Option<View>,
    /// Said when it has ended, so that what others do later does not count.
    struck: Option<u64>,
}

impl Guard {
    fn trouble(&mut self, plan: &Arc<Plan>, trouble: Trouble) {
        if !self.plans.iter().any(|(known, _)| Arc::ptr_eq(known, plan)) {
            self.plans.push((Arc::clone(plan), plan.struck()));
        }
        plan.add(trouble);
    }

    fn count(&self) -> u64 {
        self.service.as_ref().map_or(0, ServiceGuard::struck)
            + self.plans.iter().map(|(plan, before)| plan.struck() - before).sum::<u64>()
            + self.loss.as_ref().map_or(0, |loss| loss.struck())
            + self.view.as_ref().map_or(0, View::struck)
    }
}

impl Injected for Guard {
    fn heal(&mut self) {
        if self.struck.is_some() {
            return;
        }
        self.service.iter_mut().for_each(ServiceGuard::heal);
        self.plans.iter().for_each(|(plan, _)| plan.clear());
        self.loss.iter().for_each(|loss| loss.end());
        self.view.iter().for_each(View::join);
        self.struck = Some(self.count());
    }

    fn struck(&self) -> Option<u64> {
        self.struck.or_else(|| Some(self.count()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.heal();
    }
}

impl Hooks for Switches {
    fn log(&self, user: User, log: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
        match user {
            User::Everybody => Arc::new(Faulty::new(log, Arc::clone(&self.everybody))),
            User::Query(chain) => {
                Arc::new(Faulty::new(log, Arc::clone(&self.chains[chain as usize].query_log)))
            }
            User::Compute(chain) => {
                let chain = &self.chains[chain as usize];
                let lossy: Arc<dyn EventLog> = Arc::new(Lossy::new(log, Arc::clone(&chain.loss)));
                Arc::new(Faulty::new(lossy, Arc::clone(&chain.compute_log)))
            }
        }
    }

    fn stores(&self, chain: Chain, stores: ChainStores) -> ChainStores {
        chain_stores(stores, &self.chains[chain as usize].stores)
    }

    fn service(&self, chain: Chain, service: ChainService) -> ChainService {
        ChainService::new(self.chains[chain as usize].service.layer(service))
    }

    fn control(&self, control: Arc<dyn Control>) -> Arc<dyn Control> {
        self.view.of(control)
    }
}
