//! Tells worthless traffic from people and applications. Pure: requests, what came of them and the
//! time in; verdicts with reasons out. No clock, no I/O.
//!
//! ```text
//! head + who ─► Shield::judge ─► Verdict { action, reasons, ticket } ─► the answer
//!                   ▲                                     │
//!                 state  ◄──────── Shield::answered ◄─────┘ status
//!                   ▲
//!              take_lists, confirm ◄─ slow loop (names, published networks) ◄─ pending
//! ```
//!
//! | file | what |
//! |---|---|
//! | `head/` | what one request looks like: user agent, headers, path |
//! | `state/` | what is remembered of an address, a credential, a credential on one network |
//! | `window.rs` | memories as numbers that rules judge |
//! | `rules/` | what each signal is worth, as data |
//! | `verdict.rs` | actions, reasons, evidence in words |
//! | `crawlers.rs` `lists.rs` | who may call himself a crawler, found out off the hot path |
//! | `challenge/` | the proof of work |

pub mod challenge;
mod claims;
pub mod crawlers;
mod head;
mod lists;
mod rules;
mod seen;
mod shield;
mod state;
mod verdict;
mod window;

pub use head::AgentKind;
pub use lists::{Claim, Lists, ListsError, NETWORKS_MAX, NETWORKS_TEXT_BYTES_MAX, Network, NetworkError};
pub use rules::{
    About, DEFAULT_RULES, Name, POINTS_MAX, Rule, Rules, RulesError, TEXT_BYTES_MAX, Thresholds,
};
pub use seen::{Caller, Seen, Who};
pub use shield::{Counts, Memory, RuleCount, Shield};
pub use verdict::{Action, Evidence, Outcome, Reason, Ticket, Verdict};
