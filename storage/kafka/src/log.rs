//! The event log: reader, appender and receipts as one.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_model::{LogId, PartitionId, Record};
use tandem_storage::{Append, Appended, EventLog, Result, StoreError, StoredReceipt};
use tokio::sync::watch;

use crate::append::Appender;
use crate::ends::{Ends, Pulse};
use crate::identity::{self, Entry, State};
use crate::lookup::Lookup;
use crate::reader::{Reader, blocking};
use crate::receipts::Receipts;
use crate::schema::layout;
use crate::watch::{Watch, Watched};
use crate::{Error, Identity, Settings};

/// What a process does with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It only reads: an append is refused.
    Read,
    /// It appends under this name (`gateway`, `metronome`): processes of one name share their
    /// transactional ids, those of different names never get into each other's way. Receipts hold
    /// among those of one name.
    Append(String),
}

/// An [`EventLog`] on Kafka.
pub struct KafkaLog {
    identity: Identity,
    ends: Arc<Ends>,
    pulse: Arc<Pulse>,
    reader: Arc<Reader>,
    receipts: Arc<Receipts>,
    appender: Option<Arc<Appender>>,
    _watch: Watch,
}

impl KafkaLog {
    /// Opens the log that the meta topic describes.
    ///
    /// # Errors
    ///
    /// When Kafka can't be reached, and when the topics are not as `tandem schema apply` leaves them.
    pub async fn open(settings: Settings, purpose: Purpose) -> std::result::Result<Self, Error> {
        settings.check().map_err(|error| Error::Settings(error.to_string()))?;
        let lookup = Arc::new(Lookup::new(&settings, "log").map_err(Error::of_store)?);
        let opened = tokio::task::spawn_blocking(move || {
            let identity = check(&lookup, &settings, &purpose)?;
            let partitions: Vec<u32> = (0..identity.partitions).collect();
            let ends = lookup.ends(&settings.events_topic, &partitions).map_err(Error::of_store)?;
            let log = Self::with_lookup(settings, identity, purpose, lookup)?;
            log.ends.raise((0..).zip(ends));
            Ok(log)
        });
        opened.await.unwrap_or_else(|error| Err(Error::Unavailable(error.to_string())))
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
        settings.check().map_err(|error| Error::Settings(error.to_string()))?;
        let lookup = Arc::new(Lookup::new(&settings, "log").map_err(Error::of_store)?);
        Self::with_lookup(settings, identity, purpose, lookup)
    }

    fn with_lookup(
        settings: Settings,
        identity: Identity,
        purpose: Purpose,
        lookup: Arc<Lookup>,
    ) -> std::result::Result<Self, Error> {
        let partitions = identity.partitions;
        let [ends, appended] = [(); 2].map(|()| Arc::new(Ends::new(partitions)));
        let pulse = Arc::new(Pulse::default());
        let receipts_lookup = Arc::new(Lookup::new(&settings, "receipts").map_err(Error::of_store)?);
        let receipts = Arc::new(Receipts::new(&settings, receipts_lookup));
        let reader = Arc::new(Reader::new(
            &settings,
            partitions,
            ends.clone(),
            appended.clone(),
            pulse.clone(),
            lookup.clone(),
        ));
        let appender = match purpose {
            Purpose::Read => None,
            Purpose::Append(name) => {
                let ends = [appended, ends.clone()];
                Some(Arc::new(Appender::new(&settings, name, partitions, receipts.clone(), ends)))
            }
        };
        let watched = Watched {
            identity: identity.clone(),
            ends: ends.clone(),
            pulse: pulse.clone(),
            reader: reader.clone(),
            appender: appender.clone(),
            lookup,
            settings,
        };
        let watch = Watch::start(watched).map_err(Error::of_store)?;
        Ok(Self { identity, ends, pulse, reader, receipts, appender, _watch: watch })
    }

    /// Which log it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    fn check(&self, partition: PartitionId) -> Result<()> {
        if partition.0 < self.identity.partitions {
            Ok(())
        } else {
            Err(StoreError::Refused(format!("the log has no partition {partition}")))
        }
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

    async fn append(&self, append: Append) -> Result<Appended> {
        self.pulse.check_damage()?;
        match &self.appender {
            Some(appender) => appender.append(append).await,
            None => Err(StoreError::Refused("this process only reads the log".to_owned())),
        }
    }

    async fn read(&self, partition: PartitionId, from: u64, bytes_max: usize) -> Result<Vec<(u64, Record)>> {
        self.check(partition)?;
        self.reader.read(partition, from, bytes_max).await
    }

    fn ends(&self) -> watch::Receiver<Arc<[u64]>> {
        self.ends.subscribe()
    }

    async fn receipt(&self, scope: &str, key: &str) -> Result<Option<StoredReceipt>> {
        let key = self.receipts.key(scope, key)?;
        let receipts = self.receipts.clone();
        blocking(move || receipts.find(&key)).await
    }

    async fn forget_receipts(&self, written_before_ms: u64) -> Result<()> {
        self.receipts.forget(written_before_ms);
        Ok(())
    }
}

/// Whether the topics are such that the log can be opened; which one it is.
fn check(lookup: &Lookup, settings: &Settings, purpose: &Purpose) -> std::result::Result<Identity, Error> {
    let partitions = |topic: &String| match layout(lookup, topic)? {
        Some((partitions, _)) => Ok(partitions),
        None => Err(Error::NoTopic { topic: topic.clone() }),
    };
    let topic = &settings.events_topic;
    let found = partitions(topic)?;
    partitions(&settings.meta_topic)?;
    let identity = match identity::read(lookup, settings)? {
        Some(Entry { state: State::Ready, identity }) => identity,
        Some(Entry { state: State::Creating, .. }) | None => {
            let meta_topic = settings.meta_topic.clone();
            return Err(Error::NoIdentity { topic: topic.clone(), meta_topic });
        }
    };
    if found != identity.partitions {
        return Err(Error::Partitions { topic: topic.clone(), found, wanted: identity.partitions });
    }
    if matches!(purpose, Purpose::Append(_)) {
        let found = partitions(&settings.receipts_topic)?;
        if found != settings.slots {
            let (topic, wanted) = (settings.receipts_topic.clone(), settings.slots);
            return Err(Error::Slots { topic, found, wanted });
        }
    }
    Ok(identity)
}
