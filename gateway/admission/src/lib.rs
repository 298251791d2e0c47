//! Who may ask when there is more to do than can be done, pure: arrivals, ends and the time in;
//! decisions out. No clock, no I/O.
//!
//! ```text
//! arrival (class, tenant, now) ─► Door ─► go │ wait │ shed
//!                                  │  ▲
//!                    in flight, ends  limit
//!                                  ▼  │
//!                                 Limit: how many at one time are worth it, learnt from throughput
//! ```
//!
//! | file | what |
//! |---|---|
//! | `class.rs` | who goes before whom, and when those who were shed should come back |
//! | `limit.rs` `window.rs` | how much the chains can take at one time, learnt while they work |
//! | `door.rs` `queue.rs` | who goes in, who waits for a few milliseconds, who is sent away |
//! | `screens.rs` | which sessions are known to be on air |
//!
//! Invariants: what waits is bounded in number and in time. A class is never sent away while one
//! below it is let in by the queue. Inside a class, who has the least under way goes first. The limit
//! has no state that only a restart would mend: all it knows is a few windows old, and is measured anew
//! while the work goes on.

mod class;
mod door;
mod limit;
mod queue;
mod screens;
mod window;

pub use class::Class;
pub use door::{Admitted, Arrival, Counts, Door, DoorSettings, Pass, Reason, SettingsError, WaiterId};
pub use limit::{End, Limit, LimitSettings};
pub use screens::Screens;
