//! Which log it is.

use serde::{Deserialize, Serialize};
use tandem_model::LogId;

/// What the meta topic says of a log. Kafka names a topic, but a topic that was deleted and created
/// again has the same name and begins again at offset 0: positions of the old one must not be taken
/// for positions of the new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Random, new with every creation.
    pub log_id: LogId,
    /// How many logs stood under this name before.
    pub generation: u32,
    /// How many partitions it has.
    pub partitions: u32,
    /// When it was created, in milliseconds since the epoch.
    pub created_ms: u64,
}
