//! Decorators that slow calls down, fail them, and count them.
//!
//! [`Faulty`] wraps any port and does what a [`Plan`] says. The plan is shared and may be changed
//! at any time, so a test, or a drill on a running system, can take a store away and give it
//! back. Calls are named after the methods: `append`, `read`, `apply`, `progress`, …
//!
//! What is never touched: [`crate::EventLog::id`], `partitions` and `ends`, which a client knows
//! without asking.

mod plan;
mod ports;
mod summaries;

use std::sync::Arc;

pub use plan::{Fault, Outcome, Plan};

use crate::ChainStores;

/// A port that behaves as its plan says.
pub struct Faulty<T: ?Sized> {
    inner: Arc<T>,
    plan: Arc<Plan>,
}

impl<T: ?Sized> Faulty<T> {
    /// `inner`, disturbed as `plan` says.
    pub fn new(inner: Arc<T>, plan: Arc<Plan>) -> Self {
        Self { inner, plan }
    }

    /// What it follows.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What it wraps.
    pub fn inner(&self) -> &Arc<T> {
        &self.inner
    }
}

/// The plans of a chain's stores, one each.
#[derive(Clone, Default)]
pub struct ChainPlans {
    /// For the row store.
    pub rows: Arc<Plan>,
    /// For the hot store.
    pub hot: Arc<Plan>,
    /// For the snapshots.
    pub snapshots: Arc<Plan>,
    /// For the dead letters.
    pub dead_letters: Arc<Plan>,
    /// For the editions.
    pub editions: Arc<Plan>,
}

/// All stores of a chain, each disturbed as its plan says.
pub fn chain_stores(stores: ChainStores, plans: &ChainPlans) -> ChainStores {
    ChainStores {
        rows: Arc::new(Faulty::new(stores.rows, plans.rows.clone())),
        hot: Arc::new(Faulty::new(stores.hot, plans.hot.clone())),
        snapshots: Arc::new(Faulty::new(stores.snapshots, plans.snapshots.clone())),
        dead_letters: Arc::new(Faulty::new(stores.dead_letters, plans.dead_letters.clone())),
        editions: Arc::new(Faulty::new(stores.editions, plans.editions.clone())),
    }
}
