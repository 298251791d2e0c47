//! Which signals and doors make up a fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tandem_chaos::fault::{ERRORS_PERCENT, Fault, SLOW_MS_MIN};
use tandem_chaos::stand::{Injected, StandError};
use tandem_chaos::tools::{ProxyFault, ProxyGuard};
use tandem_model::route::Chain;
use tokio::task::AbortHandle;

use super::fleet::{Shared, Who, of_chain};
use super::proxies::{Door, Proxies};

/// A fault in force: it ends with [`Injected::heal`], or when it is dropped.
pub(super) struct InForce {
    fleet: Shared,
    proxies: Arc<Proxies>,
    doors: Vec<ProxyGuard>,
    killed: Vec<Who>,
    paused: Vec<Who>,
    broker: Option<Pid>,
    watching: Option<AbortHandle>,
    proof: Proof,
    /// Said when it has ended, so that what others do later does not count.
    struck: Option<Option<u64>>,
}

/// How it shows that a fault bit.
enum Proof {
    /// Questions to the query node of a chain, which nobody answered, since so many.
    Asked(Chain, u64),
    /// What passed the doors and was disturbed.
    Doors,
    /// Somebody counts.
    Counted(Arc<AtomicU64>),
    /// It shows in what the chain says of itself.
    Nobody,
}

impl InForce {
    fn new(fleet: &Shared, proxies: &Arc<Proxies>) -> Self {
        Self {
            fleet: Arc::clone(fleet),
            proxies: Arc::clone(proxies),
            doors: Vec::new(),
            killed: Vec::new(),
            paused: Vec::new(),
            broker: None,
            watching: None,
            proof: Proof::Doors,
            struck: None,
        }
    }

    /// A fault of the chain's processes or of the ways to it.
    ///
    /// # Errors
    ///
    /// When it is not one of those, or a process that it needs is not there.
    pub(super) fn of_chain(
        fleet: &Shared,
        proxies: &Arc<Proxies>,
        fault: Fault,
        chain: Chain,
    ) -> Result<Self, StandError> {
        let mut force = Self::new(fleet, proxies);
        let query = Door::Query(chain);
        match fault {
            Fault::Crash => {
                force.proof = Proof::Asked(chain, proxies.asked(chain));
                of_chain(chain).into_iter().for_each(|who| force.kill(who));
            }
            Fault::Pause => {
                force.proof = Proof::Asked(chain, proxies.asked(chain));
                of_chain(chain).into_iter().try_for_each(|who| force.pause(who))?;
            }
            Fault::StuckCompute => {
                force.proof = Proof::Nobody;
                force.pause(Who::Compute(chain))?;
            }
            Fault::BlackholeIn => force.disturb(query, ProxyFault::BlackholeIn),
            Fault::BlackholeOut => force.disturb(query, ProxyFault::BlackholeOut),
            Fault::Blackhole => [query, Door::Rows(chain), Door::Hot(chain)]
                .into_iter()
                .for_each(|door| force.disturb(door, ProxyFault::Blackhole)),
            Fault::Slow => {
                // Ten times what an answer takes on one machine is less than this.
                let delay = Duration::from_millis(SLOW_MS_MIN / 2);
                force.disturb(query, ProxyFault::Latency { delay, jitter: Duration::ZERO });
            }
            Fault::Errors => force.disturb(query, ProxyFault::Cut { percent: ERRORS_PERCENT }),
            Fault::HotLost => force.disturb(Door::Hot(chain), ProxyFault::Reset),
            Fault::RowsLost => force.disturb(Door::Rows(chain), ProxyFault::Reset),
            Fault::DiskStall => force.disturb(Door::ComputeRows(chain), ProxyFault::Hang),
            _ => return Err(StandError(format!("{fault} is not done with signals and proxies"))),
        }
        Ok(force)
    }

    /// Rows that were made wrong stay so; `rows` of them.
    pub(super) fn wrong(fleet: &Shared, proxies: &Arc<Proxies>, rows: u64) -> Self {
        let mut force = Self::new(fleet, proxies);
        force.proof = Proof::Counted(Arc::new(AtomicU64::new(rows)));
        force
    }

    /// No gateway hears anything from a control node.
    pub(super) fn cut_off(fleet: &Shared, proxies: &Arc<Proxies>) -> Self {
        let mut force = Self::new(fleet, proxies);
        force.disturb(Door::Control, ProxyFault::Blackhole);
        force
    }

    /// A control node stands still; `noticed` counts when the others go on without it, as
    /// `watching` finds out.
    pub(super) fn without_leader(
        fleet: &Shared,
        proxies: &Arc<Proxies>,
        place: usize,
        noticed: Arc<AtomicU64>,
        watching: AbortHandle,
    ) -> Result<Self, StandError> {
        let mut force = Self::new(fleet, proxies);
        (force.proof, force.watching) = (Proof::Counted(noticed), Some(watching));
        force.pause(Who::Control(place))?;
        Ok(force)
    }

    /// The broker stands still.
    pub(super) fn without_log(
        fleet: &Shared,
        proxies: &Arc<Proxies>,
        broker: Pid,
    ) -> Result<Self, StandError> {
        let mut force = Self::new(fleet, proxies);
        kill_process(broker, Signal::STOP)
            .map_err(|error| StandError(format!("the broker can't be stopped: {error}")))?;
        force.broker = Some(broker);
        force.proof = Proof::Counted(Arc::new(AtomicU64::new(1)));
        Ok(force)
    }

    fn kill(&mut self, who: Who) {
        self.fleet.lock().kill(who);
        self.killed.push(who);
    }

    fn pause(&mut self, who: Who) -> Result<(), StandError> {
        match self.fleet.lock().pause(who, true) {
            true => self.paused.push(who),
            false => return Err(StandError(format!("{who:?} does not run"))),
        }
        Ok(())
    }

    fn disturb(&mut self, door: Door, fault: ProxyFault) {
        self.doors.extend(self.proxies.begin(door, fault));
    }

    fn count(&self) -> Option<u64> {
        match &self.proof {
            Proof::Asked(chain, before) => Some(self.proxies.asked(*chain) - before),
            Proof::Doors => Some(self.doors.iter().map(ProxyGuard::struck).sum()),
            Proof::Counted(count) => Some(count.load(Ordering::Relaxed)),
            Proof::Nobody => None,
        }
    }
}

impl Injected for InForce {
    fn heal(&mut self) {
        if self.struck.is_some() {
            return;
        }
        self.struck = Some(self.count());
        self.doors.iter_mut().for_each(ProxyGuard::heal);
        if let Some(watching) = self.watching.take() {
            watching.abort();
        }
        if let Some(broker) = self.broker.take()
            && let Err(error) = kill_process(broker, Signal::CONT)
        {
            crate::terminal::remark(format_args!(
                "the broker (process {broker}) could not be woken: {error}; kill -CONT it"
            ));
        }
        let mut fleet = self.fleet.lock();
        self.paused.drain(..).for_each(|who| _ = fleet.pause(who, false));
        self.killed.drain(..).for_each(|who| fleet.start_again(who));
    }

    fn struck(&self) -> Option<u64> {
        self.struck.unwrap_or_else(|| self.count())
    }
}

impl Drop for InForce {
    fn drop(&mut self) {
        self.heal();
    }
}
