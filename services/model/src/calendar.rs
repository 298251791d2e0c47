//! The board time zone: where calendar hours, days, weeks and months begin.
//!
//! A calendar is data, read once from the zone database that the program carries, so that the same
//! event falls into the same hour on every machine. From then on it is a table of offsets and pure.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, MINUTE_MS, Window};

/// The zone that boards are in where nobody says otherwise.
pub const DEFAULT_ZONE: &str = "Asia/Shanghai";

const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Up to here the zone's rules are followed; afterwards its last offset holds. 2100-01-01 UTC.
const KNOWN_UNTIL_MS: u64 = 4_102_444_800_000;
/// No event time lies beyond 2^53; what does is taken for this, where nothing overflows.
const FARTHEST: u64 = 1 << 60;

/// A stretch of the calendar that figures are kept by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Span {
    /// A calendar hour.
    Hour,
    /// A calendar day.
    Day,
}

impl Span {
    /// All of them, shortest first; each day is a whole number of hours.
    pub const ALL: [Span; 2] = [Span::Hour, Span::Day];

    /// Its name in stores and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Span::Hour => "hour",
            Span::Day => "day",
        }
    }
}

/// What a board is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// A calendar hour.
    Hour,
    /// A calendar day.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
}

impl Period {
    /// All of them, shortest first.
    pub const ALL: [Period; 4] = [Period::Hour, Period::Day, Period::Week, Period::Month];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        }
    }

    /// The period with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.name() == name)
    }

    /// By what its figures are kept: of the hour, else of the days that make it up.
    pub const fn span(self) -> Span {
        match self {
            Period::Hour => Span::Hour,
            Period::Day | Period::Week | Period::Month => Span::Day,
        }
    }
}

/// Why a zone can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// There is no such zone.
    #[error("{0:?} is not a time zone of the IANA database, as Asia/Shanghai is")]
    Unknown(String),
    /// Its clocks were once changed at a moment that cuts a bucket of five minutes in two.
    #[error(
        "{0:?} can't be used for boards: since 1970 its clocks were changed at a moment that is not a whole \
         multiple of five minutes"
    )]
    Uneven(String),
}

/// The calendar of one time zone.
#[derive(Clone)]
pub struct Calendar {
    zone: Arc<Zone>,
}

struct Zone {
    name: String,
    /// Ascending, the first from 0 on.
    offsets: Vec<Offset>,
}

/// What local clocks show from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset {
    /// In milliseconds since the epoch.
    from: u64,
    /// Ahead of UTC by so much.
    ahead_ms: i64,
}

impl Default for Calendar {
    fn default() -> Self {
        Self::new(DEFAULT_ZONE).expect("the database has this zone, and it is even; a test sees to it")
    }
}

impl Calendar {
    /// The calendar of the IANA zone `name`.
    ///
    /// # Errors
    ///
    /// When there is no such zone, or buckets of five minutes would not lie within its hours.
    pub fn new(name: &str) -> Result<Self, ZoneError> {
        let zone = jiff::tz::db().get(name).map_err(|_| ZoneError::Unknown(name.to_owned()))?;
        let offsets = offsets(&zone);
        let whole = Window::FiveMinutes.length_ms();
        let is_even = |offset: &Offset| {
            offset.from.is_multiple_of(whole) && offset.ahead_ms.unsigned_abs().is_multiple_of(whole)
        };
        if !offsets.iter().all(is_even) {
            return Err(ZoneError::Uneven(name.to_owned()));
        }
        Ok(Self { zone: Arc::new(Zone { name: name.to_owned(), offsets }) })
    }

    /// The name of its zone.
    pub fn zone(&self) -> &str {
        &self.zone.name
    }

