//! Editions: parts by partition, step and slot.
//!
//! A part is a blob; a large one is cut into pieces, the first of which is written last. Parts of some hours
//! or days stand in one CQL partition, a bucket, and which buckets there are stands beside. Those that are of
//! no use any more go as a whole when another begins: not by a time to live, for the reasons that
//! beats have none.

use futures::FutureExt;
use tandem_model::time::DAY_MS;
use tandem_model::{EditionPart, PartitionId, Step};
use tandem_storage::{Result, codec};

use crate::cells::{damaged, each, present};
use crate::connection::all;
use crate::position::{from_cql, timestamp, to_sorted};
use crate::store::Inner;

/// Bytes of one piece: mutations should stay below a megabyte.
const PIECE_BYTES: usize = 512 << 10;
/// Rows of one look.
const ROWS_MAX: usize = 1_000;

/// How much time a bucket of a step spans, in milliseconds. Part of the schema: never changes.
const fn bucket_ms(step: Step) -> u64 {
    match step {
        Step::FiveSeconds => DAY_MS / 4,
        Step::Minute => DAY_MS,
        Step::Sessions | Step::Judged | Step::Defined => 30 * DAY_MS,
    }
}

fn bucket(step: Step, slot: u64) -> i64 {
    to_sorted(slot / bucket_ms(step))
}

/// One row: the slot, the piece, how many there are, and its bytes.
type Piece = (u64, usize, usize, Vec<u8>);

impl Inner {
    pub(crate) async fn keep_editions(&self, parts: &[EditionPart], at: u64) -> Result<()> {
        for part in parts {
            self.note_edition_bucket(part, at).await?;
        }
        let writes = parts.iter().map(|part| self.write_edition_part(part, at).boxed()).collect();
        all(writes, self.settings.requests_max).await?;
        Ok(())
    }

    async fn write_edition_part(&self, part: &EditionPart, at: u64) -> Result<()> {
        let bytes = codec::encode_edition(part);
        let pieces: Vec<&[u8]> = bytes.chunks(PIECE_BYTES).collect();
        let (generation, at) = (self.log.generation, timestamp(self.log.generation, at));
        for (number, piece) in pieces.iter().enumerate().rev() {
            let values = (
                generation as i32,
                part.partition.0 as i32,
                part.step.name(),
                bucket(part.step, part.slot),
                to_sorted(part.slot),
                number as i32,
                pieces.len() as i32,
                *piece,
                at,
            );
            self.connection.write("writing an edition", &self.statements.write_edition, values).await?;
        }
        Ok(())
    }

    /// Sees to it that the part's bucket is found, and that those go that are of no use any more.
    async fn note_edition_bucket(&self, part: &EditionPart, at: u64) -> Result<()> {
        let (partition, step) = (part.partition, part.step);
        let bucket = bucket(step, part.slot);
        if self.edition_buckets.lock().get(&(partition, step)) == Some(&bucket) {
            return Ok(());
        }
        let (generation, at) = (self.log.generation as i32, timestamp(self.log.generation, at));
        let place = (generation, partition.0 as i32, step.name());
        let values = (place.0, place.1, place.2, bucket, at);
        self.connection.write("noting editions", &self.statements.write_edition_bucket, values).await?;
        if let Some(kept) = step.parts_kept_ms() {
            let first = self::bucket(step, part.slot.saturating_sub(kept));
            for old in self.edition_buckets(partition, step, 0).await? {
                if old < first {
                    let values = (at, place.0, place.1, place.2, old);
                    let statement = &self.statements.forget_editions;
                    self.connection.write("forgetting editions", statement, values).await?;
                    let statement = &self.statements.forget_edition_bucket;
                    self.connection.write("forgetting editions", statement, values).await?;
                }
            }
        }
        self.edition_buckets.lock().insert((partition, step), bucket);
        Ok(())
    }

    /// The buckets from `from` on, ascending.
    async fn edition_buckets(&self, partition: PartitionId, step: Step, from: i64) -> Result<Vec<i64>> {
        const DOING: &str = "reading which editions there are";
        let values = (self.log.generation as i32, partition.0 as i32, step.name(), from);
        let answer = self.connection.read(DOING, &self.statements.read_edition_buckets, values).await?;
        each(DOING, &answer, |columns| present(columns.bigint()?, "bucket"))
    }

