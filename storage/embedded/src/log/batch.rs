//! Batches: the records of one append for one partition as one value.
//!
//! ```text
//! version u8 | CRC-32 | count u32 | body: per record
//!     (length of the line · 2 + refused) LEB128 | line | if refused: length LEB128, refusal (Postcard)
//! ```
//!
//! Numbers are little-endian. The CRC covers version, partition, first offset, count and body, so
//! a batch in a wrong place is damaged, too.

use bytes::Bytes;
use crc32fast::Hasher;
use tandem_model::{PartitionId, Record};
use tandem_storage::codec::{Malformed, read_varint, write_varint};

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 4 + 4;
/// A batch of more than one record is not larger than this, in bytes: redb gives a large value
/// pages of a power of two, so it should end just below one.
const BATCH_BYTES_MAX: usize = (128 << 10) - 256;

/// An append, ready to be written but for its offsets.
pub(super) struct Encoded {
    pub(super) batches: Vec<Batch>,
    pub(super) bytes: usize,
}

/// One batch of it.
pub(super) struct Batch {
    pub(super) partition: PartitionId,
    pub(super) count: u32,
    /// Room for the head, and the body.
    bytes: Vec<u8>,
    body_crc: Hasher,
}

impl Encoded {
    /// Encodes records; within a partition, batches are in the order of the records.
    pub(super) fn new(records: Vec<(PartitionId, Record)>) -> Self {
        let mut batches: Vec<Batch> = Vec::new();
        // Per partition the batch that is being filled. Bodies touch few partitions, often one
        // after the other.
        let mut open: Vec<Option<usize>> = Vec::new();
        for (partition, record) in records {
            let slot = partition.0 as usize;
            if open.len() <= slot {
                open.resize(slot + 1, None);
            }
            let room = record.value.len() + if record.malformed.is_some() { 128 } else { 16 };
            let index = match open[slot] {
                Some(index) if batches[index].bytes.len() + room <= BATCH_BYTES_MAX => index,
                _ => {
                    batches.push(Batch::new(partition));
                    batches.len() - 1
                }
            };
            open[slot] = Some(index);
            batches[index].push(&record);
        }
        for batch in &mut batches {
            batch.body_crc.update(&batch.bytes[HEAD_BYTES..]);
        }
        let bytes = batches.iter().map(|batch| batch.bytes.len()).sum();
        Self { batches, bytes }
    }
}

impl Batch {
    fn new(partition: PartitionId) -> Self {
        Self { partition, count: 0, bytes: vec![0; HEAD_BYTES], body_crc: Hasher::new() }
    }

    fn push(&mut self, record: &Record) {
        self.count += 1;
        let refused = u64::from(record.malformed.is_some());
        write_varint((record.value.len() as u64) << 1 | refused, &mut self.bytes);
        self.bytes.extend_from_slice(&record.value);
        if let Some(refusal) = &record.malformed {
            let refusal = postcard::to_stdvec(&**refusal).expect("a refusal holds only plain data");
            write_varint(refusal.len() as u64, &mut self.bytes);
            self.bytes.extend(refusal);
        }
    }

    /// The value to store when the first record gets the offset `base`.
    pub(super) fn value(&mut self, base: u64) -> &[u8] {
        let mut crc = head_crc(self.partition.0, base, self.count);
        crc.combine(&self.body_crc);
        self.bytes[0] = VERSION;
        self.bytes[1..5].copy_from_slice(&crc.finalize().to_le_bytes());
        self.bytes[5..9].copy_from_slice(&self.count.to_le_bytes());
        &self.bytes
    }
}

/// A batch as it was read, its checksum verified.
pub(super) struct Opened<'a> {
    pub(super) count: u32,
    body: &'a [u8],
}

/// Checks a stored batch.
pub(super) fn open(partition: u32, base: u64, value: &[u8]) -> Result<Opened<'_>, Malformed> {
    let (head, body) = value.split_first_chunk::<HEAD_BYTES>().ok_or(Malformed("a batch is cut off"))?;
    let [version, c0, c1, c2, c3, n0, n1, n2, n3] = *head;
    if version != VERSION {
        return Err(Malformed("a batch is of an unknown format version"));
    }
    let count = u32::from_le_bytes([n0, n1, n2, n3]);
    let mut crc = head_crc(partition, base, count);
    crc.update(body);
    if crc.finalize() != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(Malformed("a batch's checksum does not match"));
    }
    if count == 0 || base.checked_add(u64::from(count)).is_none() {
        return Err(Malformed("a batch holds an impossible number of records"));
    }
    Ok(Opened { count, body })
}

