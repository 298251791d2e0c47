//! Dead letters: twice, by their place in the log and by the session they count for.
//!
//! A CQL partition of `dead_letters` holds those of 2^18 offsets; `dead_letter_buckets` says which
//! of them there are. Two copies of a few hundred bytes for 30 days are cheaper than a look at
//! another partition for every line of an answer.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::value::SerializeValue;
use scylla::serialize::writers::RowWriter;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;
use serde::Deserialize;
use serde::de::value::{Error as NoSuchName, StrDeserializer};
use tandem_model::catalogue::Stored;
use tandem_model::event::Field;
use tandem_model::malformed::{Malformed, Problem};
use tandem_model::rejected::{Reason, Rejected, RejectedEvent};
use tandem_model::{PartitionId, SessionId};
use tandem_storage::{DeadLetterQuery, Place, Result, StoreError};

use crate::cells::{Cells, Columns, damaged, each, present};
use crate::connection::all;
use crate::counters::count;
use crate::position::{OFFSETS, letter_bucket, row_timestamp, to_cql, to_sorted};
use crate::store::Inner;

const WRITING: &str = "writing dead letters";
const READING: &str = "reading dead letters";
/// Letters of one batch: a few hundred bytes each.
const BATCH: usize = 500;
/// Letters read in one go, at most.
const CHUNK: usize = 5_000;

impl Inner {
    pub(crate) async fn append_letters(&self, rejected: &[Rejected]) -> Result<()> {
        let mut by_bucket: BTreeMap<(PartitionId, i64), Vec<&Rejected>> = BTreeMap::new();
        let mut by_session: BTreeMap<&str, Vec<&Rejected>> = BTreeMap::new();
        for one in rejected {
            if one.offset >= OFFSETS {
                return Err(StoreError::Refused(format!(
                    "offset {} of partition {} is beyond what there are write timestamps for",
                    one.offset, one.partition
                )));
            }
            by_bucket.entry((one.partition, letter_bucket(one.offset))).or_default().push(one);
            if let Some(id) = &one.session_id {
                by_session.entry(id.as_str()).or_default().push(one);
            }
        }
        let mut writes = Vec::new();
        for (place, letters) in &by_bucket {
            writes.push(self.note_bucket(*place, letters).boxed());
            writes.extend(letters.chunks(BATCH).map(|part| self.write_letters(part, false, None).boxed()));
        }
        for letters in by_session.values() {
            writes.extend(letters.chunks(BATCH).map(|part| self.write_letters(part, true, None).boxed()));
        }
        all(writes, self.settings.requests_max).await?;
        count(&self.counters.letters_written, rejected.len());
        Ok(())
    }

    async fn note_bucket(
        &self,
        (partition, bucket): (PartitionId, i64),
        letters: &[&Rejected],
    ) -> Result<()> {
        let generation = self.log.generation;
        let last = letters.iter().map(|letter| letter.offset).max().unwrap_or_default();
        let at = row_timestamp(generation, last);
        let values =
            (generation as i32, partition.0 as i32, bucket, to_cql(last), at, self.expiries.dead_letter);
        self.connection.write(WRITING, &self.statements.write_letter_bucket, values).await
    }

    /// Letters of one CQL partition; with their own timestamps, or all with one.
    async fn write_letters(&self, letters: &[&Rejected], of_session: bool, at: Option<i64>) -> Result<()> {
        let statements = &self.statements;
        let statement =
            if of_session { &statements.write_letter_of_session } else { &statements.write_letter };
        let batch = Batch::new_with_statements(
            BatchType::Unlogged,
            vec![BatchStatement::from(statement.clone()); letters.len()],
        );
        let values: Vec<Letter> = letters
            .iter()
            .map(|letter| Letter {
                letter,
                generation: self.log.generation,
                of_session,
                at: at.unwrap_or_else(|| row_timestamp(self.log.generation, letter.offset)),
                expiry_s: self.expiries.dead_letter,
            })
            .collect();
        self.connection.write_batch(WRITING, &batch, values).await
    }

