//! What an event counts: the one rule per stored metric.

use tandem_model::Stored;
use tandem_model::catalogue::DISTINCT;
use tandem_model::digest::WEIGHTS;
use tandem_model::event::{Event, Kind};

/// Distinct counts as bits, in the order of [`DISTINCT`].
pub(crate) type Bits = u8;
const _: () = assert!(DISTINCT.len() <= Bits::BITS as usize);

/// A few additions to columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    entries: [(Stored, u64); Self::MAX],
    length: usize,
    /// What they add to a row's digest before its coefficient; worked out once for all cells.
    weight: u128,
}

impl Sums {
    /// At most an order's three columns, the time watched, `events` and `suspect_views`.
    const MAX: usize = 6;
    pub(crate) const NONE: Self = Self { entries: [(Stored::Events, 0); Self::MAX], length: 0, weight: 0 };

    fn of(entries: &[(Stored, u64)]) -> Self {
        let mut sums = Self::NONE;
        for (column, amount) in entries {
            sums.push(*column, *amount);
        }
        sums
    }

    /// Adds `amount` to `column`; adding 0 is nothing.
    pub(crate) fn push(&mut self, column: Stored, amount: u64) {
        if amount > 0 {
            self.entries[self.length] = (column, amount);
            self.length += 1;
            self.weight = self.weight.wrapping_add(weight(column, amount));
        }
    }

    pub(crate) const fn weight(&self) -> u128 {
        self.weight
    }

    pub(crate) fn as_slice(&self) -> &[(Stored, u64)] {
        &self.entries[..self.length]
    }
}

/// What `amount` in `column` weighs in a row's digest.
pub(crate) const fn weight(column: Stored, amount: u64) -> u128 {
    WEIGHTS[column as usize].wrapping_mul(amount as u128)
}

/// What an event counts, apart from the time watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count<'e> {
    /// Counted in `room` and in every breakdown of the event.
    pub(crate) sums: Sums,
    /// Distinct counts the event's viewer enters.
    pub(crate) distinct: Bits,
    /// Counted in `room` only, beside `events`.
    pub(crate) suspect_views: u64,
    /// The item it counts for.
    pub(crate) item_id: Option<&'e str>,
}

/// What `event` counts.
pub(crate) fn count<'e>(event: &'e Event<'_>) -> Count<'e> {
    let mut suspect_views = 0;
    let mut item = None;
    let (sums, distinct): (Sums, Bits) = match &event.kind {
        Kind::SessionStart(_)
        | Kind::SessionEnd
        | Kind::Heartbeat
        | Kind::Leave
        | Kind::ItemList(_)
        | Kind::ItemDelist(_)
        | Kind::ItemExplain(_)
        | Kind::Scene(_) => (Sums::NONE, 0),
        Kind::Exposure => (Sums::of(&[(Stored::Exposures, 1)]), bit(Stored::ExposedViewers)),
        Kind::Enter => {
            suspect_views = u64::from(event.viewer.as_ref().is_some_and(|viewer| viewer.suspect));
            (Sums::of(&[(Stored::Views, 1)]), bit(Stored::Viewers))
        }
        Kind::PageView => (Sums::of(&[(Stored::PageViews, 1)]), 0),
        Kind::Comment { .. } => {
            (Sums::of(&[(Stored::Comments, 1)]), bit(Stored::Commenters) | bit(Stored::InteractingUsers))
        }
        Kind::Like { count } => (Sums::of(&[(Stored::Likes, *count)]), bit(Stored::InteractingUsers)),
        Kind::Share => (Sums::of(&[(Stored::Shares, 1)]), bit(Stored::InteractingUsers)),
        Kind::Gift { amount_fen } => {
            let sums = Sums::of(&[(Stored::Gifts, 1), (Stored::GiftFen, *amount_fen)]);
            (sums, bit(Stored::InteractingUsers))
        }
        Kind::Follow => (Sums::NONE, bit(Stored::NewFans) | bit(Stored::InteractingUsers)),
        Kind::Unfollow => (Sums::of(&[(Stored::Unfollows, 1)]), 0),
        Kind::ItemExposure { item_id } => {
            item = Some(item_id);
            (Sums::of(&[(Stored::ItemExposures, 1)]), 0)
        }
        Kind::ItemClick { item_id } => {
            item = Some(item_id);
            (Sums::of(&[(Stored::ItemClicks, 1)]), bit(Stored::ItemClickUsers))
        }
        Kind::CartAdd { item_id } => {
            item = Some(item_id);
            (Sums::of(&[(Stored::CartAdds, 1)]), 0)
        }
        Kind::OrderPaid { item_id, amount_fen, quantity, .. } => {
            item = item_id.as_ref();
            let sums = [(Stored::Orders, 1), (Stored::Units, *quantity), (Stored::GmvFen, *amount_fen)];
            (Sums::of(&sums), bit(Stored::Buyers))
        }
        Kind::OrderRefunded { item_id, amount_fen, .. } => {
            item = item_id.as_ref();
            (Sums::of(&[(Stored::Refunds, 1), (Stored::RefundFen, *amount_fen)]), 0)
        }
        Kind::PresaleDeposit { item_id, amount_fen, .. } => {
            item = item_id.as_ref();
            (Sums::of(&[(Stored::Deposits, 1), (Stored::DepositFen, *amount_fen)]), 0)
        }
        Kind::PresaleBalance { item_id, amount_fen, .. } => {
            item = item_id.as_ref();
            (Sums::of(&[(Stored::Balances, 1), (Stored::BalanceFen, *amount_fen)]), 0)
        }
    };
    Count { sums, distinct, suspect_views, item_id: item.map(AsRef::as_ref) }
}

impl Count<'_> {
    /// Everything it counts, for people who ask what a refused event would have added: in the
    /// order of the columns, distinct users as 1.
    pub(crate) fn would_add(&self) -> Vec<(Stored, u64)> {
        let mut all = self.sums.as_slice().to_vec();
        all.extend(columns(self.distinct).map(|column| (column, 1)));
        if self.suspect_views > 0 {
            all.push((Stored::SuspectViews, self.suspect_views));
        }
        all.sort_unstable_by_key(|(column, _)| *column);
        all
    }
}

/// The bit of a distinct count.
const fn bit(column: Stored) -> Bits {
    let mut index = 0;
    while index < DISTINCT.len() {
        if DISTINCT[index] as u8 == column as u8 {
            return 1 << index;
        }
        index += 1;
    }
    panic!("not a distinct count")
}

/// The columns of `bits`.
pub(crate) fn columns(bits: Bits) -> impl Iterator<Item = Stored> {
    (0..DISTINCT.len()).filter(move |index| bits & (1 << index) != 0).map(|index| DISTINCT[index])
}
