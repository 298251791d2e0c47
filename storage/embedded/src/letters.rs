//! Dead letters of one chain, in the same database as its rows.
//!
//! `letters` holds them by their place in the log, `letters_by_session` the places of each
//! session's. Both values begin with the reason, so that a filter decodes only what it returns.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use fjall::{Keyspace, OwnedWriteBatch, PersistMode, Readable};
use tandem_model::rejected::{Reason, Rejected};
use tandem_model::{LogId, PartitionId};
use tandem_storage::{DeadLetterQuery, DeadLetters, Place, Result, codec};

use crate::blocking::blocking;
use crate::chain::Tables;

const BUFFER_BYTES: u64 = 8 << 20;
/// A partition and an offset.
const PLACE_BYTES: usize = 12;

/// [`DeadLetters`] in a folder. Cheap to clone; clones are the same store.
#[derive(Clone)]
pub struct Letters(Arc<Store>);

struct Store {
    tables: Tables,
    letters: Keyspace,
    by_session: Keyspace,
}

impl Letters {
    /// Opens or creates the store in `folder`, for rejected records of `log`.
    pub fn open(folder: &Path, log: LogId) -> Result<Self> {
        Self::new(&Tables::open(folder, log)?)
    }

    pub(crate) fn new(tables: &Tables) -> Result<Self> {
        Ok(Self(Arc::new(Store {
            letters: tables.keyspace("letters", BUFFER_BYTES)?,
            by_session: tables.keyspace("letters_by_session", BUFFER_BYTES)?,
            tables: tables.clone(),
        })))
    }
}

#[async_trait]
impl DeadLetters for Letters {
    async fn append(&self, rejected: &[Rejected]) -> Result<()> {
        if rejected.is_empty() {
            return Ok(());
        }
        let store = &self.0;
        let mut batch = store.tables.database.batch().durability(Some(PersistMode::Buffer));
        for one in rejected {
            store.add(&mut batch, one);
        }
        let store = store.clone();
        blocking(move || batch.commit().map_err(|error| store.tables.error(&error))).await
    }

    // The calls of one partition come in the order of the log.
    async fn revise(&self, place: Place, letter: Option<&Rejected>, _at: u64) -> Result<()> {
        let (store, key) = (self.0.clone(), place_key(place));
        let letter = letter.cloned();
        blocking(move || {
            let snapshot = store.tables.database.snapshot();
            let mut batch = store.tables.database.batch().durability(Some(PersistMode::Buffer));
            let standing = snapshot.get(&store.letters, key).map_err(|error| store.tables.error(&error))?;
            let standing: Option<Rejected> =
                standing.and_then(|value| codec::decode(value.get(1..).unwrap_or_default()).ok());
            if let Some(id) = standing.and_then(|standing| standing.session_id) {
                batch.remove(&store.by_session, session_key(id.as_str(), &key));
            }
            match &letter {
                None => batch.remove(&store.letters, key),
                Some(letter) => store.add(&mut batch, letter),
            }
            batch.commit().map_err(|error| store.tables.error(&error))
        })
        .await
    }

    async fn list(&self, query: &DeadLetterQuery) -> Result<Vec<Rejected>> {
        let (store, query) = (self.0.clone(), query.clone());
        blocking(move || store.list(&query)).await
    }
}

impl Store {
    fn add(&self, batch: &mut OwnedWriteBatch, letter: &Rejected) {
        let place = place_key(Place::of(letter));
        let reason = reason_byte(letter.reason.name());
        let mut value = vec![reason];
        value.extend(codec::encode(letter));
        batch.insert(&self.letters, place, value.as_slice());
        if let Some(id) = &letter.session_id {
            batch.insert(&self.by_session, session_key(id.as_str(), &place), [reason]);
        }
    }

    fn list(&self, query: &DeadLetterQuery) -> Result<Vec<Rejected>> {
        let (keyspace, prefix) = match &query.session_id {
            None => (&self.letters, Vec::new()),
            Some(id) if tandem_model::id::is_id(id) => (&self.by_session, session_key(id, &[])),
            Some(_) => return Ok(Vec::new()),
        };
        let start = match query.after {
            Some(after) => Bound::Excluded([&prefix, &place_key(after)[..]].concat()),
            None => Bound::Included(prefix.clone()),
        };
        // No place is beyond this one.
        let last = Place { partition: PartitionId(u32::MAX), offset: u64::MAX };
        let end = Bound::Included([&prefix, &place_key(last)[..]].concat());
        let reason = query.reason.map(reason_byte);
        let snapshot = self.tables.database.snapshot();
        let mut found = Vec::new();
        for entry in snapshot.range(keyspace, (start, end)) {
            if found.len() >= query.limit {
                break;
            }
            let (key, value) = entry.into_inner().map_err(|error| self.tables.error(&error))?;
            if reason.is_some_and(|reason| value.first() != Some(&reason)) {
                continue;
            }
            let place = key.get(prefix.len()..).unwrap_or_default();
            let value = if prefix.is_empty() {
                Some(value)
            } else {
                snapshot.get(&self.letters, place).map_err(|error| self.tables.error(&error))?
            };
            let letter = value.and_then(|value| codec::decode(value.get(1..).unwrap_or_default()).ok());
            found.push(letter.ok_or_else(|| {
                self.tables.damaged(&format!("the dead letter at {} can't be read", key.escape_ascii()))
            })?);
        }
        Ok(found)
    }
}

fn place_key(place: Place) -> [u8; PLACE_BYTES] {
    let mut key = [0; PLACE_BYTES];
    key[..4].copy_from_slice(&place.partition.0.to_be_bytes());
    key[4..].copy_from_slice(&place.offset.to_be_bytes());
    key
}

fn session_key(id: &str, place: &[u8]) -> Vec<u8> {
    [id.as_bytes(), &[0], place].concat()
}

/// Its place in the list of all reasons; a name that is in none of them matches nothing.
fn reason_byte(name: &str) -> u8 {
    Reason::NAMES.iter().position(|known| *known == name).map_or(u8::MAX, |index| index as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_suite() {
        let folder = tempfile::tempdir().expect("folder");
        let letters = Letters::open(folder.path(), LogId([7; 16])).expect("open");
        tandem_storage::suite::dead_letters(&letters).await;
        drop(letters);
        let letters = Letters::open(folder.path(), LogId([7; 16])).expect("open again");
        let query = DeadLetterQuery { limit: 100, ..DeadLetterQuery::default() };
        assert_eq!(letters.list(&query).await.expect("list").len(), 13);
    }
}
