//! Rows and dead letters of one chain on ScyllaDB, or on Apache Cassandra.
//!
//! `tandem schema apply` makes the tables ([`schema`]), compute opens the store with
//! [`ScyllaStore::note_log`], query nodes with [`ScyllaStore::open`]. The tables are described for
//! people by [`describe()`], for us in [`tables`]; the promises of the ports are kept as follows:
//!
//! | promise | kept by |
//! |---|---|
//! | a session's change is visible as a whole | one batch into one CQL partition: [`mutation`] |
//! | nothing goes back, whoever writes | write timestamps are positions in the log: [`position`] |
//! | an answer is of one moment | every row shows the session's moment: [`read`] |
//! | a repair wins over what is there | the revision of a timestamp: [`repair`] |
//! | progress comes after the rows | written when all sessions are acknowledged: [`apply`] |
//! | a log that was created anew starts afresh | its generation, in timestamps and keys: [`tables`] |
//!
//! How long rows are kept is the tables' time to live, counted from the write. It only frees
//! space. What a reader may still see is decided by log time, and by whoever reads: with a time to
//! live that is shorter than that, rows are missing.

mod apply;
mod beats;
mod cells;
mod connection;
mod counters;
mod describe;
mod editions;
mod failure;
mod header;
mod identity;
mod known;
mod letters;
mod lists;
mod mutation;
mod position;
mod read;
mod repair;
pub mod schema;
mod settings;
mod statements;
mod store;
mod tables;

pub use counters::Counts;
pub use describe::{ColumnDescription, TableDescription, describe};
pub use identity::LogIdentity;
pub use settings::{Consistency, Settings};
pub use store::ScyllaStore;
