//! The adapter: the suite, and what only a real server can show.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::Producer;
use tandem_kafka::{KafkaSummaries, Settings};
use tandem_model::route::Chain;
use tandem_model::row::Table;
use tandem_model::summary::{Marker, Message};
use tandem_model::{Breakdown, Cut, LogId, PartitionId};
use tandem_storage::suite::fixtures::{row, session_id};
use tandem_storage::{PublishError, StoreError, SummaryTopic};
use tandem_tests::services::Services;

use super::topic::{PATIENCE, TopicReader, open_transaction, prepared};
use super::world::Reader;

fn brokers() -> &'static str {
    &Services::shared().addresses().kafka
}

fn topic(settings: &Settings) -> KafkaSummaries {
    KafkaSummaries::new(settings.clone()).expect("settings that work")
}

fn marker(partition: PartitionId, second: u64) -> Marker {
    let cut = Cut { next: second * 10, clock: second * 1_000 };
    Marker { log: LogId([7; 16]), generation: 0, partition, cut, chain: Chain::A, epoch: 1, definitions: 1 }
}

fn messages(marker: &Marker, count: usize) -> Vec<Message> {
    let key = |index: usize| format!("key-{index}");
    let row = |index| row(Table::Total, Breakdown::Item, &key(index), 0, marker.cut.next);
    (0..count).map(|index| marker.row_message(&session_id("s"), &row(index))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite() {
    let settings = prepared(brokers(), 3).await;
    let reader = TopicReader(settings.clone());
    let read = async |partition| reader.messages(partition).await;
    tandem_storage::suite::summaries(Arc::new(topic(&settings)), read).await;
}

/// The last marker is found behind anything that was given up, or is still open because its writer
/// died; and what the dead one had written never shows.
#[tokio::test(flavor = "multi_thread")]
async fn the_marker_is_found_behind_what_was_given_up() {
    let settings = prepared(brokers(), 1).await;
    let topic = topic(&settings);
    let partition = PartitionId(0);
    let (mut writer, last) = topic.begin(partition).await.expect("begin");
    assert_eq!(last, None);
    let first = marker(partition, 1);
    writer.publish(&first, messages(&first, 3)).await.expect("publish");

    // Far more than the first look reaches.
    for count in [1, 40, 2_000] {
        let given_up = settings.clone();
        let wrote = tokio::task::spawn_blocking(move || {
            let producer = open_transaction(&given_up, &format!("{}.other", given_up.prefix), 0, count);
            producer.abort_transaction(PATIENCE).expect("given up");
        });
        wrote.await.expect("written");
        assert_eq!(topic.last(partition).await.expect("last"), Some(first.clone()), "{count}");
    }
    // A writer of ours that was killed in the middle of a transaction.
    let killed = settings.clone();
    let dead = tokio::task::spawn_blocking(move || {
        open_transaction(&killed, &format!("{}.dws.0", killed.prefix), 0, 100)
    });
    let dead = dead.await.expect("written");
    assert_eq!(topic.last(partition).await.expect("last"), Some(first.clone()));
    let stale = marker(partition, 9);
    assert_eq!(writer.publish(&stale, messages(&stale, 1)).await, Err(PublishError::Fenced));
    let (mut writer, last) = topic.begin(partition).await.expect("begin");
    assert_eq!(last, Some(first.clone()));
    let second = marker(partition, 2);
    writer.publish(&second, messages(&second, 2)).await.expect("publish");
    assert_eq!(topic.last(partition).await.expect("last"), Some(second.clone()));
    let outcome =
        tokio::task::spawn_blocking(move || dead.commit_transaction(PATIENCE)).await.expect("asked");
    outcome.expect_err("the dead stay dead");

    let mut expected = messages(&first, 3);
    expected.push(first.message());
    expected.extend(messages(&second, 2));
    expected.push(second.message());
    assert_eq!(TopicReader(settings).messages(partition).await, expected);
}

/// What can't be sent fails the whole transaction, and the next writer goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_refused_and_nothing_of_it_stays() {
    let settings = prepared(brokers(), 1).await;
    let topic = topic(&settings);
    let partition = PartitionId(0);
    let (mut writer, _) = topic.begin(partition).await.expect("begin");
    let first = marker(partition, 1);
    let mut large = messages(&first, 2);
    large[1].value = Some(vec![b'x'; 30 << 20].into());
    let outcome = writer.publish(&first, large).await;
    assert!(matches!(outcome, Err(PublishError::Refused(_))), "{outcome:?}");
    // The writer is over, and says so rather than doing half of something.
    let outcome = writer.publish(&first, messages(&first, 1)).await;
    assert!(matches!(outcome, Err(PublishError::Unavailable(_))), "{outcome:?}");
    let (mut writer, last) = topic.begin(partition).await.expect("begin");
    assert_eq!(last, None);
    writer.publish(&first, messages(&first, 1)).await.expect("publish");
    assert_eq!(TopicReader(settings).messages(partition).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_away_says_what_to_do() {
    let settings = Settings { request_timeout_ms: 3_000, ..prepared(brokers(), 1).await };
    let missing = Settings { summaries_topic: format!("{}.nowhere", settings.prefix), ..settings.clone() };
    let away = Settings { brokers: vec!["127.0.0.1:1".to_owned()], ..settings.clone() };
    for (settings, partition, words) in
        [(missing, 0, "tandem schema apply"), (settings, 7, "tandem schema apply"), (away, 0, "")]
    {
        let topic = topic(&settings);
        for outcome in [
            topic.begin(PartitionId(partition)).await.map(drop),
            topic.last(PartitionId(partition)).await.map(drop),
        ] {
            let error = outcome.expect_err("it is not there");
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

/// Compaction leaves the latest of every row and of the marker, and the next writer goes on.
#[tokio::test(flavor = "multi_thread")]
async fn after_compaction_the_latest_rows_and_the_marker_are_there() {
    const TRANSACTIONS: u64 = 60;
    let settings = prepared(brokers(), 1).await;
    let eager = [("segment.ms", "100"), ("min.cleanable.dirty.ratio", "0.0"), ("delete.retention.ms", "1")];
    configure(&settings, &eager).await;
    let topic = topic(&settings);
    let partition = PartitionId(0);
    let (mut writer, _) = topic.begin(partition).await.expect("begin");
    let mut latest = BTreeMap::new();
    let mut count = 0;
    for second in 1..=TRANSACTIONS {
        let marker = marker(partition, second);
        // One row changes seldom: its latest message is an old one.
        let messages = messages(&marker, if second % 20 == 0 { 3 } else { 2 });
        writer.publish(&marker, messages.clone()).await.expect("publish");
        count += messages.len() + 1;
        latest.extend(
            messages.into_iter().chain([marker.message()]).map(|message| (message.key.clone(), message)),
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let reader = TopicReader(settings);
    let compacted = async {
        loop {
            let found = reader.messages(partition).await;
            if found.len() < count / 2 {
                return found;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    // The broker looks for work every 15 s.
    let found = tokio::time::timeout(PATIENCE * 2, compacted).await.expect("the broker compacts");
    let found: BTreeMap<_, _> = found.into_iter().map(|message| (message.key.clone(), message)).collect();
    assert_eq!(found, latest);
    let last = marker(partition, TRANSACTIONS);
    assert_eq!(topic.last(partition).await.expect("last"), Some(last.clone()));
    let (mut writer, begun_at) = topic.begin(partition).await.expect("begin");
    assert_eq!(begun_at, Some(last));
    let next = marker(partition, TRANSACTIONS + 1);
    writer.publish(&next, messages(&next, 1)).await.expect("publish");
}

/// Sets options of the topic.
async fn configure(settings: &Settings, options: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", settings.brokers.join(",")).create().expect("a client");
    let topic = ResourceSpecifier::Topic(&settings.summaries_topic);
    // What is not named here goes back to the broker's own.
    let altered =
        options.iter().fold(AlterConfig::new(topic), |altered, (key, value)| altered.set(key, value));
    let altered = altered.set("cleanup.policy", "compact");
    let outcome = admin.alter_configs([&altered], &AdminOptions::new()).await.expect("altered");
    assert!(outcome.iter().all(Result::is_ok), "{outcome:?}");
}
