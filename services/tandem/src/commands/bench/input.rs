//! A file of events, laid out in memory as the log would hold it: per partition the lines and the
//! beats among them, cut into batches as compute reads them.

use std::io::BufRead;
use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use tandem_fold::Fold;
use tandem_ingest::replay::{Item, Replay};
use tandem_model::decode::decode;
use tandem_model::event::Line;
use tandem_model::partition::partition_of;
use tandem_model::{Changes, PartitionId, PseudonymKey, Record};

use crate::load::Source;

/// Partitions, as many as `tandem up` has.
pub(super) const PARTITIONS: u32 = 4;
/// Records folded before changes are taken: about what 100 ms bring at the rate aimed for.
const BATCH_RECORDS: u64 = 4_000;

/// The whole input.
pub(super) struct Input {
    /// The file, unpacked.
    content: Bytes,
    /// Where its lines are.
    lines: Vec<Range<usize>>,
    events: u64,
    partitions: Vec<Bytes>,
    batches: Vec<Batch>,
}

/// Some records of one partition that follow each other.
pub(super) struct Batch {
    partition: usize,
    first_offset: u64,
    bytes: Range<usize>,
}

#[derive(Default)]
struct Partition {
    content: Vec<u8>,
    records: u64,
    batch_records: u64,
    batch_start: usize,
}

impl Input {
    /// Reads `path` (packed or not) and works out the beats as `tandem ingest --replay` does.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let mut source = Source::open(path).with_context(|| format!("can't open {}", path.display()))?;
        let mut content = Vec::new();
        source
            .reader()
            .read_to_end(&mut content)
            .with_context(|| format!("can't read {}", path.display()))?;
        Ok(Self::new(content.into()))
    }

    pub(super) fn new(content: Bytes) -> Self {
        let mut partitions: Vec<Partition> = (0..PARTITIONS).map(|_| Partition::default()).collect();
        let (mut batches, mut events) = (Vec::new(), 0);
        let mut emit = |item: Item<'_>| match item {
            Item::Line(line) => {
                events += 1;
                let partition = partition(line);
                partitions[partition].push(line, partition, &mut batches);
            }
            Item::Beat(second) => {
                let beat = Record::beat(second).value;
                for (index, partition) in partitions.iter_mut().enumerate() {
                    partition.push(&beat, index, &mut batches);
                }
            }
        };
        let mut replay = Replay::new();
        let lines: Vec<_> = lines(&content).filter(|line| !line.is_empty()).collect();
        lines.iter().for_each(|line| replay.push(&content[line.clone()], &mut emit));
        replay.finish(&mut emit);
        for (index, partition) in partitions.iter_mut().enumerate() {
            partition.cut(index, &mut batches);
        }
        let partitions = partitions.into_iter().map(|partition| partition.content.into()).collect();
        Self { content, lines, events, partitions, batches }
    }

    /// How many lines there are, without beats.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// How long the lines are, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.content.len() as u64
    }

    pub(super) fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// A fold for each partition, before the first record.
    pub(super) fn folds(&self) -> Vec<Fold> {
        (0..PARTITIONS).map(|index| Fold::new(PartitionId(index), PARTITIONS, key())).collect()
    }

    /// Applies a batch to the fold of its partition and takes the changed rows.
    pub(super) fn apply(&self, batch: &Batch, folds: &mut [Fold]) -> Changes {
        let content = self.partitions[batch.partition].slice(batch.bytes.clone());
        let fold = &mut folds[batch.partition];
        for (offset, line) in (batch.first_offset..).zip(lines(&content)) {
            fold.apply(offset, &Record::line(content.slice(line)));
        }
        fold.take_changes()
    }

    /// Decodes every line of the file and nothing else; not even splitting it into lines.
    pub(super) fn decode(&self) {
        for line in &self.lines {
            let _ = std::hint::black_box(decode(std::hint::black_box(&self.content[line.clone()])));
        }
    }
}

impl Partition {
    fn push(&mut self, line: &[u8], index: usize, batches: &mut Vec<Batch>) {
        self.content.extend_from_slice(line);
        self.content.push(b'\n');
        self.records += 1;
        self.batch_records += 1;
        if self.batch_records == BATCH_RECORDS {
            self.cut(index, batches);
        }
    }

    fn cut(&mut self, index: usize, batches: &mut Vec<Batch>) {
        if self.batch_records > 0 {
            let first_offset = self.records - self.batch_records;
            batches.push(Batch {
                partition: index,
                first_offset,
                bytes: self.batch_start..self.content.len(),
            });
        }
        (self.batch_start, self.batch_records) = (self.content.len(), 0);
    }
}

/// The key of the pseudonyms; any does.
pub(super) fn key() -> PseudonymKey {
    PseudonymKey::new(*b"tandem benchmark")
}

/// Which partition the line goes to, as in [`tandem_ingest`].
fn partition(line: &[u8]) -> usize {
    let key = match decode(line) {
        Ok(Line::Event(event)) => partition_of(event.session_id.as_bytes(), PARTITIONS),
        Ok(Line::Beat { .. } | Line::Verdict(_) | Line::Definition(_)) => PartitionId(0),
        Err(malformed) => match malformed.session_id {
            Some(id) => partition_of(id.as_str().as_bytes(), PARTITIONS),
            None => partition_of(line, PARTITIONS),
        },
    };
    key.0 as usize
}

/// Where the lines are, without their line ends.
fn lines(content: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let (mut rest, mut start) = (content, 0);
    std::iter::from_fn(move || {
        // Reading from memory can't fail.
        let length = rest.skip_until(b'\n').ok().filter(|length| *length > 0)?;
        let line = start..start + length;
        start += length;
        let end = if content[line.end - 1] == b'\n' { line.end - 1 } else { line.end };
        Some(line.start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_without_their_ends() {
        let found = |text: &'static str| lines(text.as_bytes()).map(|line| &text[line]).collect::<Vec<_>>();
        assert_eq!(found(""), Vec::<&str>::new());
        assert_eq!(found("a\n\nbc"), ["a", "", "bc"]);
        assert_eq!(found("a\n"), ["a"]);
    }

    #[test]
    fn every_record_stands_in_one_batch_in_order() {
        let mut text = String::new();
        for number in 0..20_000_u64 {
            let ts = 1_700_000_000_000 + number * 100;
            let session = number % 7;
            text.push_str(&format!(
                "{{\"event_id\":\"{number}\",\"type\":\"share\",\"ts\":{ts},\"session_id\":\"s{session}\",\"user_id\":\"u\"}}\n"
            ));
        }
        let input = Input::new(text.into());
        assert_eq!(input.events(), 20_000);
        let mut folds = input.folds();
        let mut next = vec![0; PARTITIONS as usize];
        let mut rejected = 0;
        for batch in input.batches() {
            assert_eq!(batch.first_offset, next[batch.partition]);
            let changes = input.apply(batch, &mut folds);
            next[batch.partition] = changes.cut.next;
            rejected += changes.rejected.len();
        }
        assert_eq!(rejected, 0);
        // 2,000 s of events and the beat that ends the replay, in every partition.
        assert_eq!(next.iter().sum::<u64>(), 20_000 + u64::from(PARTITIONS) * 2_001);
    }
}
