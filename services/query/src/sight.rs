//! What a caller sees of a session: all of it, a part, or nothing, as if it were not there.
//!
//! Every read of a session passes here (`reading.rs`), and what is outside the view does not leave
//! this file: a handler can't show what it doesn't have.
//!
//! | view | rows that are left |
//! |---|---|
//! | whole | all that were asked for |
//! | part | breakdown `item` if it may be read, of breakdown `channel` the granted keys; of the trend of the session as a whole, too, since it says where the trend begins and ends (its figures are not shown) |
//! | nothing | none: there is no such session |
//!
//! # What somebody else's session costs
//! It must not be told from none by the time its answer takes. So a session that was not yet shown to
//! a scope is looked for in the row store only, first by its own row: one look at the progress and one
//! at the row, whether it is there or not, whatever else the session holds, and whether or not it is in
//! the hot store. Only when that shows that it may be read is more read. Where channels are granted,
//! the first look is at the totals of breakdown `channel`, since they decide: of a session with many
//! channels (1,000 at most) that takes a moment longer than of none. That is not hidden.

use std::borrow::Cow;
use std::sync::Arc;

use tandem_model::problem::Problem;
use tandem_model::scope::View;
use tandem_model::{Breakdown, RowKey, SessionRow, Table};
use tandem_storage::{Part, Select, SessionRows};

use crate::asker::Asker;

/// The totals by channel.
const CHANNELS: Part = Part { table: Table::Total, breakdown: Breakdown::Channel, buckets: 0..1 };

/// The least that tells whether the asker sees a session.
pub(crate) fn glance(asker: &Asker) -> Select {
    needed(asker, &Select::Session).into_owned()
}

/// What must be read so that the asker may be shown `asked`.
pub(crate) fn needed<'a>(asker: &Asker, asked: &'a Select) -> Cow<'a, Select> {
    if !needs_channels(asker) {
        return Cow::Borrowed(asked);
    }
    match asked {
        Select::Totals | Select::All => Cow::Borrowed(asked),
        Select::Session => Cow::Owned(Select::Parts(vec![CHANNELS])),
        Select::Parts(parts) => Cow::Owned(Select::Parts(parts.iter().cloned().chain([CHANNELS]).collect())),
    }
}

fn needs_channels(asker: &Asker) -> bool {
    asker.grants().is_some_and(|grants| !grants.channels.is_empty())
}

/// What the asker sees of a session of which [`needed`] was read: of the rows asked for, those that
/// are his. Nothing where there is no such session for him.
pub(crate) fn of(asker: &Asker, rows: Arc<SessionRows>, asked: &Select) -> Option<Arc<SessionRows>> {
    if asker.grants().is_none() {
        return Some(rows);
    }
    shown(asker.view(&rows.session), rows, asked)
}

/// Of all totals that a session had earlier, what the asker sees, who sees it now with this row.
pub(crate) fn then(asker: &Asker, now: &SessionRow, rows: Arc<SessionRows>) -> Option<Arc<SessionRows>> {
    match asker.grants() {
        None => Some(rows),
        Some(_) => shown(asker.view(now), rows, &Select::Totals),
    }
}

fn shown(view: View<'_>, rows: Arc<SessionRows>, asked: &Select) -> Option<Arc<SessionRows>> {
    if !is_there(view, &rows) {
        return None;
    }
    let is_left = |key: &RowKey| asked.wants(key) && is_shown(view, key);
    if rows.rows.iter().all(|row| is_left(&row.key)) {
        return Some(rows);
    }
    Some(Arc::new(SessionRows {
        session_id: rows.session_id.clone(),
        partition: rows.partition,
        cut: rows.cut,
        session: rows.session.clone(),
        rows: rows.rows.iter().filter(|row| is_left(&row.key)).cloned().collect(),
    }))
}

/// Whether a session with these rows, its totals by channel among them, is there at all.
pub(crate) fn is_there(view: View<'_>, rows: &SessionRows) -> bool {
    match view {
        View::Whole | View::Part { items: true, .. } => true,
        View::Part { items: false, channels } => {
            let mut totals = rows.rows.iter().map(|row| &row.key).filter(|key| CHANNELS.has(key));
            !channels.is_empty() && totals.any(|key| channels.contains(&*key.key))
        }
    }
}

fn is_shown(view: View<'_>, key: &RowKey) -> bool {
    let View::Part { items, channels } = view else { return true };
    match key.breakdown {
        Breakdown::Item => items,
        Breakdown::Channel => channels.contains(&*key.key),
        Breakdown::Room => matches!(key.table, Table::Trend(_)),
        _ => false,
    }
}

/// The breakdowns that may be asked for.
pub(crate) fn breakdowns(view: View<'_>) -> Vec<Breakdown> {
    let View::Part { items, channels } = view else { return Breakdown::PUBLIC.to_vec() };
    let is_open = |breakdown: &Breakdown| match breakdown {
        Breakdown::Item => items,
        Breakdown::Channel => !channels.is_empty(),
        _ => false,
    };
    Breakdown::PUBLIC.into_iter().filter(is_open).collect()
}

/// Refuses breakdowns that the view leaves out; [`Breakdown::Room`] stands for what only those may
/// read who see the whole session.
pub(crate) fn check(view: View<'_>, asked: &[Breakdown]) -> Result<(), Problem> {
    let open = breakdowns(view);
    if view == View::Whole || asked.iter().all(|breakdown| open.contains(breakdown)) {
        return Ok(());
    }
    let names: Vec<_> = open.into_iter().map(Breakdown::name).collect();
    let detail = format!(
        "your key shows of this session the report and the trend by {} only: ask for that",
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
    );
    Err(Problem::forbidden(detail).with("allowed", names))
}
