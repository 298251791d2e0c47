//! Moments in the file of keys: TOML's own dates (RFC 3339), as milliseconds since the epoch.
//!
//! From days to dates and back: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
//! `days_from_civil` and `civil_from_days`.

use toml::value::{Datetime, Offset};

const DAY_MS: u64 = 86_400_000;

/// Milliseconds since the epoch of a date with a time and an offset; nothing where one of them is
/// missing, or it is before 1970.
pub fn from_datetime(moment: &Datetime) -> Option<u64> {
    let (date, time) = (moment.date?, moment.time?);
    let offset_minutes = match moment.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_of(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let seconds = i64::from(time.hour) * 3_600
        + (i64::from(time.minute) - offset_minutes) * 60
        + i64::from(time.second.unwrap_or(0));
    let millis = i64::from(time.nanosecond.unwrap_or(0)) / 1_000_000;
    u64::try_from((days * 86_400 + seconds) * 1_000 + millis).ok()
}

/// The same as text, in UTC and whole seconds: `2026-11-22T21:00:00Z`.
pub fn to_text(ms: u64) -> String {
    let (days, seconds) = (ms / DAY_MS, ms % DAY_MS / 1_000);
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn days_of(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March, in eras of 400 years.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(text: &str) -> Option<u64> {
        from_datetime(&text.parse().unwrap())
    }

    #[test]
    fn dates_are_what_the_calendar_says() {
        assert_eq!(ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(ms("2000-02-29T00:00:00.999Z"), Some(951_782_400_999));
        assert_eq!(ms("2024-11-21T12:00:00Z"), Some(1_732_190_400_000));
        assert_eq!(ms("2024-11-21T20:00:00+08:00"), Some(1_732_190_400_000));
        for incomplete in ["2024-11-21", "12:00:00", "2024-11-21T12:00:00", "1969-12-31T23:59:59Z"] {
            assert_eq!(ms(incomplete), None, "{incomplete}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in 0_u64..4_102_444_800) {
            prop_assert_eq!(ms(&to_text(seconds * 1_000)), Some(seconds * 1_000));
        }
    }
}
