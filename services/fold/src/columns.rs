//! The columns of one cell, as long as they are few without those that are 0.
//!
//! A full row is 37 columns wide, but a bucket of ten seconds under one device fills four of them.
//! An event touches some thirty cells, so what a cell measures in cache lines is what an event
//! costs: with few columns in one line, the fold got a third faster.

use serde::{Deserialize, Serialize};
use tandem_model::catalogue::STORED;
use tandem_model::{Stored, Values};

/// How many columns are few.
const FEW: usize = 6;
/// Eight times the byte 1.
const ONES: u64 = 0x0101_0101_0101_0101;
/// Marks a place that holds no column.
const NONE: u8 = u8::MAX;

/// A row's columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Columns {
    Few {
        /// One byte per place: the column that stands there, or [`NONE`].
        ids: u64,
        values: [u64; FEW],
    },
    Full(#[serde(with = "full")] Box<Values>),
}

impl Default for Columns {
    fn default() -> Self {
        Columns::Few { ids: ONES * NONE as u64, values: [0; FEW] }
    }
}

impl Columns {
    pub(crate) fn get(&self, column: Stored) -> u64 {
        match self {
            Columns::Few { ids, values } => place(*ids, column as u8).map_or(0, |place| values[place]),
            Columns::Full(values) => values[column as usize],
        }
    }

    /// The value of `column`, to be changed.
    pub(crate) fn get_mut(&mut self, column: Stored) -> &mut u64 {
        if let Columns::Few { ids, .. } = self {
            let known = place(*ids, column as u8);
            match known.or_else(|| place(*ids, NONE).filter(|free| *free < FEW)) {
                None => *self = Columns::Full(Box::new(self.values())),
                Some(place) if known.is_none() => {
                    *ids ^= u64::from(NONE ^ column as u8) << (8 * place);
                }
                Some(_) => {}
            }
        }
        match self {
            Columns::Few { ids, values } => {
                let place = place(*ids, column as u8).expect("it was there or was put there");
                &mut values[place]
            }
            Columns::Full(values) => &mut values[column as usize],
        }
    }

    /// The full row.
    pub(crate) fn values(&self) -> Values {
        match self {
            Columns::Few { ids, values } => {
                let mut full = [0; STORED];
                for (id, value) in ids.to_le_bytes().into_iter().zip(values).filter(|(id, _)| *id != NONE) {
                    full[usize::from(id)] = *value;
                }
                full
            }
            Columns::Full(values) => **values,
        }
    }
}

/// The place of the first byte of `ids` that is `id`, looking at all eight at once (Mycroft's test
/// for a zero byte).
const fn place(ids: u64, id: u8) -> Option<usize> {
    let differences = ids ^ (ONES * id as u64);
    let zeros = differences.wrapping_sub(ONES) & !differences & (ONES << 7);
    if zeros == 0 { None } else { Some(zeros.trailing_zeros() as usize / 8) }
}

/// Full rows in a snapshot: serde has no arrays of this length.
mod full {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tandem_model::Values;

    pub(super) fn serialize<S: Serializer>(values: &Values, serializer: S) -> Result<S::Ok, S::Error> {
        values.as_slice().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Values>, D::Error> {
        let values = Vec::<u64>::deserialize(deserializer)?;
        values.into_boxed_slice().try_into().map_err(|_| D::Error::custom("a row of another width"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_a_full_row_would() {
        let mut columns = Columns::default();
        let mut expected = [0; STORED];
        for (step, column) in Stored::ALL.iter().cycle().step_by(7).take(STORED).enumerate() {
            assert_eq!(columns.get(*column), 0);
            for _ in 0..2 {
                *columns.get_mut(*column) += step as u64 + 1;
                expected[*column as usize] += step as u64 + 1;
            }
            assert_eq!(columns.get(*column), expected[*column as usize]);
            assert_eq!(columns.values(), expected);
            assert_eq!(matches!(columns, Columns::Few { .. }), step < FEW);
        }
    }
}
