//! From changes to stores.

use tandem_model::Changes;
use tandem_storage::StoreError;

use crate::hot::HotWriter;
use crate::partition::{Context, persistently};

/// Writes changes to every store of the chain: dead letters before the counters that count them,
/// editions, then rows, and the hot store beside them. Only the hot store may be left behind.
///
/// # Errors
///
/// When a store says what trying again can't mend, or when the chain is stopped while it is down.
pub(crate) async fn flush(
    context: &Context,
    hot: &mut HotWriter,
    changes: Changes,
) -> Result<(), StoreError> {
    let stores = &context.stores;
    if !changes.rejected.is_empty() {
        persistently(context, async || stores.dead_letters.append(&changes.rejected).await).await?;
    }
    // Before progress, so that whoever sees that finds all editions up to there.
    if !changes.editions.is_empty() {
        let at = changes.cut.next;
        persistently(context, async || stores.editions.keep(&changes.editions, at).await).await?;
    }
    let rows = persistently(context, async || stores.rows.apply(&changes).await);
    let (rows, ()) = tokio::join!(rows, hot.apply(context, &changes));
    rows?;
    context.status.send_modify(|status| {
        status.cut = changes.cut;
        status.reached = status.reached.max(changes.cut.next);
        status.rows += changes.sessions.iter().map(|change| change.rows.len() as u64).sum::<u64>();
    });
    hot.report(context);
    Ok(())
}
