//! The folder that holds everything.
//!
//! ```text
//! DIR/lock                       held while the folder is open
//! DIR/pseudonym.key              16 secret bytes, readable by the owner only
//! DIR/log/                       the event log
//! DIR/chain-a/rows, snapshots    chain a: figures and dead letters; the fold's state
//! DIR/chain-b/rows, snapshots    chain b
//! ```
//!
//! A chain's folder can be removed while nothing runs: it is computed anew from the log. The
//! log's folder and the key can not.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tandem_model::calendar::Calendar;
use tandem_model::{PseudonymKey, Rules};
use tandem_storage::memory::MemoryHotStore;
use tandem_storage::{ChainStores, EventLog, Result, StoreError};

use crate::{Chain, Log, zone};

/// How many sessions each chain keeps in memory.
pub const HOT_SESSIONS_MAX: usize = 2_000;

const KEY_FILE: &str = "pseudonym.key";

/// An open data folder. The stores may be used for as long as they are held; the folder is locked
/// for as long as this is.
pub struct Data {
    /// The event log.
    pub log: Arc<Log>,
    /// The stores of both chains.
    pub chains: Chains,
    /// The key of the viewers' pseudonyms, the same for both chains.
    pub pseudonym_key: PseudonymKey,
    /// The calendar of the rows, the same for both chains.
    pub calendar: Calendar,
    /// Where it is.
    pub folder: PathBuf,
    _lock: File,
    /// Dropped last.
    _temporary: Option<Temporary>,
}

/// The stores of both chains.
pub struct Chains {
    /// Chain a.
    pub a: ChainStores,
    /// Chain b.
    pub b: ChainStores,
}

impl Data {
    /// Opens the data in `folder`, or creates it with a log of `partitions` partitions. Blocks
    /// until the log is checked.
    pub fn open(folder: &Path, partitions: u32) -> Result<Self> {
        create_folder(folder).map_err(io_error(folder))?;
        open(folder, Some(partitions), None)
    }

    /// Opens the data in `folder`, which must be there: for looking into a system that is
    /// stopped. The log is not written to unless somebody appends.
    pub fn open_existing(folder: &Path) -> Result<Self> {
        if !folder.join("log").join(crate::log::FILE).is_file() {
            return Err(StoreError::Refused(format!(
                "{}: there is no data of Tandem here",
                folder.display()
            )));
        }
        open(folder, None, None)
    }

    /// Data in a temporary folder, which is removed when this is dropped (not if the process is
    /// killed: the system's own clearing of temporary files has to do).
    pub fn temporary(partitions: u32) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("tandem-{}", uuid::Uuid::new_v4()));
        create_folder(&folder).map_err(io_error(&folder))?;
        open(&folder, Some(partitions), Some(Temporary(folder.clone())))
    }

    /// The same in this calendar: new data takes it and keeps it; data that is there must be in it, since
    /// its rows are of that calendar's hours and days.
    ///
    /// # Errors
    ///
    /// When the data is in another calendar; when the folder can't be written.
    pub fn within(mut self, calendar: Calendar) -> Result<Self> {
        let is_new = self.log.ends().borrow().iter().all(|end| *end == 0);
        zone::settle(&self.folder, &self.calendar, &calendar, is_new)?;
        self.calendar = calendar;
        Ok(self)
    }

    /// What figures depend on besides the log.
    pub fn rules(&self) -> Rules {
        Rules { key: self.pseudonym_key, calendar: self.calendar.clone() }
    }
}

