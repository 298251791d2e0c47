//! `tandem schema`: the topics as they should be, and which log it is.
//!
//! The identity is what two processes at once could get wrong, so it is written by one transactional
//! id: whoever initialises it last fences the others, and looks at the meta topic afterwards. A new
//! identity is announced (`creating`) before its topic is created, and confirmed (`ready`) after
//! that: whoever dies in between leaves an announcement that the next `apply` makes true, never a
//! new topic under the old identity.

mod topics;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tandem_model::{Calendar, LogId};
use tandem_storage::GENERATION_MAX;
use uuid::Uuid;

use crate::client::Context;
use crate::identity::{self, Entry, State};
use crate::{Error, Identity, Settings, client};
use topics::Topics;
pub(crate) use topics::layout;
pub use topics::{TopicShape, TopicStatus};

/// How often somebody else may come first.
const TRIES: u32 = 10;

/// What `tandem schema apply` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The topics that were missing and are there now.
    pub created: Vec<String>,
    /// Which log it is now.
    pub identity: Identity,
    /// What differs still, and what to do about it.
    pub status: Status,
}

/// What is there, what should be, and what differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The topics: events, receipts, summaries, meta.
    pub topics: Vec<TopicStatus>,
    /// Which log it is; none before the first `apply`.
    pub identity: Option<Identity>,
    /// What concerns no single topic, a sentence each that says what to do.
    pub problems: Vec<String>,
}

impl Status {
    /// Whether nothing is missing and nothing differs.
    pub fn is_good(&self) -> bool {
        self.identity.is_some()
            && self.problems.is_empty()
            && self.topics.iter().all(|topic| topic.found.is_some() && topic.problems.is_empty())
    }
}

/// Creates the topics that are missing and writes down which log it is. Changes nothing that is
/// there. Doing it twice, or from two processes at once, is the same as doing it once.
///
/// # Errors
///
/// When Kafka can't be reached or refuses, and when the topic of events has another number of
/// partitions than it must have.
pub async fn apply(settings: &Settings) -> Result<Applied, Error> {
    settings.check().map_err(|error| Error::Settings(error.to_string()))?;
    let topics = Topics::new(settings)?;
    let mut created = Vec::new();
    for name in [&settings.meta_topic, &settings.receipts_topic] {
        created.extend(topics.create_missing(name, topics.wanted(name, settings.partitions)).await?);
    }
    let identity = establish(&topics, &mut created).await?;
    let name = &settings.summaries_topic;
    created.extend(topics.create_missing(name, topics.wanted(name, identity.partitions)).await?);
    let status = look(&topics).await?;
    Ok(Applied { created, identity, status })
}

/// Looks at the topics and changes nothing.
///
/// # Errors
///
/// When Kafka can't be reached or refuses.
pub async fn status(settings: &Settings) -> Result<Status, Error> {
    settings.check().map_err(|error| Error::Settings(error.to_string()))?;
    look(&Topics::new(settings)?).await
}

async fn look(topics: &Topics) -> Result<Status, Error> {
    let settings = topics.settings();
    let meta = topics.found(&settings.meta_topic).await?;
    let entry = if meta.is_some() { read(topics).await? } else { None };
    let mut problems = Vec::new();
    let identity = match entry {
        Some(Entry { state: State::Ready, identity }) => Some(identity),
        Some(Entry { state: State::Creating, .. }) => {
            problems.push("an earlier `tandem schema apply` did not end: run it again".to_owned());
            None
        }
        None => {
            problems.push("nothing says which log this is: run `tandem schema apply`".to_owned());
            None
        }
    };
    let partitions = identity.as_ref().map_or(settings.partitions, |identity| identity.partitions);
    if partitions != settings.partitions {
        let configured = settings.partitions;
        problems.push(format!(
            "the configuration says partitions = {configured}, but the log has {partitions} for ever: set \
             partitions = {partitions}"
        ));
    }
    if let Some(zone) = identity.as_ref().map(|identity| identity.calendar.zone())
        && zone != settings.time_zone
    {
        let configured = &settings.time_zone;
        problems.push(format!(
            "the configuration says time_zone = {configured:?}, but the log is in {zone} for ever: set time_zone = \
             {zone:?}"
        ));
    }
    let names =
        [&settings.events_topic, &settings.receipts_topic, &settings.summaries_topic, &settings.meta_topic];
    let mut listed = Vec::new();
    for name in names {
        listed.push(topics.status(name, topics.wanted(name, partitions)).await?);
    }
    Ok(Status { topics: listed, identity, problems })
}

async fn read(topics: &Topics) -> Result<Option<Entry>, Error> {
    let settings = topics.settings().clone();
    topics.blocking(move |lookup| identity::read(lookup, &settings)).await
}

