//! The whole system on real servers while they and it fail, as processes.
//!
//! | what is shown | where |
//! |---|---|
//! | killed, paused and emptied under load, nothing is lost, doubled or taken back | `drills.rs` |
//! | `tandem drill` between hosts whose network is really cut: the same, and no host left | `namespaces.rs` |
//! | a figure that changes behind a chain's back is found, left and computed again | `parity.rs` |
//! | what can't be is refused with exit code 64 and what to do | `refusals.rs` |
//! | `tandem drill` on processes: nothing lost, and nothing left behind | `stand.rs` |
//! | what fails on the way is said, and nothing is lost by it | `troubles.rs` |
//!
//! What the drills stand on: the library of this package (servers, processes, a user), `writers.rs`
//! and `readers.rs` (the load, and what it must see), `faults.rs` (what is broken, and mended);
//! `clock.rs` (a control node whose clock is wrong).
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `TANDEM_SEED` | what is broken when, and what is written | another one each time; it is printed |
//! | `TANDEM_DRILL_ROUNDS` | how often each fault happens | 2 |
//!
//! Moments are counted in bodies and answers, not in time; waits are for conditions, each with a
//! deadline far beyond what is needed.

#![allow(clippy::print_stdout, reason = "a failing test shows what was printed, a passing one nothing")]

mod clock;
mod drills;
mod faults;
mod namespaces;
mod parity;
mod readers;
mod refusals;
mod stand;
mod troubles;
mod writers;

use tokio::sync::{Mutex, MutexGuard};

/// One test at a time: each is a whole system with its servers, and there are few cores.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
