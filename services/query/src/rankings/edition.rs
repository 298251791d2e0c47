//! Which edition of which period an answer is.

use serde::Serialize;
use tandem_model::calendar::{Calendar, Period};
use tandem_model::time::{LATENESS_MS, SECOND_MS};
use utoipa::ToSchema;

/// An edition is cut at the first beat at or after each multiple of this, in milliseconds.
pub(crate) const EDITION_MS: u64 = 5 * SECOND_MS;

/// What may still change of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EditionState)]
pub(crate) enum State {
    /// Figures come in.
    Live,
    /// The period is over, and so is the time in which late events of it still count.
    Closed,
}

/// An edition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Edition {
    /// When it was cut: by the clock of the log, in milliseconds.
    pub(crate) at: u64,
    /// What may still change.
    pub(crate) state: State,
}

/// One period of a board, in one edition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) period: Period,
    /// From its first millisecond.
    pub(crate) from: u64,
    /// To the first after it.
    pub(crate) to: u64,
    pub(crate) edition: Edition,
}

impl Cut {
    /// The newest edition of the period that `ts` lies in, where the last cut was at `cut_at`.
    pub(crate) fn new(calendar: &Calendar, period: Period, ts: u64, cut_at: u64) -> Self {
        let (from, to) = calendar.period(period, ts);
        let closes_at = to.saturating_add(LATENESS_MS);
        let edition = if cut_at >= closes_at {
            Edition { at: closes_at, state: State::Closed }
        } else {
            Edition { at: cut_at, state: State::Live }
        };
        Self { period, from, to, edition }
    }

    /// What windows that reach back from the edition end at: its cut, and of a closed one the period's
    /// end.
    pub(crate) const fn moment(&self) -> u64 {
        match self.edition.state {
            State::Live => self.edition.at,
            State::Closed => self.to,
        }
    }

    /// The closed edition of the period before, if there is one yet.
    pub(crate) fn before(&self, calendar: &Calendar, cut_at: u64) -> Option<Self> {
        let before = Self::new(calendar, self.period, self.from.checked_sub(1)?, cut_at);
        (before.edition.state == State::Closed).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use tandem_model::time::MINUTE_MS;

    use super::*;

    #[test]
    fn a_period_is_closed_ten_minutes_after_its_end() {
        let calendar = Calendar::default();
        let hour = 1_732_190_400_000;
        let to = hour + 60 * MINUTE_MS;
        let cut = |cut_at| Cut::new(&calendar, Period::Hour, hour + 5, cut_at);
        let live = cut(to + 10 * MINUTE_MS - EDITION_MS);
        assert_eq!((live.from, live.to, live.edition.state), (hour, to, State::Live));
        assert_eq!(live.moment(), live.edition.at);
        let closed = cut(to + 3 * 60 * MINUTE_MS);
        assert_eq!(closed.edition, Edition { at: to + 10 * MINUTE_MS, state: State::Closed });
        assert_eq!(closed.moment(), to);
        // Later editions of it are the same one.
        assert_eq!(cut(to + 10 * MINUTE_MS), closed);
    }

    #[test]
    fn the_period_before_counts_once_it_is_closed() {
        let calendar = Calendar::default();
        let hour = 1_732_190_400_000;
        let before = |cut_at| Cut::new(&calendar, Period::Hour, hour, cut_at).before(&calendar, cut_at);
        assert_eq!(before(hour + 9 * MINUTE_MS), None);
        let before = before(hour + 10 * MINUTE_MS).expect("it is closed");
        assert_eq!((before.from, before.to), (hour - 60 * MINUTE_MS, hour));
    }
}
