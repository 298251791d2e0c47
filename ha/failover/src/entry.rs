//! What is replicated: an entry, and what came of it.

use serde::{Deserialize, Serialize};
use tandem_model::route::Chain;

use crate::evidence::Evidence;
use crate::rules::Ruling;
use crate::settings::Bounds;

/// Longest reason, in characters (as in the control API).
pub const REASON_CHARS_MAX: usize = 500;
/// Longest name of whoever acts, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Who automatic entries are by.
pub const JUDGE: &str = "judge";

/// One entry of the replicated log. What it leads to depends on it and on [`crate::Decided`] alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The group's time when the leader proposed it ([`crate::LeaderClock`]), in milliseconds since
    /// the epoch.
    pub at_ms: u64,
    /// Who wants it: an operator's name, or [`JUDGE`].
    pub by: String,
    /// Why, for people: 1 to [`REASON_CHARS_MAX`] characters.
    pub reason: String,
    /// What is to happen.
    pub action: Action,
}

/// What is to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// The other chain is to serve.
    Switch(Switch),
    /// The chain is taken out of service, to work on it. It must not be the one that serves.
    Drain(Chain),
    /// The chain may serve again.
    Undrain(Chain),
    /// Nothing switches by itself from now on.
    Freeze,
    /// Ends that.
    Unfreeze,
    /// The chain must not be switched to: its figures are wrong, or not trusted. If it serves, the
    /// judge proposes to leave it.
    Quarantine(Chain),
    /// Ends that: the chain is repaired. A digest verdict that names it after this begins it again.
    Release(Chain),
    /// Nothing switches by itself within this time.
    Block(Window),
    /// Ends that.
    Unblock(Window),
    /// Changes the bounds of the rules. They are decided too: nodes that took them from their own
    /// configuration could decide differently.
    SetBounds(Bounds),
}

/// A switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Which rules it is held to.
    pub kind: SwitchKind,
    /// The chain that is to serve.
    pub to: Chain,
    /// The epoch that is to be left. Another one means that somebody was faster.
    pub expected_epoch: u64,
    /// What the leader knew.
    pub evidence: Evidence,
}

/// Which rules a switch is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SwitchKind {
    /// By the judge: all.
    Automatic,
    /// By an operator who wants that nobody notices: those about the target.
    Planned,
    /// By an operator who knows better: only that one chain is on.
    BreakGlass,
}

/// A stretch of the group's time, `[from_ms, to_ms)`, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    /// Its first millisecond.
    pub from_ms: u64,
    /// The first after it.
    pub to_ms: u64,
}

/// An entry that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The epoch afterwards.
    pub epoch: u64,
    /// The chain that serves afterwards.
    pub active: Chain,
    /// When, by the group's time, in milliseconds since the epoch.
    pub at_ms: u64,
    /// What was asked for, by whom and why.
    pub entry: Entry,
    /// How each rule stood, where rules were asked.
    pub rulings: Vec<Ruling>,
}

/// Why an entry changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The entry itself can't be one: the caller's fault.
    #[error("{0}")]
    Malformed(String),
    /// It is so already; asking twice does no harm.
    #[error("{0}")]
    NothingToDo(String),
    /// Rules stand against it.
    #[error("{}", crate::rules::refused_words(.0))]
    Rules(Vec<Ruling>),
}
