//! The tables in redb, and how its errors become ours.

use std::path::Path;

use redb::{ReadableTable, TableDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tandem_model::{LogId, PartitionId};
use tandem_storage::codec::{self, Malformed};
use tandem_storage::{Result, StoreError, StoredReceipt};

/// Batches by partition and first offset.
pub(super) const BATCHES: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("batches");
/// [`Identity`] and [`State`], sealed.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Receipts by scope and key, sealed.
pub(super) const RECEIPTS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("receipts");
/// The same by time, for forgetting: `written_ms`, scope, key.
pub(super) const RECEIPTS_BY_TIME: TableDefinition<'_, (u64, &str, &str), ()> =
    TableDefinition::new("receipts_by_time");

/// The key of [`Identity`] in [`META`].
pub(super) const IDENTITY: &str = "identity";
/// The key of [`State`] in [`META`].
pub(super) const STATE: &str = "state";

/// What never changes.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) id: LogId,
    pub(super) partitions: u32,
}

/// What every commit changes.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct State {
    /// The number of the commit, from 0 for the empty log.
    pub(super) sequence: u64,
    /// Per partition the offset that the next record gets.
    pub(super) next: Vec<u64>,
}

/// Plain data with a CRC-32 over it and over `place`, the key it stands under.
pub(super) fn seal<T: Serialize>(place: &str, value: &T) -> Vec<u8> {
    let mut bytes = codec::encode(value);
    bytes.extend(crc(place, &bytes).to_le_bytes());
    bytes
}

/// Reads what [`seal`] wrote under the same key.
pub(super) fn unseal<T: DeserializeOwned>(place: &str, bytes: &[u8]) -> std::result::Result<T, Malformed> {
    let (value, stored) = bytes.split_last_chunk().ok_or(Malformed("it is cut off"))?;
    if crc(place, value) != u32::from_le_bytes(*stored) {
        return Err(Malformed("its checksum does not match"));
    }
    codec::decode(value)
}

fn crc(place: &str, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(place.len() as u64).to_le_bytes());
    hasher.update(place.as_bytes());
    hasher.update(value);
    hasher.finalize()
}

/// What a receipt is sealed with.
pub(super) fn receipt_place(scope: &str, key: &str) -> String {
    format!("{}:{scope}{key}", scope.len())
}

/// The receipt under `scope` and `key`.
pub(super) fn receipt(
    receipts: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    path: &Path,
    scope: &str,
    key: &str,
) -> Result<Option<StoredReceipt>> {
    let stored = receipts.get((scope, key)).map_err(error(path))?;
    let unsealed = stored.map(|stored| unseal(&receipt_place(scope, key), stored.value()));
    unsealed.transpose().map_err(|error| {
        StoreError::Damaged(format!("{}: receipt {key:?} of {scope:?}: {error}", path.display()))
    })
}

/// A partition of a log's file, for errors.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) partition: PartitionId,
}

impl Place<'_> {
    /// Damage found at or after `offset`.
    pub(super) fn damaged(&self, offset: u64, error: Malformed) -> StoreError {
        let path = self.path.display();
        StoreError::Damaged(format!("{path}: partition {}, from offset {offset} on: {error}", self.partition))
    }
}

/// How an error of redb becomes ours, for calls that have done nothing when they fail.
pub(super) fn error<E: Into<redb::Error>>(path: &Path) -> impl Fn(E) -> StoreError {
    move |error| store_error(path, &error.into())
}

fn store_error(path: &Path, error: &redb::Error) -> StoreError {
    use redb::Error;
    let path = path.display();
    match error {
        Error::DatabaseAlreadyOpen => StoreError::Unavailable(format!("{path} is in use by another process")),
        Error::Io(cause) => match cause.kind() {
            // What redb calls a file that is not its own, or ends too early.
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
                StoreError::Damaged(format!("{path}: {cause}"))
            }
            _ => StoreError::Unavailable(format!("{path}: {cause}")),
        },
        // After a failed write redb refuses everything until it is opened again.
        Error::PreviousIo | Error::DatabaseClosed | Error::LockPoisoned(_) => {
            StoreError::Unavailable(format!("{path}: {error}; restart this process"))
        }
        Error::ValueTooLarge(_) => StoreError::Refused(format!("{path}: {error}")),
        other => StoreError::Damaged(format!("{path}: {other}")),
    }
}
