//! The topic of summaries: one transactional producer per partition, shared by both chains.
//!
//! Every writer of partition `p`, of whichever chain and process, uses the transactional id
//! `<prefix>.dws.<p>`. Kafka lets the last one that initialised it write and refuses all others
//! ("fenced"), and initialising waits until whatever the one before had under way is committed or
//! given up. So once [`begin`](SummaryTopic::begin) has initialised, the end of the partition
//! stands still, and the last marker before it is the last one there is.
//!
//! **Finding the marker.** It is the last record of a transaction, so it mostly stands two places
//! before the end (after it comes Kafka's own mark of the commit). A few records are read from
//! there; where no marker is among them (what was given up stands behind it, or retention and
//! compaction have thinned out), more and more from further back, down to the beginning.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use tandem_model::PartitionId;
use tandem_model::summary::{self, Marker, Message};
use tandem_storage::{PublishError, Result, StoreError, SummaryTopic, SummaryWriter};

use crate::client::{self, Context};
use crate::lookup::{From, Lookup};
use crate::{Error, Settings};

/// How many offsets before the end the marker is looked for at first; each further look reaches
/// [`FARTHER`] times as far.
const NEAR: u64 = 16;
const FARTHER: u64 = 32;
/// How long finding the marker may take: it ends after the first look unless something is odd.
const FIND_TIMEOUT: Duration = Duration::from_secs(60);
/// How long word of messages that were thrown away may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one message waits for room in the client before it is tried again.
const ROOM_PAUSE: Duration = Duration::from_millis(20);

/// A [`SummaryTopic`] on Kafka.
pub struct KafkaSummaries {
    settings: Arc<Settings>,
    lookup: Arc<Lookup>,
}

impl KafkaSummaries {
    /// The topic `settings.summaries_topic`. Needs no broker now.
    ///
    /// # Errors
    ///
    /// When the settings can't be.
    pub fn new(settings: Settings) -> std::result::Result<Self, Error> {
        settings.check().map_err(Error::of_store)?;
        let lookup = Lookup::new(&settings, "summaries").map_err(Error::of_store)?;
        Ok(Self { settings: Arc::new(settings), lookup: Arc::new(lookup) })
    }
}

#[async_trait]
impl SummaryTopic for KafkaSummaries {
    async fn begin(&self, partition: PartitionId) -> Result<(Box<dyn SummaryWriter>, Option<Marker>)> {
        let (settings, lookup) = (Arc::clone(&self.settings), Arc::clone(&self.lookup));
        blocking(move || {
            let producer = Transactions::begin(&settings, partition)?;
            let last = last_marker(&lookup, &settings.summaries_topic, partition)?;
            let writer = Writer { producer: Some(producer), is_fenced: false };
            Ok((Box::new(writer) as Box<dyn SummaryWriter>, last))
        })
        .await
    }

    async fn last(&self, partition: PartitionId) -> Result<Option<Marker>> {
        let (settings, lookup) = (Arc::clone(&self.settings), Arc::clone(&self.lookup));
        blocking(move || last_marker(&lookup, &settings.summaries_topic, partition)).await
    }
}

/// The last committed marker of a partition. Blocks.
fn last_marker(lookup: &Lookup, topic: &str, partition: PartitionId) -> Result<Option<Marker>> {
    let deadline = Instant::now() + FIND_TIMEOUT;
    let number = partition.0;
    let marker_key = Message::marker_key(partition);
    let end = lookup.ends(topic, &[number])?[0];
    let beginning = lookup.beginnings(topic, &[number])?[0];
    let mut reach = NEAR;
    loop {
        let from = end.saturating_sub(reach).max(beginning);
        let mut last: Option<Vec<u8>> = None;
        lookup.read(topic, number, From::Offset(from), deadline, |message| {
            if message.key() == Some(&marker_key) {
                last = message.payload().map(<[u8]>::to_vec);
            }
            ControlFlow::Continue(())
        })?;
        if let Some(value) = last {
            let damaged = |error| StoreError::Damaged(format!("{topic}, partition {partition}: {error}"));
            return Marker::parse(&value).map(Some).map_err(damaged);
        }
        if from == beginning {
            return Ok(None);
        }
        reach = reach.saturating_mul(FARTHER);
    }
}

struct Writer {
    /// None once the writer is over.
    producer: Option<Transactions>,
    is_fenced: bool,
}

