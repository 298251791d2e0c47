//! Who decides which chain serves.
//!
//! [`Control`] is what the rest of the system sees: the newest [`Route`], a way to change it, and
//! what was decided before. [`Node`] is a member of the control group (`ha/group` under real time,
//! with a disk and a network); [`api`] gives it out over HTTP, [`Client`] asks it, [`Remote`]
//! follows the group from another process, and [`Teller`] only tells it what was seen.
//!
//! Two rules hold for whoever implements it:
//!
//! - **Epochs fence writers, not readers.** Every switch raises the epoch by one, for good. Who
//!   publishes on behalf of the active chain names its epoch and is refused with an old one. No
//!   read is ever refused because of its epoch: a reader that follows an older route for a moment
//!   gets a good answer all the same, since both chains say the same.
//! - **Fail static.** The data plane does not need a decision to go on. When control is lost,
//!   [`Control::route`] keeps the last route, and requests still fail over one by one.

pub mod api;
mod client;
mod clock;
mod memory;
mod node;
mod operator_key;
mod prober;
mod remote;
mod teller;
mod transport;
pub mod wire;

use async_trait::async_trait;
use tandem_failover::{Action, Chains};
use tandem_model::route::{Chain, Route};
use tokio::sync::watch;

pub use client::Client;
pub use clock::{ClockReading, wall_ms};
pub use node::{Founders, Node, NodeOptions, View};
pub use operator_key::OperatorKey;
pub use prober::{ChainReader, Prober};
pub use remote::{Link, Remote, RemoteOptions};
pub use tandem_failover::{Decision, HISTORY_MAX, REASON_CHARS_MAX};
pub use tandem_group::{MemberId, MemberInfo};
pub use teller::Teller;

/// Decides which chain serves.
#[async_trait]
pub trait Control: Send + Sync {
    /// The newest route that is known here. It is durable before anybody sees it, its epoch never
    /// goes back, and changes wake whoever waits. Epoch 0 means that none is known yet.
    fn route(&self) -> watch::Receiver<Route>;

    /// Which chains readers should not be sent to, whatever the route: those that are being worked
    /// on, and those whose figures are known to be wrong. As far as is known here; none where
    /// nobody says so.
    fn shunned(&self) -> watch::Receiver<Chains<bool>> {
        watch::channel(Chains::default()).1
    }

    /// The route that is in force right now, as whoever decides says it: every decision that was
    /// made known before this was called is in it. Who publishes on behalf of the active chain
    /// asks this before it fences somebody else; [`Control::route`] may be old.
    ///
    /// An error means that nobody could be asked: then nothing may be concluded.
    async fn current(&self) -> Result<Route, ControlError>;

    /// Wants something decided. Where it is so already nothing is decided, so asking twice does no
    /// harm.
    ///
    /// A dropped future and [`ControlError::Unreachable`] mean that it may have been decided or
    /// not.
    async fn order(&self, order: Order) -> Result<wire::Ordered, ControlError>;

    /// The last decisions, newest first, `limit` at most.
    async fn history(&self, limit: usize) -> Result<Vec<Decision>, ControlError>;

    /// A planned switch to `to`, for a `reason` that people will read: waits until the rules allow
    /// it, and returns the route in force afterwards.
    ///
    /// As [`Control::order`].
    async fn switch(&self, to: Chain, reason: String) -> Result<Route, ControlError> {
        Ok(self.order(Order::Switch(wire::Switch::planned(to, reason))).await?.route)
    }
}

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Another chain to serve.
    Switch(wire::Switch),
    /// Anything else that is decided.
    Decide {
        /// Who wants it.
        by: String,
        /// Why, for people.
        reason: String,
        /// What.
        action: Action,
    },
}

/// Why a decision, or reading one, failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It can't be asked for like that; the caller's fault.
    #[error("{0}")]
    Malformed(String),
    /// Rules stand against it.
    #[error("{0}")]
    Ruled(String),
    /// What is kept on disk is not what was written, or can't be used. It needs a person: guessing
    /// a vote or an epoch could let two writers believe they are the one.
    #[error("{0}")]
    Disk(String),
    /// Somebody else decides on this data already.
    #[error("{file} is held by another process")]
    Held {
        /// Which file.
        file: String,
    },
    /// The configuration can't be safe.
    #[error("{0}")]
    Unsafe(String),
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
}
