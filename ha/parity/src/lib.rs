//! Do both chains say the same, and if not, which one is wrong? Pure: no clock, no I/O.
//!
//! Two levels. What was **computed** is compared at every beat, by digest ([`compare`]). What is
//! **stored** is compared copy by copy, in a slow scan ([`contradiction`]): a row that was changed
//! behind the chain's back leaves every digest as it is.
//!
//! Neither level names a chain: that is the third vote's business ([`Vote`]). It recomputes what is
//! in question from the log by the plain method and holds each copy against it *at that copy's own
//! cut*. So a chain that is merely behind is never wrong, and nothing has to stand still.
//!
//! | what | where |
//! |---|---|
//! | digests at the newest common beat | `digests.rs` |
//! | a copy of a session, and where two of them can't both be right | `claim.rs` |
//! | the third vote | `vote.rs` |
//! | what is known, as it is shown, and what the judge is told | `report.rs` |

mod claim;
mod digests;
mod report;
mod vote;

pub use claim::{Claim, Place, Store, contradiction};
pub use digests::{Parity, PartitionParity, Verdict, compare};
pub use report::{Culprit, Finding, Findings, Level, ParityReport, RowEvidence, ScanProgress};
pub use vote::{BeatClaim, Judged, Outcome, Vote, Wrong};
