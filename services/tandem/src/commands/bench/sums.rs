//! The figures of all 10 s cells added up, per breakdown and metric: few enough to compare with
//! what the peers arrived at, and hardly equal by chance.

use std::collections::{BTreeMap, HashMap};

use tandem_model::catalogue::Kind;
use tandem_model::row::{RowKey, Table, Values};
use tandem_model::time::Window;
use tandem_model::{SessionId, Stored};

use super::input::Input;

/// Per breakdown and metric, by their names.
pub(super) type Sums = BTreeMap<String, BTreeMap<String, u64>>;

/// Folds the file once more and adds up what the rows hold in the end.
pub(super) fn of(input: &Input) -> Sums {
    let mut cells: HashMap<(SessionId, RowKey), Values> = HashMap::new();
    let mut folds = input.folds();
    for batch in input.batches() {
        for session in input.apply(batch, &mut folds).sessions {
            let rows = session.rows.into_iter();
            for row in rows.filter(|row| row.key.table == Table::Trend(Window::TenSeconds)) {
                cells.insert((session.session_id.clone(), row.key), row.values);
            }
        }
    }
    let mut sums = Sums::new();
    for ((_, key), values) in &cells {
        let breakdown = sums.entry(key.breakdown.name().to_owned()).or_default();
        for stored in Stored::ALL.iter().filter(|stored| is_compared(**stored)) {
            let value = values[*stored as usize];
            if value > 0 {
                *breakdown.entry(stored.id().to_owned()).or_default() += value;
            }
        }
    }
    sums
}

/// The peers compute no gauge and no presence.
fn is_compared(stored: Stored) -> bool {
    let is_gauge = matches!(stored.kind(), Kind::GaugeLast | Kind::GaugePeak);
    stored.has_trend() && !is_gauge && stored != Stored::WatchMs
}

/// The first figure in which two differ.
pub(super) fn difference(ours: &Sums, theirs: &Sums, whose: &str) -> Option<String> {
    let none = BTreeMap::new();
    let breakdowns = ours.keys().chain(theirs.keys());
    for breakdown in breakdowns {
        let (ours, theirs) = (ours.get(breakdown).unwrap_or(&none), theirs.get(breakdown).unwrap_or(&none));
        for metric in ours.keys().chain(theirs.keys()) {
            let figure = |sums: &BTreeMap<String, u64>| sums.get(metric).copied().unwrap_or(0);
            if figure(ours) != figure(theirs) {
                return Some(format!(
                    "the sum of {metric} over the 10 s cells by {breakdown} is {} in the fold, {} in {whose}",
                    figure(ours),
                    figure(theirs)
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let sums =
            |views: u64| Sums::from([("room".to_owned(), BTreeMap::from([("views".to_owned(), views)]))]);
        assert_eq!(difference(&sums(1), &sums(1), "duckdb"), None);
        assert_eq!(
            difference(&sums(1), &sums(2), "duckdb").unwrap(),
            "the sum of views over the 10 s cells by room is 1 in the fold, 2 in duckdb"
        );
        assert!(difference(&Sums::new(), &sums(2), "duckdb").unwrap().contains("0 in the fold"));
        assert!(difference(&sums(2), &Sums::new(), "duckdb").unwrap().contains("0 in duckdb"));
    }
}
