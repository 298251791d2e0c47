//! The log: what the port's suite asks for, records of others, far offsets, retention, who is missing.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tandem_fold::Fold;
use tandem_kafka::{Identity, KafkaLog, Purpose, Settings};
use tandem_model::malformed::Problem;
use tandem_model::record::{LINE_BYTES_MAX, MALFORMED_BYTES_MAX};
use tandem_model::{Calendar, LogId, PartitionId, PseudonymKey};
use tandem_storage::{EventLog, StoreError};

use super::{lines, open, prepared, settings, texts};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite() {
    tandem_storage::suite::event_log(open(&prepared().await).await).await;
}

fn client(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", settings.brokers.join(","));
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_is_read_and_never_stops_the_fold() {
    let settings = prepared().await;
    let log = open(&settings).await;
    log.append(lines(0, ["ours".to_owned()])).await.expect("append");
    // A producer that knows nothing of us: no transaction, no headers, Kafka's own partitioner.
    let producer: BaseProducer =
        client(&settings).set("partitioner", "murmur2_random").create().expect("producer");
    let topic = settings.events_topic.clone();
    let event = br#"{"event_id":"e","type":"exposure","ts":1000,"session_id":"s1","user_id":"u"}"#.to_vec();
    let home = tandem_model::partition::partition_of(b"s1", 2).0;
    let long = vec![b'x'; LINE_BYTES_MAX + 1];
    let record = || BaseRecord::<str, [u8]>::to(&topic);
    let strange = OwnedHeaders::new().insert(Header { key: "tandem.refused.1", value: Some("what?") });
    let records = [
        record().key("s1").payload(&event),
        record().partition(home as i32),
        record().partition(home as i32).key("s1").payload(&long),
        record().partition(home as i32).payload(b"\xff\xfe"),
        record().partition(home as i32).key("").payload(b"").headers(strange),
    ];
    for record in records {
        producer.send(record).map_err(|(error, _)| error).expect("sent");
    }
    producer.flush(PATIENCE).expect("written");

    let from = if home == 0 { 2 } else { 0 };
    let mut read = Vec::new();
    while read.len() < 5 {
        let next = read.last().map_or(from, |(offset, _)| offset + 1);
        read.extend(log.read(PartitionId(home), next, usize::MAX).await.expect("read"));
    }
    let values: Vec<&[u8]> = read.iter().map(|(_, record)| &record.value[..]).collect();
    assert_eq!(values, [&event[..], b"", &long[..MALFORMED_BYTES_MAX], b"\xff\xfe", b""]);
    let reasons: Vec<Option<Problem>> = read
        .iter()
        .map(|(_, record)| record.malformed.as_ref().map(|refusal| refusal.reason.problem))
        .collect();
    // What is not JSON at all is so also where it is too long.
    assert_eq!(reasons, [None, None, Some(Problem::NotJson), None, None]);

    let mut fold = Fold::new(PartitionId(home), 2, PseudonymKey::new([0; 16]));
    for (offset, record) in &read {
        fold.apply(*offset, record);
    }
    let changes = fold.take_changes();
    assert_eq!((changes.partition_row.malformed_events, changes.sessions.len()), (4, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_offset_is_found_at_once_from_any_process() {
    let settings = prepared().await;
    let log = open(&settings).await;
    for part in 0..10 {
        let texts = (0..1_000).map(|number| format!("{part}/{number}"));
        log.append(lines(0, texts)).await.expect("append");
    }
    let end = log.ends().borrow()[0];
    let other = open(&settings).await;
    for (reader, name) in [(&log, "own"), (&other, "other")] {
        let last = reader.read(PartitionId(0), end - 1, 1).await.expect("read");
        assert_eq!(last[0].1.value, "9/999", "{name}");
        // A transaction's marker: what comes after it is meant.
        let after_hole = reader.read(PartitionId(0), 1_000, 1).await.expect("read");
        assert_eq!((after_hole[0].0, &after_hole[0].1.value[..]), (1_001, &b"1/0"[..]), "{name}");
        let back = reader.read(PartitionId(0), 7, 1).await.expect("read");
        assert_eq!(back[0].1.value, "0/7", "{name}");
        assert_eq!(texts(reader, 0, 0).await.len(), 10_000, "{name}");
        assert!(reader.read(PartitionId(0), end, 1).await.expect("read").is_empty(), "{name}");
    }
    // What others append is there for whoever looks, also at an end that was looked at before.
    for number in 0..20 {
        let next = other.ends().borrow()[0].max(end);
        let appended = log.append(lines(0, [format!("new {number}")])).await.expect("append");
        tokio::time::timeout(PATIENCE, async {
            let mut ends = other.ends();
            while other.read(PartitionId(0), next, 1).await.expect("read").is_empty() {
                ends.changed().await.expect("the log is there");
            }
        })
        .await
        .expect("announced");
        assert!(other.ends().borrow()[0] >= appended.next[0].1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_or_was_never_there_is_damage_and_never_a_gap() {
    let settings = prepared().await;
    let log = open(&settings).await;
    log.append(lines(0, (0..100).map(|number| number.to_string()))).await.expect("append");
    assert_eq!(texts(&log, 0, 0).await.len(), 100);
    // As retention would do it.
    let admin: AdminClient<DefaultClientContext> = client(&settings).create().expect("admin");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&settings.events_topic, 0, Offset::Offset(40)).expect("offset");
    admin.delete_records(&list, &AdminOptions::new()).await.expect("deleted");

    let other = open(&settings).await;
    for reader in [&log, &other] {
        for _ in 0..2 {
            let StoreError::Damaged(text) = reader.read(PartitionId(0), 39, 1).await.expect_err("gone")
            else {
                panic!("not damaged");
            };
            assert!(text.contains("offset 39") && text.contains("is at 40"), "{text}");
        }
        assert_eq!(reader.read(PartitionId(0), 40, 1).await.expect("read")[0].1.value, "40");
        let StoreError::Damaged(text) = reader.read(PartitionId(0), 5_000, 1).await.expect_err("beyond")
        else {
            panic!("not damaged");
        };
        assert!(text.contains("offset 5000") && text.contains("cut, or created anew"), "{text}");
        assert_eq!(reader.read(PartitionId(0), 99, 1).await.expect("read")[0].1.value, "99");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_everything_is_unavailable_and_nothing_hangs() {
    let settings = Settings {
        brokers: vec!["127.0.0.1:1".to_owned()],
        request_timeout_ms: 500,
        append_timeout_ms: 500,
        ..settings()
    };
    let opened = KafkaLog::open(settings.clone(), Purpose::Read).await.err().expect("no broker");
    assert!(matches!(opened, tandem_kafka::Error::Unavailable(_)), "{opened:?}");
    let identity = Identity {
        log_id: LogId([7; 16]),
        generation: 3,
        partitions: 2,
        created_ms: 0,
        calendar: Calendar::default(),
    };
    let log = KafkaLog::with_identity(settings, identity, Purpose::Append("gateway".to_owned()))
        .expect("needs no broker");
    assert_eq!((log.id(), log.generation(), log.partitions()), (LogId([7; 16]), 3, 2));
    assert_eq!(**log.ends().borrow(), [0, 0]);
    let outcomes = tokio::time::timeout(PATIENCE, async {
        let appended = log.append(lines(0, ["lost".to_owned()])).await.err();
        let read = log.read(PartitionId(0), 0, 1).await.err();
        let receipt = log.receipt("scope", "key").await.err();
        [appended, read, receipt]
    });
    for outcome in outcomes.await.expect("in time") {
        assert!(matches!(outcome, Some(StoreError::Unavailable(_))), "{outcome:?}");
    }
}
