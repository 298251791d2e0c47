//! Digests at beats: the latest [`BEATS_KEPT`] per partition.
//!
//! Not by a time to live: in a replay an hour of beats passes in a second, and a chain that stood
//! still for a month must find its last ones. Whoever writes knows which ones are kept, and from
//! time to time deletes everything before them with one range delete. Reading looks at the latest
//! only, so what is deleted and not yet gone is not in its way.

use std::collections::VecDeque;

use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use tandem_model::digest::Digests;
use tandem_model::row::BeatDigest;
use tandem_model::{Changes, PartitionId};
use tandem_storage::{BEATS_KEPT, Result};

use crate::cells::{Cells, damaged, each, present};
use crate::position::{from_cql, row_timestamp, to_sorted};
use crate::store::Inner;

/// Beats of one batch: 200 bytes each.
const BATCH: usize = 1_000;
/// How many more than needed are kept before they are deleted.
const SURPLUS: usize = 600;

impl Inner {
    /// Writes the beats of a change, in order: so there are no gaps below the last one.
    pub(crate) async fn write_beats(&self, changes: &Changes) -> Result<()> {
        const DOING: &str = "writing beats";
        if changes.beats.is_empty() {
            return Ok(());
        }
        let partition = changes.partition;
        let mut kept = self.kept_beats(partition).await?;
        let latest = &changes.beats[changes.beats.len().saturating_sub(BEATS_KEPT)..];
        // A replay brings old ones once more. Those that were deleted stay so.
        let first_kept = kept.front().copied().filter(|_| kept.len() >= BEATS_KEPT);
        let new: Vec<&BeatDigest> =
            latest.iter().filter(|beat| first_kept.is_none_or(|(first, _)| beat.ts >= first)).collect();
        for beats in new.chunks(BATCH) {
            let statements = vec![BatchStatement::from(self.statements.write_beat.clone()); beats.len()];
            let batch = Batch::new_with_statements(BatchType::Unlogged, statements);
            let generation = self.log.generation;
            let at = |beat: &BeatDigest| row_timestamp(generation, beat.offset);
            let values: Vec<Beat> =
                beats.iter().map(|beat| Beat { beat, generation, at: at(beat) }).collect();
            self.connection.write_batch(DOING, &batch, values).await?;
        }
        let last = kept.back().map(|(ts, _)| *ts);
        kept.extend(
            new.iter()
                .filter(|beat| last.is_none_or(|last| beat.ts > last))
                .map(|beat| (beat.ts, beat.offset)),
        );
        if kept.len() > BEATS_KEPT + SURPLUS {
            let gone = kept.drain(..kept.len() - BEATS_KEPT).next_back();
            self.forget_beats(partition, gone, kept.front().copied()).await?;
        }
        self.beats.lock().insert(partition, kept);
        Ok(())
    }

    /// Puts these beats in the place of all that are there: those go at `forget_at`, these are written
    /// at `at`, which comes after.
    pub(crate) async fn replace_beats(
        &self,
        partition: PartitionId,
        beats: &[BeatDigest],
        (forget_at, at): (i64, i64),
    ) -> Result<()> {
        const DOING: &str = "replacing beats";
        self.beats.lock().remove(&partition);
        let generation = self.log.generation;
        let values = (forget_at, generation as i32, partition.0 as i32, i64::MAX);
        self.connection.write(DOING, &self.statements.forget_beats, values).await?;
        for beats in beats.chunks(BATCH) {
            let statements = vec![BatchStatement::from(self.statements.write_beat.clone()); beats.len()];
            let batch = Batch::new_with_statements(BatchType::Unlogged, statements);
            let values: Vec<Beat> = beats.iter().map(|beat| Beat { beat, generation, at }).collect();
            self.connection.write_batch(DOING, &batch, values).await?;
        }
        Ok(())
    }

    /// Deletes everything before `first`; `gone` is the last of those.
    async fn forget_beats(
        &self,
        partition: PartitionId,
        gone: Option<(u64, u64)>,
        first: Option<(u64, u64)>,
    ) -> Result<()> {
        let (Some((_, gone_offset)), Some((first_ts, _))) = (gone, first) else { return Ok(()) };
        let generation = self.log.generation;
        let timestamp = row_timestamp(generation, gone_offset);
        let values = (timestamp, generation as i32, partition.0 as i32, to_sorted(first_ts));
        self.connection.write("forgetting beats", &self.statements.forget_beats, values).await
    }

    /// Which beats are kept: what we remember, or what stands there. A clone, put back when all
    /// went well: so after an error, or a dropped future, we only know less.
    async fn kept_beats(&self, partition: PartitionId) -> Result<VecDeque<(u64, u64)>> {
        const DOING: &str = "reading which beats are kept";
        if let Some(kept) = self.beats.lock().get(&partition) {
            return Ok(kept.clone());
        }
        let limit = (BEATS_KEPT + SURPLUS) as i32;
        let values = (self.log.generation as i32, partition.0 as i32, limit);
        let answer = self.connection.read(DOING, &self.statements.read_beat_times, values).await?;
        let mut kept = each(DOING, &answer, |columns| {
            Ok((from_cql(present(columns.bigint()?, "ts")?), present(columns.number()?, "offset")?))
        })?;
        kept.reverse();
        Ok(kept.into())
    }

    pub(crate) async fn beats(&self, partition: PartitionId, limit: usize) -> Result<Vec<BeatDigest>> {
        const DOING: &str = "reading beats";
        if limit == 0 {
            return Ok(Vec::new());
        }
        // The latest first: so the surplus is left out.
        let limit = limit.min(BEATS_KEPT) as i32;
        let values = (self.log.generation as i32, partition.0 as i32, limit);
        let answer = self.connection.read(DOING, &self.statements.read_beats, values).await?;
        let mut beats = each(DOING, &answer, |columns| {
            let ts = present(columns.number()?, "ts")?;
            let offset = present(columns.number()?, "offset")?;
            let mut digests = Digests::default();
            for digest in &mut digests.0 {
                // A table that was not digested yet when this was written: null, as a table without rows.
                let Some(bytes) = columns.bytes()? else { continue };
                let bytes = bytes.try_into().map_err(|_| damaged("a digest has not 16 bytes"))?;
                *digest = u128::from_be_bytes(bytes);
            }
            Ok(BeatDigest { partition, ts, offset, digests })
        })?;
        beats.reverse();
        Ok(beats)
    }
}

struct Beat<'a> {
    beat: &'a BeatDigest,
    generation: u32,
    at: i64,
}

impl SerializeRow for Beat<'_> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> std::result::Result<(), SerializationError> {
        let mut cells = Cells(writer);
        let beat = self.beat;
        cells.int(self.generation as i32)?;
        cells.int(beat.partition.0 as i32)?;
        cells.bigint(to_sorted(beat.ts))?;
        cells.number(beat.offset)?;
        beat.digests.0.iter().try_for_each(|digest| cells.bytes(&digest.to_be_bytes()))?;
        cells.bigint(self.at)
    }

    fn is_empty(&self) -> bool {
        false
    }
}
