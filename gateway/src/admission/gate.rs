//! The door with its clock, and those who wait at it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tandem_admission::{Arrival, Class, Counts, Door, End, Pass, Reason, Screens, WaiterId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::config::AdmissionConfig;
use super::priority::Priority;

/// Lets reads through to the chains.
pub(crate) struct Gate {
    state: Mutex<State>,
    screens: Screens,
    started: Instant,
    /// Nobody outside knows who shares a group or a slot with whom.
    hasher: RandomState,
    expired: AtomicU64,
    draws: AtomicU64,
}

struct State {
    door: Door,
    waiting: HashMap<WaiterId, oneshot::Sender<Pass>>,
}

/// One was sent away. In the extensions of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shed(Reason);

impl Shed {
    pub(super) fn is_cap(self) -> bool {
        self.0 == Reason::Cap
    }
}

/// Leave to ask the chains. Dropped, it says that nothing came of it.
pub(crate) struct Permit {
    gate: Arc<Gate>,
    pass: Option<Pass>,
}

impl Permit {
    /// There was an answer.
    pub(crate) fn answered(mut self) {
        self.end(End::Answered);
    }

    fn end(&mut self, end: End) {
        if let Some(pass) = self.pass.take() {
            self.gate.leave(pass, end);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.end(End::Failed);
    }
}

impl Gate {
    pub(crate) fn new(config: &AdmissionConfig, reads_max: usize) -> Self {
        let state = State { door: Door::new(config.door(reads_max)), waiting: HashMap::new() };
        Self {
            state: Mutex::new(state),
            screens: Screens::default(),
            started: Instant::now(),
            hasher: RandomState::new(),
            expired: AtomicU64::new(0),
            draws: AtomicU64::new(0),
        }
    }

    /// Behaves like this from now on. What was learnt stays, as far as it is within the new bounds.
    pub(crate) fn configure(&self, config: &AdmissionConfig, reads_max: usize) {
        self.state.lock().door.configure(config.door(reads_max));
    }

    /// Leave to ask the chains, after some milliseconds at the most.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) async fn enter(self: &Arc<Self>, priority: Priority) -> Result<Permit, Shed> {
        let (mut waiting, wait) = {
            let mut state = self.state.lock();
            match state.door.arrive(self.now_us(), priority.class, priority.tenant) {
                Arrival::Go(pass) => return Ok(self.permit(pass)),
                Arrival::Shed(reason) => return Err(Shed(reason)),
                Arrival::Wait { id, wait_us, instead_of } => {
                    let (sender, receiver) = oneshot::channel();
                    state.waiting.insert(id, sender);
                    // Whose sender is gone hears that there is no room for him.
                    instead_of.map(|out| state.waiting.remove(&out));
                    (Waiting { gate: self, id, receiver }, Duration::from_micros(wait_us))
                }
            }
        };
        match tokio::time::timeout(wait, &mut waiting.receiver).await {
            Ok(Ok(pass)) => Ok(self.permit(pass)),
            Ok(Err(_)) => Err(Shed(Reason::Full)),
            Err(_) => waiting.give_up(),
        }
    }

    /// What was done, and how it is.
    pub(crate) fn counts(&self) -> (Counts, u64) {
        (self.state.lock().door.counts(), self.expired.load(Ordering::Relaxed))
    }

    pub(super) fn note_expired(&self) {
        self.expired.fetch_add(1, Ordering::Relaxed);
    }

    /// In how many seconds one should come back; not all at the same time.
    pub(super) fn retry_after_s(&self, class: Class) -> u64 {
        class.retry_after_s(self.hash(self.draws.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn hash(&self, what: impl Hash) -> u64 {
        self.hasher.hash_one(what)
    }

    pub(super) fn is_screen(&self, pair: u64) -> bool {
        self.screens.is_on_air(pair)
    }

    pub(super) fn note_screen(&self, pair: u64, is_on_air: bool) {
        self.screens.note(pair, is_on_air);
    }

    fn permit(self: &Arc<Self>, pass: Pass) -> Permit {
        Permit { gate: Arc::clone(self), pass: Some(pass) }
    }

    fn leave(&self, pass: Pass, end: End) {
        let mut state = self.state.lock();
        let now_us = self.now_us();
        state.door.leave(now_us, pass, end);
        while let Some(admitted) = state.door.admit(now_us) {
            let sender = state.waiting.remove(&admitted.id);
            // Whoever goes away says so first, under this lock.
            if let Some(Err(pass)) = sender.map(|sender| sender.send(admitted.pass)) {
                state.door.leave(now_us, pass, End::Failed);
            }
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// One who waits. Dropped, he has gone away.
struct Waiting<'a> {
    gate: &'a Arc<Gate>,
    id: WaiterId,
    receiver: oneshot::Receiver<Pass>,
}

impl Waiting<'_> {
    /// He has waited long enough; he may have been let in at the last moment.
    fn give_up(mut self) -> Result<Permit, Shed> {
        let mut state = self.gate.state.lock();
        if state.door.give_up(self.gate.now_us(), self.id) {
            state.waiting.remove(&self.id);
            return Err(Shed(Reason::Late));
        }
        drop(state);
        let pass = self.receiver.try_recv().map_err(|_| Shed(Reason::Full))?;
        Ok(self.gate.permit(pass))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        if state.door.cancel(self.gate.now_us(), self.id) {
            state.waiting.remove(&self.id);
        }
        drop(state);
        if let Ok(pass) = self.receiver.try_recv() {
            self.gate.leave(pass, End::Failed);
        }
    }
}
