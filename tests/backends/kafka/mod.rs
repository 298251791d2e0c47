//! The event log on a real Kafka. Each test has topics, transactional ids and groups of its own.

mod append;
mod group;
mod log;
mod topics;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};
use tandem_kafka::{KafkaLog, Purpose, Settings, schema};
use tandem_model::{PartitionId, Record};
use tandem_storage::{Append, EventLog, Receipt};
use tandem_tests::services::Services;

/// Settings for topics that nobody else has, with two partitions.
pub(crate) fn settings() -> Settings {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let name = format!("test-{}-{}", std::process::id(), TESTS.fetch_add(1, Ordering::Relaxed));
    Settings {
        brokers: vec![Services::shared().addresses().kafka.clone()],
        events_topic: format!("{name}.events"),
        summaries_topic: format!("{name}.summaries"),
        receipts_topic: format!("{name}.receipts"),
        meta_topic: format!("{name}.meta"),
        prefix: name,
        partitions: 2,
        replicas: 1,
        in_sync_replicas: 1,
        slots: 4,
        ..Settings::default()
    }
}

/// Settings whose topics are there.
pub(crate) async fn prepared() -> Settings {
    let settings = settings();
    schema::apply(&settings).await.expect("the topics are created");
    settings
}

pub(crate) async fn open(settings: &Settings) -> Arc<KafkaLog> {
    let log = KafkaLog::open(settings.clone(), Purpose::Append("gateway".to_owned())).await;
    Arc::new(log.expect("the log is opened"))
}

pub(crate) fn line(text: impl Into<String>) -> Record {
    Record::line(Bytes::from(text.into()))
}

pub(crate) fn lines(partition: u32, texts: impl IntoIterator<Item = String>) -> Append {
    let records = texts.into_iter().map(|text| (PartitionId(partition), line(text))).collect();
    Append { records, receipt: None }
}

pub(crate) fn receipt(key: &str, fingerprint: u128, written_ms: u64) -> Receipt {
    let (scope, answer) = ("scope".to_owned(), Bytes::from_static(b"{}"));
    Receipt { scope, key: key.to_owned(), fingerprint, answer, written_ms }
}

/// Everything in a partition from an offset on, as text.
pub(crate) async fn texts(log: &KafkaLog, partition: u32, mut from: u64) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let records = log.read(PartitionId(partition), from, 1 << 20).await.expect("read");
        let Some((last, _)) = records.last() else { return texts };
        from = last + 1;
        texts.extend(records.iter().map(|(_, record)| String::from_utf8_lossy(&record.value).into_owned()));
    }
}

/// A producer of somebody else's that has begun a transaction.
pub(crate) fn begun(settings: &Settings, transactional_id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("transactional.id", transactional_id)
        .set("transaction.timeout.ms", "60000")
        .create()
        .expect("a client");
    producer.init_transactions(Duration::from_secs(60)).expect("initialised");
    producer.begin_transaction().expect("begun");
    producer
}
