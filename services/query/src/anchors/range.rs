//! Which range of time a history is about.

use tandem_model::calendar::{Calendar, Span};
use tandem_model::problem::Problem;
use tandem_model::time::{DAY_MS, INT_MAX};

use crate::request::Given;

/// The longest range, in days.
pub(super) const DAYS_MAX: u64 = 93;
/// How long a range is of which not both ends are given, in days.
const DAYS: u64 = 30;

/// From its first millisecond to the first after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Range {
    /// What was asked for; up to the end of the day that `clock` lies in where no end is given, and 30 days
    /// long where one end is missing.
    pub(super) fn of(
        from: Given<'_>,
        to: Given<'_>,
        calendar: &Calendar,
        clock: u64,
    ) -> Result<Self, Problem> {
        let asked = (from.moment()?, to.integer(1, INT_MAX)?);
        let range = match asked {
            (Some(from), Some(to)) => Self { from, to },
            (Some(from), None) => Self { from, to: from.saturating_add(DAYS * DAY_MS) },
            (None, Some(to)) => Self { from: to.saturating_sub(DAYS * DAY_MS), to },
            (None, None) => {
                let today = calendar.start(Span::Day, clock);
                let first = (1..DAYS).fold(today, |day, _| calendar.day_before(day));
                Self { from: first, to: calendar.end(Span::Day, today) }
            }
        };
        if range.from >= range.to {
            return Err(from.problem("before `to`"));
        }
        if range.to - range.from > DAYS_MAX * DAY_MS {
            return Err(from.problem(format!("at most {DAYS_MAX} days before `to`")));
        }
        Ok(range)
    }

    /// Where the days begin that it touches.
    pub(super) fn days(self, calendar: &Calendar) -> Vec<u64> {
        let mut days = Vec::new();
        let mut start = calendar.start(Span::Day, self.from);
        while start < self.to {
            days.push(start);
            let end = calendar.end(Span::Day, start);
            if end <= start {
                break;
            }
            start = end;
        }
        days
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::given;

    /// 2024-11-21 20:00 in Shanghai.
    const CLOCK: u64 = 1_732_190_400_000;

    fn range(from: Option<u64>, to: Option<u64>) -> Result<Range, Problem> {
        let (from, to) = (from.map(|from| from.to_string()), to.map(|to| to.to_string()));
        Range::of(given("from", &from), given("to", &to), &Calendar::default(), CLOCK)
    }

    #[test]
    fn what_is_not_given_is_thirty_days() {
        let calendar = Calendar::default();
        let whole = range(None, None).expect("a range");
        let days = whole.days(&calendar);
        assert_eq!(days.len(), 30);
        assert_eq!(calendar.date_text(days[29]).as_deref(), Some("2024-11-21"));
        assert_eq!(whole.to, days[29] + DAY_MS);
        assert_eq!(range(Some(5), None), Ok(Range { from: 5, to: 5 + 30 * DAY_MS }));
        assert_eq!(range(None, Some(5)), Ok(Range { from: 0, to: 5 }));
        for (from, to) in [(Some(5), Some(5)), (Some(0), Some(DAYS_MAX * DAY_MS + 1)), (None, Some(0))] {
            assert!(range(from, to).is_err(), "{from:?} {to:?}");
        }
    }

    #[test]
    fn the_days_are_those_that_the_range_touches() {
        let midnight = 1_732_204_800_000;
        let calendar = Calendar::default();
        let days = |from, to| Range { from, to }.days(&calendar).len();
        assert_eq!((days(midnight - 1, midnight), days(midnight - 1, midnight + 1)), (1, 2));
        assert_eq!(days(0, 1), 1);
        assert_eq!(days(INT_MAX - 1, INT_MAX), 1);
    }
}
