//! Folding again what the stores hold already: after a restart, in a repair, for a verdict.

use std::ops::ControlFlow;

use tandem_fold::Fold;
use tandem_model::Verdicts;
use tandem_storage::StoreError;

use crate::partition::{Context, is_over, persistently};
use crate::poison::{Failed, Interruption, fold_on};

/// All verdicts: those that `fold` knows, and those that stand in the log beyond it.
///
/// # Errors
///
/// When the log can't be read, or the chain is stopped meanwhile.
pub(crate) async fn look_ahead(context: &Context, fold: &Fold) -> Result<Verdicts, StoreError> {
    let (known, next) = (fold.verdicts().clone(), fold.cut().next);
    persistently(context, async || {
        tandem_storage::verdicts(&*context.log, context.partition, known.clone(), next).await
    })
    .await
}

/// Folds the log up to `target`, and hands the fold to `take` after each batch, which takes what has
/// changed and may break off. All verdicts below `target` must be known to the fold. Answers the
/// record at which it failed: the fold is of no use then.
///
/// # Errors
///
/// [`StoreError::Damaged`] where the log ends before `target`; when the log can't be read, or the
/// chain is stopped meanwhile.
pub(crate) async fn replay(
    context: &Context,
    fold: &mut Fold,
    target: u64,
    mut take: impl FnMut(&mut Fold) -> ControlFlow<()>,
) -> Result<Result<(), Failed>, StoreError> {
    let partition = context.partition;
    while fold.cut().next < target {
        if is_over(&context.stopped) {
            return Err(StoreError::Unavailable("told to stop while folding again".to_owned()));
        }
        let (next, bytes) = (fold.cut().next, context.settings.batch_bytes);
        let records = persistently(context, async || context.log.read(partition, next, bytes).await).await?;
        let records = records.iter().take_while(|(offset, _)| *offset < target);
        match fold_on(fold, records, &context.settings.seeded_fault) {
            // Nothing new: all verdicts were known before it began.
            Ok(()) | Err(Interruption::Revised) => {}
            Err(Interruption::Failed(failed)) => return Ok(Err(failed)),
        }
        let has_ended = fold.cut().next == next;
        if take(fold).is_break() {
            break;
        }
        if has_ended {
            return Err(StoreError::Damaged(format!(
                "partition {partition}: the log ends at {next}, before the rows that came of it ({target})"
            )));
        }
    }
    Ok(Ok(()))
}
