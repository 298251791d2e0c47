//! The words Tandem shares.
//!
//! Every other crate speaks in these types; none of them does anything but hold, check, encode
//! or decode itself. What users see of them is fixed by the outside contract; what the stores
//! hold of them is derived from [`catalogue`], the one place where metrics and breakdowns are
//! declared.
//!
//! Absent on purpose: clocks, I/O, async, randomness.

pub mod calendar;
pub mod catalogue;
pub mod changes;
pub mod decode;
pub mod definition;
pub mod digest;
pub mod edition;
pub mod event;
pub mod headers;
pub mod id;
pub mod malformed;
pub mod partition;
pub mod position;
pub mod problem;
pub mod pseudonym;
pub mod record;
pub mod rejected;
pub mod repair;
pub mod retention;
pub mod route;
pub mod row;
pub mod rules;
pub mod scope;
pub mod status;
pub mod summary;
pub mod time;
pub mod token;
pub mod verdict;

pub use calendar::Calendar;
pub use catalogue::{Breakdown, Metric, Stored};
pub use changes::{Changes, SessionChange};
pub use definition::{Definition, Definitions};
pub use edition::{EditionPart, EditionSession, Step};
pub use id::SessionId;
pub use position::{Cut, LogId, PartitionId};
pub use pseudonym::PseudonymKey;
pub use record::Record;
pub use row::{Row, RowKey, SessionRow, Table, Values};
pub use rules::Rules;
pub use scope::Scope;
pub use token::Token;
pub use verdict::{Verdict, Verdicts};
