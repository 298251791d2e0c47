//! Anchors: their sessions, and their figures over days.
//!
//! # Why the days add up
//!
//! An answer is about whole sessions: those that started in the range asked for, which are those that the
//! anchor's list of sessions has for the same range. Their totals are added up, and so are their rows of
//! calendar days; one read of a session has both as of one cut. Three things make days and totals differ,
//! and each stands for itself:
//!
//! | metrics | |
//! |---|---|
//! | sums that have a day | totals = days + `follow_ups`: refunds and presale balances that came after a session was final count in totals only (rule 3) |
//! | sums that have none | totals = `refused`: what was not counted has no time of its own |
//! | distinct counts | totals = days − `repeated`: who came to one session on two days is one viewer of the session, and one of each day |
//!
//! Gauges are the highest of any session or day, ratios follow from the sums beside them. A session that runs
//! over midnight, or past the range, has its days where its events are: a day outside of the range is there
//! when a session reached it.
//!
//! # Whose
//!
//! An anchor's figures are for operators and for who was granted the anchor. For everybody else there is no
//! such anchor: no store is asked for one that is not granted, be it there or not.
//!
//! | what | where |
//! |---|---|
//! | adding up | `history.rs` |
//! | the range of time | `range.rs` |
//! | the calls | `calls.rs`, their answers `answers.rs` |

mod answers;
mod calls;
mod history;
mod range;

pub(crate) use calls::{__path_anchor, __path_anchor_sessions, anchor, anchor_sessions};
