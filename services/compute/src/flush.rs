//! From changes to stores.

use tandem_model::Changes;
use tandem_storage::{Select, StoreError};

use crate::partition::{Context, persistently};

/// Writes changes to every store of the chain, in the order readers rely on: dead letters before
/// the counters that count them, rows before the hot store that may need to be filled from them.
///
/// # Errors
///
/// When a store says what trying again can't mend, or when the chain is stopped while it is down.
pub(crate) async fn flush(context: &Context, changes: Changes) -> Result<(), StoreError> {
    let stores = &context.stores;
    if !changes.rejected.is_empty() {
        persistently(context, async || stores.dead_letters.append(&changes.rejected).await).await?;
    }
    persistently(context, async || stores.rows.apply(&changes).await).await?;
    persistently(context, async || {
        for absent in stores.hot.apply(&changes).await? {
            // The row store is ahead of every reader of the hot one: it has these changes too.
            if let Some(session) = stores.rows.session(absent.as_str(), &Select::Totals).await? {
                stores.hot.put(session).await?;
            }
        }
        Ok(())
    })
    .await?;
    context.status.send_modify(|status| {
        status.cut = changes.cut;
        status.rows += changes.sessions.iter().map(|change| change.rows.len() as u64).sum::<u64>();
    });
    Ok(())
}
