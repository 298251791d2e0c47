//! Snapshots as files in a folder.
//!
//! One file each, named by partition and place. A file is written under another name, fsynced and
//! renamed, and the folder is fsynced: it is there whole or not at all, whenever the power goes.
//! Its head holds a CRC-32 over head and body.
//!
//! ```text
//! "TNDMSNAP" | version u32 | partition u32 | next u64 | body length u64 | CRC-32 | body
//! ```
//!
//! Numbers are little-endian; the CRC is over everything but itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tandem_model::PartitionId;
use tandem_storage::{Result, Snapshot, SnapshotStore, StoreError, superfluous};

use crate::blocking::blocking;

const MAGIC: &[u8; 8] = b"TNDMSNAP";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 8 + 4 + 4 + 8 + 8;
const CRC_BYTES: usize = 4;
const SUFFIX: &str = ".snapshot";
const UNFINISHED: &str = ".unfinished";

/// A [`SnapshotStore`] in a folder.
pub struct Snapshots {
    folder: Arc<PathBuf>,
}

impl Snapshots {
    /// Opens or creates the store in `folder` and clears away what was not finished.
    pub fn open(folder: &Path) -> Result<Self> {
        let open = || {
            fs::create_dir_all(folder)?;
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == &UNFINISHED[1..]) {
                    fs::remove_file(path)?;
                }
            }
            Ok(())
        };
        open().map_err(|error| io_error(folder, &error))?;
        Ok(Self { folder: Arc::new(folder.to_owned()) })
    }

    async fn with_folder<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Path) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = self.folder.clone();
        blocking(move || call(&folder)).await
    }
}

#[async_trait]
impl SnapshotStore for Snapshots {
    async fn put(&self, partition: PartitionId, snapshot: Snapshot) -> Result<()> {
        self.with_folder(move |folder| {
            let path = file(folder, partition, snapshot.next);
            write(folder, &path, partition, &snapshot).map_err(|error| io_error(&path, &error))
        })
        .await
    }

    async fn list(&self, partition: PartitionId) -> Result<Vec<u64>> {
        self.with_folder(move |folder| places(folder, partition)).await
    }

    async fn load(&self, partition: PartitionId, next: u64) -> Result<Option<Snapshot>> {
        self.with_folder(move |folder| {
            let path = file(folder, partition, next);
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(io_error(&path, &error)),
            };
            let damage = |what| StoreError::Damaged(format!("{}: {what}", path.display()));
            Ok(Some(Snapshot { next, bytes: check(bytes, partition, next).map_err(damage)? }))
        })
        .await
    }

    async fn prune(&self, partition: PartitionId, keep: usize, pinned: Option<u64>) -> Result<()> {
        self.with_folder(move |folder| {
            for next in superfluous(places(folder, partition)?, keep, pinned) {
                let path = file(folder, partition, next);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(io_error(&path, &error));
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}

fn write(folder: &Path, path: &Path, partition: PartitionId, snapshot: &Snapshot) -> io::Result<()> {
    let unfinished = path.with_extension(&UNFINISHED[1..]);
    let head = head(partition, snapshot.next, snapshot.bytes.len());
    let mut file = File::create(&unfinished)?;
    file.write_all(&head)?;
    file.write_all(&crc(&head, &snapshot.bytes).to_le_bytes())?;
    file.write_all(&snapshot.bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

/// The body of a snapshot's file, or what is wrong with the file.
fn check(file: Vec<u8>, partition: PartitionId, next: u64) -> std::result::Result<Bytes, &'static str> {
    let (found, rest) = file.split_first_chunk::<HEAD_BYTES>().ok_or("the file is cut off")?;
    let (stored, body) = rest.split_first_chunk::<CRC_BYTES>().ok_or("the file is cut off")?;
    if found[..8] != *MAGIC {
        return Err("this is not a snapshot");
    }
    if found[8..12] != VERSION.to_le_bytes() {
        return Err("its format version is not known");
    }
    if *found != head(partition, next, body.len()) {
        return Err("its head does not fit its name or length");
    }
    if u32::from_le_bytes(*stored) != crc(found, body) {
        return Err("its checksum does not match");
    }
    Ok(Bytes::from(file).slice(HEAD_BYTES + CRC_BYTES..))
}

fn head(partition: PartitionId, next: u64, body_bytes: usize) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..16].copy_from_slice(&partition.0.to_le_bytes());
    head[16..24].copy_from_slice(&next.to_le_bytes());
    head[24..].copy_from_slice(&(body_bytes as u64).to_le_bytes());
    head
}

fn crc(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

fn file(folder: &Path, partition: PartitionId, next: u64) -> PathBuf {
    folder.join(format!("{partition}-{next:020}{SUFFIX}"))
}

/// The places of a partition's snapshots, newest first.
fn places(folder: &Path, partition: PartitionId) -> Result<Vec<u64>> {
    let prefix = format!("{partition}-");
    let read = || {
        let mut places = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let place = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(SUFFIX));
            places.extend(place.and_then(|place| place.parse::<u64>().ok()));
        }
        places.sort_unstable_by(|left, right| right.cmp(left));
        Ok(places)
    };
    read().map_err(|error| io_error(folder, &error))
}

fn io_error(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_suite() {
        let folder = tempfile::tempdir().expect("folder");
        tandem_storage::suite::snapshot_store(&Snapshots::open(folder.path()).expect("open")).await;
    }

    #[tokio::test]
    async fn any_damaged_byte_and_any_missing_end_is_found() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Snapshots::open(folder.path()).expect("open");
        let partition = PartitionId(2);
        let snapshot = Snapshot { next: 7, bytes: Bytes::from_static(b"the fold's state") };
        store.put(partition, snapshot.clone()).await.expect("put");
        let path = file(folder.path(), partition, 7);
        let good = fs::read(&path).expect("file");
        for index in 0..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 1 << (index % 8);
            for bad in [&bad[..], &good[..index]] {
                fs::write(&path, bad).expect("write");
                let outcome = store.load(partition, 7).await;
                let Err(StoreError::Damaged(text)) = &outcome else { panic!("byte {index}: {outcome:?}") };
                assert!(text.contains("2-00000000000000000007.snapshot"), "{text}");
            }
        }
        // It is still listed, and can be replaced.
        assert_eq!(store.list(partition).await.expect("list"), [7]);
        store.put(partition, snapshot.clone()).await.expect("put");
        assert_eq!(store.load(partition, 7).await.expect("load"), Some(snapshot));
    }

    #[tokio::test]
    async fn what_was_not_finished_is_not_there() {
        let folder = tempfile::tempdir().expect("folder");
        let unfinished = folder.path().join("0-00000000000000000007.unfinished");
        fs::write(&unfinished, b"half").expect("write");
        let store = Snapshots::open(folder.path()).expect("open");
        assert!(store.list(PartitionId(0)).await.expect("list").is_empty());
        assert!(!unfinished.exists());
    }
}
