//! The event log.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_model::{LogId, PartitionId, Record};
use tandem_storage::{Append, Appended, EventLog, Result, StoreError, StoredReceipt};
use tokio::sync::watch;

use crate::{Error, Identity, Settings};

/// What a process does with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It only reads: an append is refused.
    Read,
    /// It appends under this name (`gateway`, `metronome`): processes of one name share their
    /// transactional ids, those of different names never get into each other's way.
    Append(String),
}

/// An [`EventLog`] on Kafka.
pub struct KafkaLog {
    identity: Identity,
    ends: watch::Sender<Arc<[u64]>>,
}

impl KafkaLog {
    /// Opens the log that the meta topic describes.
    ///
    /// # Errors
    ///
    /// When Kafka can't be reached, and when the topics are not as `tandem schema apply` leaves them.
    pub async fn open(settings: Settings, purpose: Purpose) -> std::result::Result<Self, Error> {
        let _ = (settings, purpose);
        Err(Error::Unavailable("not built yet".to_owned()))
    }

    /// A log that is known from elsewhere. Needs no broker now: what is asked of it before Kafka
    /// can be reached is answered with "unavailable".
    ///
    /// # Errors
    ///
    /// When the settings can't be.
    pub fn with_identity(
        settings: Settings,
        identity: Identity,
        purpose: Purpose,
    ) -> std::result::Result<Self, Error> {
        let _ = (settings, purpose);
        let ends: Arc<[u64]> = vec![0; identity.partitions as usize].into();
        Ok(Self { identity, ends: watch::Sender::new(ends) })
    }

    /// Which log it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

#[async_trait]
impl EventLog for KafkaLog {
    fn id(&self) -> LogId {
        self.identity.log_id
    }

    fn generation(&self) -> u32 {
        self.identity.generation
    }

    fn partitions(&self) -> u32 {
        self.identity.partitions
    }

    async fn append(&self, _: Append) -> Result<Appended> {
        Err(StoreError::Unavailable("not built yet".to_owned()))
    }

    async fn read(&self, _: PartitionId, _: u64, _: usize) -> Result<Vec<(u64, Record)>> {
        Err(StoreError::Unavailable("not built yet".to_owned()))
    }

    fn ends(&self) -> watch::Receiver<Arc<[u64]>> {
        self.ends.subscribe()
    }

    async fn receipt(&self, _: &str, _: &str) -> Result<Option<StoredReceipt>> {
        Err(StoreError::Unavailable("not built yet".to_owned()))
    }

    async fn forget_receipts(&self, _: u64) -> Result<()> {
        Err(StoreError::Unavailable("not built yet".to_owned()))
    }
}
