//! Editions in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::RwLock;
use tandem_model::{EditionPart, PartitionId, Step};

use crate::{Editions, Result};

/// Where a part is kept: partition, step, slot.
type Place = (PartitionId, Step, u64);

/// An [`Editions`] for tests: it keeps everything.
#[derive(Default)]
pub struct MemoryEditions {
    /// Each part, with the log time it was kept at.
    kept: RwLock<BTreeMap<Place, (u64, EditionPart)>>,
}

impl MemoryEditions {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Editions for MemoryEditions {
    async fn keep(&self, parts: &[EditionPart], at: u64) -> Result<()> {
        let mut kept = self.kept.write();
        for part in parts {
            let place = kept.entry((part.partition, part.step, part.slot)).or_insert((at, part.clone()));
            if place.0 <= at {
                *place = (at, part.clone());
            }
        }
        Ok(())
    }

    async fn parts(
        &self,
        partition: PartitionId,
        step: Step,
        from: u64,
        limit: usize,
    ) -> Result<Vec<EditionPart>> {
        let kept = self.kept.read();
        let range = kept.range((partition, step, from)..=(partition, step, u64::MAX));
        Ok(range.take(limit).map(|(_, (_, part))| part.clone()).collect())
    }

    async fn last_part(&self, partition: PartitionId, step: Step, to: u64) -> Result<Option<EditionPart>> {
        let kept = self.kept.read();
        let mut range = kept.range((partition, step, 0)..=(partition, step, to));
        Ok(range.next_back().map(|(_, (_, part))| part.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_suite() {
        crate::suite::editions(&MemoryEditions::new()).await;
    }
}
