//! How long the buckets of a trend can be read.

use serde::{Deserialize, Serialize};

use crate::row::{RowKey, Table};
use crate::time::{DAY_MS, Window};

/// What a row store keeps of trends. Totals, and the hours and days of the calendar, are kept for good.
///
/// Counted from a bucket's end by the clock of the log: so both chains stop showing a bucket at
/// the same beat, whenever their stores get round to freeing its space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// Everything: the store frees nothing by itself, as a folder on one machine.
    Everything,
    /// 10 s for 2 days (the live tail), 1 min for 90 days, 5 min for 400 days (to compare seasons).
    Tiers,
}

impl Retention {
    /// How long it keeps buckets of `window`, in milliseconds; nothing where it keeps them all.
    pub const fn kept_ms(self, window: Window) -> Option<u64> {
        match (self, window) {
            (Retention::Everything, _) => None,
            (Retention::Tiers, Window::TenSeconds) => Some(2 * DAY_MS),
            (Retention::Tiers, Window::Minute) => Some(90 * DAY_MS),
            (Retention::Tiers, Window::FiveMinutes) => Some(400 * DAY_MS),
        }
    }

    /// The start of the first bucket that can still be read when the clock stands at `clock`.
    pub const fn first_kept(self, window: Window, clock: u64) -> u64 {
        let Some(kept_ms) = self.kept_ms(window) else { return 0 };
        let Some(end) = clock.checked_sub(kept_ms) else { return 0 };
        // A bucket goes when its end is farther back than that.
        window.bucket(end.saturating_sub(1))
    }

    /// Whether a row can still be read when its partition's clock stands at `clock`.
    pub const fn keeps(self, key: &RowKey, clock: u64) -> bool {
        match key.table {
            Table::Total | Table::Calendar(_) => true,
            Table::Trend(window) => key.bucket >= self.first_kept(window, clock),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_kept_until_its_end_is_too_far_back() {
        for window in Window::ALL {
            let kept_ms = Retention::Tiers.kept_ms(window).unwrap();
            let first_kept = |clock| Retention::Tiers.first_kept(window, clock);
            assert_eq!(first_kept(0), 0);
            assert_eq!(first_kept(kept_ms), 0);
            let bucket = window.bucket(1_732_190_400_000);
            let last = bucket + window.length_ms() + kept_ms;
            assert_eq!(first_kept(last), bucket);
            assert_eq!(first_kept(last + 1), bucket + window.length_ms());
            assert_eq!(Retention::Everything.first_kept(window, u64::MAX), 0);
        }
    }
}
