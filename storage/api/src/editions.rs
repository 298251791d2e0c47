//! Editions: what boards are made of, as it was at cuts through the log.

use async_trait::async_trait;
use tandem_model::{EditionPart, PartitionId, Step};

use crate::Result;

/// The parts of editions of one chain, by partition, step and slot. One writer per partition; any
/// number of readers.
///
/// They are written before the rows of the same cut: whoever sees rows (or progress) of a cut
/// finds its parts. Those that are no longer of use ([`EditionPart::is_kept`]) may go.
#[async_trait]
pub trait Editions: Send + Sync {
    /// Keeps parts of one partition, known at offset `at` of the log, which lies at or beyond all of
    /// them. Of two that stand in one place, that which was known later holds: what is computed again
    /// after a verdict differs.
    async fn keep(&self, parts: &[EditionPart], at: u64) -> Result<()>;

    /// Those of one step with `slot >= from`, ascending, at most `limit`. A store may answer fewer than
    /// there are, but never none where there is one.
    async fn parts(
        &self,
        partition: PartitionId,
        step: Step,
        from: u64,
        limit: usize,
    ) -> Result<Vec<EditionPart>>;

    /// The last part of a step, with `slot <= to`.
    async fn last_part(&self, partition: PartitionId, step: Step, to: u64) -> Result<Option<EditionPart>>;
}
