//! Rows and dead letters on ScyllaDB or Apache Cassandra.
