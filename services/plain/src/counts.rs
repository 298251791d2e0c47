//! What an event adds by itself: the table of event types in section 1 of the contract.

use tandem_model::Stored;
use tandem_model::event::{Event, Kind};

/// What an event adds to a column.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    /// So much, to a sum.
    Sum(u64),
    /// Its user, to a distinct count.
    User,
}

use Amount::{Sum, User};

/// The event's own metrics; without `events`, which every accepted event adds to, and without
/// `watch_ms`, which depends on the events before it.
pub(crate) fn own(event: &Event<'_>) -> Vec<(Stored, Amount)> {
    match &event.kind {
        Kind::SessionStart(_) | Kind::SessionEnd | Kind::Heartbeat | Kind::Leave => vec![],
        Kind::ItemList(_) | Kind::ItemDelist(_) | Kind::ItemExplain(_) | Kind::Scene(_) => vec![],
        Kind::Exposure => vec![(Stored::Exposures, Sum(1)), (Stored::ExposedViewers, User)],
        Kind::Enter => {
            let mut adds = vec![(Stored::Views, Sum(1)), (Stored::Viewers, User)];
            if event.viewer.as_ref().is_some_and(|viewer| viewer.suspect) {
                adds.push((Stored::SuspectViews, Sum(1)));
            }
            adds
        }
        Kind::PageView => vec![(Stored::PageViews, Sum(1))],
        Kind::Comment { .. } => {
            vec![(Stored::Comments, Sum(1)), (Stored::Commenters, User), (Stored::InteractingUsers, User)]
        }
        Kind::Like { count } => vec![(Stored::Likes, Sum(*count)), (Stored::InteractingUsers, User)],
        Kind::Share => vec![(Stored::Shares, Sum(1)), (Stored::InteractingUsers, User)],
        Kind::Gift { amount_fen } => vec![
            (Stored::Gifts, Sum(1)),
            (Stored::GiftFen, Sum(*amount_fen)),
            (Stored::InteractingUsers, User),
        ],
        Kind::Follow => vec![(Stored::NewFans, User), (Stored::InteractingUsers, User)],
        Kind::Unfollow => vec![(Stored::Unfollows, Sum(1))],
        Kind::ItemExposure { .. } => vec![(Stored::ItemExposures, Sum(1))],
        Kind::ItemClick { .. } => vec![(Stored::ItemClicks, Sum(1)), (Stored::ItemClickUsers, User)],
        Kind::CartAdd { .. } => vec![(Stored::CartAdds, Sum(1))],
        Kind::OrderPaid { amount_fen, quantity, .. } => vec![
            (Stored::Orders, Sum(1)),
            (Stored::Buyers, User),
            (Stored::Units, Sum(*quantity)),
            (Stored::GmvFen, Sum(*amount_fen)),
        ],
        Kind::OrderRefunded { amount_fen, .. } => {
            vec![(Stored::Refunds, Sum(1)), (Stored::RefundFen, Sum(*amount_fen))]
        }
        Kind::PresaleDeposit { amount_fen, .. } => {
            vec![(Stored::Deposits, Sum(1)), (Stored::DepositFen, Sum(*amount_fen))]
        }
        Kind::PresaleBalance { amount_fen, .. } => {
            vec![(Stored::Balances, Sum(1)), (Stored::BalanceFen, Sum(*amount_fen))]
        }
    }
}

/// The item it counts under: of item, order and presale events that carry one (rule 7). Shelf
/// events have no viewer and count for the room alone.
pub(crate) fn item<'a>(event: &'a Event<'_>) -> Option<&'a str> {
    match &event.kind {
        Kind::ItemExposure { item_id } | Kind::ItemClick { item_id } | Kind::CartAdd { item_id } => {
            Some(item_id)
        }
        Kind::OrderPaid { item_id, .. }
        | Kind::OrderRefunded { item_id, .. }
        | Kind::PresaleDeposit { item_id, .. }
        | Kind::PresaleBalance { item_id, .. } => item_id.as_deref(),
        _ => None,
    }
}

/// The metrics of an event that is not counted, for the list of the rejected: distinct users as
/// 1, nothing that is 0, in the order of the columns.
pub(crate) fn would_add(event: &Event<'_>) -> Vec<(Stored, u64)> {
    let mut adds: Vec<_> = own(event)
        .into_iter()
        .map(|(stored, amount)| match amount {
            Sum(amount) => (stored, amount),
            User => (stored, 1),
        })
        .filter(|(_, amount)| *amount > 0)
        .collect();
    adds.sort_unstable();
    adds
}
