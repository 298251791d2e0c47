//! One producer of transactions, and what its errors mean.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext,
};
use tandem_storage::{Result, StoreError};

use crate::Settings;
use crate::client::{self, Context};
use crate::record::Outgoing;

/// How long a full queue is waited for at once.
const PAUSE: Duration = Duration::from_millis(10);
/// How long what the broker says is listened to before it is looked whether that was all.
const LISTEN: Duration = Duration::from_millis(1);
/// One call that waits for the broker takes that long at most; then it is made again.
const STEP: Duration = Duration::from_millis(1_000);

/// Holds a transactional id.
pub(super) struct Transactions {
    producer: BaseProducer<Deliveries>,
    topic: String,
}

/// Why a transaction was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// Somebody else has taken the transactional id; nothing of this one will ever be readable.
    Fenced(StoreError),
    /// It was given up, or will be when the id is taken again.
    Undone(StoreError),
    /// It can't be done, now or later; nothing of it will ever be readable.
    Refused(StoreError),
    /// Kafka may have committed it.
    Unknown(StoreError),
}

/// What the broker said of the messages of a transaction.
#[derive(Default)]
struct Delivered {
    /// By tag: the offset.
    offsets: Vec<Option<u64>>,
    failed: Option<KafkaError>,
}

#[derive(Clone)]
struct Deliveries {
    context: Context,
    delivered: Arc<Mutex<Delivered>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    /// 0, or one more than the tag under which the offset is to be noted.
    type DeliveryOpaque = usize;

    fn delivery(&self, delivery: &DeliveryResult<'_>, tag: usize) {
        match delivery {
            Ok(message) if tag > 0 => {
                if let Some(offset) = self.delivered.lock().offsets.get_mut(tag - 1) {
                    *offset = u64::try_from(message.offset()).ok();
                }
            }
            Ok(_) => {}
            Err((error, _)) => {
                self.delivered.lock().failed.get_or_insert_with(|| error.clone());
            }
        }
    }
}

impl Transactions {
    /// A producer that holds nothing yet.
    pub(super) fn new(settings: &Settings, name: &str, transactional_id: &str) -> Result<Self> {
        let config = client::producer(settings, name, transactional_id);
        let context = Deliveries { context: Context::new(name), delivered: Arc::default() };
        let producer = BaseProducer::from_config_and_context(&config, context)
            .map_err(|error| client::failed("creating a client", &error))?;
        Ok(Self { producer, topic: settings.events_topic.clone() })
    }

    /// Takes the transactional id: whoever had it is fenced, and what they had under way is over
    /// when this returns, and seen by whoever looks.
    pub(super) fn take(&self, deadline: Instant) -> std::result::Result<(), Failure> {
        self.patiently(deadline, |timeout| self.producer.init_transactions(timeout))
            .map_err(|error| self.failure("taking a transactional id", &error))
    }

    /// Begins a transaction in which `tags` offsets are of interest.
    pub(super) fn begin(&self, tags: usize) -> std::result::Result<(), Failure> {
        let mut delivered = self.producer.context().delivered.lock();
        *delivered = Delivered { offsets: vec![None; tags], failed: None };
        drop(delivered);
        self.producer.begin_transaction().map_err(|error| self.failure("beginning a transaction", &error))
    }

    /// Sends a record; `tag` is that under which its offset is to be noted.
    pub(super) fn send_record(
        &self,
        record: &Outgoing,
        tag: Option<usize>,
        deadline: Instant,
    ) -> std::result::Result<(), Failure> {
        let key = record.key.as_ref().map(|key| key.as_str().as_bytes());
        let message = BaseRecord {
            topic: &self.topic,
            partition: Some(record.partition.0 as i32),
            payload: Some(&record.value[..]),
            key,
            timestamp: None,
            headers: record.headers(),
            delivery_opaque: tag.map_or(0, |tag| tag + 1),
        };
        self.send(message, deadline)
    }

