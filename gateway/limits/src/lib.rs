//! Rate limits, pure: rules, who asks, and the time in; decisions out. No clock, no I/O.
//!
//! ```text
//! rules (data) ─► RuleSet ─┐
//! Subject, RouteClass, now ┴─► Limiter::decide ─► Decision ─► RateLimit…, Retry-After
//!                               │           │
//!                       Table (own limits)  Leases (shared limits) ⇄ SharedQuota, in the background
//! ```
//!
//! | file | what |
//! |---|---|
//! | `rate.rs` | GCRA on one word per key, usual and strict |
//! | `table.rs` | words by key: fixed memory, no lock on the way of a charge |
//! | `caller.rs` `rules.rs` | who asks for what; rules as data |
//! | `limiter.rs` `decision.rs` | all rules of a request, charged together or not at all |
//! | `fields.rs` | the header fields of the IETF draft |
//! | `lease.rs` `shared.rs` | shared limits: units taken ahead of need |
//! | `suite.rs` | what every shared store must pass |
//!
//! Invariants: a refused request is charged nowhere. Memory does not grow with the number of keys.
//! A key that is forgotten starts anew, which lets one burst more through and never refuses
//! anybody; it is counted. No decision waits for anything but a lock held for some nanoseconds.
//!
//! Why not the crate `governor`: its keys stay until somebody removes them, so memory is bounded by
//! the next tidying only, and nothing counts what is forgotten; it has no strict windows, and can't
//! look at several limits before it charges one. Nor is it faster: measured in turns, it made 0.6 to
//! 0.9 as many decisions a second (`cargo run --release -p tandem-limits --example speed`).

mod caller;
mod decision;
mod fields;
mod lease;
mod limiter;
mod rate;
mod rules;
mod shared;
pub mod suite;
mod table;

pub use caller::{CallerKind, NOWHERE, RouteClass, Subject, network, normal};
pub use decision::Decision;
pub use fields::{LIMIT_FIELD, POLICY_FIELD, VIOLATED_POLICIES};
pub use lease::{Ask, Granted, Lease, LeaseCounts, LeaseSettings, Leases, Limit, Taken, shared_key};
pub use limiter::{Limiter, RuleCounts};
pub use rate::{Rate, RateError, Standing, Wait};
pub use rules::{
    Costs, REQUESTS_MAX, RULES_MAX, Ready, Rule, RuleKey, RuleSet, RulesError, TEXT_BYTES_MAX, WINDOW_S_MAX,
};
pub use shared::{MemoryQuota, PRESENCE_NS, QuotaError, SharedQuota, Taking, grant};
pub use table::{Charged, KEYS_MAX, KeyHash, Table};
