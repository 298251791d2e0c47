//! Looking ahead in the log for verdicts.

use tandem_model::{PartitionId, Verdict, Verdicts};

use crate::{EventLog, Result};

/// How much of the log is read at once, in bytes.
const BATCH_BYTES: usize = 1 << 20;

/// What is known of a partition's records, where `known` is what everything below offset `from`
/// says: read up to the end that the log has now.
///
/// A verdict stands behind what it is about. So whoever folds from a place in the log looks for
/// verdicts from there on first, and never has to go back for one that was there before.
///
/// # Errors
///
/// Those of the log.
pub async fn verdicts(
    log: &dyn EventLog,
    partition: PartitionId,
    mut known: Verdicts,
    from: u64,
) -> Result<Verdicts> {
    let mut next = from;
    loop {
        let records = log.read(partition, next, BATCH_BYTES).await?;
        let Some((last, _)) = records.last() else { return Ok(known) };
        next = last + 1;
        for (offset, record) in &records {
            if let Some(verdict) = Verdict::of(record) {
                known.note(*offset, &verdict);
            }
        }
    }
}
