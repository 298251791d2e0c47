//! The stores of one chain in one folder.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use tandem_model::LogId;
use tandem_model::catalogue::Stored;
use tandem_storage::{ChainStores, HotStore, Result, StoreError};

use crate::blocking::panic_text;
use crate::{EditionParts, Letters, Rows, Snapshots};

/// Blocks of tables kept in memory, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// Journals on disk, in bytes, before tables are written: the least that fjall takes. A restart
/// after a kill reads them again, at about 60 MB/s.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

/// One chain's durable stores.
pub struct Chain {
    /// Figures.
    pub rows: Arc<Rows>,
    /// What was not counted.
    pub letters: Arc<Letters>,
    /// What boards are made of, at cuts.
    pub editions: Arc<EditionParts>,
    /// The fold's state.
    pub snapshots: Arc<Snapshots>,
}

impl Chain {
    /// Opens or creates the stores in `folder`: `rows` (figures, dead letters, editions) and `snapshots`.
    /// Rows of another log than `log`, or of another catalogue, are refused.
    pub fn open(folder: &Path, log: LogId) -> Result<Self> {
        let path = folder.join("rows");
        if !path.exists() {
            create_tables(&path, log)?;
        }
        let tables = Tables::open(&path, log)?;
        Ok(Self {
            rows: Arc::new(Rows::new(&tables)?),
            letters: Arc::new(Letters::new(&tables)?),
            editions: Arc::new(EditionParts::new(&tables)?),
            snapshots: Arc::new(Snapshots::open(&folder.join("snapshots"))?),
        })
    }

    /// All stores of the chain, with `hot` as its hot store.
    pub fn stores(&self, hot: Arc<dyn HotStore>) -> ChainStores {
        ChainStores {
            rows: self.rows.clone(),
            hot,
            snapshots: self.snapshots.clone(),
            dead_letters: self.letters.clone(),
            editions: self.editions.clone(),
        }
    }
}

/// Creates the empty tables: under another name first, because fjall can't open a folder in whose
/// creation it died (a keyspace that it had begun "exists").
fn create_tables(path: &Path, log: LogId) -> Result<()> {
    let wrap = |error: std::io::Error| io_error(&path.display(), &error);
    let unfinished = path.with_extension("unfinished");
    match std::fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(wrap(error)),
        _ => {}
    }
    let tables = Tables::open(&unfinished, log)?;
    // All keyspaces, so that none is created after this.
    drop((Rows::new(&tables)?, Letters::new(&tables)?, EditionParts::new(&tables)?));
    tables.database.persist(PersistMode::SyncAll).map_err(|error| tables.error(&error))?;
    drop(tables);
    std::fs::rename(&unfinished, path).map_err(wrap)?;
    let folder = path.parent().unwrap_or(path);
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrap)
}

/// A fjall database, and how its errors become ours.
#[derive(Clone)]
pub(crate) struct Tables {
    pub(crate) database: Database,
    path: Arc<PathBuf>,
}

impl Tables {
    /// Opens or creates the database in `path`, which belongs to `log`.
    pub(crate) fn open(path: &Path, log: LogId) -> Result<Self> {
        let wrap = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        std::fs::create_dir_all(path).map_err(wrap)?;
        // Damaged files may make fjall panic; then they are just that: damaged.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            Database::builder(path).cache_size(CACHE_BYTES).max_journaling_size(JOURNAL_BYTES_MAX).open()
        }));
        let database = opened
            .map_err(|panic| {
                let text = panic_text(&*panic);
                StoreError::Damaged(format!("{}: fjall can't read it: {text}", path.display()))
            })?
            .map_err(|error| store_error(path, &error))?;
        let tables = Self { database, path: Arc::new(path.to_owned()) };
        tables.check_identity(log)?;
        Ok(tables)
    }

    pub(crate) fn keyspace(&self, name: &str, memtable_bytes: u64) -> Result<Keyspace> {
        let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes);
        self.database.keyspace(name, options).map_err(|error| self.error(&error))
    }

    pub(crate) fn error(&self, error: &fjall::Error) -> StoreError {
        store_error(&self.path, error)
    }

    pub(crate) fn damaged(&self, what: &str) -> StoreError {
        StoreError::Damaged(format!("{}: {what}", self.path.display()))
    }

    /// Rows mean nothing without the log they were computed from and the columns they have.
    fn check_identity(&self, log: LogId) -> Result<()> {
        let meta = self.keyspace("meta", 1 << 20)?;
        let columns = Stored::ALL.iter().map(|stored| stored.id()).collect::<Vec<_>>().join(",");
        let expected: [(&str, &[u8], &str); 2] = [
            ("log", &log.0, "belongs to another log"),
            ("columns", columns.as_bytes(), "was written with other metrics"),
        ];
        for (key, value, difference) in expected {
            match meta.get(key).map_err(|error| self.error(&error))? {
                Some(stored) if *stored == *value => {}
                Some(_) => {
                    return Err(StoreError::Refused(format!(
                        "{} {difference}; remove the chain's folder to have it computed anew from the log",
                        self.path.display()
                    )));
                }
                None => meta.insert(key, value).map_err(|error| self.error(&error))?,
            }
        }
        self.database.persist(PersistMode::SyncAll).map_err(|error| self.error(&error))
    }
}

fn store_error(path: &Path, error: &fjall::Error) -> StoreError {
    use fjall::Error;
    let path = path.display();
    match error {
        Error::Locked => StoreError::Unavailable(format!("{path} is in use by another process")),
        Error::Io(error) => io_error(&path, error),
        Error::Storage(fjall::LsmError::Io(error)) => io_error(&path, error),
        // After a failed write the database refuses further ones until it is opened again.
        Error::Poisoned => StoreError::Unavailable(format!("{path}: a write failed, restart this process")),
        other => StoreError::Damaged(format!("{path}: {other}")),
    }
}

/// fjall reports bytes that make no sense, and files that should be there, as I/O errors, too.
fn io_error(path: &std::path::Display<'_>, error: &std::io::Error) -> StoreError {
    use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    match error.kind() {
        InvalidData | NotFound | UnexpectedEof => StoreError::Damaged(format!("{path}: {error}")),
        _ => StoreError::Unavailable(format!("{path}: {error}")),
    }
}
