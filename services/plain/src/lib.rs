//! The contract's rules once more, plainly: the second opinion `tandem verify` uses, and the
//! nasty events that test both.
//!
//! [`Plain`] computes what `services/fold` computes, from section 1 of the contract alone. It
//! knows nothing of the fold and shares no code with it but the words of `services/model`, so
//! that a misreading in one of them shows as a difference. It chooses ordered maps, exact sets
//! and one short function per rule over speed, keeps everything of a live session in memory, and
//! never panics, whatever stands in the log.
//!
//! | rule | where |
//! |---|---|
//! | 1 order, 2 beats, 5 malformed | [`Plain::apply`] and below |
//! | 3 late, future, final, follow-ups, 4 duplicates, 11 attributes | `session.rs` |
//! | 6 buckets, 7 bounds of a breakdown, 9 sums, 10 distinct users | `rows.rs` |
//! | 7 attribution, 8 presence | `viewers.rs` |
//! | what each event type counts into | `counts.rs` |
//!
//! [`nasty`] makes up logs that go to the edges of all of these.

mod counts;
pub mod nasty;
mod partition;
mod rows;
mod session;
mod viewers;

pub use partition::Plain;
pub use rows::Figures;
