//! Drills: disturb a running system on purpose, and show what came of it.
//!
//! ```text
//! drill ──► run ──► stand (faults)          evidence ──► oracle ──► judge ──► report
//!            │  └─► load (clients) ──────────►  ▲                       JSON, HTML, JUnit
//!            └─► watch (status) ───────────────┘
//! ```
//!
//! What judges is pure and knows nothing of how the gateway works: clients write down every answer
//! ([`history`]), the [`oracle`] says what must hold of it, the [`judge`](judge()) compares it with
//! what the [`drill`] expects. What acts is thin: [`run()`] carries out a drill's steps on a
//! [`stand`], under [`load`], and whatever happens every fault is ended.
//!
//! [`tools`] disturb connections (a TCP proxy) and services (a tower layer), without any rights.

pub mod drill;
pub mod evidence;
pub mod fault;
pub mod history;
mod judge;
pub mod load;
pub mod oracle;
pub mod report;
pub mod run;
pub mod stand;
pub mod tools;

pub use judge::judge;
pub use run::run;
