//! From changes to stores.

use tandem_model::{Changes, Cut};
use tandem_storage::{Applied, Incarnation, Select, StoreError};

use crate::partition::{Context, persistently};

/// Writes changes to every store of the chain, in the order readers rely on: dead letters before
/// the counters that count them, rows before the hot store that may need to be filled from them.
///
/// # Errors
///
/// When a store says what trying again can't mend, or when the chain is stopped while it is down.
pub(crate) async fn flush(
    context: &Context,
    hot: &mut Option<(Incarnation, Cut)>,
    changes: Changes,
) -> Result<(), StoreError> {
    let stores = &context.stores;
    if !changes.rejected.is_empty() {
        persistently(context, async || stores.dead_letters.append(&changes.rejected).await).await?;
    }
    persistently(context, async || stores.rows.apply(&changes).await).await?;
    *hot = persistently(context, async || write_hot(context, *hot, &changes).await).await?;
    context.status.send_modify(|status| {
        status.cut = changes.cut;
        status.rows += changes.sessions.iter().map(|change| change.rows.len() as u64).sum::<u64>();
    });
    Ok(())
}

async fn write_hot(
    context: &Context,
    hot: Option<(Incarnation, Cut)>,
    changes: &Changes,
) -> Result<Option<(Incarnation, Cut)>, StoreError> {
    let stores = &context.stores;
    let applied = match hot {
        Some((incarnation, base)) => Some((incarnation, stores.hot.apply(incarnation, base, changes).await?)),
        None => None,
    };
    let (incarnation, absent) = match applied {
        Some((incarnation, Applied::Done { absent })) => (incarnation, absent),
        Some((_, Applied::Lost)) | None => {
            let begun = stores.hot.begin(changes.partition, changes.cut).await?;
            let Some(incarnation) = begun else { return Ok(None) };
            (incarnation, changes.sessions.iter().map(|change| change.session_id.clone()).collect())
        }
    };
    for absent in absent {
        // The row store is ahead of every reader of the hot one: it has these changes too.
        if let Some(session) = stores.rows.session(absent.as_str(), &Select::Totals).await? {
            stores.hot.put(incarnation, session).await?;
        }
    }
    Ok(Some((incarnation, changes.cut)))
}
