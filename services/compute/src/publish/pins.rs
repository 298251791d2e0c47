//! Which snapshots the publisher still needs.
//!
//! Compute keeps the newest few snapshots for its own restarts. The publisher goes on from the last
//! published marker, which may lie far back (the topic was away, or the other chain publishes), so
//! compute must not forget the newest snapshot at or before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tandem_model::PartitionId;

/// Per partition how far the topic is, as far as is known. The publisher writes it, compute reads
/// it before it forgets snapshots. An older value only keeps an older snapshot.
#[derive(Clone, Debug)]
pub struct Pins(Option<Arc<Mutex<BTreeMap<PartitionId, u64>>>>);

/// What to keep of one partition's snapshots beside the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Nothing: nobody publishes.
    Nothing,
    /// Not known yet: as many as may be.
    Unknown,
    /// The newest one at or before this offset.
    At(u64),
}

impl Pins {
    /// Where publishing is off.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Where it is on; nothing is known yet.
    pub fn unknown() -> Self {
        Self(Some(Arc::default()))
    }

    /// What to keep of `partition`.
    pub fn of(&self, partition: PartitionId) -> Pin {
        match &self.0 {
            None => Pin::Nothing,
            Some(pins) => pins.lock().get(&partition).copied().map_or(Pin::Unknown, Pin::At),
        }
    }

    pub(super) fn set(&self, partition: PartitionId, next: u64) {
        if let Some(pins) = &self.0 {
            pins.lock().insert(partition, next);
        }
    }
}