    /// Sends a message to another topic.
    pub(super) fn send_to(
        &self,
        topic: &str,
        partition: u32,
        (key, value): (&[u8], &[u8]),
        tag: usize,
        deadline: Instant,
    ) -> std::result::Result<(), Failure> {
        let message = BaseRecord {
            topic,
            partition: Some(partition as i32),
            payload: Some(value),
            key: Some(key),
            timestamp: None,
            headers: None,
            delivery_opaque: tag + 1,
        };
        self.send(message, deadline)
    }

    fn send(
        &self,
        mut message: BaseRecord<'_, [u8], [u8], usize>,
        deadline: Instant,
    ) -> std::result::Result<(), Failure> {
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    message = back;
                    self.producer.poll(PAUSE);
                }
                Err((error, _)) => return Err(self.failure("sending records", &error)),
            }
        }
    }

    /// Waits until the broker has everything that was sent, and answers the offset of each tag.
    pub(super) fn flush(&self, deadline: Instant) -> std::result::Result<Vec<Option<u64>>, Failure> {
        // Not the client's own `flush`, which looks only every 100 ms.
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.producer.poll(LISTEN);
        }
        let flushed = match self.producer.in_flight_count() {
            0 => Ok(()),
            _ => Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)),
        };
        let delivered = self.producer.context().delivered.lock();
        let error = delivered.failed.clone().map_or(flushed, Err);
        error.map_err(|error| self.failure("writing records", &error))?;
        Ok(delivered.offsets.clone())
    }

    /// Commits the transaction.
    pub(super) fn commit(&self, deadline: Instant) -> std::result::Result<(), Failure> {
        let committed = self.patiently(deadline, |timeout| self.producer.commit_transaction(timeout));
        committed.map_err(|error| match self.failure("committing a transaction", &error) {
            // Kafka itself says that it is to be given up.
            undone @ Failure::Undone(_) if requires_abort(&error) => undone,
            // The first of several tries may have succeeded, its answer lost, before somebody else
            // came; and of everything else nobody knows anyway.
            Failure::Fenced(error)
            | Failure::Undone(error)
            | Failure::Refused(error)
            | Failure::Unknown(error) => Failure::Unknown(error),
        })
    }

    /// Gives the transaction up; if that fails, too, the transactional id must be taken again.
    pub(super) fn abort(&self, deadline: Instant) -> std::result::Result<(), Failure> {
        self.patiently(deadline, |timeout| self.producer.abort_transaction(timeout))
            .map_err(|error| self.failure("giving up a transaction", &error))
    }

    /// Lets the client say what it has to say.
    pub(super) fn tend(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Whether the client itself says that it is of no more use.
    pub(super) fn is_over(&self) -> bool {
        self.producer.client().fatal_error().is_some()
    }

    /// Makes a call again until the deadline that may be made again.
    fn patiently(&self, deadline: Instant, call: impl Fn(Duration) -> KafkaResult<()>) -> KafkaResult<()> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let outcome = call(left.min(STEP));
            self.tend();
            match outcome {
                Err(KafkaError::Transaction(error)) if error.is_retriable() && left > STEP => {}
                outcome => return outcome,
            }
        }
    }

    fn failure(&self, what: &str, error: &KafkaError) -> Failure {
        use RDKafkaErrorCode as Code;
        let failed = self.producer.context().context.failed(what, error);
        let code = error.rdkafka_error_code();
        let fatal = self.producer.client().fatal_error().map(|(code, _)| code);
        let is_fencing = |code| {
            matches!(
                code,
                Code::Fenced
                    | Code::ProducerFenced
                    | Code::InvalidProducerEpoch
                    | Code::InvalidProducerIdMapping
            )
        };
        if code.is_some_and(is_fencing) || fatal.is_some_and(is_fencing) {
            return Failure::Fenced(match failed {
                StoreError::Refused(text) | StoreError::Damaged(text) => StoreError::Unavailable(text),
                retryable => retryable,
            });
        }
        match failed {
            refused @ StoreError::Refused(_) => Failure::Refused(refused),
            StoreError::Damaged(text) => Failure::Refused(StoreError::Refused(text)),
            other => Failure::Undone(other),
        }
    }
}

fn requires_abort(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort())
}
