//! Who decides which chain serves.
//!
//! [`Control`] is what the rest of the system sees: the newest [`Route`], a way to change it, and
//! what was decided before. [`Local`] is the decision maker of a single process; [`api`] gives it
//! out over HTTP, [`Client`] asks it, and [`Remote`] follows it from another process. A replicated group will take its
//! place behind the same interface.
//!
//! Two rules hold for whoever implements it:
//!
//! - **Epochs fence writers, not readers.** Every decision raises the epoch by one, for good. Who
//!   publishes on behalf of the active chain names its epoch and is refused with an old one. No
//!   read is ever refused because of its epoch: a reader that follows an older route for a moment
//!   gets a good answer all the same, since both chains say the same.
//! - **Fail static.** The data plane does not need a decision to go on. When control is lost,
//!   [`Control::route`] keeps the last route, and requests still fail over one by one.

pub mod api;
mod client;
mod clock;
mod local;
mod memory;
mod operator_key;
mod remote;
pub mod wire;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tandem_model::route::{Chain, Route};
use tokio::sync::watch;

pub use client::Client;
pub use clock::ClockReading;
pub use local::{FILE_NAME, HISTORY_MAX, Local};
pub use operator_key::OperatorKey;
pub use remote::{Link, Remote, RemoteOptions};

/// Longest reason that is kept, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// Decides which chain serves.
#[async_trait]
pub trait Control: Send + Sync {
    /// The newest route that is known here. It is durable before anybody sees it, its epoch never
    /// goes back, and changes wake whoever waits.
    fn route(&self) -> watch::Receiver<Route>;

    /// The route that is in force right now, as whoever decides says it: every decision that was
    /// made known before this was called is in it. Who publishes on behalf of the active chain
    /// asks this before it fences somebody else; [`Control::route`] may be old.
    ///
    /// An error means that nobody could be asked: then nothing may be concluded.
    async fn current(&self) -> Result<Route, ControlError>;

    /// Decides that `to` serves, for a `reason` that people will read, and returns the route in
    /// force afterwards. Where `to` serves already nothing is decided: the present route comes
    /// back, so asking twice does no harm.
    ///
    /// A dropped future, [`ControlError::Store`] and [`ControlError::Unreachable`] mean that it
    /// may have been decided or not.
    async fn switch(&self, to: Chain, reason: String) -> Result<Route, ControlError>;

    /// The last decisions, newest first, `limit` at most.
    async fn history(&self, limit: usize) -> Result<Vec<Decision>, ControlError>;
}

/// A route, and when it was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was decided.
    #[serde(flatten)]
    pub route: Route,
    /// When, by the wall clock of whoever decided, in milliseconds since the epoch. For people:
    /// only epochs order decisions.
    pub decided_ms: u64,
}

/// Why a decision, or reading one, failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The reason is empty or too long; the caller's fault.
    #[error("a reason must have 1 to {REASON_CHARS_MAX} characters")]
    BadReason,
    /// What is kept on disk is not what was written. It needs a person: guessing an epoch could
    /// let two writers believe they are the one.
    #[error("the decisions in {file} are damaged: {why}")]
    Damaged {
        /// Which file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody else decides on this data already.
    #[error("{file} is held by another process")]
    Held {
        /// Which file.
        file: String,
    },
    /// Whoever decides can't be reached, or gave no answer that makes sense; trying again can help.
    #[error("the control node {node} can't be reached: {why}")]
    Unreachable {
        /// Its address.
        node: String,
        /// What went wrong.
        why: String,
    },
    /// Whoever decides refuses; trying again does not help.
    #[error("the control node {node} refuses: {why}")]
    Refused {
        /// Its address.
        node: String,
        /// Its HTTP status.
        status: u16,
        /// What it says.
        why: String,
    },
    /// Reading or writing failed; trying again can help.
    #[error("{doing} {file} failed")]
    Store {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
}
