//! What a drill runs on.
//!
//! A stand is a running system that can be disturbed: all in one process, or real processes on
//! real servers. The runner reads it over HTTP, as everybody does, and only asks here what HTTP
//! does not tell.

use async_trait::async_trait;
use tandem_model::route::{Chain, Route};

use crate::fault::Fault;

/// A system that can be disturbed.
#[async_trait]
pub trait Stand: Send + Sync {
    /// What it is, for the report: "embedded, one process".
    fn name(&self) -> String;

    /// Addresses of its gateways, as `host:port`; at least one.
    fn gateways(&self) -> Vec<String>;

    /// The operator's key.
    fn key(&self) -> String;

    /// Why it can't do a fault, if it can't.
    fn cannot(&self, fault: Fault) -> Option<String>;

    /// Begins a fault, in `chain` where it is a chain's. It is in force when this returns.
    ///
    /// # Errors
    ///
    /// When it could not be begun; then nothing is disturbed.
    async fn inject(&self, fault: Fault, chain: Option<Chain>) -> Result<Box<dyn Injected>, StandError>;

    /// Lets a chain serve, as an operator would.
    ///
    /// # Errors
    ///
    /// When it was not decided.
    async fn switch(&self, to: Chain, reason: String) -> Result<Route, StandError>;

    /// What was decided, newest first.
    ///
    /// # Errors
    ///
    /// When nobody can be asked.
    async fn decisions(&self) -> Result<Vec<Decided>, StandError>;

    /// What the safety rules said, as far as it is told.
    async fn rules(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A fault in force. It ends with [`Injected::heal`], and at the latest when this is dropped.
pub trait Injected: Send {
    /// Ends the fault. Doing it twice does no harm.
    fn heal(&mut self);

    /// How many calls it has disturbed: the proof that it bit. `None` where nobody can tell.
    fn struck(&self) -> Option<u64>;
}

/// A decision of the control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// What is in force from then on.
    pub route: Route,
    /// When, by the wall clock of whoever decided, in milliseconds since the epoch.
    pub decided_ms: u64,
}

/// Why a stand did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct StandError(pub String);
