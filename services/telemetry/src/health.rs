//! Whether a process is ready: would it do its work right now?
//!
//! Checks are what the role says they are; each is bounded in time, all run at once, and who asks
//! while they run waits for that answer. What they found is given out again for a moment, so that
//! a crowd of probes is no load on a store that is in trouble.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a check may take: less than what probes wait for.
const CHECK_TIMEOUT: Duration = Duration::from_millis(800);
/// How long an answer is given out again.
const MEMORY: Duration = Duration::from_millis(200);

/// The health of a process. Cheap to clone; clones are the same.
///
/// It begins as *starting*, which is not ready: a role opens its admin port first, adds its checks,
/// and [`open`](Health::open)s it when it serves.
#[derive(Clone, Default)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    life: AtomicU8,
    checks: RwLock<Vec<Check>>,
    memory: Mutex<Option<(Instant, Arc<HealthReport>)>>,
}

#[derive(Clone)]
struct Check {
    name: &'static str,
    is_required: bool,
    ask: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const STOPPING: u8 = 2;

/// What the checks found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// Whether everything holds that is required.
    pub ready: bool,
    /// `starting`, `serving` or `stopping`; only `serving` is ready.
    pub life: &'static str,
    /// Each check, in the order in which they were added.
    pub checks: Vec<CheckReport>,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Which check.
    pub name: &'static str,
    /// Whether it holds.
    pub ready: bool,
    /// Whether the process is not ready without it.
    pub required: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Health {
    /// A process that is starting, without checks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check: `Ok` if the process would do its work, else the reason, in words for an
    /// operator. It runs at most once at a time; what takes over 800 ms does not hold.
    pub fn check<F: Future<Output = Result<(), String>> + Send + 'static>(
        &self,
        name: &'static str,
        ask: impl Fn() -> F + Send + Sync + 'static,
    ) {
        self.add(name, true, ask);
    }

    /// Like [`check`](Health::check), but the process is ready without it: what is amiss is shown,
    /// and the part of its work that does not need this goes on.
    pub fn mention<F: Future<Output = Result<(), String>> + Send + 'static>(
        &self,
        name: &'static str,
        ask: impl Fn() -> F + Send + Sync + 'static,
    ) {
        self.add(name, false, ask);
    }

    fn add<F: Future<Output = Result<(), String>> + Send + 'static>(
        &self,
        name: &'static str,
        is_required: bool,
        ask: impl Fn() -> F + Send + Sync + 'static,
    ) {
        let check = Check { name, is_required, ask: Arc::new(move || Box::pin(ask())) };
        self.inner.checks.write().unwrap_or_else(PoisonError::into_inner).push(check);
    }

    /// The process serves from now on: what the checks say counts.
    pub fn open(&self) {
        // One that is stopping does not begin again.
        _ = self.inner.life.compare_exchange(STARTING, SERVING, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The process is about to stop: not ready from now on, so that nobody new comes while those
    /// who are there are served.
    pub fn drain(&self) {
        self.inner.life.store(STOPPING, Ordering::Release);
    }

    /// How it stands, as of at most 200 ms ago.
    pub async fn report(&self) -> Arc<HealthReport> {
        let life = self.inner.life.load(Ordering::Acquire);
        let mut memory = self.inner.memory.lock().await;
        if let Some((made, report)) = &*memory
            && made.elapsed() < MEMORY
            && report.life == name(life)
        {
            return Arc::clone(report);
        }
        let checks = self.inner.checks.read().unwrap_or_else(PoisonError::into_inner).clone();
        let checks: Vec<CheckReport> = futures::future::join_all(checks.iter().map(ask)).await;
        let ready = life == SERVING && checks.iter().all(|check| check.ready || !check.required);
        let report = Arc::new(HealthReport { ready, life: name(life), checks });
        *memory = Some((Instant::now(), Arc::clone(&report)));
        report
    }
}

async fn ask(check: &Check) -> CheckReport {
    let outcome = match tokio::time::timeout(CHECK_TIMEOUT, (check.ask)()).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} ms", CHECK_TIMEOUT.as_millis())),
    };
    CheckReport {
        name: check.name,
        ready: outcome.is_ok(),
        required: check.is_required,
        reason: outcome.err(),
    }
}

const fn name(life: u8) -> &'static str {
    match life {
        STARTING => "starting",
        SERVING => "serving",
        _ => "stopping",
    }
}
