//! One session of a comparison, cut to a moment. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use tandem_model::catalogue::{Kind, Metric, STORED};
use tandem_model::problem::Problem;
use tandem_model::retention::Retention;
use tandem_model::time::{DAY_MS, Window};
use tandem_model::{Breakdown, Row, SessionRow, Stored, Table, Values};
use tandem_storage::{Part, Select};

use crate::buckets::span;
use crate::reading::Reading;
use crate::report::room_values;

const MINUTES: Table = Table::Trend(Window::Minute);

/// The rows that a side is made of: the session as a whole and its minutes, and of each breakdown totals, or
/// minutes where a moment is asked for.
pub(super) fn select(breakdowns: &[Breakdown], has_moment: bool) -> Select {
    let part = |table, breakdown, end| Part { table, breakdown, buckets: 0..end };
    let split = breakdowns.iter().map(|breakdown| match has_moment {
        true => part(MINUTES, *breakdown, u64::MAX),
        false => part(Table::Total, *breakdown, 1),
    });
    let room = [part(Table::Total, Breakdown::Room, 1), part(MINUTES, Breakdown::Room, u64::MAX)];
    Select::Parts(room.into_iter().chain(split).collect())
}

/// One session, cut to the moment asked for.
pub(super) struct Side<'a> {
    /// When it started, in milliseconds.
    pub(super) start: u64,
    /// Its figures as a whole.
    pub(super) values: Values,
    /// Its minutes, those after the moment, too.
    pub(super) minutes: &'a [Row],
    /// The minutes up to the moment: their starts.
    pub(super) span: Range<u64>,
    rows: &'a [Row],
    /// The first millisecond that does not count; none where there is no moment.
    end: Option<u64>,
}

impl<'a> Side<'a> {
    /// Of a session that was read with [`select`].
    pub(super) fn new(reading: &'a Reading, at_ms: Option<u64>) -> Self {
        let rows = &reading.rows.rows;
        let (totals, trends) = rows.split_at(rows.partition_point(|row| row.key.table == Table::Total));
        let minutes = &trends[..trends.partition_point(|row| row.key.breakdown == Breakdown::Room)];
        let whole = span(minutes, Window::Minute);
        let start = reading.rows.session.attributes.as_ref().map_or(whole.start, |known| known.started_at);
        let end = at_ms.map(|at_ms| start.saturating_add(at_ms));
        let Some(end_ms) = end else {
            return Self { start, values: *room_values(totals), minutes, span: whole, rows, end };
        };
        let counted = &minutes[..minutes.partition_point(|row| row.key.bucket < end_ms)];
        let until = end_ms.next_multiple_of(Window::Minute.length_ms()).clamp(whole.start, whole.end);
        Self { start, values: sum(counted), minutes, span: whole.start..until, rows, end }
    }

    /// Its figures by the keys of a breakdown.
    pub(super) fn split(&self, breakdown: Breakdown) -> BTreeMap<&'a str, Values> {
        let mut keys = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.key.breakdown == breakdown) {
            match (row.key.table, self.end) {
                (Table::Total, None) => add(keys.entry(&*row.key.key).or_insert([0; STORED]), row, true),
                (MINUTES, Some(end)) if row.key.bucket < end => {
                    add(keys.entry(&*row.key.key).or_insert([0; STORED]), row, false);
                }
                _ => {}
            }
        }
        keys
    }
}

/// Whether all minutes of a session can still be read: else their sum would be untrue.
pub(super) fn has_minutes(session: &SessionRow, clock: u64, retention: Retention) -> bool {
    let started = session.attributes.as_ref().map(|known| known.started_at);
    let first = started.into_iter().chain(session.first_ts).min().unwrap_or(u64::MAX);
    retention.kept_ms(Window::Minute).is_none() || first >= retention.first_kept(Window::Minute, clock)
}

/// Refuses to add up minutes of which the first can't be read any more.
pub(super) fn check_minutes(id: &str, reading: &Reading, retention: Retention) -> Result<(), Problem> {
    if has_minutes(&reading.rows.session, reading.cut.clock, retention) {
        return Ok(());
    }
    let days = retention.kept_ms(Window::Minute).unwrap_or(0) / DAY_MS;
    Err(Problem::bad_parameter(format!(
        "the minutes of session {id} are not kept any more ({days} days): compare without `at`"
    )))
}

/// The totals of some minutes; distinct counts are left out.
pub(super) fn sum<'a>(minutes: impl IntoIterator<Item = &'a Row>) -> Values {
    let mut values = [0; STORED];
    minutes.into_iter().for_each(|row| add(&mut values, row, false));
    values
}

/// Adds a row: its distinct counts only where it is the one row of its key.
fn add(values: &mut Values, row: &Row, has_users: bool) {
    for &stored in Stored::ALL {
        let (value, new) = (&mut values[stored as usize], row.values[stored as usize]);
        match stored.kind() {
            Kind::Sum => *value = value.saturating_add(new),
            Kind::GaugeLast => *value = new,
            Kind::GaugePeak => *value = (*value).max(new),
            Kind::Distinct if has_users => *value = new,
            Kind::Distinct | Kind::Computed => {}
        }
    }
}

/// Whether a metric can be told as of a moment: by adding up minutes.
pub(super) fn is_told_at(metric: Metric) -> bool {
    let is_summed = |stored: Stored| stored.has_trend() && stored.kind() != Kind::Distinct;
    match metric {
        Metric::Stored(stored) => is_summed(stored),
        Metric::Computed(computed) => computed.formula.inputs().all(is_summed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_users_or_refused_events_is_not_told_at_a_moment() {
        let not: Vec<_> = Metric::all().filter(|metric| !is_told_at(*metric)).map(Metric::id).collect();
        for id in ["viewers", "late_events", "late_share", "conversion_rate", "watch_ms_avg"] {
            assert!(not.contains(&id), "{id}");
        }
        for id in ["views", "gmv_fen", "net_gmv_fen", "gpm_fen", "online_peak", "suspect_share"] {
            assert!(!not.contains(&id), "{id}");
        }
    }
}
