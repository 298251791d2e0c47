//! Opening: everything is checked before anything is served.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase};
use serde::de::DeserializeOwned;
use tandem_model::{LogId, PartitionId};
use tandem_storage::codec::Malformed;
use tandem_storage::{Result, StoreError, StoredReceipt};
use tokio::sync::{Semaphore, mpsc, watch};

use super::mark::{self, Found, Mark};
use super::tables::{
    self, BATCHES, IDENTITY, Identity, META, Place, RECEIPTS, RECEIPTS_BY_TIME, STATE, State,
};
use super::writer::Writer;
use super::{FILE, Log, WAITING_BYTES_MAX, WAITING_MAX, batch};
use crate::blocking::panic_text;

/// Pages kept in memory, in bytes.
const CACHE_BYTES: usize = 128 << 20;
/// More partitions than anybody needs; keeps a mistyped number from costing memory.
const PARTITIONS_MAX: u32 = 4_096;

/// Opens the log in `folder`; creates it if `partitions` are given and none is there.
pub(super) fn open(folder: &Path, partitions: Option<u32>) -> Result<Log> {
    if partitions.is_some_and(|partitions| !(1..=PARTITIONS_MAX).contains(&partitions)) {
        return Err(StoreError::Refused(format!("a log has 1 to {PARTITIONS_MAX} partitions")));
    }
    let path = folder.join(FILE);
    let mark = mark::read(folder).map_err(io_error(folder))?;
    let length = match fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(io_error(&path)(error)),
    };
    if length == 0 {
        if mark != Found::Nothing {
            return Err(damaged(&path, "it is gone, or empty, but its mark is there"));
        }
        let Some(partitions) = partitions else {
            return Err(StoreError::Refused(format!("{}: there is no log here", path.display())));
        };
        create(folder, &path, partitions)?;
    }
    // A damaged file may make redb panic; then it is just that: damaged.
    let opened = catch_unwind(AssertUnwindSafe(|| open_checked(&path, partitions)));
    let (database, identity, state) = opened.unwrap_or_else(|panic| {
        Err(damaged(&path, &format!("redb can't read it: {}", panic_text(&*panic))))
    })?;
    let mark = check_mark(folder, &path, mark, identity.id, state.sequence)?;
    start(path, database, identity, state, mark)
}

fn open_checked(path: &Path, partitions: Option<u32>) -> Result<(Database, Identity, State)> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        // Else redb trusts its pages after a clean end, and a damaged one misleads it.
        .set_check_integrity_on_open(true)
        .open(path)
        .map_err(tables::error(path))?;
    let transaction = database.begin_read().map_err(tables::error(path))?;
    let (identity, state) = check(&transaction, path, partitions)?;
    drop(transaction);
    Ok((database, identity, state))
}

/// Creates the empty log: under another name first, because redb can't open a file in whose
/// creation it died.
fn create(folder: &Path, path: &Path, partitions: u32) -> Result<()> {
    create_folder(folder).map_err(io_error(folder))?;
    let unfinished = path.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&unfinished)(error)),
        _ => {}
    }
    let database = Database::create(&unfinished).map_err(tables::error(&unfinished))?;
    write_empty(&database, partitions).map_err(|error| tables::error(&unfinished)(error))?;
    database.close().map_err(tables::error(&unfinished))?;
    let rename = || {
        fs::rename(&unfinished, path)?;
        File::open(folder)?.sync_all()
    };
    rename().map_err(io_error(path))
}

fn write_empty(database: &Database, partitions: u32) -> std::result::Result<(), redb::Error> {
    let identity = Identity { id: LogId(*uuid::Uuid::new_v4().as_bytes()), partitions };
    let state = State { sequence: 0, next: vec![0; partitions as usize] };
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(IDENTITY, tables::seal(IDENTITY, &identity).as_slice())?;
        meta.insert(STATE, tables::seal(STATE, &state).as_slice())?;
        // So that readers find all tables.
        transaction.open_table(BATCHES)?;
        transaction.open_table(RECEIPTS)?;
        transaction.open_table(RECEIPTS_BY_TIME)?;
    }
    Ok(transaction.commit()?)
}

/// Checks everything that is stored.
fn check(transaction: &ReadTransaction, path: &Path, partitions: Option<u32>) -> Result<(Identity, State)> {
    let identity: Identity = meta(transaction, path, IDENTITY)?;
    let state: State = meta(transaction, path, STATE)?;
    if state.next.len() != identity.partitions as usize {
        return Err(damaged(path, "its ends are not those of its partitions"));
    }
    if let Some(wanted) = partitions.filter(|wanted| *wanted != identity.partitions) {
        return Err(StoreError::Refused(format!(
            "{}: the log has {} partitions, not {wanted}; their number never changes",
            path.display(),
            identity.partitions
        )));
    }
    check_batches(transaction, path, &state)?;
    check_receipts(transaction, path)?;
    Ok((identity, state))
}

fn meta<T: DeserializeOwned>(transaction: &ReadTransaction, path: &Path, key: &str) -> Result<T> {
    let meta = transaction.open_table(META).map_err(tables::error(path))?;
    let stored = meta.get(key).map_err(tables::error(path))?;
    let stored = stored.ok_or_else(|| damaged(path, &format!("its {key} is missing")))?;
    tables::unseal(key, stored.value()).map_err(|error| damaged(path, &format!("its {key}: {error}")))
}