#[async_trait]
impl SummaryWriter for Writer {
    async fn publish(
        &mut self,
        marker: &Marker,
        mut messages: Vec<Message>,
    ) -> std::result::Result<(), PublishError> {
        // Taken out: where this future is dropped, the writer is over.
        let Some(producer) = self.producer.take() else {
            if self.is_fenced {
                return Err(PublishError::Fenced);
            }
            return Err(PublishError::Unavailable("this writer is over: begin again".to_owned()));
        };
        messages.push(marker.message());
        let done = tokio::task::spawn_blocking(move || {
            let outcome = producer.publish(&messages);
            // A client that failed is taken down here, where it may block.
            outcome.map(|()| producer)
        });
        match done.await {
            Ok(Ok(producer)) => {
                self.producer = Some(producer);
                Ok(())
            }
            Ok(Err(error)) => {
                self.is_fenced = error == PublishError::Fenced;
                Err(error)
            }
            Err(error) => Err(PublishError::Unknown(error.to_string())),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(producer) = self.producer.take() {
            // Taking a client down may block for half a second.
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(move || drop(producer))),
                Err(_) => drop(producer),
            }
        }
    }
}

/// What the client of a writer says by itself.
struct Told(Context);

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    // A message that does not get through fails its transaction, which says so.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// A partition's transactional producer. Everything here blocks.
struct Transactions {
    producer: BaseProducer<Told>,
    topic: String,
    partition: i32,
    timeout: Duration,
    what: String,
}

impl Transactions {
    /// Fences whoever had the partition.
    fn begin(settings: &Settings, partition: PartitionId) -> Result<Self> {
        let id = format!("{}.dws.{partition}", settings.prefix);
        let name = format!("dws.{partition}");
        let config = client::producer(settings, &name, &id);
        let producer = BaseProducer::from_config_and_context(&config, Told(Context::new(&name)))
            .map_err(|error| client::failed("creating a client", &error))?;
        let topic = settings.summaries_topic.clone();
        let what = format!("publishing to {topic}, partition {partition}");
        let this = Self {
            producer,
            topic,
            partition: partition.0 as i32,
            // Longer, and Kafka would have ended the transaction by itself.
            timeout: Duration::from_millis(settings.transaction_timeout_ms),
            what,
        };
        let begun = this.producer.init_transactions(settings.request_timeout());
        begun.map_err(|error| this.told().failed(&this.what, &error))?;
        Ok(this)
    }

    fn told(&self) -> &Context {
        self.producer.poll(Duration::ZERO);
        &self.producer.context().0
    }

    /// One transaction. After an error the producer must not be used again.
    fn publish(&self, messages: &[Message]) -> std::result::Result<(), PublishError> {
        let deadline = Instant::now() + self.timeout;
        let sent = self.producer.begin_transaction().and_then(|()| {
            messages.iter().try_for_each(|message| self.send(message, deadline))?;
            // What can't be delivered shows here, before anything is asked to be committed.
            self.producer.flush(deadline.saturating_duration_since(Instant::now()))
        });
        if let Err(error) = sent {
            return Err(self.not_published(&error));
        }
        match self.producer.commit_transaction(deadline.saturating_duration_since(Instant::now())) {
            Ok(()) => Ok(()),
            Err(error) if is_fenced(&error) => Err(PublishError::Fenced),
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                Err(self.not_published(&KafkaError::Transaction(error)))
            }
            Err(error) => Err(PublishError::Unknown(self.told().failed(&self.what, &error).to_string())),
        }
    }

    /// Hands a message to the client, which may have to get rid of others first.
    fn send(&self, message: &Message, deadline: Instant) -> rdkafka::error::KafkaResult<()> {
        let (name, value) = summary::CONTENT_TYPE;
        let headers = OwnedHeaders::new_with_capacity(2)
            .insert(Header { key: name, value: Some(value) })
            .insert(Header { key: summary::SCHEMA_HEADER, value: Some(message.schema.name()) });
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&self.topic).partition(self.partition).key(&message.key[..]).headers(headers);
        record.payload = message.value.as_deref();
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, again)) => {
                    let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                    if !is_full || Instant::now() >= deadline {
                        return Err(error);
                    }
                    self.producer.poll(ROOM_PAUSE);
                    record = again;
                }
            }
        }
    }

    /// The error of a transaction that was not asked to be committed, and never will be: who
    /// begins next gives it up, or Kafka does after a while.
    fn not_published(&self, error: &KafkaError) -> PublishError {
        if is_fenced(error) {
            return PublishError::Fenced;
        }
        let failed = self.told().failed(&self.what, error);
        // Giving up waits for word of every message, which nobody but we would hear.
        self.producer.purge(PurgeConfig::default().queue().inflight());
        if let Err(error) = self.producer.flush(FLUSH_TIMEOUT) {
            tracing::debug!(what = self.what, %error, "messages are still on their way");
        }
        // Readers wait for its end; where that fails, too, they wait a little longer.
        if let Err(error) = self.producer.abort_transaction(self.timeout) {
            tracing::debug!(what = self.what, %error, "the transaction was left to Kafka to end");
            if is_fenced(&error) {
                return PublishError::Fenced;
            }
        }
        match failed {
            StoreError::Refused(text) => PublishError::Refused(text),
            other => PublishError::Unavailable(other.to_string()),
        }
    }
}

/// Whether somebody else has initialised the same transactional id since.
fn is_fenced(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
    )
}

/// Does what blocks where that is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}
