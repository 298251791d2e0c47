//! Faults: signals to processes, and what the ways between them can do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tandem_chaos::fault::Fault;
use tandem_chaos::stand::{Injected, StandError};
use tandem_model::route::Chain;
use tokio::task::AbortHandle;

use super::fleet::{Shared, Who, of_chain};
use super::ways::{Held, Ways};

/// A fault in force: it ends with [`Injected::heal`], or when it is dropped.
pub(super) struct InForce {
    fleet: Shared,
    ways: Arc<dyn Ways>,
    /// What is done to the ways.
    held: Held,
    killed: Vec<Who>,
    paused: Vec<Who>,
    watching: Option<AbortHandle>,
    proof: Proof,
    /// Said when it has ended, so that what others do later does not count.
    struck: Option<Option<u64>>,
}

/// How it shows that a fault bit.
enum Proof {
    /// Questions to the query node of a chain, which nobody answered, since so many.
    Asked(Chain, u64),
    /// What was disturbed on the ways.
    Ways,
    /// Somebody counts.
    Counted(Arc<AtomicU64>),
    /// It shows in what the chain says of itself.
    Nobody,
}

impl InForce {
    fn new(fleet: &Shared, ways: &Arc<dyn Ways>) -> Self {
        Self {
            fleet: Arc::clone(fleet),
            ways: Arc::clone(ways),
            held: Vec::new(),
            killed: Vec::new(),
            paused: Vec::new(),
            watching: None,
            proof: Proof::Ways,
            struck: None,
        }
    }

    /// A fault of processes or of the ways between them, of `chain` where it is a chain's.
    ///
    /// # Errors
    ///
    /// When it is neither, or a process that it needs is not there.
    pub(super) fn begin(
        fleet: &Shared,
        ways: &Arc<dyn Ways>,
        fault: Fault,
        chain: Option<Chain>,
    ) -> Result<Self, StandError> {
        let mut force = Self::new(fleet, ways);
        match (fault, chain) {
            (Fault::Crash, Some(chain)) => {
                force.proof = Proof::Asked(chain, ways.asked(chain));
                of_chain(chain).into_iter().for_each(|who| force.kill(who));
            }
            (Fault::Pause, Some(chain)) => {
                force.proof = Proof::Asked(chain, ways.asked(chain));
                of_chain(chain).into_iter().try_for_each(|who| force.pause(who))?;
            }
            (Fault::StuckCompute, Some(chain)) => {
                force.proof = Proof::Nobody;
                force.pause(Who::Compute(chain))?;
            }
            _ => force.held = ways.begin(fault, chain)?,
        }
        Ok(force)
    }

    /// Rows that were made wrong stay so; `rows` of them.
    pub(super) fn wrong(fleet: &Shared, ways: &Arc<dyn Ways>, rows: u64) -> Self {
        let mut force = Self::new(fleet, ways);
        force.proof = Proof::Counted(Arc::new(AtomicU64::new(rows)));
        force
    }

    /// A control node is cut off, or stands still where that can't be; `noticed` counts when the
    /// others go on without it, as `watching` finds out.
    pub(super) fn without_leader(
        fleet: &Shared,
        ways: &Arc<dyn Ways>,
        place: usize,
        noticed: Arc<AtomicU64>,
        watching: AbortHandle,
    ) -> Result<Self, StandError> {
        let mut force = Self::new(fleet, ways);
        (force.proof, force.watching) = (Proof::Counted(noticed), Some(watching));
        force.held = ways.isolate(place)?;
        if force.held.is_empty() {
            force.pause(Who::Control(place))?;
        }
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

    fn count(&self) -> Option<u64> {
        match &self.proof {
            Proof::Asked(chain, before) => Some(self.ways.asked(*chain) - before),
            Proof::Ways => self.held.iter().map(|part| part.struck()).sum(),
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
        self.held.iter_mut().for_each(|part| part.heal());
        if let Some(watching) = self.watching.take() {
            watching.abort();
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
