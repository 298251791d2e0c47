//! Traffic with ground truth: people, programs and attackers in virtual time, and for each request
//! whether anybody would miss it. It's there to measure the shield, and rules of any kind.
//!
//! ```text
//! seed ─► World (tenants, sessions, credentials) ─► actors ─► heap by next time ─► Traffic: Shot, Shot, …
//! ```
//!
//! | file | what |
//! |---|---|
//! | `traffic.rs` `shot.rs` | the iterator, and what it gives |
//! | `family.rs` `cast.rs` | who there is, how many of each, who robs whom |
//! | `people.rs` `newcomers.rs` `machines/` | those who are welcome, what is odd about some of them included |
//! | `hostile/` | attackers that rules may be tuned with |
//! | `unseen/` | attackers that nobody who tunes rules looks at |
//! | `second/` | a second set of those, and of honest callers, in a world of their own beside all others |
//! | `evaluate/` | the shield, held against the truth |
//! | `client/` `address.rs` `target.rs` `world.rs` | heads, addresses, paths, ids and credentials |
//!
//! What a gateway answers before a shield is asked is not here: preflights of browsers, heads with two readings.
//!
//! Invariants: the same options give the same shots, byte for byte. Nothing here depends on how a
//! shot was judged: an attacker does not change its ways, and a rule can't make its own evidence.

mod address;
mod cast;
mod chance;
mod client;
pub mod evaluate;
mod family;
mod hostile;
mod machines;
mod newcomers;
mod people;
mod second;
mod sender;
mod shot;
mod target;
mod traffic;
mod unseen;
mod world;

pub use family::{Family, Kind};
pub use shot::{Shot, Who};
pub use traffic::{Traffic, TrafficOptions};
