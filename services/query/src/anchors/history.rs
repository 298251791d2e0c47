//! Sessions added up, as a whole and by day. Pure.

use std::collections::BTreeMap;

use tandem_model::calendar::Span;
use tandem_model::catalogue::{EXACT_USERS_MAX, Kind, STORED};
use tandem_model::{Breakdown, Row, Stored, Table, Values};

/// The figures of several sessions together.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// Of how many sessions.
    pub(crate) sessions: u64,
    /// What their reports say, added up.
    pub(crate) totals: Values,
    /// Of sums: what the totals have and no day has.
    pub(crate) rest: Values,
    /// Of distinct counts: what the days have together and the totals have not.
    pub(crate) repeated: Values,
    /// Whether every count that was added up is exact, by column.
    pub(crate) is_exact: [bool; STORED],
    /// By the start of the day, in milliseconds.
    pub(crate) days: BTreeMap<u64, Day>,
}

/// One day of several sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day {
    /// How many sessions had an accepted event on it.
    pub(crate) sessions: u64,
    /// Their figures on it.
    pub(crate) values: Values,
}

impl Default for Day {
    fn default() -> Self {
        Self { sessions: 0, values: [0; STORED] }
    }
}

impl Default for History {
    fn default() -> Self {
        let nothing = [0; STORED];
        Self {
            sessions: 0,
            totals: nothing,
            rest: nothing,
            repeated: nothing,
            is_exact: [true; STORED],
            days: BTreeMap::new(),
        }
    }
}

impl History {
    /// Adds a session: of its rows the totals and the days of the session as a whole.
    pub(crate) fn add(&mut self, rows: &[Row]) {
        let mut totals = [0; STORED];
        let mut in_days = [0; STORED];
        for row in rows.iter().filter(|row| row.key.breakdown == Breakdown::Room) {
            match row.key.table {
                Table::Total => totals = row.values,
                Table::Calendar(Span::Day) => {
                    let day = self.days.entry(row.key.bucket).or_default();
                    // A gauge alone is no event: beats sample who is there after the last one, too.
                    day.sessions += u64::from(row.values[Stored::Events as usize] > 0);
                    add(&mut day.values, &row.values);
                    add(&mut in_days, &row.values);
                }
                Table::Trend(_) | Table::Calendar(Span::Hour) => {}
            }
        }
        self.sessions += 1;
        add(&mut self.totals, &totals);
        let (mut rest, mut repeated) = ([0; STORED], [0; STORED]);
        for &stored in Stored::ALL {
            let column = stored as usize;
            match stored.kind() {
                // Neither goes below 0: what a day counts, the total counts.
                Kind::Sum => rest[column] = totals[column].saturating_sub(in_days[column]),
                Kind::Distinct => {
                    repeated[column] = in_days[column].saturating_sub(totals[column]);
                    self.is_exact[column] &= totals[column] <= EXACT_USERS_MAX;
                }
                Kind::GaugeLast | Kind::GaugePeak | Kind::Computed => {}
            }
        }
        add(&mut self.rest, &rest);
        add(&mut self.repeated, &repeated);
    }
}

/// Adds figures to figures: sums and distinct counts stop at 2^64 − 1, gauges keep their highest.
fn add(values: &mut Values, more: &Values) {
    for &stored in Stored::ALL {
        let (value, more) = (&mut values[stored as usize], more[stored as usize]);
        *value = match stored.kind() {
            Kind::GaugeLast | Kind::GaugePeak => (*value).max(more),
            Kind::Sum | Kind::Distinct | Kind::Computed => value.saturating_add(more),
        };
    }
}

#[cfg(test)]
mod tests {
    use tandem_model::RowKey;
    use tandem_model::catalogue::ROOM;

    use super::*;

    fn row(table: Table, bucket: u64, figures: &[(Stored, u64)]) -> Row {
        let mut values = [0; STORED];
        for (stored, value) in figures {
            values[*stored as usize] = *value;
        }
        Row { key: RowKey { table, breakdown: Breakdown::Room, key: ROOM.into(), bucket }, values, offset: 0 }
    }

    #[test]
    fn what_days_and_totals_do_not_share_stands_for_itself() {
        let (day, views, viewers) = (Table::Calendar(Span::Day), Stored::Views, Stored::Viewers);
        let mut history = History::default();
        history.add(&[
            row(Table::Total, 0, &[(views, 5), (viewers, 3), (Stored::Refunds, 2), (Stored::OnlinePeak, 3)]),
            row(day, 100, &[(views, 3), (viewers, 2), (Stored::Events, 3), (Stored::OnlinePeak, 3)]),
            row(day, 200, &[(views, 2), (viewers, 2), (Stored::Events, 2), (Stored::Refunds, 1)]),
            // Sampled after the last event.
            row(day, 300, &[(Stored::OnlinePeak, 1)]),
        ]);
        history.add(&[
            row(Table::Total, 0, &[(views, u64::MAX), (viewers, 5_000), (Stored::OnlinePeak, 2)]),
            row(day, 200, &[(views, u64::MAX), (viewers, 5_000), (Stored::Events, 1)]),
        ]);
        let at = |values: &Values, stored: Stored| values[stored as usize];
        assert_eq!(history.sessions, 2);
        assert_eq!((at(&history.totals, views), at(&history.totals, viewers)), (u64::MAX, 5_003));
        assert_eq!(at(&history.totals, Stored::OnlinePeak), 3);
        assert_eq!((at(&history.rest, views), at(&history.rest, Stored::Refunds)), (0, 1));
        assert_eq!((at(&history.rest, viewers), at(&history.repeated, viewers)), (0, 1));
        assert_eq!(
            (history.is_exact[viewers as usize], history.is_exact[Stored::Buyers as usize]),
            (false, true)
        );
        let sessions: Vec<_> = history.days.iter().map(|(start, day)| (*start, day.sessions)).collect();
        assert_eq!(sessions, [(100, 1), (200, 2), (300, 0)]);
        assert_eq!(at(&history.days[&200].values, views), u64::MAX, "sums stop");
    }
}
