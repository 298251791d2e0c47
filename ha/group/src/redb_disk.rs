//! The log on disk, in redb: one synced transaction per write, a checksum on each value.
//!
//! redb checks its own pages when it has to repair; the checksums here find what it does not look
//! at, and the places of the entries must have no gap, which the engine checks.

use std::path::Path;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use crate::disk::{Disk, DiskError, Stored, Write};

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const HARD: &str = "hard";
const STATE: &str = "state";
/// Cache of the database, in bytes: the log is small.
const CACHE_BYTES: usize = 4 << 20;

/// A member's log in a file.
pub struct RedbDisk {
    database: Database,
    file: String,
}

impl RedbDisk {
    /// Opens the log in `file`, or creates it. Blocks for some disk accesses.
    ///
    /// # Errors
    ///
    /// When another process has it, or it can't be used.
    pub fn open(file: &Path) -> Result<Self, DiskError> {
        let name = file.display().to_string();
        let opened = Database::builder().set_cache_size(CACHE_BYTES).create(file);
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => DiskError::Held { file: name.clone() },
            error => DiskError::Failed { file: name.clone(), why: error.to_string() },
        })?;
        Ok(Self { database, file: name })
    }

    fn failed(&self, error: impl Into<redb::Error>) -> DiskError {
        DiskError::Failed { file: self.file.clone(), why: error.into().to_string() }
    }

    fn unsealed(&self, what: &str, sealed: &[u8]) -> Result<Vec<u8>, DiskError> {
        let content = sealed.split_last_chunk::<4>().filter(|(content, sum)| seal(content) == **sum);
        content.map(|(content, _)| content.to_vec()).ok_or_else(|| DiskError::Damaged {
            file: self.file.clone(),
            why: format!("{what} is not what was written"),
        })
    }

    fn try_load(&self) -> Result<Stored, Result<DiskError, redb::Error>> {
        fn outer(error: impl Into<redb::Error>) -> Result<DiskError, redb::Error> {
            Err(error.into())
        }
        // Both tables exist from the first write on; making them here would be a write.
        let transaction = self.database.begin_read().map_err(outer)?;
        let (log, meta) = match (transaction.open_table(LOG), transaction.open_table(META)) {
            (Ok(log), Ok(meta)) => (log, meta),
            (Err(redb::TableError::TableDoesNotExist(_)), _)
            | (_, Err(redb::TableError::TableDoesNotExist(_))) => return Ok(Stored::default()),
            (Err(error), _) | (_, Err(error)) => return Err(outer(error)),
        };
        let part = |name| -> Result<Option<Vec<u8>>, Result<DiskError, redb::Error>> {
            let found = meta.get(name).map_err(outer)?;
            found.map(|sealed| self.unsealed(name, sealed.value()).map_err(Ok)).transpose()
        };
        let (hard, state) = (part(HARD)?, part(STATE)?);
        let mut entries = Vec::new();
        for entry in log.iter().map_err(outer)? {
            let (index, sealed) = entry.map_err(outer)?;
            let index = index.value();
            entries.push((index, self.unsealed(&format!("entry {index}"), sealed.value()).map_err(Ok)?));
        }
        Ok(Stored { hard, state, entries })
    }

    fn try_write(&self, write: &Write) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut log = transaction.open_table(LOG)?;
            if let Some(below) = write.remove_below {
                log.retain_in(..below, |_, _| false)?;
            }
            if let Some(from) = write.remove_from {
                log.retain_in(from.., |_, _| false)?;
            }
            for (index, content) in &write.entries {
                log.insert(index, sealed(content).as_slice())?;
            }
            let mut meta = transaction.open_table(META)?;
            if let Some(state) = &write.state {
                meta.insert(STATE, sealed(state).as_slice())?;
            }
            if let Some(hard) = &write.hard {
                meta.insert(HARD, sealed(hard).as_slice())?;
            }
        }
        // Synced when it returns: redb's default durability.
        transaction.commit()?;
        Ok(())
    }
}

impl Disk for RedbDisk {
    fn load(&mut self) -> Result<Stored, DiskError> {
        self.try_load().map_err(|error| error.unwrap_or_else(|error| self.failed(error)))
    }

    fn write(&mut self, write: &Write) -> Result<(), DiskError> {
        self.try_write(write).map_err(|error| self.failed(error))
    }
}

fn seal(content: &[u8]) -> [u8; 4] {
    crc32fast::hash(content).to_be_bytes()
}

fn sealed(content: &[u8]) -> Vec<u8> {
    [content, &seal(content)].concat()
}