    pub(crate) async fn edition_parts(
        &self,
        partition: PartitionId,
        step: Step,
        from: u64,
        limit: usize,
    ) -> Result<Vec<EditionPart>> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        for bucket in self.edition_buckets(partition, step, bucket(step, from)).await? {
            let place = (self.log.generation as i32, partition.0 as i32, step.name(), bucket);
            let mut from = from;
            loop {
                // At least one row of each part that is missing; parts of many pieces take more looks.
                let rows = ROWS_MAX.min(limit - found.len());
                let values = (place.0, place.1, place.2, place.3, to_sorted(from), rows as i32);
                let pieces = self.pieces(&self.statements.read_editions, values).await?;
                for pieces in pieces.chunk_by(|left, right| left.0 == right.0) {
                    let is_whole = pieces[0].2 <= pieces.len();
                    if is_whole {
                        found.push(part(partition, step, pieces)?);
                    } else {
                        // The last one of the look may be cut off.
                        found.extend(self.part_at(partition, step, pieces[0].0).await?);
                    }
                    from = pieces[0].0 + 1;
                }
                if found.len() >= limit {
                    return Ok(found);
                }
                if pieces.len() < rows {
                    break;
                }
            }
        }
        Ok(found)
    }

    pub(crate) async fn last_edition_part(
        &self,
        partition: PartitionId,
        step: Step,
        to: u64,
    ) -> Result<Option<EditionPart>> {
        const DOING: &str = "reading the last edition";
        let last = bucket(step, to);
        let buckets = self.edition_buckets(partition, step, 0).await?;
        for bucket in buckets.into_iter().rev().filter(|bucket| *bucket <= last) {
            let place = (self.log.generation as i32, partition.0 as i32, step.name());
            let values = (place.0, place.1, place.2, bucket, to_sorted(to));
            let answer = self.connection.read(DOING, &self.statements.read_last_edition, values).await?;
            let slots = each(DOING, &answer, |columns| present(columns.bigint()?, "slot"))?;
            if let Some(slot) = slots.first() {
                return self.part_at(partition, step, from_cql(*slot)).await;
            }
        }
        Ok(None)
    }

    async fn part_at(&self, partition: PartitionId, step: Step, slot: u64) -> Result<Option<EditionPart>> {
        let bucket = bucket(step, slot);
        let values = (self.log.generation as i32, partition.0 as i32, step.name(), bucket, to_sorted(slot));
        let pieces = self.pieces(&self.statements.read_edition, values).await?;
        if pieces.is_empty() { Ok(None) } else { part(partition, step, &pieces).map(Some) }
    }

    async fn pieces(
        &self,
        statement: &scylla::statement::prepared::PreparedStatement,
        values: impl scylla::serialize::row::SerializeRow,
    ) -> Result<Vec<Piece>> {
        const DOING: &str = "reading editions";
        let answer = self.connection.read(DOING, statement, values).await?;
        each(DOING, &answer, |columns| {
            let slot = from_cql(present(columns.bigint()?, "slot")?);
            let piece = present(columns.int()?, "piece")? as usize;
            let pieces = present(columns.int()?, "pieces")? as usize;
            Ok((slot, piece, pieces, present(columns.bytes()?, "part")?.to_vec()))
        })
    }
}

/// A part from its pieces, which begin with the first. One that is written again as fewer leaves some
/// behind.
fn part(partition: PartitionId, step: Step, pieces: &[Piece]) -> Result<EditionPart> {
    let (slot, _, count, _) = pieces[0];
    let ours = pieces.get(..count).filter(|ours| ours.iter().zip(0..).all(|(one, number)| one.1 == number));
    let ours = ours.ok_or_else(|| damaged("a part of an edition lacks a piece"))?;
    let bytes = ours.iter().map(|piece| piece.3.as_slice()).collect::<Vec<_>>().concat();
    codec::decode_edition(&bytes, partition, step, slot).map_err(|why| damaged(&why.to_string()))
}
