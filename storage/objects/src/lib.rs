//! Snapshots as objects: in a folder that is mounted everywhere, or in a bucket that speaks S3.
//!
//! A partition may move to another process on another machine, and takes its newest snapshot from
//! here. One snapshot is one object:
//!
//! ```text
//! <prefix>/<chain>/<log id>/<partition>/<next, 20 digits>
//! ```
//!
//! The log's id stands in the key, so that snapshots of a log that was created anew are never
//! mixed with those of the one before. An object is there whole or not at all (`folder`: written
//! under another name, synced, renamed; S3: a put, or a multipart upload, which is invisible until
//! it is completed), and what it holds says for itself whether it is what was written
//! ([`frame`]): a damaged one is reported, never taken.
//!
//! Two processes that write the same place write the same: a snapshot is a function of the log's
//! prefix. So a process that should be dead does no harm here either.
//!
//! Every call ends within [`Settings::timeout_ms`], retries included. What fails says what to do
//! ([`failure`]); without snapshots nothing is lost but time at the next restart.
//!
//! An S3 bucket should have a lifecycle rule that aborts incomplete multipart uploads after a day:
//! a process that is killed in the middle of one leaves its parts behind, which nobody sees but
//! the bill.

mod bucket;
mod failure;
mod folder;
mod frame;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use tandem_model::route::Chain;
use tandem_model::{LogId, PartitionId};
use tandem_storage::{Result, Snapshot, SnapshotStore, StoreError, superfluous};

pub use settings::{Settings, SettingsError};

use crate::failure::Store;
use crate::frame::Place;
use crate::settings::Target;

/// Largest snapshot, in bytes: beyond that something is wrong with the fold, not with its size.
pub const SNAPSHOT_BYTES_MAX: usize = 4 << 30;
/// Objects over this go up in parts of this size, in bytes.
const PART_BYTES: usize = 16 << 20;
/// How many parts go up at one time.
const PARTS_AT_ONCE: usize = 4;
/// How long giving up an upload may take: its parts would cost money.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Where [`Objects::check`] tries whether writing is allowed; no partition is called that.
const CHECK_KEY: &str = "check";

/// A [`SnapshotStore`] of one chain in a folder or a bucket.
pub struct Objects {
    objects: Arc<dyn ObjectStore>,
    store: Store,
    /// Where this chain's snapshots of this log are.
    base: Path,
    chain: Chain,
    log: LogId,
    timeout: Duration,
    /// A file is renamed when it is complete; only a bucket gains by parts.
    has_parts: bool,
}

impl Objects {
    /// The store of `chain` for the log `log`. Creates the folder, where it is one; asks a bucket
    /// nothing yet (see [`check`](Objects::check)).
    ///
    /// # Errors
    ///
    /// When the settings can't work.
    pub fn open(settings: &Settings, chain: Chain, log: LogId) -> std::result::Result<Self, SettingsError> {
        let timeout = settings.timeout()?;
        let target = settings.target()?;
        let (objects, prefix) = match &target {
            Target::Folder(folder) => (folder::open(folder)?, Path::default()),
            Target::Bucket { bucket, prefix } => (bucket::open(settings, bucket, timeout)?, prefix.clone()),
        };
        let base = prefix.join(chain.name()).join(log.to_string());
        if let Target::Folder(folder) = &target {
            folder::clear_unfinished(&folder.join(base.as_ref()));
        }
        let has_parts = matches!(target, Target::Bucket { .. });
        let store = Store { url: settings.url.clone() };
        Ok(Self { objects, store, base, chain, log, timeout, has_parts })
    }

    /// Finds out whether snapshots can be listed, written and removed here: for the start of a
    /// role, so that what is wrong is said before it is needed.
    ///
    /// # Errors
    ///
    /// As the calls it makes.
    pub async fn check(&self) -> Result<()> {
        self.list(PartitionId(0)).await?;
        let key = self.base.clone().join(CHECK_KEY);
        let payload = PutPayload::from_static(b"can be written");
        self.within("write", &key, self.objects.put(&key, payload)).await?;
        self.remove(&key).await
    }

    fn folder(&self, partition: PartitionId) -> Path {
        self.base.clone().join(partition.to_string())
    }

    fn key(&self, partition: PartitionId, next: u64) -> Path {
        self.folder(partition).join(format!("{next:020}"))
    }

    fn place(&self, partition: PartitionId, next: u64) -> Place {
        Place { chain: self.chain, log: self.log, partition, next }
    }

