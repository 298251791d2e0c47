//! Which edition of which period an answer is.

use serde::Serialize;
use tandem_model::calendar::{Calendar, Period};
use tandem_model::time::LATENESS_MS;
use utoipa::ToSchema;

/// What may still change of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EditionState)]
pub(crate) enum State {
    /// Figures come in.
    Live,
    /// The period is over, and so is the time in which late events of it still count.
    Closed,
    /// Closed, and a verdict that came after that changed something.
    Corrected,
}

/// An edition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Edition {
    /// When it was cut, by the clock of the log, in milliseconds; of a corrected one, when the last verdict about
    /// it was heard.
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
    /// The slot of the cut.
    pub(super) slot: u64,
    /// Whether it is neither the newest edition nor a closed one.
    pub(super) is_past: bool,
}

/// Where the log was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// `ts` of the beat.
    pub(super) at: u64,
    pub(super) slot: u64,
    /// Whether there are newer ones.
    pub(super) is_past: bool,
}

impl Cut {
    /// The period that `ts` lies in, as of the cut at `moment`: closed, if it was by then.
    pub(crate) fn new(calendar: &Calendar, period: Period, ts: u64, moment: Moment) -> Self {
        let (from, to) = calendar.period(period, ts);
        let closes_at = to.saturating_add(LATENESS_MS);
        let Moment { at, slot, is_past } = moment;
        if at >= closes_at {
            let edition = Edition { at: closes_at, state: State::Closed };
            return Self { period, from, to, edition, slot: closes_at, is_past: false };
        }
        Self { period, from, to, edition: Edition { at, state: State::Live }, slot, is_past }
    }

    /// What windows that reach back from the edition end at: its cut, and of a closed one the period's
    /// end.
    pub(crate) const fn moment(&self) -> u64 {
        match self.edition.state {
            State::Live => self.edition.at,
            State::Closed | State::Corrected => self.to,
        }
    }

    /// Whether nothing but a verdict changes it any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.edition.state != State::Live
    }

    /// The closed edition of the period before, if there was one by then.
    pub(crate) fn before(&self, calendar: &Calendar) -> Option<Self> {
        self.period_before(calendar).filter(Self::is_closed)
    }

    /// The period before as it was by then: for its first ten minutes not closed yet.
    pub(super) fn period_before(&self, calendar: &Calendar) -> Option<Self> {
        let moment = Moment { at: self.edition.at, slot: self.slot, is_past: self.is_past };
        Some(Self::new(calendar, self.period, self.from.checked_sub(1)?, moment))
    }
}

#[cfg(test)]
mod tests {
    use tandem_model::edition::EDITION_MS;
    use tandem_model::time::MINUTE_MS;

    use super::*;

    fn moment(at: u64) -> Moment {
        Moment { at, slot: at - at % EDITION_MS, is_past: false }
    }

    #[test]
    fn a_period_is_closed_ten_minutes_after_its_end() {
        let calendar = Calendar::default();
        let hour = 1_732_190_400_000;
        let to = hour + 60 * MINUTE_MS;
        let cut = |cut_at| Cut::new(&calendar, Period::Hour, hour + 5, moment(cut_at));
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
        let before = |cut_at| Cut::new(&calendar, Period::Hour, hour, moment(cut_at)).before(&calendar);
        assert_eq!(before(hour + 9 * MINUTE_MS), None);
        let before = before(hour + 10 * MINUTE_MS).expect("it is closed");
        assert_eq!((before.from, before.to), (hour - 60 * MINUTE_MS, hour));
    }
}
