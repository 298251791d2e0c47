//! The whole system in one process: control group, decisions, gateways, two model chains, clients
//! and operators, in virtual time, with everything that can break between them.
//!
//! What is real is what decides: `tandem-group`'s members over TiKV's raft, each on a simulated
//! disk, and `tandem-failover`'s judge and rules in them. What is modelled is what they decide
//! about: the log, the chains that follow it, the gateways, the clients with their tokens.
//!
//! ```text
//! clients ──► gateways ──► chains ──► log
//!                │  ▲        │ ▲
//!       symptoms ▼  │ route  ▼ │ probes, progress, digests
//!             control nodes (raft) ◄── operators
//! ```
//!
//! [`run`] plays one [`Scenario`]. All chance comes from its seed and all time is virtual, so it
//! goes the same way each time; what went wrong is found again by its number. After every event the
//! invariants are asked (`invariants/`, one per file), and at the end, when all has been calm for a
//! while. [`Mutant`]s are mistakes that somebody could make; the tests show that each is found.
//!
//! No clock, no threads, no I/O, no order of a hash map.

mod chain;
mod client;
mod context;
mod control;
mod counters;
mod disk;
mod event;
mod faults;
mod gateway;
mod invariants;
mod live;
mod log;
mod mutant;
mod network;
mod observer;
mod operators;
mod place;
mod queue;
mod tap;
mod trace;
mod usual;
mod world;

pub use counters::Counters;
pub use invariants::Violation;
pub use mutant::Mutant;
pub use world::{CALM_MS, Report, Scenario, Weather, run};
