//! The pure core: a state and a record in, changed rows out.
//!
//! [`Fold`] holds one partition. [`Fold::apply`] takes the records of its log in order and applies
//! the contract's eleven rules; [`Fold::take_changes`] hands over the rows that changed since, each
//! absolute and with the offset that changed it. Nothing else goes in: no clock, no randomness, no
//! I/O, no float; so two folds that read the same prefix hold the same rows, whatever their batches,
//! restarts and threads were. `tests/purity.rs` keeps it that way.
//!
//! # How a session is kept
//!
//! Figures live in [`cells`]: one per table, breakdown and key, a full row each. An event adds to at
//! most seven cells (room, item, channel, source, fan, region, device) in each of four tables
//! (total, 10 s, 1 min, 5 min), and to three (room, item, region) in each of two that follow the
//! calendar of the boards (hour, day); digests follow from the differences alone
//! (see [`tandem_model::digest`]).
//!
//! Distinct users are counted without a set per cell. What a set would tell, the viewer knows:
//! [`distinct::Seen`] keeps, per viewer and table, which distinct counts they entered under which
//! keys. That is exact at any size and takes one entry per viewer instead of one per viewer and
//! cell; a sketch, as the contract allows above 4,096 users, would take more memory to say less.
//!
//! # What is kept how long
//!
//! - A bucket, hour or day, and who was seen in it, until no accepted event can fall into it: its end lies ten
//!   minutes behind the clock.
//! - Accepted event ids until their `ts` is ten minutes behind the clock.
//! - Viewers until the session is final.
//! - Totals, packed, until the session has been final for 30 days (refunds and balances still come).
//! - After that 16 bytes: that the session is over.

mod attribution;
mod cells;
mod columns;
mod count;
mod dedup;
mod distinct;
mod editions;
mod fold;
mod keys;
mod live;
mod presence;
mod session;
mod snapshot;
mod windows;

pub use fold::{Fold, Usage};
pub use snapshot::RestoreError;

/// Hash maps with a fixed state: nothing may depend on a random seed. Where clients choose the keys
/// freely (viewers, event ids), the keys themselves are hashes under the secret key.
type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;
