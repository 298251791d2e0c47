//! A topic of a test's own, and its messages as partners read them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tandem_kafka::{Settings, schema};
use tandem_model::PartitionId;
use tandem_model::summary::{Message, SCHEMA_HEADER, Schema};

use super::world::Reader;
use crate::kafka::begun;

/// How long anything that must happen may take; far more than it needs.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Settings with topics and names that nobody else has; the topics are there.
pub(super) async fn prepared(brokers: &str, partitions: u32) -> Settings {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let name = format!("summaries-{}-{}", std::process::id(), TESTS.fetch_add(1, Ordering::Relaxed));
    let settings = Settings {
        brokers: vec![brokers.to_owned()],
        events_topic: format!("{name}.events"),
        summaries_topic: format!("{name}.summaries"),
        receipts_topic: format!("{name}.receipts"),
        meta_topic: format!("{name}.meta"),
        prefix: name,
        partitions,
        replicas: 1,
        in_sync_replicas: 1,
        ..Settings::default()
    };
    schema::apply(&settings).await.expect("the topics are created");
    settings
}

/// Reads a topic from its beginning, committed messages only.
pub(super) struct TopicReader(pub(super) Settings);

#[async_trait]
impl Reader for TopicReader {
    async fn messages(&self, partition: PartitionId) -> Vec<Message> {
        let settings = self.0.clone();
        tokio::task::spawn_blocking(move || read(&settings, partition)).await.expect("reading")
    }
}

fn read(settings: &Settings, partition: PartitionId) -> Vec<Message> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("group.id", format!("{}.test", settings.prefix))
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a client");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&settings.summaries_topic, partition.0 as i32, Offset::Beginning)
        .expect("a partition");
    consumer.assign(&list).expect("assigned");
    let deadline = Instant::now() + PATIENCE;
    let mut messages = Vec::new();
    loop {
        assert!(Instant::now() < deadline, "no end of partition {partition}");
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => messages.push(decode(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => return messages,
            Some(Err(error)) => println!("reading: {error}"),
        }
    }
}

fn decode(message: &BorrowedMessage<'_>) -> Message {
    let headers = message.headers().expect("headers");
    let header = |name: &str| {
        let found = headers.iter().find(|header| header.key == name).and_then(|header| header.value);
        String::from_utf8(found.unwrap_or_else(|| panic!("no header {name}")).to_vec()).expect("text")
    };
    assert_eq!(header("content-type"), "application/json");
    let name = header(SCHEMA_HEADER);
    let schema = Schema::ALL.into_iter().find(|schema| schema.name() == name).expect("a known schema");
    let key = Bytes::copy_from_slice(message.key().expect("a key"));
    Message { schema, key, value: message.payload().map(Bytes::copy_from_slice) }
}

/// A producer that has begun a transaction and written `count` messages in it.
pub(super) fn open_transaction(settings: &Settings, id: &str, partition: i32, count: usize) -> BaseProducer {
    let producer = begun(settings, id);
    for index in 0..count {
        let (key, value) = (format!("given up {index}"), vec![b'x'; 500]);
        let record = BaseRecord::to(&settings.summaries_topic).partition(partition).key(&key).payload(&value);
        producer.send(record).map_err(|(error, _)| error).expect("sent");
    }
    producer.flush(PATIENCE).expect("written");
    producer
}
