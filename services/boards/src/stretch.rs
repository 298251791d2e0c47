//! The rows of one hour or day.

use tandem_model::catalogue::STORED;
use tandem_model::catalogue::boards::{BOARDS, PREFERENCE_SMALLEST, Score, Subject};
use tandem_model::catalogue::influence::{INDICATORS, IndicatorValue};
use tandem_model::{Stored, Values};

use crate::Map;
use crate::symbols::Symbol;

/// Whose rows they are, by breakdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Room,
    Item,
    Region,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Room, Kind::Item, Kind::Region];

    /// The rows that a subject's figures are in.
    pub(crate) const fn of(subject: Subject) -> Self {
        match subject {
            Subject::Anchor | Subject::Session | Subject::Category | Subject::Brand | Subject::Merchant => {
                Kind::Room
            }
            Subject::Item => Kind::Item,
            Subject::Region | Subject::RegionCategory => Kind::Region,
        }
    }
}

/// Which columns the rows of a kind are kept with: those that a board asks for.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    columns: Vec<Stored>,
    places: [Option<u8>; STORED],
}

impl Layout {
    /// From the declared boards.
    pub(crate) fn of(kind: Kind) -> Self {
        let mut columns: Vec<Stored> = Vec::new();
        for board in BOARDS.iter().filter(|board| Kind::of(board.subject) == kind) {
            columns.extend(inputs(&board.score));
            columns.extend(board.smallest.map(|smallest| smallest.of));
        }
        columns.sort_unstable();
        columns.dedup();
        let mut places = [None; STORED];
        for (place, column) in (0..).zip(&columns) {
            places[*column as usize] = Some(place);
        }
        Self { columns, places }
    }

    pub(crate) const fn width(&self) -> usize {
        self.columns.len()
    }

    /// Where `column` stands.
    ///
    /// # Panics
    ///
    /// When no board of the kind asks for it.
    pub(crate) fn place(&self, column: Stored) -> usize {
        usize::from(self.places[column as usize].expect("the layout is made of what boards ask for"))
    }
}

/// The columns that a score is made of.
pub(crate) fn inputs(score: &Score) -> Vec<Stored> {
    match *score {
        Score::Sum(of) => of.to_vec(),
        Score::Peak(of) | Score::Growth(of) | Score::Newcomers(of) => vec![of],
        Score::Rate { of, per, .. } | Score::RateChange { of, per } => vec![of, per],
        Score::Fans => vec![Stored::NewFans, Stored::Unfollows],
        Score::Preference(of) => vec![of, PREFERENCE_SMALLEST.of],
        Score::Index => {
            let of = |value: IndicatorValue| match value {
                IndicatorValue::Sum { of, .. } | IndicatorValue::Peak { of, .. } => vec![of],
                IndicatorValue::Rate { of, per, .. } => vec![of, per],
            };
            INDICATORS.iter().flat_map(|indicator| of(indicator.value)).collect()
        }
    }
}

/// Rows of one kind: who, and their figures one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    places: Map<(Symbol, Symbol), u32>,
    /// The session, and the key within it (an item, a region).
    pub(crate) owners: Vec<(Symbol, Symbol)>,
    pub(crate) figures: Vec<u64>,
}

impl Rows {
    /// Puts in what a row is now.
    pub(crate) fn set(&mut self, session: Symbol, key: Symbol, values: &Values, layout: &Layout) {
        let width = layout.width();
        let place = *self.places.entry((session, key)).or_insert_with(|| {
            self.owners.push((session, key));
            self.figures.resize(self.figures.len() + width, 0);
            (self.owners.len() - 1) as u32
        });
        let figures = &mut self.figures[place as usize * width..][..width];
        for (figure, column) in figures.iter_mut().zip(&layout.columns) {
            *figure = values[*column as usize];
        }
    }

    /// The figures of one session without keys of its own.
    pub(crate) fn of_room(&self, session: Symbol, layout: &Layout) -> Option<&[u64]> {
        let place = *self.places.get(&(session, 0))? as usize;
        Some(&self.figures[place * layout.width()..][..layout.width()])
    }
}

/// The rows of one hour or day, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) rows: [Rows; Kind::ALL.len()],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_what_boards_ask_for_and_no_more() {
        let room = Layout::of(Kind::Room);
        assert!(room.columns.contains(&Stored::OnlinePeak) && room.columns.contains(&Stored::Unfollows));
        assert!(!room.columns.contains(&Stored::LateEvents));
        let items = Layout::of(Kind::Item).columns;
        let expected =
            [Stored::ItemExposures, Stored::ItemClicks, Stored::Units, Stored::GmvFen, Stored::DepositFen];
        assert_eq!(items, expected);
        assert_eq!(Layout::of(Kind::Region).columns, [Stored::Viewers, Stored::Orders, Stored::GmvFen]);
    }
}
