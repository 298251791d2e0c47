//! Rows and dead letters on ScyllaDB or Apache Cassandra.

mod describe;
pub mod schema;
mod settings;
mod store;

pub use describe::{ColumnDescription, TableDescription, describe};
pub use settings::{Consistency, Settings};
pub use store::{LogIdentity, ScyllaStore};
