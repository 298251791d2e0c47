//! The control group's core: a replicated log of decisions, and the member that keeps it.
//!
//! ```text
//! asks, observations, messages, ticks ──► Member ──► Effect: send, answer, route
//!                                          │  ▲
//!                              Engine (raft)  Machine (Decided, members)
//!                                          │
//!                                        Disk
//! ```
//!
//! Everything here is synchronous and has neither clock nor network nor threads: whoever drives a
//! [`Member`] says what time it is, hands it messages and sends what it wants sent. So the same
//! code runs under real time in `ha/control` and under virtual time in the simulation.
//!
//! What it rests on:
//!
//! - **Decisions come from the log alone.** The chain that serves is what the applied entries say
//!   ([`tandem_failover::Decided`]), never what a member believes to be. Two members may hold
//!   themselves for the leader at one moment; only one of them can commit.
//! - **Durable before it is known.** Whatever a member sends, answers or makes known was synced to
//!   its [`Disk`] before, the commit index included: a member that starts again knows all it ever
//!   said.
//! - **The engine can be changed.** [`Engine`] is all the member knows of raft.

mod command;
mod disk;
mod engine;
mod machine;
mod member;
mod raft_engine;
mod redb_disk;
mod settings;

pub use command::{Command, CommandId};
pub use disk::{Disk, DiskError, MemoryDisk, Stored, Write};
pub use engine::{
    Barrier, Change, Committed, Engine, EngineError, Message, NotProposed, Peer, Standing, Work,
};
pub use machine::{Machine, MachineError, MemberInfo};
pub use member::{Answer, Ask, AskError, Effect, Member, MemberError, Now, Outlook};
pub use raft_engine::{Founding, RaftEngine};
pub use redb_disk::RedbDisk;
pub use settings::{Settings, SettingsError};

use std::fmt;

use serde::{Deserialize, Serialize};

/// A member of the group. Its number is its own for good: one that was removed is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub u64);

impl fmt::Display for MemberId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
