//! How rows stand in a store that keeps bytes: the embedded one's files and Redis' hashes.
//!
//! A row of figures is mostly zeros, so it is written as its offset, a mask of the columns that
//! are not zero, and those: all in LEB128. That is 10 to 60 bytes instead of 300. Everything else is
//! Postcard. In front of each stands the version of the format.
//!
//! What is on disk was written by this: a change of a format is a new version, and the old one
//! stays readable.
//!
//! Decoding takes any bytes and never panics; what it refuses is damage.

mod edition;

use std::sync::Arc;

pub use edition::{decode_edition, encode_edition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_model::catalogue::STORED;
use tandem_model::{Breakdown, RowKey, Table, Values};

/// The version of every format in this file.
const VERSION: u8 = 1;

const _: () = assert!(STORED <= 64, "the mask of columns is a u64");

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// What reading bytes comes to.
pub type Result<T> = std::result::Result<T, Malformed>;

/// Writes figures and their version.
pub fn encode_values(values: &Values, offset: u64, out: &mut Vec<u8>) {
    out.push(VERSION);
    write_varint(offset, out);
    let mask =
        values.iter().enumerate().fold(0, |mask, (column, value)| mask | u64::from(*value != 0) << column);
    write_varint(mask, out);
    for value in values.iter().filter(|value| **value != 0) {
        write_varint(*value, out);
    }
}

/// Reads what [`encode_values`] wrote.
pub fn decode_values(bytes: &[u8]) -> Result<(Values, u64)> {
    let mut rest = versioned(bytes)?;
    let offset = read_varint(&mut rest)?;
    let mut mask = read_varint(&mut rest)?;
    let mut values = [0; STORED];
    while mask != 0 {
        let column = mask.trailing_zeros() as usize;
        *values.get_mut(column).ok_or(Malformed("a row has a column that is not known"))? =
            read_varint(&mut rest)?;
        mask &= mask - 1;
    }
    if rest.is_empty() { Ok((values, offset)) } else { Err(Malformed("a row is too long")) }
}

/// The rows of a session in the order of tables, breakdowns, buckets and keys: so that totals, and
/// any range of buckets of one trend, stand together.
pub fn encode_row_key(session_id: &str, key: &RowKey, out: &mut Vec<u8>) {
    encode_part(session_id, key.table, key.breakdown, key.bucket, out);
    out.extend_from_slice(key.key.as_bytes());
}

/// Where the rows of one bucket begin.
pub fn encode_part(session_id: &str, table: Table, breakdown: Breakdown, bucket: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(session_id.as_bytes());
    // Ids hold no zero byte, so no session's rows run into another's.
    out.extend([0, table.index() as u8, breakdown as u8]);
    out.extend(bucket.to_be_bytes());
}

/// Reads what [`encode_row_key`] wrote for a session whose id has `id_len` bytes.
pub fn decode_row_key(bytes: &[u8], id_len: usize) -> Result<RowKey> {
    const SHORT: Malformed = Malformed("a row's key is too short");
    let rest = bytes.get(id_len + 1..).ok_or(SHORT)?;
    let ([table, breakdown], rest) = rest.split_first_chunk().ok_or(SHORT)?;
    let (bucket, key) = rest.split_first_chunk().ok_or(SHORT)?;
    let key = std::str::from_utf8(key).map_err(|_| Malformed("a row's key is not UTF-8"))?;
    Ok(RowKey {
        table: *Table::ALL.get(usize::from(*table)).ok_or(Malformed("a row is of no known table"))?,
        breakdown: *Breakdown::ALL
            .get(usize::from(*breakdown))
            .ok_or(Malformed("a row is of no known breakdown"))?,
        key: Arc::from(key),
        bucket: u64::from_be_bytes(*bucket),
    })
}

/// Writes plain data.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION])
        .expect("only plain data is stored, and memory does not refuse it")
}

/// Reads what [`encode`] wrote.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(versioned(bytes)?).map_err(|_| Malformed("a value can't be decoded"))
}

fn versioned(bytes: &[u8]) -> Result<&[u8]> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some(_) => Err(Malformed("a value is of an unknown format version")),
        None => Err(Malformed("a value is empty")),
    }
}

/// LEB128.
pub fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a LEB128 number off the front of `bytes`.
pub fn read_varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Malformed("a number is cut off"))?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed("a number is over 64 bits"))
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    use tandem_model::time::Window;

    use super::*;

    #[test]
    fn values_come_back() {
        let mut random = SmallRng::seed_from_u64(1);
        for _ in 0..2_000 {
            let mut values = [0; STORED];
            for value in &mut values {
                if random.random_bool(0.4) {
                    *value = random.random::<u64>() >> random.random_range(0..64);
                }
            }
            let offset = random.random::<u64>() >> random.random_range(0..64);
            let mut bytes = Vec::new();
            encode_values(&values, offset, &mut bytes);
            assert_eq!(decode_values(&bytes), Ok((values, offset)));
            assert!(decode_values(&bytes[..bytes.len() - 1]).is_err());
            bytes.push(0);
            assert!(decode_values(&bytes).is_err());
        }
        let mut bytes = Vec::new();
        encode_values(&[u64::MAX; STORED], u64::MAX, &mut bytes);
        assert_eq!(decode_values(&bytes), Ok(([u64::MAX; STORED], u64::MAX)));
    }

    #[test]
    fn any_bytes_are_an_answer_or_an_error() {
        let mut random = SmallRng::seed_from_u64(2);
        for _ in 0..20_000 {
            let mut bytes = vec![0; random.random_range(0..40)];
            random.fill(&mut bytes[..]);
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            let _ = decode_values(&bytes);
            let _ = decode_row_key(&bytes, 3);
            let _ = decode::<tandem_model::SessionRow>(&bytes);
        }
    }

    #[test]
    fn keys_sort_by_table_breakdown_bucket_and_key() {
        let mut keys = Vec::new();
        for id in ["a", "a-", "a0", "b"] {
            for table in Table::ALL {
                for breakdown in [Breakdown::Room, Breakdown::Item, Breakdown::RawSource] {
                    for bucket in [0, 10_000, 1 << 40, u64::MAX] {
                        for name in ["", "a", "~other", "浙江"] {
                            let key = RowKey { table, breakdown, key: name.into(), bucket };
                            let mut bytes = Vec::new();
                            encode_row_key(id, &key, &mut bytes);
                            assert_eq!(decode_row_key(&bytes, id.len()), Ok(key));
                            keys.push(bytes);
                        }
                    }
                }
            }
        }
        assert!(keys.is_sorted());
        assert_eq!(Table::ALL[2], Table::Trend(Window::Minute));
    }
}
