//! Who decides which chain serves.
//!
//! [`Control`] is what the rest of the system sees: the newest [`Route`], a way to change it, and
//! what was decided before. [`Local`] is the decision maker of a single process; a replicated
//! group takes its place behind the same interface.
//!
//! Two rules hold for whoever implements it:
//!
//! - **Epochs fence writers, not readers.** Every decision raises the epoch by one, for good. Who
//!   publishes on behalf of the active chain names its epoch and is refused with an old one. No
//!   read is ever refused because of its epoch: a reader that follows an older route for a moment
//!   gets a good answer all the same, since both chains say the same.
//! - **Fail static.** The data plane does not need a decision to go on. When control is lost,
//!   [`Control::route`] keeps the last route, and requests still fail over one by one.

mod local;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tandem_model::route::{Chain, Route};
use tokio::sync::watch;

pub use local::{FILE_NAME, HISTORY_MAX, Local};

/// Longest reason that is kept, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// Decides which chain serves.
#[async_trait]
pub trait Control: Send + Sync {
    /// The newest route that is known here. It is durable before anybody sees it, its epoch never
    /// goes back, and changes wake whoever waits.
    fn route(&self) -> watch::Receiver<Route>;

    /// Decides that `to` serves, for a `reason` that people will read, and returns the route in
    /// force afterwards. Where `to` serves already nothing is decided: the present route comes
    /// back, so asking twice does no harm.
    ///
    /// A dropped future and [`ControlError::Store`] mean that it may have been decided or not.
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