/// Makes sure that the topic of events is there and that the meta topic says which log it is.
async fn establish(topics: &Topics, created: &mut Vec<String>) -> Result<Identity, Error> {
    let mut last = None;
    for _ in 0..TRIES {
        let writer = Arc::new(Writer::new(topics.settings())?);
        let taken = writer.clone();
        let outcome = async {
            topics.blocking(move |_| taken.take()).await?;
            attempt(topics, &writer, created).await
        };
        match outcome.await {
            // Somebody else was faster: what they wrote is to be looked at.
            Err(Failure::Fenced(error)) => last = Some(error),
            Err(Failure::Other(error)) => return Err(error),
            Ok(established) => return Ok(established),
        }
    }
    Err(last.unwrap_or(Error::Unavailable("others kept interfering with `tandem schema apply`".to_owned())))
}

/// One attempt by a writer that has fenced all others.
async fn attempt(
    topics: &Topics,
    writer: &Arc<Writer>,
    created: &mut Vec<String>,
) -> Result<Identity, Failure> {
    let settings = topics.settings();
    let name = &settings.events_topic;
    let found = topics.found(name).await?.map(|shape| shape.partitions);
    let entry = read(topics).await?;
    let identity = match (found, entry) {
        (Some(found), Some(Entry { state, identity })) => {
            check_partitions(name, found, identity.partitions)?;
            if state == State::Ready {
                return Ok(identity);
            }
            identity
        }
        // A topic that somebody prepared.
        (Some(found), None) => {
            check_partitions(name, found, settings.partitions)?;
            new_identity(settings, 0)?
        }
        (None, entry) => {
            let generation = match &entry {
                None => 0,
                Some(Entry { state: State::Creating, identity }) => identity.generation,
                Some(Entry { state: State::Ready, identity }) => identity.generation + 1,
            };
            if generation > GENERATION_MAX {
                return Err(Failure::Other(Error::Refused(format!(
                    "{GENERATION_MAX} logs stood under the name {name}, which is as many as rows can tell \
                     apart: choose another events_topic and empty stores"
                ))));
            }
            let announced = match entry {
                Some(Entry { state: State::Creating, identity })
                    if identity.partitions == settings.partitions
                        && identity.calendar.zone() == settings.time_zone =>
                {
                    identity
                }
                _ => {
                    let identity = new_identity(settings, generation)?;
                    write(topics, writer, Entry { state: State::Creating, identity: identity.clone() })
                        .await?;
                    identity
                }
            };
            created.extend(topics.create_missing(name, topics.wanted(name, announced.partitions)).await?);
            announced
        }
    };
    write(topics, writer, Entry { state: State::Ready, identity: identity.clone() }).await?;
    Ok(identity)
}

fn check_partitions(topic: &str, found: u32, wanted: u32) -> Result<(), Error> {
    if found == wanted { Ok(()) } else { Err(Error::Partitions { topic: topic.to_owned(), found, wanted }) }
}

fn new_identity(settings: &Settings, generation: u32) -> Result<Identity, Error> {
    let created_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let log_id = LogId(Uuid::new_v4().into_bytes());
    let calendar = Calendar::new(&settings.time_zone).map_err(|error| Error::Settings(error.to_string()))?;
    Ok(Identity { log_id, generation, partitions: settings.partitions, created_ms, calendar })
}

async fn write(topics: &Topics, writer: &Arc<Writer>, entry: Entry) -> Result<(), Failure> {
    let writer = writer.clone();
    topics.blocking(move |_| writer.write(&entry)).await
}

enum Failure {
    /// By another writer that began later.
    Fenced(Error),
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Other(error)
    }
}

/// Writes to the meta topic, as the only one.
struct Writer {
    settings: Settings,
    producer: BaseProducer<Context>,
}

impl Writer {
    fn new(settings: &Settings) -> Result<Self, Error> {
        let id = format!("{}.schema", settings.prefix);
        let config = client::producer(settings, "schema", &id);
        let producer = BaseProducer::from_config_and_context(&config, Context::new("schema"))
            .map_err(|error| client::open_failed("creating a client", &error))?;
        Ok(Self { settings: settings.clone(), producer })
    }

    fn take(&self) -> Result<(), Failure> {
        let timeout = self.settings.request_timeout();
        self.producer
            .init_transactions(timeout)
            .map_err(|error| failure("beginning to write to the meta topic", &error))
    }

    fn write(&self, entry: &Entry) -> Result<(), Failure> {
        let failed = |error: &KafkaError| failure("writing to the meta topic", error);
        let value = entry.encode();
        let record = BaseRecord::to(&self.settings.meta_topic)
            .partition(0)
            .key(&self.settings.events_topic)
            .payload(&value);
        self.producer.begin_transaction().map_err(|error| failed(&error))?;
        self.producer.send(record).map_err(|(error, _)| failed(&error))?;
        let deadline = Instant::now() + self.settings.request_timeout();
        let left = || deadline.saturating_duration_since(Instant::now());
        self.producer.flush(left()).map_err(|error| failed(&error))?;
        self.producer.commit_transaction(left()).map_err(|error| failed(&error))
    }
}

fn failure(what: &str, error: &KafkaError) -> Failure {
    use RDKafkaErrorCode as Code;
    let text = client::open_failed(what, error);
    match error.rdkafka_error_code() {
        Some(
            Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::State
            | Code::PurgeQueue
            | Code::PurgeInflight,
        ) => Failure::Fenced(text),
        _ => Failure::Other(text),
    }
}