    /// What was there goes with the timestamp of the control record; what comes in its place has
    /// one more, the revision that timestamps have room for.
    pub(crate) async fn revise_letter(&self, place: Place, letter: Option<&Rejected>, at: u64) -> Result<()> {
        if at >= OFFSETS {
            return Err(StoreError::Refused(format!(
                "offset {at} is beyond what there are write timestamps for"
            )));
        }
        let (generation, partition) = (self.log.generation as i32, partition_of(place));
        let (bucket, offset) = (letter_bucket(place.offset), to_sorted(place.offset));
        let forget_at = row_timestamp(self.log.generation, at);
        let key = (generation, partition, bucket, offset - 1, 1);
        let standing = self.read_letters(&self.statements.read_letters, key).await?;
        let standing = standing.first().filter(|one| Place::of(one) == place);
        let session = |one: &Rejected| one.session_id.as_ref().map(|id| id.as_str().to_owned());
        let sessions: BTreeSet<String> = standing.into_iter().chain(letter).filter_map(session).collect();
        for id in &sessions {
            let values = (forget_at, generation, id, partition, offset);
            self.connection.write(WRITING, &self.statements.forget_letter_of_session, values).await?;
        }
        if let Some(letter) = letter {
            self.note_bucket((place.partition, bucket), &[letter]).await?;
            if letter.session_id.is_some() {
                self.write_letters(&[letter], true, Some(forget_at + 1)).await?;
            }
        }
        // Last what tells us the session: who is cut short here comes again, and finds it.
        let values = (forget_at, generation, partition, bucket, offset);
        self.connection.write(WRITING, &self.statements.forget_letter, values).await?;
        match letter {
            Some(letter) => self.write_letters(&[letter], false, Some(forget_at + 1)).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn list_letters(&self, query: &DeadLetterQuery) -> Result<Vec<Rejected>> {
        match &query.session_id {
            Some(id) if tandem_model::id::is_id(id) => self.letters_of_session(query, id).await,
            Some(_) => Ok(Vec::new()),
            None => self.letters(query).await,
        }
    }

    async fn letters(&self, query: &DeadLetterQuery) -> Result<Vec<Rejected>> {
        let generation = self.log.generation as i32;
        let mut found = Vec::new();
        // No partition of the log is beyond i32.
        let first = query.after.map_or((0, 0), |after| (partition_of(after), letter_bucket(after.offset)));
        let values = (generation, first.0, first.1);
        let answer = self.connection.read(READING, &self.statements.read_letter_buckets, values).await?;
        let buckets = each(READING, &answer, |columns| {
            Ok((present(columns.int()?, "log_partition")?, present(columns.bigint()?, "bucket")?))
        })?;
        for (log_partition, bucket) in buckets {
            let is_first = (log_partition, bucket) == first;
            let mut after = query.after.filter(|_| is_first).map_or(-1, |after| to_sorted(after.offset));
            while found.len() < query.limit {
                let wanted = (query.limit - found.len()).min(CHUNK);
                let key = (generation, log_partition, bucket, after);
                let part = match query.reason {
                    None => {
                        let values = (key.0, key.1, key.2, key.3, wanted as i32);
                        self.read_letters(&self.statements.read_letters, values).await?
                    }
                    Some(reason) => {
                        let values = (key.0, key.1, key.2, key.3, reason, wanted as i32);
                        self.read_letters(&self.statements.read_letters_for, values).await?
                    }
                };
                let is_end = part.len() < wanted;
                after = part.last().map_or(after, |last| to_sorted(last.offset));
                found.extend(part);
                if is_end {
                    break;
                }
            }
            if found.len() >= query.limit {
                break;
            }
        }
        Ok(found)
    }

    async fn letters_of_session(&self, query: &DeadLetterQuery, id: &str) -> Result<Vec<Rejected>> {
        let generation = self.log.generation as i32;
        let mut found: Vec<Rejected> = Vec::new();
        let mut after = query.after.map_or((-1, -1), |after| (partition_of(after), to_sorted(after.offset)));
        while found.len() < query.limit {
            let wanted = (query.limit - found.len()).min(CHUNK);
            let part = match query.reason {
                None => {
                    let values = (generation, id, after.0, after.1, wanted as i32);
                    self.read_letters(&self.statements.read_letters_of_session, values).await?
                }
                Some(reason) => {
                    let values = (generation, id, after.0, after.1, reason, wanted as i32);
                    self.read_letters(&self.statements.read_letters_of_session_for, values).await?
                }
            };
            let is_end = part.len() < wanted;
            if let Some(last) = part.last() {
                after = (last.partition.0 as i32, to_sorted(last.offset));
            }
            found.extend(part);
            if is_end {
                break;
            }
        }
        Ok(found)
    }

    async fn read_letters(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<Rejected>> {
        let answer = self.connection.read(READING, statement, values).await?;
        each(READING, &answer, decode)
    }
}

fn partition_of(place: Place) -> i32 {
    i32::try_from(place.partition.0).unwrap_or(i32::MAX)
}

struct Letter<'a> {
    letter: &'a Rejected,
    generation: u32,
    of_session: bool,
    at: i64,
    expiry_s: i32,
}

impl SerializeRow for Letter<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> std::result::Result<(), SerializationError> {
        let mut cells = Cells(writer);
        let letter = self.letter;
        let session_id = letter.session_id.as_ref().map(SessionId::as_str);
        cells.int(self.generation as i32)?;
        if self.of_session {
            cells.text_or_null(session_id)?;
            cells.int(letter.partition.0 as i32)?;
            cells.number(letter.offset)?;
        } else {
            cells.int(letter.partition.0 as i32)?;
            cells.bigint(letter_bucket(letter.offset))?;
            cells.number(letter.offset)?;
            match session_id {
                Some(id) => cells.text(id)?,
                None => cells.unset(),
            }
        }
        // A letter is written once, or again as it was: what it lacks was never there.
        cells.text(letter.reason.name())?;
        cells.number(letter.clock)?;
        let malformed = match &letter.reason {
            Reason::Malformed(malformed) => Some(malformed),
            _ => None,
        };
        let named = malformed.and_then(|malformed| malformed.session_id.as_ref());
        let event = letter.event.as_ref();
        for text in [
            malformed.map(|malformed| malformed.problem.name()),
            malformed.and_then(|malformed| malformed.field).map(Field::name),
            named.map(SessionId::as_str),
            event.map(|event| event.event_id.as_str()),
            event.map(|event| event.event_type.as_str()),
        ] {
            match text {
                Some(text) => cells.text(text)?,
                None => cells.unset(),
            }
        }
        cells.number_or_unset(event.map(|event| event.ts))?;
        match event.and_then(|event| event.user) {
            Some(user) => cells.bytes(&user.to_be_bytes())?,
            None => cells.unset(),
        }
        match event {
            None => cells.unset(),
            Some(event) => {
                let would_add: Vec<(&str, i64)> =
                    event.would_add.iter().map(|(stored, value)| (stored.id(), to_cql(*value))).collect();
                // Third from the end: timestamp and time to live come after it.
                let column =
                    context.columns().len().checked_sub(3).and_then(|index| context.columns().get(index));
                let column = column.ok_or_else(|| SerializationError::new(NoColumn))?;
                SerializeValue::serialize(&would_add, column.typ(), cells.0.make_cell_writer())?;
            }
        }
        cells.bigint(self.at)?;
        cells.int(self.expiry_s)
    }

    fn is_empty(&self) -> bool {
        false
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the statement has no column for what a letter would have added")]
struct NoColumn;

fn decode(columns: &mut Columns<'_, '_>) -> Result<Rejected> {
    let session_id = columns.text()?.map(id).transpose()?;
    let partition = PartitionId(present(columns.int()?, "log_partition")? as u32);
    let offset = present(columns.number()?, "offset")?;
    let reason = present(columns.text()?, "reason")?;
    let clock = present(columns.number()?, "clock")?;
    let problem = columns.text()?;
    let field = columns.text()?;
    let named = columns.text()?.map(id).transpose()?;
    let reason = match reason {
        "late" => Reason::Late,
        "future" => Reason::Future,
        "duplicate" => Reason::Duplicate,
        "malformed" => Reason::Malformed(Malformed {
            problem: problem_named(present(problem, "problem")?)?,
            field: field.map(field_named).transpose()?,
            session_id: named,
        }),
        other => return Err(damaged(&format!("a dead letter's reason is {other:?}"))),
    };
    let event_id = columns.text()?;
    let event_type = columns.text()?;
    let ts = columns.number()?;
    let user = columns.bytes()?.map(|bytes| bytes.try_into().map(u128::from_be_bytes));
    let user = user.transpose().map_err(|_| damaged("a pseudonym has not 16 bytes"))?;
    let would_add = columns.value::<Vec<(String, i64)>>()?;
    let event = match event_id {
        None => None,
        Some(event_id) => Some(RejectedEvent {
            event_id: event_id.to_owned(),
            event_type: present(event_type, "event_type")?.to_owned(),
            ts: present(ts, "ts")?,
            user,
            would_add: would_add.unwrap_or_default().into_iter().map(added).collect::<Result<_>>()?,
        }),
    };
    Ok(Rejected { partition, offset, clock, session_id, reason, event })
}

fn id(text: &str) -> Result<SessionId> {
    SessionId::new(text).ok_or_else(|| damaged(&format!("{text:?} is no session's id")))
}

fn problem_named(name: &str) -> Result<Problem> {
    let found = Problem::deserialize(StrDeserializer::<NoSuchName>::new(name));
    found.map_err(|_| damaged(&format!("{name:?} is no known problem")))
}

fn field_named(name: &str) -> Result<Field> {
    Field::from_name(name).ok_or_else(|| damaged(&format!("{name:?} is no known field")))
}

fn added((id, value): (String, i64)) -> Result<(Stored, u64)> {
    let stored = Stored::from_id(&id).ok_or_else(|| damaged(&format!("{id:?} is no known metric")))?;
    Ok((stored, value as u64))
}