/// Every batch is whole, and a partition's batches follow each other up to its end.
fn check_batches(transaction: &ReadTransaction, path: &Path, state: &State) -> Result<()> {
    let batches = transaction.open_table(BATCHES).map_err(tables::error(path))?;
    let mut reached = vec![0; state.next.len()];
    for entry in batches.range::<(u32, u64)>(..).map_err(tables::error(path))? {
        let (key, value) = entry.map_err(tables::error(path))?;
        let (partition, base) = key.value();
        let place = Place { path, partition: PartitionId(partition) };
        let reached = reached
            .get_mut(partition as usize)
            .ok_or_else(|| place.damaged(base, Malformed("there is no such partition")))?;
        if base != *reached {
            return Err(damaged(
                path,
                &format!("partition {partition}: offset {base} follows, where {reached} should"),
            ));
        }
        let opened =
            batch::open(partition, base, value.value()).map_err(|error| place.damaged(base, error))?;
        opened.check_frames().map_err(|error| place.damaged(base, error))?;
        *reached = base + u64::from(opened.count);
    }
    for (partition, (reached, next)) in reached.iter().zip(&state.next).enumerate() {
        if reached != next {
            let text = format!("partition {partition}: offsets {reached} to {next} are missing");
            return Err(damaged(path, &text));
        }
    }
    Ok(())
}

/// Every receipt is whole and stands in the list by time.
fn check_receipts(transaction: &ReadTransaction, path: &Path) -> Result<()> {
    let receipts = transaction.open_table(RECEIPTS).map_err(tables::error(path))?;
    let by_time = transaction.open_table(RECEIPTS_BY_TIME).map_err(tables::error(path))?;
    let mut count = 0;
    for entry in receipts.range::<(&str, &str)>(..).map_err(tables::error(path))? {
        let (key, value) = entry.map_err(tables::error(path))?;
        let (scope, key) = key.value();
        let damage =
            |what: &dyn std::fmt::Display| damaged(path, &format!("receipt {key:?} of {scope:?}: {what}"));
        let stored: StoredReceipt = tables::unseal(&tables::receipt_place(scope, key), value.value())
            .map_err(|error| damage(&error))?;
        let listed = by_time.get((stored.receipt.written_ms, scope, key)).map_err(tables::error(path))?;
        if listed.is_none() {
            return Err(damage(&"it is not in the list by time"));
        }
        count += 1;
    }
    let mut listed = 0;
    for entry in by_time.range::<(u64, &str, &str)>(..).map_err(tables::error(path))? {
        entry.map_err(tables::error(path))?;
        listed += 1;
    }
    if count == listed { Ok(()) } else { Err(damaged(path, "receipts are missing")) }
}

/// The log must have come as far as its mark says.
fn check_mark(folder: &Path, path: &Path, found: Found, id: LogId, sequence: u64) -> Result<Mark> {
    let mark_path = folder.join(mark::FILE);
    match found {
        Found::Reached(of, _) if of != id => {
            Err(damaged(&mark_path, "it belongs to another log than the one beside it"))
        }
        Found::Reached(_, reached) if reached > sequence => {
            let text =
                format!("{reached} commits were acknowledged, {sequence} are there: the last are lost");
            Err(damaged(path, &text))
        }
        Found::Reached(..) => {
            // Never emptied and written anew: whenever we die, one slot is whole.
            let mark = Mark::open(folder, id).map_err(io_error(&mark_path))?;
            mark.set(sequence).map_err(io_error(&mark_path))?;
            Ok(mark)
        }
        // We may have died between creating the log and its mark.
        Found::Nothing | Found::Damaged if sequence == 0 => {
            Mark::create(folder, id, sequence).map_err(io_error(&mark_path))
        }
        Found::Nothing | Found::Damaged => {
            let text = "it is missing or damaged, so nobody can tell whether the log beside it is complete";
            Err(damaged(&mark_path, text))
        }
    }
}

fn start(path: PathBuf, database: Database, identity: Identity, state: State, mark: Mark) -> Result<Log> {
    let path = Arc::new(path);
    let database = Arc::new(database);
    let ends = Arc::new(watch::Sender::new(state.next.as_slice().into()));
    let (commands, receiver) = mpsc::channel(WAITING_MAX);
    let writer = Writer { path: path.clone(), database: database.clone(), mark, state, ends: ends.clone() };
    let thread = std::thread::Builder::new()
        .name("log-writer".to_owned())
        .spawn(move || writer.run(receiver))
        .map_err(io_error(&path))?;
    Ok(Log {
        id: identity.id,
        path,
        database,
        ends,
        waiting_bytes: Arc::new(Semaphore::new(WAITING_BYTES_MAX)),
        commands: Some(commands),
        writer: Some(thread),
    })
}

/// Creates the folder so that it is still there when the machine dies.
fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged(format!("{}: {what}", path.display()))
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| StoreError::Unavailable(format!("{}: {error}", path.display()))
}
