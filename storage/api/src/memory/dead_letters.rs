//! Dead letters in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::RwLock;
use tandem_model::rejected::Rejected;

use crate::{DeadLetterQuery, DeadLetters, Place, Result};

/// A [`DeadLetters`] for tests.
#[derive(Default)]
pub struct MemoryDeadLetters {
    kept: RwLock<BTreeMap<Place, Rejected>>,
    revised: RwLock<BTreeMap<Place, u64>>,
}

impl MemoryDeadLetters {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl DeadLetters for MemoryDeadLetters {
    async fn append(&self, rejected: &[Rejected]) -> Result<()> {
        self.kept.write().extend(rejected.iter().map(|one| (Place::of(one), one.clone())));
        Ok(())
    }

    async fn revise(&self, place: Place, letter: Option<&Rejected>, at: u64) -> Result<()> {
        let mut revised = self.revised.write();
        if revised.get(&place).is_some_and(|newer| *newer > at) {
            return Ok(());
        }
        revised.insert(place, at);
        let mut kept = self.kept.write();
        match letter {
            Some(letter) => _ = kept.insert(place, letter.clone()),
            None => _ = kept.remove(&place),
        }
        Ok(())
    }

    async fn list(&self, query: &DeadLetterQuery) -> Result<Vec<Rejected>> {
        let kept = self.kept.read();
        Ok(kept.values().filter(|one| query.matches(one)).take(query.limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_suite() {
        crate::suite::dead_letters(&MemoryDeadLetters::new()).await;
    }
}
