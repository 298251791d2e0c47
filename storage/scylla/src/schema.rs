//! The schema: what `tandem schema apply` and `tandem schema status` do.

use serde::Serialize;
use tandem_storage::{Result, StoreError};

use crate::Settings;

/// The schema as it stands in a keyspace.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The keyspace.
    pub keyspace: String,
    /// The server, with its version.
    pub server: String,
    /// The version that stands there; 0: nothing does.
    pub version: u32,
    /// The version this program needs.
    pub version_wanted: u32,
    /// What `apply` would do, one sentence each, in order.
    pub pending: Vec<String>,
    /// What an operator should know of, one sentence each.
    pub warnings: Vec<String>,
}

/// Brings the keyspace to the version this program needs, creating it if it is not there. Safe to
/// do twice, and by two processes at once: the second waits. Answers what was done, one sentence
/// each.
pub async fn apply(settings: &Settings) -> Result<Vec<String>> {
    settings.check()?;
    Err(StoreError::Unavailable("not written yet".to_owned()))
}

/// How the schema stands; changes nothing.
pub async fn status(settings: &Settings) -> Result<Status> {
    settings.check()?;
    Err(StoreError::Unavailable("not written yet".to_owned()))
}
