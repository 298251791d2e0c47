//! Which partitions have a thread right now.
//!
//! The crew follows who owns what: it starts a partition's thread when the partition becomes ours
//! and ends it, after a last flush and snapshot, when it is not ours any more. Two processes may
//! work on one partition for a while, the old one not knowing yet: stores are written so that
//! this does no harm.
//!
//! A thread that ends by itself has met what trying again at the same place does not mend. What a
//! start from recovery may mend is started again after a pause: a store that does not hold what
//! its writer believed, a bug that depends on the moment. Damage is not: it stays, and each start
//! would read the log again to find it. An order to repair the partition mends both, so it is worth
//! another start: one per order.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, pending};
use tandem_model::PartitionId;
use tandem_storage::{Ownership, StoreError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::compute::Chain;
use crate::partition::{self, Context};
use crate::repair::LOOK_EVERY;
use crate::status::{Hot, Phase, Status};

/// First pause before a partition that ended by itself is started again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// Who ran for so long has no trouble that the pause should remember.
const STEADY: Duration = Duration::from_secs(600);

/// How long the row store may take to say whether there is an order: endings wait meanwhile.
const ORDER_LOOK: Duration = Duration::from_millis(500);

/// All partitions of a chain, as far as this process is concerned.
pub(crate) struct Crew {
    chain: Chain,
    /// Kept for its own sake: what it says ends with it.
    _ownership: Arc<dyn Ownership>,
    owned: watch::Receiver<Arc<BTreeSet<PartitionId>>>,
    stopped: watch::Receiver<bool>,
    parts: Vec<Part>,
    /// Where threads say how they ended.
    endings: mpsc::Receiver<Ending>,
    to_endings: mpsc::Sender<Ending>,
}

type Ending = (PartitionId, Ended);

struct Part {
    id: PartitionId,
    status: watch::Sender<Status>,
    work: Work,
    /// The moment of the order to repair that it was last started for.
    started_for: Option<u64>,
    /// The pause before it is started again after an end of its own.
    pause: Duration,
}

enum Work {
    None,
    /// Not to be started before then.
    Pausing {
        until: Instant,
    },
    /// Not to be started while it stays ours.
    GivenUp,
    Running {
        stop: watch::Sender<bool>,
        since: Instant,
    },
}

enum Ended {
    InOrder,
    Error(StoreError),
    Panic,
}

impl Crew {
    pub(crate) fn new(chain: Chain, ownership: Arc<dyn Ownership>, stopped: watch::Receiver<bool>) -> Self {
        let partitions = chain.log.partitions();
        // A partition has one thread at a time, so there is always room.
        let (to_endings, endings) = mpsc::channel(partitions as usize);
        let part = |id| Part {
            id,
            status: watch::Sender::new(Status::new(id, Phase::Elsewhere)),
            work: Work::None,
            started_for: None,
            pause: PAUSES.0,
        };
        Self {
            chain,
            owned: ownership.owned(),
            _ownership: ownership,
            stopped,
            parts: (0..partitions).map(PartitionId).map(part).collect(),
            endings,
            to_endings,
        }
    }

    /// The status of each partition.
    pub(crate) fn statuses(&self) -> Vec<watch::Receiver<Status>> {
        self.parts.iter().map(|part| part.status.subscribe()).collect()
    }

    /// Follows who owns what, until told to stop and every thread has ended.
    pub(crate) async fn run(mut self) {
        let mut is_told = true;
        let mut look_at = Instant::now();
        loop {
            let is_stopping = self.is_stopping();
            if !is_stopping && look_at <= Instant::now() {
                self.look_for_orders().await;
                look_at = Instant::now() + LOOK_EVERY;
            }
            if let Err(error) = self.arrange() {
                tracing::error!(%error, "no thread for a partition; trying again");
            }
            if is_stopping && !self.parts.iter().any(Part::is_running) {
                return;
            }
            let look = self.parts.iter().any(Part::has_ended).then_some(look_at);
            let pause = self.parts.iter().filter_map(Part::pausing_until).chain(look).min();
            let pausing = async {
                match pause {
                    Some(until) => sleep_until(until).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                Some((id, ended)) = self.endings.recv() => self.note(id, ended),
                // A closed channel tells nothing new for ever.
                told = self.owned.changed(), if is_told => is_told = told.is_ok(),
                _ = self.stopped.changed(), if !is_stopping => {}
                () = pausing, if !is_stopping => {}
            }
        }
    }

    /// Whoever holds the other end either said so or is gone.
    fn is_stopping(&self) -> bool {
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }

    /// Starts and ends threads so that those partitions have one that should.
    ///
    /// # Errors
    ///
    /// When the system gives no thread; it is tried again after a pause.
    pub(crate) fn arrange(&mut self) -> std::io::Result<()> {
        let is_stopping = self.is_stopping();
        let owned = Arc::clone(&self.owned.borrow_and_update());
        let mut outcome = Ok(());
        for part in &mut self.parts {
            let is_wanted = !is_stopping && owned.contains(&part.id);
            match &part.work {
                Work::Running { stop, .. } if !is_wanted => {
                    stop.send_replace(true);
                }
                // One that was told to stop comes to its end first.
                Work::Running { .. } => {}
                Work::GivenUp if is_wanted => {}
                Work::Pausing { until } if is_wanted && *until > Instant::now() => {}
                _ if is_wanted => {
                    if let Err(error) = part.start(&self.chain, self.to_endings.clone()) {
                        part.pause(&error.to_string());
                        outcome = Err(error);
                    }
                }
                _ => part.rest(is_stopping),
            }
        }
        outcome
    }

    /// A repair mends what made a partition end: it is worth another start. Those that run look by
    /// themselves.
    async fn look_for_orders(&mut self) {
        let rows = &self.chain.stores.rows;
        let ended = self.parts.iter().filter(|part| part.has_ended());
        let looks = join_all(ended.map(|part| timeout(ORDER_LOOK, rows.repair_order(part.id)))).await;
        // What can't be told now is asked again.
        for order in looks.into_iter().filter_map(|look| look.ok()?.ok()?) {
            let Some(part) = self.parts.get_mut(order.partition.0 as usize) else { continue };
            if part.started_for.replace(order.ordered_ms) != Some(order.ordered_ms) {
                part.work = Work::None;
            }
        }
    }

    fn note(&mut self, id: PartitionId, ended: Ended) {
        let is_wanted = !self.is_stopping() && self.owned.borrow().contains(&id);
        let Some(part) = self.parts.get_mut(id.0 as usize) else { return };
        let Work::Running { since, .. } = part.work else { return };
        if since.elapsed() >= STEADY {
            part.pause = PAUSES.0;
        }
        part.work = Work::None;
        match ended {
            Ended::InOrder => {}
            Ended::Error(error) if !is_wanted => {
                tracing::warn!(partition = %id, %error, "ended without a last flush: what is missing is read again");
            }
            Ended::Error(error @ StoreError::Damaged(_)) => part.give_up(error.to_string()),
            Ended::Error(error) => part.pause(&error.to_string()),
            Ended::Panic => part.pause("the fold panicked: a bug of ours"),
        }
    }
}

impl Part {
    fn is_running(&self) -> bool {
        matches!(self.work, Work::Running { .. })
    }

    /// Whether it has ended by itself, and is not started right now.
    fn has_ended(&self) -> bool {
        matches!(self.work, Work::Pausing { .. } | Work::GivenUp)
    }

    fn pausing_until(&self) -> Option<Instant> {
        match self.work {
            Work::Pausing { until } => Some(until),
            _ => None,
        }
    }

    fn start(&mut self, chain: &Chain, ended: mpsc::Sender<Ending>) -> std::io::Result<()> {
        let (stop, stopped) = watch::channel(false);
        let context = Context {
            settings: chain.settings.clone(),
            log: Arc::clone(&chain.log),
            stores: chain.stores.clone(),
            rules: chain.rules.clone(),
            partition: self.id,
            status: self.status.clone(),
            stopped,
        };
        self.show(Phase::Recovering);
        self.status.send_modify(|status| status.hot = Hot::away("not begun yet"));
        // Folding is work for a core, not for the runtime that answers requests.
        let (runtime, id) = (Handle::current(), self.id);
        let name = format!("fold-{}-{id}", chain.settings.chain);
        std::thread::Builder::new().name(name).spawn(move || {
            let run = AssertUnwindSafe(|| runtime.block_on(partition::run(context)));
            let outcome = match catch_unwind(run) {
                Ok(Ok(())) => Ended::InOrder,
                Ok(Err(error)) => Ended::Error(error),
                Err(_) => Ended::Panic,
            };
            // Nobody is left to hear it where the whole runtime went away.
            _ = ended.blocking_send((id, outcome));
        })?;
        self.work = Work::Running { stop, since: Instant::now() };
        Ok(())
    }

    /// Starts again after a pause.
    fn pause(&mut self, reason: &str) {
        tracing::error!(partition = %self.id, reason, pause = ?self.pause, "ended; starts anew after a pause");
        self.work = Work::Pausing { until: Instant::now() + self.pause };
        self.pause = (self.pause * 2).min(PAUSES.1);
        self.show(Phase::Restarting(reason.to_owned()));
    }

    fn give_up(&mut self, reason: String) {
        tracing::error!(partition = %self.id, reason, "ended, and is not started again: somebody must look");
        self.work = Work::GivenUp;
        self.show(Phase::Failed(reason));
    }

    /// Is not ours, or not any more.
    fn rest(&mut self, is_stopping: bool) {
        self.work = Work::None;
        self.pause = PAUSES.0;
        // How it failed is still worth knowing when the process ends.
        if is_stopping && matches!(self.status.borrow().phase, Phase::Failed(_)) {
            return;
        }
        self.show(if is_stopping { Phase::Stopped } else { Phase::Elsewhere });
    }

    fn show(&self, phase: Phase) {
        self.status.send_if_modified(|status| {
            let is_new = status.phase != phase;
            if is_new && matches!(status.hot, Hot::Following { .. }) {
                status.hot = Hot::away("this process does not write it");
            }
            status.phase = phase;
            is_new
        });
    }
}
