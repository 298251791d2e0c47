//! The store of one chain: rows and dead letters.

use async_trait::async_trait;
use tandem_model::rejected::Rejected;
use tandem_model::row::{BeatDigest, PartitionRow};
use tandem_model::{Changes, Cut, LogId, PartitionId, SessionId, SessionRow};
use tandem_storage::{
    DeadLetterQuery, DeadLetters, Result, RowStore, Select, SessionQuery, SessionRows, StoreError,
};

use crate::Settings;

/// Which log the rows are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The log's own id.
    pub id: LogId,
    /// Which of the logs that stood under its name it is, from 0 to
    /// [`tandem_storage::GENERATION_MAX`].
    pub generation: u32,
    /// How many partitions it has.
    pub partitions: u32,
}

/// [`RowStore`] and [`DeadLetters`] of one chain on a CQL store. Cheap to clone; clones are the
/// same store.
#[derive(Clone)]
pub struct ScyllaStore;

impl ScyllaStore {
    /// Opens the store to write rows computed from `log`, and notes that log in it: compute's way.
    ///
    /// # Errors
    ///
    /// `Refused` when the store holds rows of another log of this generation or of a later
    /// generation, when its schema is not the one this program needs, and when the server does
    /// not let us in; `Unavailable` when no server can be reached.
    pub async fn note_log(settings: &Settings, log: LogIdentity) -> Result<Self> {
        let _ = log;
        settings.check()?;
        Err(StoreError::Unavailable("not written yet".to_owned()))
    }

    /// Opens the store to read what compute wrote: a query node's way.
    ///
    /// # Errors
    ///
    /// As [`note_log`](Self::note_log); `Unavailable` too while no compute process has ever
    /// noted a log.
    pub async fn open(settings: &Settings) -> Result<Self> {
        settings.check()?;
        Err(StoreError::Unavailable("not written yet".to_owned()))
    }

    /// The log whose rows this is.
    pub fn identity(&self) -> LogIdentity {
        LogIdentity { id: LogId([0; 16]), generation: 0, partitions: 0 }
    }

    /// Whether the store answers, and still holds rows of the log it was opened for: for health
    /// checks.
    pub async fn check(&self) -> Result<()> {
        Err(StoreError::Unavailable("not written yet".to_owned()))
    }
}

#[async_trait]
impl RowStore for ScyllaStore {
    async fn apply(&self, _changes: &Changes) -> Result<()> {
        self.check().await
    }

    async fn progress(&self, _partition: PartitionId) -> Result<Option<Cut>> {
        self.check().await.map(|()| None)
    }

    async fn durable(&self, partition: PartitionId) -> Result<Option<Cut>> {
        self.progress(partition).await
    }

    async fn session(&self, _id: &str, _select: &Select) -> Result<Option<SessionRows>> {
        self.check().await.map(|()| None)
    }

    async fn sessions(&self, _query: &SessionQuery) -> Result<Vec<(SessionId, SessionRow)>> {
        self.check().await.map(|()| Vec::new())
    }

    async fn session_ids(&self, _after: Option<&str>, _limit: usize) -> Result<Vec<SessionId>> {
        self.check().await.map(|()| Vec::new())
    }

    async fn partition_row(&self, _partition: PartitionId) -> Result<Option<PartitionRow>> {
        self.check().await.map(|()| None)
    }

    async fn beats(&self, _partition: PartitionId, _from_ts: u64, _limit: usize) -> Result<Vec<BeatDigest>> {
        self.check().await.map(|()| Vec::new())
    }
}

#[async_trait]
impl DeadLetters for ScyllaStore {
    async fn append(&self, _rejected: &[Rejected]) -> Result<()> {
        self.check().await
    }

    async fn list(&self, _query: &DeadLetterQuery) -> Result<Vec<Rejected>> {
        self.check().await.map(|()| Vec::new())
    }
}