fn open(folder: &Path, partitions: Option<u32>, temporary: Option<Temporary>) -> Result<Data> {
    let lock = lock(folder)?;
    let log_folder = folder.join("log");
    // The key comes first: where there is a log, there was a key.
    let is_new = !log_folder.exists();
    let pseudonym_key = pseudonym_key(folder, is_new)?;
    let calendar = zone::read(folder)?;
    let log = Arc::new(match partitions {
        Some(partitions) => Log::open(&log_folder, partitions)?,
        None => Log::open_existing(&log_folder)?,
    });
    let chain = |name: &str| {
        let folder = folder.join(name);
        let chain = Chain::open(&folder, log.id()).map_err(|error| match error {
            StoreError::Damaged(text) => StoreError::Damaged(format!(
                "{text}; remove {} to have it computed anew from the log",
                folder.display()
            )),
            other => other,
        })?;
        Ok(chain.stores(Arc::new(MemoryHotStore::new(HOT_SESSIONS_MAX))))
    };
    // Side by side: reading a journal again is what a restart waits for.
    let (a, b) = std::thread::scope(|scope| {
        let b = scope.spawn(|| chain("chain-b"));
        (chain("chain-a"), b.join())
    });
    let b = b.unwrap_or_else(|_| Err(StoreError::Damaged(format!("{}: chain-b", folder.display()))));
    let chains = Chains { a: a?, b: b? };
    Ok(Data {
        log,
        chains,
        pseudonym_key,
        calendar,
        folder: folder.to_owned(),
        _lock: lock,
        _temporary: temporary,
    })
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(io_error(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable(format!(
            "{} is in use by another process: stop that one first, or take another folder",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(io_error(&path)(error)),
    }
}

/// Reads the key, or creates it where everything is new.
fn pseudonym_key(folder: &Path, is_new: bool) -> Result<PseudonymKey> {
    let path = folder.join(KEY_FILE);
    let damaged = |what: &str| StoreError::Damaged(format!("{}: {what}", path.display()));
    match fs::read(&path) {
        Ok(bytes) => {
            let secret = bytes.try_into().map_err(|_| damaged("it must hold 16 bytes"))?;
            Ok(PseudonymKey::new(secret))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !is_new {
                // Another key would give every viewer a second pseudonym.
                return Err(damaged("it is missing, but there is a log: put the key back"));
            }
            let mut secret = [0; 16];
            getrandom::fill(&mut secret).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            write_whole(folder, &path, &secret).map_err(io_error(&path))?;
            Ok(PseudonymKey::new(secret))
        }
        Err(error) => Err(io_error(&path)(error)),
    }
}

/// Writes a file that is there whole or not at all, for the owner's eyes only.
pub(crate) fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

/// The log holds viewers' ids, so a folder that we create is the owner's alone.
fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

pub(crate) fn io_error(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| StoreError::Unavailable(format!("{}: {error}", path.display()))
}

/// A folder that goes when this does.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "a temporary folder can't be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tandem_model::{PartitionId, Record};
    use tandem_storage::Append;
    use tandem_storage::suite::fixtures;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn is_created_once_and_then_opened() {
        let root = tempfile::tempdir().expect("folder");
        let folder = root.path().join("new/data");
        let (id, pseudonym) = {
            let data = Data::open(&folder, 4).expect("create");
            let records = vec![(PartitionId(1), Record::beat(5))];
            data.log.append(Append { records, receipt: None }).await.expect("append");
            data.chains.a.rows.apply(&fixtures::changes(1, 1, 5_000)).await.expect("apply");
            (data.log.id(), data.pseudonym_key.of("viewer"))
        };
        let mode =
            |name: &str| fs::metadata(folder.join(name)).expect("metadata").permissions().mode() & 0o777;
        assert_eq!((mode(KEY_FILE), mode("")), (0o600, 0o700));

        for is_existing in [false, true] {
            let data = if is_existing { Data::open_existing(&folder) } else { Data::open(&folder, 4) };
            let data = data.expect("open");
            assert_eq!((data.log.id(), data.pseudonym_key.of("viewer")), (id, pseudonym));
            assert_eq!(data.log.ends().borrow()[1], 1);
            let partition = PartitionId(1);
            assert!(data.chains.a.rows.progress(partition).await.expect("progress").is_some());
            assert!(data.chains.b.rows.progress(partition).await.expect("progress").is_none());
        }
        let refused = Data::open(&folder, 5).map(|_| ()).expect_err("another number of partitions");
        assert!(
            matches!(&refused, StoreError::Refused(text) if text.contains("4 partitions, not 5")),
            "{refused}"
        );
        // Older data has no zone of its own, and is in the default one.
        let within = |zone: &str| {
            let data = Data::open(&folder, 4).expect("open");
            data.within(Calendar::new(zone).expect("a zone")).map(|data| data.calendar.zone().to_owned())
        };
        assert_eq!(within("Asia/Shanghai").expect("its own"), "Asia/Shanghai");
        let refused = within("Asia/Kolkata").expect_err("rows of another calendar");
        assert!(refused.to_string().contains("Asia/Shanghai"), "{refused}");
        fs::remove_file(folder.join(KEY_FILE)).expect("remove");
        assert!(matches!(Data::open(&folder, 4).map(|_| ()), Err(StoreError::Damaged(_))));
        let absent = root.path().join("absent");
        assert!(matches!(Data::open_existing(&absent).map(|_| ()), Err(StoreError::Refused(_))));
        assert!(!absent.exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn new_data_keeps_the_calendar_it_was_begun_in() {
        let root = tempfile::tempdir().expect("folder");
        let kolkata = || Calendar::new("Asia/Kolkata").expect("a zone");
        let data = Data::open(root.path(), 1).expect("open").within(kolkata()).expect("it is new");
        let records = vec![(PartitionId(0), Record::beat(5))];
        data.log.append(Append { records, receipt: None }).await.expect("append");
        drop(data);
        let again = Data::open_existing(root.path()).expect("open");
        assert_eq!(again.calendar.zone(), "Asia/Kolkata");
        assert_eq!(again.rules().calendar.zone(), "Asia/Kolkata");
        let refused = again.within(Calendar::default()).map(|_| ()).expect_err("another one");
        assert!(refused.to_string().contains("Asia/Kolkata, not Asia/Shanghai"), "{refused}");
        fs::write(root.path().join(zone::FILE), "Atlantis").expect("written");
        assert!(matches!(Data::open_existing(root.path()).map(|_| ()), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn two_can_not_have_it_at_once() {
        let root = tempfile::tempdir().expect("folder");
        let first = Data::open(root.path(), 1).expect("open");
        let second = Data::open(root.path(), 1).map(|_| ()).expect_err("in use");
        assert!(
            second.is_retryable() && second.to_string().contains("in use by another process"),
            "{second}"
        );
        drop(first);
        Data::open(root.path(), 1).expect("free again");
    }

    #[test]
    fn a_temporary_one_is_removed() {
        let data = Data::temporary(2).expect("open");
        let folder = data.folder.clone();
        assert!(folder.join(KEY_FILE).exists());
        drop(data);
        assert!(!folder.exists());
    }

    #[test]
    fn a_chain_computed_from_another_log_is_refused() {
        let root = tempfile::tempdir().expect("folder");
        drop(Data::open(root.path(), 1).expect("open"));
        fs::remove_dir_all(root.path().join("log")).expect("remove");
        let refused = Data::open(root.path(), 1).map(|_| ()).expect_err("rows of another log");
        assert!(refused.to_string().contains("belongs to another log"), "{refused}");
    }
}
