//! One session as it stood at an earlier cut of the log, and why two of its readings differ.
//!
//! Nothing here counts. The records of the session's partition go through the one fold there is
//! ([`tandem_fold::Fold`]), of which only those are applied that concern the session: its own, the
//! beats, and what verdicts refuse in its name. So a replay of one session takes the memory of one
//! session, and gives what a chain held that had read as far.
//!
//! - [`Survey`] looks where to begin, where a moment's cut lies, and which verdicts were heard by then.
//! - [`Replay`] gives the session at a cut: its own row and its totals, or its hours and days.
//! - [`Explaining`] goes from one cut to another, one record at a time, and says which of them the
//!   difference is made of.
//!
//! No I/O, no clock, no threads: who reads the log stands above.

mod explain;
mod replay;
mod survey;

pub use explain::{Cause, Explaining, Explanation, Part, SAMPLES_MAX, Sample};
pub use replay::{Replay, Then};
pub use survey::{Moment, Survey};