    /// Runs a call within the time that there is, and puts its failure into our words.
    async fn within<T>(
        &self,
        doing: &'static str,
        key: &Path,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(outcome) => outcome.map_err(|error| self.store.failure(doing, key, &error)),
            Err(_) => Err(self.store.too_slow(doing, key, self.timeout)),
        }
    }

    async fn remove(&self, key: &Path) -> Result<()> {
        let removing = async {
            match self.objects.delete(key).await {
                // Somebody else was faster.
                Err(error) if failure::is_absent(&error) => Ok(()),
                outcome => outcome,
            }
        };
        self.within("remove", key, removing).await
    }

    /// Puts an object up in parts. Nobody sees any of it before the last step.
    async fn put_parts(&self, key: &Path, head: Bytes, body: &Bytes) -> Result<()> {
        let mut upload = self.within("write", key, self.objects.put_multipart(key)).await?;
        let sending = send_parts(&mut *upload, head, body);
        let sent = self.within("write", key, sending).await;
        if sent.is_err() {
            // What can't be given up now is left to the bucket's lifecycle rule.
            match tokio::time::timeout(ABORT_TIMEOUT, upload.abort()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%key, %error, "parts of an upload are left in the bucket"),
                Err(_) => tracing::warn!(%key, "parts of an upload are left in the bucket: no answer"),
            }
        }
        sent
    }
}

async fn send_parts(upload: &mut dyn MultipartUpload, head: Bytes, body: &Bytes) -> object_store::Result<()> {
    let first_bytes = PART_BYTES - head.len();
    let mut parts = vec![upload.put_part(PutPayload::from_iter([head, body.slice(..first_bytes)]))];
    for start in (first_bytes..body.len()).step_by(PART_BYTES) {
        let end = body.len().min(start + PART_BYTES);
        parts.push(upload.put_part(body.slice(start..end).into()));
    }
    stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect::<()>().await?;
    upload.complete().await.map(drop)
}

#[async_trait]
impl SnapshotStore for Objects {
    async fn put(&self, partition: PartitionId, snapshot: Snapshot) -> Result<()> {
        let Snapshot { next, bytes } = snapshot;
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(StoreError::Refused(format!(
                "a snapshot of {} bytes is over the limit of {SNAPSHOT_BYTES_MAX}: spread the sessions over \
                 more partitions",
                bytes.len()
            )));
        }
        let key = self.key(partition, next);
        let head = frame::head(&self.place(partition, next), &bytes);
        if self.has_parts && head.len() + bytes.len() > PART_BYTES {
            return self.put_parts(&key, head, &bytes).await;
        }
        let payload = PutPayload::from_iter([head, bytes]);
        self.within("write", &key, self.objects.put(&key, payload)).await?;
        Ok(())
    }

    async fn list(&self, partition: PartitionId) -> Result<Vec<u64>> {
        let folder = self.folder(partition);
        let listing = self
            .objects
            .list(Some(&folder))
            // What does not look like ours is not ours, and stays.
            .try_filter_map(|found| std::future::ready(Ok(next_of(&folder, &found.location))))
            .try_collect::<Vec<u64>>();
        let mut places = self.within("list", &folder, listing).await?;
        places.sort_unstable_by(|left, right| right.cmp(left));
        Ok(places)
    }

    async fn load(&self, partition: PartitionId, next: u64) -> Result<Option<Snapshot>> {
        let key = self.key(partition, next);
        let reading = async {
            let found = match self.objects.get(&key).await {
                Err(error) if failure::is_absent(&error) => return Ok(None),
                found => found?,
            };
            if found.meta.size > (frame::HEAD_BYTES + SNAPSHOT_BYTES_MAX) as u64 {
                return Ok(Some(Err("it is longer than any snapshot")));
            }
            Ok(Some(Ok(found.bytes().await?)))
        };
        let Some(found) = self.within("read", &key, reading).await? else { return Ok(None) };
        match found.and_then(|object| frame::body(&self.place(partition, next), &object)) {
            Ok(bytes) => Ok(Some(Snapshot { next, bytes })),
            Err(what) => Err(StoreError::Damaged(format!("{} at {}: {what}", key, self.store.url))),
        }
    }

    async fn prune(&self, partition: PartitionId, keep: usize, pinned: Option<u64>) -> Result<()> {
        for next in superfluous(self.list(partition).await?, keep, pinned) {
            self.remove(&self.key(partition, next)).await?;
        }
        Ok(())
    }
}

/// The place that a key stands for.
fn next_of(folder: &Path, key: &Path) -> Option<u64> {
    let mut rest = key.prefix_match(folder)?;
    let name = rest.next()?;
    let name = name.as_ref();
    let is_place =
        rest.next().is_none() && name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    is_place.then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