impl Opened<'_> {
    /// Its records. Their lines share one copy of the body.
    pub(super) fn records(&self) -> impl Iterator<Item = Result<Record, Malformed>> {
        let shared = Bytes::copy_from_slice(self.body);
        let mut frames = Frames { left: self.count, body: self.body };
        std::iter::from_fn(move || {
            let frame = frames.next()?;
            Some(frame.and_then(|(line, refusal)| {
                let refusal = refusal.map(postcard::from_bytes).transpose();
                let malformed = refusal.map_err(|_| Malformed("a refusal can't be decoded"))?;
                Ok(Record { value: shared.slice_ref_of(self.body, line), malformed: malformed.map(Box::new) })
            }))
        })
    }

    /// Checks that it holds as many records as it says, and nothing else.
    pub(super) fn check_frames(&self) -> Result<(), Malformed> {
        Frames { left: self.count, body: self.body }.try_for_each(|frame| frame.map(|_| ()))
    }
}

/// Lines and refusals, as bytes.
struct Frames<'a> {
    left: u32,
    body: &'a [u8],
}

impl<'a> Frames<'a> {
    fn take(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(len).ok();
        let (taken, rest) =
            len.and_then(|len| self.body.split_at_checked(len)).ok_or(Malformed("a record is cut off"))?;
        self.body = rest;
        Ok(taken)
    }

    fn frame(&mut self) -> Result<(&'a [u8], Option<&'a [u8]>), Malformed> {
        let head = read_varint(&mut self.body)?;
        let line = self.take(head >> 1)?;
        let refusal = if head & 1 == 1 {
            let len = read_varint(&mut self.body)?;
            Some(self.take(len)?)
        } else {
            None
        };
        if self.left == 0 && !self.body.is_empty() {
            return Err(Malformed("a batch is longer than its records"));
        }
        Ok((line, refusal))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<(&'a [u8], Option<&'a [u8]>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let frame = self.frame();
        if frame.is_err() {
            self.left = 0;
        }
        Some(frame)
    }
}

/// `Bytes` of a part of the original of a copy.
trait SliceOf {
    fn slice_ref_of(&self, original: &[u8], part: &[u8]) -> Bytes;
}

impl SliceOf for Bytes {
    fn slice_ref_of(&self, original: &[u8], part: &[u8]) -> Bytes {
        let start = part.as_ptr().addr() - original.as_ptr().addr();
        self.slice(start..start + part.len())
    }
}

fn head_crc(partition: u32, base: u64, count: u32) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(&[VERSION]);
    hasher.update(&partition.to_le_bytes());
    hasher.update(&base.to_le_bytes());
    hasher.update(&count.to_le_bytes());
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(len: usize) -> Record {
        Record::line(vec![b'x'; len].into())
    }

    #[test]
    fn batches_hold_what_fits_and_large_records_stand_alone() {
        let large = BATCH_BYTES_MAX + 1;
        let mut records = vec![(PartitionId(3), line(large))];
        records.extend((0..3_000).map(|number| (PartitionId(number % 2), line(100))));
        records.push((PartitionId(3), line(0)));
        let encoded = Encoded::new(records);
        let shape: Vec<_> = encoded.batches.iter().map(|batch| (batch.partition.0, batch.count)).collect();
        assert_eq!(shape, [(3, 1), (0, 1282), (1, 1282), (0, 218), (1, 218), (3, 1)]);
        for mut batch in encoded.batches {
            let (partition, count) = (batch.partition.0, batch.count);
            let value = batch.value(77).to_vec();
            assert!(value.len() <= BATCH_BYTES_MAX || count == 1);
            let opened = open(partition, 77, &value).expect("whole");
            opened.check_frames().expect("framed");
            assert_eq!(opened.records().filter(Result::is_ok).count(), count as usize);
            // Under another key it is not what belongs there.
            assert!(open(partition, 78, &value).is_err());
            assert!(open(partition + 1, 77, &value).is_err());
        }
    }

    #[test]
    fn any_changed_byte_is_found() {
        let mut encoded = Encoded::new(vec![(PartitionId(1), line(5)), (PartitionId(1), line(9))]);
        let value = encoded.batches[0].value(5).to_vec();
        for index in 0..value.len() {
            for bit in 0..8 {
                let mut bad = value.clone();
                bad[index] ^= 1 << bit;
                assert!(open(1, 5, &bad).is_err());
            }
            assert!(open(1, 5, &value[..index]).is_err());
        }
    }
}
