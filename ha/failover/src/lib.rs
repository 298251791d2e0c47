//! The core of failover: what is seen, and when, goes in; decisions come out.
//!
//! Two halves. The [`Judge`] runs at whoever leads the control group: it takes in what gateways and
//! control nodes observe and proposes [`Entry`]s. The [`Decided`] state is replicated: every node
//! applies the entries, in order, and rules alike on each. The judge may be lost, and be wrong
//! about the moment; the rules are asked when an entry is *applied*, against what is decided then.
//!
//! ```text
//! gateways, control nodes ──► Observation ──► Judge ──► Entry ──► (raft) ──► Decided::apply ──► Decision
//!                                              ▲                                 │        └──► Refusal
//!                                              └─────────────────────────────────┘
//! ```
//!
//! Pure: no clock, no I/O, no async, no randomness, no float, no order of a hash map
//! (`tests/all/purity.rs`). How entries are encoded, versioned and replicated is the caller's
//! business.
//!
//! `tests/cases.md` is the table of what is decided when, for people who do not program.

mod chains;
mod clock;
mod decided;
mod entry;
mod evidence;
mod judge;
mod observation;
mod rules;
mod settings;
mod usual;

pub use chains::Chains;
pub use clock::LeaderClock;
pub use decided::{BLOCKED_MAX, Decided, Frozen, HISTORY_MAX};
pub use entry::{
    Action, Decision, Entry, JUDGE, NAME_CHARS_MAX, REASON_CHARS_MAX, Refusal, Switch, SwitchKind, Window,
};
pub use evidence::{Condition, Distance, Evidence, Finding, Symptom, Votes};
pub use judge::{Judge, OBSERVERS_MAX};
pub use observation::{
    Answers, DigestVerdict, Latency, Observation, ObserverId, Probe, ProbeOutcome, Progress, Symptoms, Wish,
};
pub use rules::{Rule, Ruling, Standing};
pub use settings::{Bounds, COMMIT_MS, PAUSE_MS, Settings, SettingsError};
pub use usual::{Histogram, Typical, Usual};
