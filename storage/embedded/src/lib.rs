//! All ports on embedded stores, so that `tandem up` needs nothing else.
//!
//! - [`Log`]: the event log in one redb file. The log is the truth, so it is checked whole when
//!   it is opened, and damage is an error that names the place.
//! - [`Rows`] and [`Letters`]: figures and dead letters of one chain in one fjall database. They
//!   can be computed anew from the log, so their store may be one that is fast.
//! - [`Snapshots`]: files in a folder.
//! - [`Data`]: the folder that holds all of it, for both chains.

mod blocking;
mod chain;
mod data;
mod editions;
mod letters;
mod log;
mod rows;
mod snapshots;
mod zone;

pub use chain::Chain;
pub use data::{Chains, Data, HOT_SESSIONS_MAX};
pub use editions::EditionParts;
pub use letters::Letters;
pub use log::Log;
pub use rows::Rows;
pub use snapshots::Snapshots;
