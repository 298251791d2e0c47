//! Digests: one number per partition and table that tells whether two chains hold the same rows.
//!
//! A table's digest is the sum of its rows' digests mod 2^128, so the order of rows does not
//! matter and a changed row costs a subtraction and an addition. A row of figures is digested by
//! multilinear hashing (Carter and Wegman 1979; Lemire and Kaser, "Strongly universal string
//! hashing is fast", 2014):
//!
//! ```text
//! digest(row) = coefficient(key) · (EXISTS + Σ WEIGHT[column] · value + OFFSET · offset)
//! ```
//!
//! It is linear in the values, so the fold updates it from the differences alone, without
//! hashing a row again: that makes a digest at every beat free. The coefficient is an odd hash
//! of the row's key, so a figure that moved from one row to another shows. It guards against
//! faults, not against somebody who chooses figures to collide.
//!
//! Rows that change seldom (sessions) are hashed whole, with XXH3-128.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::catalogue::{Breakdown, STORED, Stored};
use crate::row::{PartitionRow, Row, SessionRow, Table, Values};

/// The tables that are digested, in the order of [`Digests`].
pub const TABLES: [&str; 8] =
    ["total", "trend_10s", "trend_1m", "trend_5m", "session", "partition", "hour", "day"];
const SESSION: usize = 4;
const PARTITION: usize = 5;

/// The place of a table of figures in [`TABLES`].
const fn slot(table: Table) -> usize {
    match table {
        Table::Total | Table::Trend(_) => table.index(),
        Table::Calendar(span) => PARTITION + 1 + span as usize,
    }
}

/// The digests of one partition, one per table of [`TABLES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests(pub [u128; TABLES.len()]);

impl Digests {
    /// Adds `difference` to the digest of a table of figures.
    pub fn add(&mut self, table: Table, difference: u128) {
        let sum = &mut self.0[slot(table)];
        *sum = sum.wrapping_add(difference);
    }

    /// Takes a session's old row out, if there was one, and puts its new one in.
    pub fn replace_session(&mut self, session_id: &str, old: Option<&SessionRow>, new: &SessionRow) {
        let sum = &mut self.0[SESSION];
        if let Some(old) = old {
            *sum = sum.wrapping_sub(of_session(session_id, old));
        }
        *sum = sum.wrapping_add(of_session(session_id, new));
    }

    /// Sets the digest of the partition's own row.
    pub fn set_partition(&mut self, row: &PartitionRow) {
        let values = [row.clock, row.beats, row.ignored_beats, row.malformed_events, row.late_events];
        let sum = values
            .iter()
            .zip(WEIGHTS)
            .fold(OFFSET.wrapping_mul(u128::from(row.offset)), |sum, (value, weight)| {
                sum.wrapping_add(weight.wrapping_mul(u128::from(*value)))
            });
        self.0[PARTITION] = sum;
    }
}

/// The part of a coefficient that a row's bucket and table do not enter: one hash per session,
/// breakdown and key.
pub fn seed(session_id: &str, breakdown: Breakdown, key: &str) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(&[breakdown as u8, session_id.len() as u8]);
    hasher.update(session_id.as_bytes());
    hasher.update(key.as_bytes());
    hasher.digest128()
}

/// The coefficient of a row: odd, so that no difference vanishes.
pub const fn coefficient(seed: u128, table: Table, bucket: u64) -> u128 {
    let mixed = seed ^ ((bucket as u128) << 3 | table.index() as u128).wrapping_mul(EXISTS);
    let mixed = (mixed ^ (mixed >> 67)).wrapping_mul(OFFSET);
    (mixed ^ (mixed >> 59)) | 1
}

/// What a row without figures and with offset 0 weighs: an empty row is not a missing one.
pub const EXISTS: u128 = constant(0x5eed_0001);
/// What one step of a row's offset weighs.
pub const OFFSET: u128 = constant(0x5eed_0002);
/// What one unit of a column weighs.
pub const WEIGHTS: [u128; STORED] = weights();

/// The digest of a row of figures.
pub fn of_row(session_id: &str, row: &Row) -> u128 {
    let seed = seed(session_id, row.key.breakdown, &row.key.key);
    coefficient(seed, row.key.table, row.key.bucket).wrapping_mul(weigh(&row.values, row.offset))
}

fn weigh(values: &Values, offset: u64) -> u128 {
    let start = EXISTS.wrapping_add(OFFSET.wrapping_mul(u128::from(offset)));
    values
        .iter()
        .zip(WEIGHTS)
        .fold(start, |sum, (value, weight)| sum.wrapping_add(weight.wrapping_mul(u128::from(*value))))
}

fn of_session(session_id: &str, row: &SessionRow) -> u128 {
    // Postcard writes fields in order with their lengths, so equal bytes mean equal rows.
    let bytes = postcard::to_stdvec(&(session_id, row)).expect("a session row holds only plain data");
    xxh3_128(&bytes)
}

const fn weights() -> [u128; STORED] {
    let mut weights = [0; STORED];
    let mut column = 0;
    while column < STORED {
        // By name, so that a new column in the middle leaves the others as they are.
        weights[column] = constant(fnv1a(Stored::ALL[column].id().as_bytes()));
        column += 1;
    }
    weights
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo).
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}

/// 128 odd pseudo-random bits: two steps of SplitMix64 (Steele, Lea, Flood 2014).
const fn constant(seed: u64) -> u128 {
    let high = splitmix(seed);
    ((high as u128) << 64 | splitmix(high) as u128) | 1
}

const fn splitmix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::RowKey;
    use crate::time::Window;

    fn row(key: &str, bucket: u64, views: u64) -> Row {
        let mut values = [0; STORED];
        values[Stored::Views as usize] = views;
        let table = if bucket == 0 { Table::Total } else { Table::Trend(Window::Minute) };
        Row {
            key: RowKey { table, breakdown: Breakdown::Channel, key: key.into(), bucket },
            values,
            offset: 9,
        }
    }

    #[test]
    fn a_moved_a_missing_and_an_empty_row_show() {
        let sum = |rows: &[Row]| rows.iter().fold(0_u128, |sum, row| sum.wrapping_add(of_row("s", row)));
        let base = sum(&[row("a", 0, 1), row("b", 0, 2)]);
        assert_eq!(base, sum(&[row("b", 0, 2), row("a", 0, 1)]));
        assert_ne!(base, sum(&[row("a", 0, 2), row("b", 0, 1)]));
        assert_ne!(base, sum(&[row("a", 0, 1)]));
        assert_ne!(base, sum(&[row("a", 0, 1), row("b", 0, 2), row("c", 0, 0)]));
        assert_ne!(sum(&[row("a", 60_000, 1)]), sum(&[row("a", 120_000, 1)]));
    }

    #[test]
    fn every_table_of_figures_has_the_place_of_its_name() {
        for table in Table::ALL {
            assert_eq!(TABLES[slot(table)], table.name());
        }
        assert_eq!((TABLES[SESSION], TABLES[PARTITION]), ("session", "partition"));
    }

    #[test]
    fn the_weights_are_odd_and_distinct() {
        let mut all: Vec<u128> = WEIGHTS.to_vec();
        all.extend([EXISTS, OFFSET]);
        assert!(all.iter().all(|weight| weight & 1 == 1));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), STORED + 2);
    }
}
