//! Numbers as they stand in the tables: write timestamps, figures, months, slots.
//!
//! # Write timestamps
//!
//! CQL keeps, of two writes to a cell, the one with the higher timestamp. We give every write
//! the position in the log it comes from, so "last write wins" becomes "farthest position wins",
//! whoever writes, in whatever order, however often:
//!
//! ```text
//! generation (6 bits) | offset + 1 (40 bits) | revision (4 bits)
//! ```
//!
//! A row of figures has the offset of the last record that changed it; what describes a prefix of
//! the log (a session's header, a partition's progress) has the offset of its last record, so
//! `offset + 1` is the cut's `next`. A log that was created anew is one generation up and wins
//! over everything of the one before. The revision is for repairs, which write the same position
//! again; 0 otherwise.
//!
//! Servers make up timestamps from their clock, in microseconds, where a statement has none; 50
//! bits of them are the year 2005. So **every** write and delete of ours names its timestamp: one
//! without would hide ours for ever. The statements' test sees to that.

use tandem_model::partition::partition_of;

const OFFSET_BITS: u32 = 40;
const REVISION_BITS: u32 = 4;
/// The first offset there is no timestamp for: about 10^12 records in one partition.
pub(crate) const OFFSETS: u64 = (1 << OFFSET_BITS) - 1;

/// The timestamp of what reflects all records below `next`.
pub(crate) fn timestamp(generation: u32, next: u64) -> i64 {
    let bits = u64::from(generation) << (OFFSET_BITS + REVISION_BITS) | next.min(OFFSETS) << REVISION_BITS;
    // 50 bits: never negative.
    bits as i64
}

/// The timestamp of a row whose version is `offset`.
pub(crate) fn row_timestamp(generation: u32, offset: u64) -> i64 {
    timestamp(generation, offset.saturating_add(1))
}

/// The timestamp of a delete that hides everything of earlier generations and nothing of this.
pub(crate) fn before(generation: u32) -> i64 {
    timestamp(generation, 0) - 1
}

/// The timestamps of a repair at the cut `next`, where cells were written up to `standing`: one for
/// what goes and one for what comes in its place. None where there is no room: too many repairs at
/// one place of the log, or a cell that none of ours wrote.
pub(crate) fn repair_timestamps(generation: u32, next: u64, standing: Option<i64>) -> Option<(i64, i64)> {
    let base = timestamp(generation, next);
    let forget_at = standing.map_or(base, |standing| standing.max(base)) + 1;
    let last = base | ((1 << REVISION_BITS) - 1);
    (forget_at < last).then_some((forget_at, forget_at + 1))
}

/// A number as CQL's signed `bigint`: the same 64 bits. Everything below 2^63 reads as it is; a
/// figure beyond (sums stop at 2^64 - 1) reads as negative, and is still exact for us.
pub(crate) const fn to_cql(number: u64) -> i64 {
    number as i64
}

/// What [`to_cql`] was given.
pub(crate) const fn from_cql(number: i64) -> u64 {
    number as u64
}

/// A number by which rows are sorted: no event has one that is beyond `i64`.
pub(crate) fn to_sorted(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Over how many CQL partitions lists are spread. Part of the schema: never changes.
pub(crate) const SLOTS: u32 = 8;

/// Which of them a session is listed in. Not its log partition, so that whoever reads a list
/// need not know how many of those there are.
pub(crate) fn slot(session_id: &str) -> i32 {
    partition_of(session_id.as_bytes(), SLOTS).0 as i32
}

/// Offsets of one CQL partition of dead letters. Part of the schema: never changes.
const BUCKET_OFFSETS: u64 = 1 << 18;

/// Which bucket of dead letters an offset belongs to.
pub(crate) fn letter_bucket(offset: u64) -> i64 {
    to_sorted(offset / BUCKET_OFFSETS)
}

/// The calendar month (UTC) of a time in milliseconds, as year · 100 + month: 202611.
///
/// Days to a civil date as in Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub(crate) fn month(ts: u64) -> i32 {
    /// The end of the year 9999: no event is later that makes sense.
    const DAYS_MAX: u64 = 2_932_896;
    let days = (ts / tandem_model::time::DAY_MS).min(DAYS_MAX) + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year * 100 + month) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_generations_then_later_offsets_win() {
        let ascending = [
            before(0),
            timestamp(0, 0),
            row_timestamp(0, 0),
            row_timestamp(0, 1),
            row_timestamp(0, u64::MAX),
            timestamp(1, 0),
            timestamp(1, 1),
            row_timestamp(63, u64::MAX),
        ];
        assert!(ascending.is_sorted_by(|left, right| left < right), "{ascending:?}");
        assert_eq!(before(1), timestamp(0, OFFSETS) + 15, "a repair of the last generation is hidden, too");
        assert_eq!(row_timestamp(5, 41), timestamp(5, 42));
        // Below any clock in microseconds.
        assert!(row_timestamp(63, u64::MAX) < 1_200_000_000_000_000);
    }

    #[test]
    fn a_repair_wins_over_what_stands_there_and_loses_to_what_comes_later() {
        let base = timestamp(3, 42);
        assert_eq!(repair_timestamps(3, 42, None), Some((base + 1, base + 2)));
        assert_eq!(repair_timestamps(3, 42, Some(timestamp(3, 40) + 9)), Some((base + 1, base + 2)));
        let mut standing = Some(base);
        for _ in 0..7 {
            let (forget_at, at) = repair_timestamps(3, 42, standing).expect("room");
            assert!(standing < Some(forget_at) && forget_at < at && at < row_timestamp(3, 42));
            standing = Some(at);
        }
        assert_eq!(repair_timestamps(3, 42, standing), None, "too often at one place");
        assert_eq!(
            repair_timestamps(3, 42, Some(1_795_305_600_000_000)),
            None,
            "written at a server's clock"
        );
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        for (ts, expected) in [
            (0, 197001),
            (951_782_400_000, 200002), // 29 February
            (951_868_800_000 - 1, 200002),
            (951_868_800_000, 200003),
            (1_704_067_199_999, 202312),
            (1_704_067_200_000, 202401),
            (1_795_305_600_000, 202611),
            (u64::MAX, 999912),
        ] {
            assert_eq!(month(ts), expected, "{ts}");
        }
        let days: Vec<i32> = (0..80_000).map(|day| month(day * tandem_model::time::DAY_MS)).collect();
        assert!(days.is_sorted(), "months never go back");
    }

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 1 << 53, i64::MAX as u64, 1 << 63, u64::MAX] {
            assert_eq!(from_cql(to_cql(number)), number);
        }
        assert_eq!(to_sorted(u64::MAX), i64::MAX);
        assert!((0..SLOTS as i32).contains(&slot("s-1")));
    }
}