    /// Tells calendars apart, also the same zone of two editions of the zone database.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        hasher.update(self.zone.name.as_bytes());
        for offset in &self.zone.offsets {
            hasher.update(&offset.from.to_le_bytes());
            hasher.update(&offset.ahead_ms.to_le_bytes());
        }
        hasher.digest()
    }

    /// Where the hour or day that `ts` lies in begins.
    pub fn start(&self, span: Span, ts: u64) -> u64 {
        let ts = ts.min(FARTHEST);
        match span {
            Span::Hour => {
                let offset = self.offset(ts);
                floor(ts, HOUR_MS, offset.ahead_ms).max(offset.from)
            }
            Span::Day => self.day_start(ts),
        }
    }

    /// Where the hour or day that begins at `start` ends: the first millisecond after it.
    pub fn end(&self, span: Span, start: u64) -> u64 {
        let start = start.min(FARTHEST);
        match span {
            Span::Hour => {
                let end = floor(start, HOUR_MS, self.offset(start).ahead_ms).saturating_add(HOUR_MS);
                self.next_change(start).map_or(end, |change| end.min(change))
            }
            Span::Day => {
                // Days have 22 to 26 hours: 30 hours on is the next day, or the one after at its
                // very beginning when clocks jumped; then walking back by starts finds the next.
                let mut next = self.day_start(start.saturating_add(30 * HOUR_MS));
                while next > start {
                    let before = self.day_start(next - 1);
                    if before <= start {
                        return next;
                    }
                    next = before;
                }
                start.saturating_add(DAY_MS)
            }
        }
    }

    /// The period that `ts` lies in: from its first millisecond to the first after it.
    pub fn period(&self, period: Period, ts: u64) -> (u64, u64) {
        let ts = ts.min(FARTHEST);
        match period {
            Period::Hour => {
                let start = self.start(Span::Hour, ts);
                (start, self.end(Span::Hour, start))
            }
            Period::Day => {
                let start = self.day_start(ts);
                (start, self.end(Span::Day, start))
            }
            Period::Week => {
                let is_monday = |day| self.weekday(day) == 0;
                self.days_around(ts, |day, _| is_monday(day))
            }
            Period::Month => {
                // Not by the first: zones have left out a day at the end of a year.
                self.days_around(ts, |day, before| {
                    let month = self.month(day);
                    month.is_none() || month != self.month(before)
                })
            }
        }
    }

    /// The days around `ts` from one that begins something (asked of a day and the day before it)
    /// to the next such.
    fn days_around(&self, ts: u64, begins: impl Fn(u64, u64) -> bool) -> (u64, u64) {
        let mut start = self.day_start(ts);
        loop {
            let before = self.day_before(start);
            if before >= start || begins(start, before) {
                break;
            }
            start = before;
        }
        let mut last = start;
        loop {
            let end = self.end(Span::Day, last);
            if end <= last || begins(end, last) {
                return (start, end);
            }
            last = end;
        }
    }

    /// Where the day before the one that begins at `start` begins. The first day has none and is
    /// its own.
    pub fn day_before(&self, start: u64) -> u64 {
        self.day_start(start.saturating_sub(1))
    }

    /// The local date of `ts`, as in `2024-11-21`; none after the year 9999, which event times are not
    /// bound to.
    pub fn date_text(&self, ts: u64) -> Option<String> {
        self.civil(ts.min(FARTHEST)).map(|date| date.to_string())
    }

    fn offset(&self, ts: u64) -> Offset {
        let offsets = &self.zone.offsets;
        match offsets.last() {
            Some(last) if last.from <= ts => *last,
            _ => offsets[offsets.partition_point(|offset| offset.from <= ts).saturating_sub(1)],
        }
    }

    fn next_change(&self, ts: u64) -> Option<u64> {
        let offsets = &self.zone.offsets;
        offsets.get(offsets.partition_point(|offset| offset.from <= ts)).map(|offset| offset.from)
    }

    /// Where the local date of `ts` begins. Clocks may have been changed since midnight, or at it.
    fn day_start(&self, ts: u64) -> u64 {
        let mut ts = ts;
        loop {
            let offset = self.offset(ts);
            let midnight = floor(ts, DAY_MS, offset.ahead_ms);
            if midnight >= offset.from || offset.from == 0 {
                return midnight;
            }
            let before = offset.from - 1;
            if self.date(before) != self.date(ts) {
                return offset.from;
            }
            ts = before;
        }
    }

    /// Days since the epoch by local clocks.
    fn date(&self, ts: u64) -> i64 {
        local(ts, self.offset(ts).ahead_ms).div_euclid(DAY_MS as i64)
    }

    /// Days since Monday.
    fn weekday(&self, ts: u64) -> i64 {
        // 1970-01-01 was a Thursday.
        (self.date(ts) + 3).rem_euclid(7)
    }

    /// Year and month; none beyond the calendar of people, which event times are not bound to.
    fn month(&self, ts: u64) -> Option<(i16, i8)> {
        let date = self.civil(ts)?;
        Some((date.year(), date.month()))
    }

    /// What a calendar on the wall shows; none beyond its end.
    fn civil(&self, ts: u64) -> Option<Date> {
        let seconds = self.date(ts).checked_mul(DAY_MS as i64 / 1_000)?;
        Some(Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::UTC).date())
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Calendar({})", self.zone.name)
    }
}

impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.zone.name == other.zone.name && self.zone.offsets == other.zone.offsets
    }
}

impl Eq for Calendar {}

/// `ts` as local clocks show it, in milliseconds.
const fn local(ts: u64, ahead_ms: i64) -> i64 {
    // Event times end at 2^53; what lies beyond 2^63 is no event time and need only not wrap.
    let ts = if ts > i64::MAX as u64 { i64::MAX } else { ts as i64 };
    ts.saturating_add(ahead_ms)
}

/// The last moment up to `ts` at which local clocks show a whole multiple of `length_ms`; 0 if that
/// lies before the epoch.
const fn floor(ts: u64, length_ms: u64, ahead_ms: i64) -> u64 {
    let past = local(ts, ahead_ms).rem_euclid(length_ms as i64);
    ts.saturating_sub(past as u64)
}

fn offsets(zone: &TimeZone) -> Vec<Offset> {
    let epoch = Timestamp::UNIX_EPOCH;
    let ahead_ms = |seconds: i32| i64::from(seconds) * 1_000;
    let first = Offset { from: 0, ahead_ms: ahead_ms(zone.to_offset(epoch).seconds()) };
    let mut offsets = vec![first];
    for change in zone.following(epoch) {
        let Ok(from) = u64::try_from(change.timestamp().as_millisecond()) else { continue };
        if from >= KNOWN_UNTIL_MS {
            break;
        }
        let ahead_ms = ahead_ms(change.offset().seconds());
        if offsets.last().is_none_or(|last| last.ahead_ms != ahead_ms) {
            offsets.push(Offset { from, ahead_ms });
        }
    }
    offsets
}

#[cfg(test)]
mod tests {
    use jiff::{Zoned, civil};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> u64 {
        text.parse::<Zoned>().expect("a moment").timestamp().as_millisecond() as u64
    }

    #[test]
    fn periods_of_shanghai_begin_at_local_midnight_and_on_monday() {
        let calendar = Calendar::default();
        assert_eq!(calendar.zone(), DEFAULT_ZONE);
        let ts = at("2024-11-21T20:13:20.123+08:00[Asia/Shanghai]");
        let expected = [
            (Period::Hour, "2024-11-21T20:00+08:00[Asia/Shanghai]", "2024-11-21T21:00+08:00[Asia/Shanghai]"),
            (Period::Day, "2024-11-21T00:00+08:00[Asia/Shanghai]", "2024-11-22T00:00+08:00[Asia/Shanghai]"),
            (Period::Week, "2024-11-18T00:00+08:00[Asia/Shanghai]", "2024-11-25T00:00+08:00[Asia/Shanghai]"),
            (Period::Month, "2024-11-01T00:00+08:00[Asia/Shanghai]", "2024-12-01T00:00+08:00[Asia/Shanghai]"),
        ];
        for (period, from, to) in expected {
            assert_eq!(calendar.period(period, ts), (at(from), at(to)), "{}", period.name());
        }
    }

