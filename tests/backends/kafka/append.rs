//! Appending from several processes: receipts that count once, fencing, writers that die.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::producer::{BaseRecord, Producer};
use tandem_kafka::{KafkaLog, Purpose, Settings};
use tandem_model::PartitionId;
use tandem_storage::{Append, EventLog, StoreError};
use tokio::task::JoinSet;

use super::{begun, line, lines, open, prepared, receipt, texts};

const PATIENCE: Duration = Duration::from_secs(60);

fn keyed(key: &str, fingerprint: u128, written_ms: u64, text: &str) -> Append {
    let records = vec![(PartitionId(0), line(text)), (PartitionId(1), line(text))];
    Append { records, receipt: Some(receipt(key, fingerprint, written_ms)) }
}

/// As ingest does it: ask first, then append; after an error that may mean anything, ask again.
async fn post(log: &KafkaLog, key: &str, fingerprint: u128, written_ms: u64, text: &str) {
    loop {
        if let Ok(Some(stored)) = log.receipt("scope", key).await {
            assert_eq!(stored.receipt.fingerprint, fingerprint);
            return;
        }
        match log.append(keyed(key, fingerprint, written_ms, text)).await {
            Ok(_) => return,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_counts_once_over_several_gateways() {
    let settings = prepared().await;
    let gateways = [open(&settings).await, open(&settings).await, open(&settings).await];
    let mut posts = JoinSet::new();
    for number in 0..12 {
        for (index, gateway) in gateways.iter().enumerate() {
            let gateway = gateway.clone();
            posts.spawn(async move {
                let key = format!("k{number}");
                // Each has its own clock, so the receipts differ.
                post(&gateway, &key, 5, 1_000 + index as u64, &key).await;
            });
        }
    }
    tokio::time::timeout(PATIENCE, posts.join_all()).await.expect("every body is taken");
    let mut expected: Vec<String> = (0..12).map(|number| format!("k{number}")).collect();
    expected.sort();
    for partition in 0..2 {
        let mut found = texts(&gateways[0], partition, 0).await;
        found.sort();
        assert_eq!(found, expected, "partition {partition}");
    }
    // All of them know all receipts, and the same ones.
    for number in 0..12 {
        let key = format!("k{number}");
        let mut stored = Vec::new();
        for gateway in &gateways {
            stored.push(gateway.receipt("scope", &key).await.expect("receipt").expect("kept"));
        }
        assert!(stored.iter().all(|one| *one == stored[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_body_under_a_key_that_was_used_meanwhile_is_not_appended() {
    let settings = prepared().await;
    let (first, second) = (open(&settings).await, open(&settings).await);
    assert_eq!(first.receipt("scope", "k").await.expect("receipt"), None);
    assert_eq!(second.receipt("scope", "k").await.expect("receipt"), None);
    first.append(keyed("k", 1, 1_000, "one")).await.expect("append");
    let error = second.append(keyed("k", 2, 1_000, "other")).await.expect_err("used meanwhile");
    assert!(error.is_retryable(), "then whoever asks again finds out: {error}");
    let stored = second.receipt("scope", "k").await.expect("receipt").expect("kept");
    assert_eq!(stored.receipt.fingerprint, 1);
    // Now it is known, and may be replaced.
    second.append(keyed("k", 2, 9_000, "other")).await.expect("append");
    // Kafka confirms a transaction a moment before others can read it.
    while first.receipt("scope", "k").await.expect("receipt").expect("kept") == stored {}
    let stored = first.receipt("scope", "k").await.expect("receipt").expect("kept");
    assert_eq!((stored.receipt.fingerprint, stored.receipt.written_ms), (2, 9_000));
    assert_eq!(texts(&first, 0, 0).await, ["one", "other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_outlive_every_process_and_what_is_forgotten_is_so_for_whoever_forgets() {
    let settings = prepared().await;
    let log = open(&settings).await;
    let appended = log.append(keyed("k", 1, 1_000, "one")).await.expect("append");
    log.append(keyed("old", 1, 10, "old")).await.expect("append");
    drop(log);
    let log = open(&settings).await;
    log.forget_receipts(500).await.expect("forgotten before they were read");
    let stored = log.receipt("scope", "k").await.expect("receipt").expect("kept");
    assert_eq!((stored.receipt, &stored.appended), (receipt("k", 1, 1_000), &appended));
    assert_eq!(log.receipt("scope", "old").await.expect("receipt"), None);
    // The same append once more, after a restart.
    assert_eq!(log.append(keyed("k", 1, 1_000, "one")).await.expect("append"), appended);
    assert_eq!(texts(&log, 0, 0).await, ["one", "old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_take_each_others_slots_lose_and_double_nothing() {
    // One slot for all: every append of one gateway fences the other.
    let mut settings = super::settings();
    settings.slots = 1;
    tandem_kafka::schema::apply(&settings).await.expect("topics");
    let gateways = [open(&settings).await, open(&settings).await];
    let mut writers = JoinSet::new();
    for (index, gateway) in gateways.iter().enumerate() {
        for writer in 0..4 {
            let gateway = gateway.clone();
            writers.spawn(async move {
                let mut in_doubt = Vec::new();
                for number in 0..8 {
                    let text = format!("{index}/{writer}/{number}");
                    loop {
                        match gateway.append(lines(0, [text.clone()])).await {
                            Ok(_) => break,
                            // Nothing was done: the same again.
                            Err(StoreError::Unavailable(_)) => {}
                            Err(StoreError::Timeout(_)) => {
                                in_doubt.push(text);
                                break;
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                in_doubt
            });
        }
    }
    let in_doubt: Vec<String> =
        tokio::time::timeout(PATIENCE, writers.join_all()).await.expect("everybody gets through").concat();
    let found = texts(&gateways[0], 0, 0).await;
    for index in 0..2 {
        for writer in 0..4 {
            let prefix = format!("{index}/{writer}/");
            let ours: Vec<&String> = found.iter().filter(|text| text.starts_with(&prefix)).collect();
            let expected: Vec<String> = (0..8).map(|number| format!("{prefix}{number}")).collect();
            let expected: Vec<&String> =
                expected.iter().filter(|text| ours.contains(text) || !in_doubt.contains(text)).collect();
            assert_eq!(ours, expected, "in order, each once");
        }
    }
}

/// Leaves a transaction behind that is neither committed nor given up, as a killed process does.
fn abandon(settings: &Settings, transactional_id: &str, text: &str) {
    let producer = begun(settings, transactional_id);
    let record = BaseRecord::<str, str>::to(&settings.events_topic).partition(0).payload(text);
    producer.send(record).map_err(|(error, _)| error).expect("sent");
    producer.flush(PATIENCE).expect("written");
    // Dropping it does not give the transaction up.
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_writer_left_is_never_seen_and_ends_when_its_slot_is_taken() {
    let mut settings = super::settings();
    settings.slots = 1;
    tandem_kafka::schema::apply(&settings).await.expect("topics");
    abandon(&settings, &format!("{}.gateway.append.0", settings.prefix), "half");
    let log = open(&settings).await;
    assert_eq!(texts(&log, 0, 0).await, [] as [&str; 0]);
    let appended = log.append(lines(0, ["whole".to_owned()])).await.expect("append");
    // It would be hidden for a minute, had nobody ended what stands before it.
    assert_eq!(texts(&log, 0, 0).await, ["whole"]);
    assert!(appended.next[0].1 > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_gateway_left_in_a_slot_nobody_uses_is_ended_by_another_gateway() {
    let settings = prepared().await;
    let log = open(&settings).await;
    // Takes one slot; the writer dies in another one.
    log.append(lines(1, ["first".to_owned()])).await.expect("append");
    for slot in 0..settings.slots {
        abandon(&settings, &format!("{}.gateway.append.{slot}", settings.prefix), "half");
    }
    let reader = Arc::new(KafkaLog::open(settings.clone(), Purpose::Read).await.expect("opened"));
    log.append(lines(0, ["hidden".to_owned()])).await.expect("append");
    let found = tokio::time::timeout(PATIENCE - Duration::from_secs(15), async {
        loop {
            let found = texts(&reader, 0, 0).await;
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert_eq!(found.await.expect("well before Kafka does it"), ["hidden"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn purposes_do_not_fence_each_other_and_readers_do_not_write() {
    let settings = prepared().await;
    let gateway = open(&settings).await;
    let metronome = KafkaLog::open(settings.clone(), Purpose::Append("metronome".to_owned())).await;
    let metronome = metronome.expect("opened");
    for number in 0..5 {
        gateway.append(lines(0, [format!("g{number}")])).await.expect("append");
        metronome.append(lines(0, [format!("m{number}")])).await.expect("append");
    }
    assert_eq!(texts(&gateway, 0, 0).await.len(), 10);
    let reader = KafkaLog::open(settings, Purpose::Read).await.expect("opened");
    let refused = reader.append(lines(0, ["no".to_owned()])).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(texts(&reader, 0, 0).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_many_lines_is_one_append() {
    let settings = prepared().await;
    let log = open(&settings).await;
    let records = (0..50_000_u32)
        .map(|number| (PartitionId(number % 2), line(format!("{{\"number\":{number:0>120}}}"))))
        .collect();
    let appended = log.append(Append { records, receipt: Some(receipt("k", 1, 1)) }).await.expect("append");
    for partition in 0..2 {
        let found = texts(&log, partition, 0).await;
        let expected = (0..25_000).map(|number| format!("{{\"number\":{:0>120}}}", 2 * number + partition));
        assert!(found.into_iter().eq(expected), "in order");
        assert!(log.ends().borrow()[partition as usize] >= appended.next[partition as usize].1);
    }
}
