//! Rows and dead letters on a real CQL store.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test would")]

mod failures;
mod history;
mod measure;
mod restart;
mod schema;
mod suites;
mod support;
mod writers;

use tandem_tests::services::Services;

/// Where the store of chain a is: every test has a keyspace of its own there.
fn address() -> String {
    Services::shared().addresses().cql.a.clone()
}