    #[test]
    fn days_on_which_clocks_change_have_23_and_25_hours() {
        let calendar = Calendar::new("Europe/Berlin").expect("a zone");
        for (day, hours) in [("2024-03-31T12:00+02:00", 23), ("2024-10-27T12:00+01:00", 25)] {
            let (from, to) = calendar.period(Period::Day, at(&format!("{day}[Europe/Berlin]")));
            assert_eq!(to - from, hours * HOUR_MS);
        }
    }

    #[test]
    fn unknown_and_uneven_zones_are_refused_with_a_sentence() {
        assert_eq!(Calendar::new("Asia/Shangai"), Err(ZoneError::Unknown("Asia/Shangai".to_owned())));
        let uneven = Calendar::new("America/St_Johns").expect_err("its clocks changed a minute after");
        assert!(uneven.to_string().contains("five minutes"), "{uneven}");
        assert_ne!(
            Calendar::default().fingerprint(),
            Calendar::new("Asia/Hong_Kong").expect("a zone").fingerprint()
        );
    }

    #[test]
    fn the_farthest_times_have_a_period_too() {
        let calendar = Calendar::default();
        for ts in [0, 1, crate::time::INT_MAX, FARTHEST] {
            for period in Period::ALL {
                let (from, to) = calendar.period(period, ts);
                assert!(from <= ts && ts < to, "{} of {ts}: {from} to {to}", period.name());
            }
        }
        // No event is there, but it comes back.
        assert_eq!(calendar.period(Period::Week, u64::MAX), calendar.period(Period::Week, FARTHEST));
    }

    proptest! {
        /// Held against the library's own calendar, in zones with every kind of change.
        #[test]
        fn days_weeks_and_months_are_those_of_the_zone_database(
            seconds in 86_400_i64 * 62..4_000_000_000,
            zone in prop::sample::select(vec![
                "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia",
                "America/Sao_Paulo", "Africa/Cairo", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC",
            ]),
        ) {
            let calendar = Calendar::new(zone).expect("a zone");
            let moment = Timestamp::from_second(seconds).expect("in range").in_tz(zone).expect("a zone");
            let ts = seconds as u64 * 1_000;
            let start = |date: civil::Date| {
                date.in_tz(zone).expect("a day").timestamp().as_millisecond() as u64
            };
            let date = moment.date();
            let week = date.checked_sub(jiff::Span::new().days(i64::from(date.weekday().to_monday_zero_offset())));
            let week = week.expect("in range");
            let next_week = week.checked_add(jiff::Span::new().days(7)).expect("in range");
            let next_month = date.last_of_month().tomorrow().expect("in range");
            prop_assert_eq!(calendar.start(Span::Day, ts), start(date));
            // The day that a zone left out altogether has no start of its own.
            let left_out = zone == "Pacific/Apia" && date.year() == 2011 && date.month() == 12 && date.day() > 25
                || zone == "Pacific/Apia" && date.year() == 2012 && date.month() == 1 && date.day() < 3;
            if !left_out {
                prop_assert_eq!(calendar.period(Period::Day, ts).1, start(date.tomorrow().expect("in range")));
                prop_assert_eq!(calendar.period(Period::Week, ts), (start(week), start(next_week)));
                prop_assert_eq!(calendar.period(Period::Month, ts), (start(date.first_of_month()), start(next_month)));
            }
            // Hours and days tile time, and a bucket of five minutes lies within one hour.
            for span in Span::ALL {
                let from = calendar.start(span, ts);
                let to = calendar.end(span, from);
                prop_assert!(from <= ts && ts < to);
                prop_assert_eq!(calendar.start(span, to), to);
                prop_assert_eq!(calendar.start(span, to - 1), from);
                let bucket = Window::FiveMinutes.bucket(ts);
                prop_assert_eq!(calendar.start(span, bucket), from);
            }
        }
    }
}
