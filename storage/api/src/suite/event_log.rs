//! What an event log promises.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tandem_model::event::Field;
use tandem_model::malformed::{Malformed, Problem};
use tandem_model::{PartitionId, Record};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::PATIENCE;
use super::fixtures::session_id;
use crate::{Append, EventLog, Receipt, StoreError};

const FIRST: PartitionId = PartitionId(0);
const SECOND: PartitionId = PartitionId(1);
const ALL: usize = usize::MAX;

/// Checks a fresh log of at least two partitions.
pub async fn event_log(log: Arc<dyn EventLog>) {
    assert!(log.partitions() >= 2, "the suite needs two partitions");
    assert_eq!(log.ends().borrow().len(), log.partitions() as usize);
    records_come_back_in_order(&*log).await;
    reads_are_bounded_and_join_up(&*log).await;
    unknown_partitions_are_refused(&*log).await;
    receipts_stand_with_their_records(&*log).await;
    receipts_are_forgotten_by_time(&*log).await;
    ends_wake_whoever_waits(&log).await;
    concurrent_appends_are_whole(&log).await;
}

fn line(text: impl Into<String>) -> Record {
    Record::line(Bytes::from(text.into()))
}

fn append(records: Vec<(PartitionId, Record)>) -> Append {
    Append { records, receipt: None }
}

fn receipt(key: &str, written_ms: u64) -> Receipt {
    Receipt {
        scope: "scope".to_owned(),
        key: key.to_owned(),
        fingerprint: u128::MAX - 7,
        answer: Bytes::from_static(b"{\"accepted\":1}"),
        written_ms,
    }
}

/// Everything in a partition, read in one go.
async fn all(log: &dyn EventLog, partition: PartitionId) -> Vec<(u64, Record)> {
    log.read(partition, 0, ALL).await.expect("read")
}

fn end(log: &dyn EventLog, partition: PartitionId) -> u64 {
    log.ends().borrow()[partition.0 as usize]
}

/// Checks that the log is known to reach to `next`, and that beyond it there is no record.
async fn ends_at(log: &dyn EventLog, partition: PartitionId, next: u64) {
    let end = end(log, partition);
    assert!(end >= next, "partition {partition} ends at {end}, not at {next}");
    assert!(log.read(partition, next, ALL).await.expect("read").is_empty(), "nothing at the end");
}

async fn records_come_back_in_order(log: &dyn EventLog) {
    assert!(all(log, FIRST).await.is_empty());
    let reason =
        Malformed { problem: Problem::Missing, field: Some(Field::Ts), session_id: Some(session_id("s:1")) };
    let refused = Record::refused(&Bytes::from(vec![b'x'; 10_000]), reason);
    let records = vec![
        (SECOND, line("b0")),
        (FIRST, line("")),
        (FIRST, refused),
        (SECOND, line("\u{0}直播\n")),
        (FIRST, line("y".repeat(64 * 1024))),
    ];
    let appended = log.append(append(records.clone())).await.expect("append");
    assert_eq!(appended.next.iter().map(|(partition, _)| *partition).collect::<Vec<_>>(), [FIRST, SECOND]);
    for (partition, next) in appended.next {
        let expected: Vec<_> =
            records.iter().filter(|(of, _)| *of == partition).map(|(_, one)| one).collect();
        let read = all(log, partition).await;
        assert_eq!(read.iter().map(|(_, record)| record).collect::<Vec<_>>(), expected);
        assert!(read.is_sorted_by(|(left, _), (right, _)| left < right), "offsets rise");
        assert_eq!(read.last().map(|(offset, _)| offset + 1), Some(next));
        ends_at(log, partition, next).await;
    }
    let nothing = log.append(Append::default()).await.expect("an empty append is no error");
    assert!(nothing.next.is_empty());
}

async fn reads_are_bounded_and_join_up(log: &dyn EventLog) {
    let records = (0..500).map(|number| (FIRST, line(format!("{number:0>200}")))).collect();
    log.append(append(records)).await.expect("append");
    for number in 0..20 {
        log.append(append(vec![(FIRST, line(format!("alone {number}")))])).await.expect("append");
    }
    let whole = all(log, FIRST).await;
    for bytes_max in [0, 1, 1_000, 50_000] {
        let mut joined = Vec::new();
        let mut from = 0;
        loop {
            let part = log.read(FIRST, from, bytes_max).await.expect("read");
            let Some((last, _)) = part.last() else { break };
            from = last + 1;
            let bytes: usize = part.iter().map(|(_, record)| record.value.len()).sum();
            // "About": an adapter may count its own framing too, but not go far beyond.
            assert!(part.len() == 1 || bytes <= bytes_max + 1_000, "{bytes} bytes, not {bytes_max}");
            joined.extend(part);
        }
        assert!(joined == whole, "parts of {bytes_max} bytes join up");
    }
}

async fn unknown_partitions_are_refused(log: &dyn EventLog) {
    let unknown = PartitionId(log.partitions());
    let before = all(log, FIRST).await.len();
    let outcome = log.append(append(vec![(FIRST, line("a")), (unknown, line("b"))])).await;
    assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
    assert_eq!(all(log, FIRST).await.len(), before, "a refused append leaves nothing");
    assert!(matches!(log.read(unknown, 0, ALL).await, Err(StoreError::Refused(_))));
}

async fn receipts_stand_with_their_records(log: &dyn EventLog) {
    assert_eq!(log.receipt("scope", "k1").await.expect("receipt"), None);
    let with = Append {
        records: vec![(FIRST, line("with a receipt")), (SECOND, line("too"))],
        receipt: Some(receipt("k1", 1_000)),
    };
    let appended = log.append(with.clone()).await.expect("append");
    let stored = log.receipt("scope", "k1").await.expect("receipt").expect("kept");
    assert_eq!((stored.receipt, stored.appended), (receipt("k1", 1_000), appended.clone()));
    assert_eq!(log.receipt("other", "k1").await.expect("receipt"), None, "keys belong to their scope");
    assert_eq!(log.receipt("scopek", "1").await.expect("receipt"), None);

    // The same again is the same as once.
    let before = all(log, FIRST).await.len();
    assert_eq!(log.append(with).await.expect("append"), appended);
    assert_eq!(all(log, FIRST).await.len(), before);

    // Another one under the same key replaces it.
    let other = Receipt { fingerprint: 1, ..receipt("k1", 1_500) };
    let appended =
        log.append(Append { records: vec![(FIRST, line("again"))], receipt: Some(other.clone()) }).await;
    let stored = log.receipt("scope", "k1").await.expect("receipt").expect("kept");
    assert_eq!((stored.receipt, stored.appended), (other, appended.expect("append")));

    // A body may hold nothing.
    let empty = Append { records: Vec::new(), receipt: Some(receipt("empty", 1_000)) };
    assert!(log.append(empty).await.expect("append").next.is_empty());
    assert!(log.receipt("scope", "empty").await.expect("receipt").is_some());

    // A refused append leaves no receipt.
    let refused = Append {
        records: vec![(PartitionId(u32::MAX), line("nowhere"))],
        receipt: Some(receipt("refused", 1_000)),
    };
    assert!(log.append(refused).await.is_err());
    assert_eq!(log.receipt("scope", "refused").await.expect("receipt"), None);
}

async fn receipts_are_forgotten_by_time(log: &dyn EventLog) {
    for (key, written_ms) in [("old", 10_000), ("at", 20_000), ("new", 30_000), ("renewed", 10_000)] {
        let one = Append { records: vec![(FIRST, line(key))], receipt: Some(receipt(key, written_ms)) };
        log.append(one).await.expect("append");
    }
    let renewed = Append { records: Vec::new(), receipt: Some(receipt("renewed", 40_000)) };
    log.append(renewed).await.expect("append");
    let records = all(log, FIRST).await.len();
    for _ in 0..2 {
        log.forget_receipts(20_000).await.expect("forget");
        for (key, kept) in [("old", false), ("at", true), ("new", true), ("renewed", true)] {
            assert_eq!(log.receipt("scope", key).await.expect("receipt").is_some(), kept, "{key}");
        }
    }
    assert_eq!(all(log, FIRST).await.len(), records, "records stay");
}

async fn ends_wake_whoever_waits(log: &Arc<dyn EventLog>) {
    let mut ends = log.ends();
    let before = ends.borrow_and_update().clone();
    let waiter = tokio::spawn(async move {
        timeout(PATIENCE, ends.changed()).await.expect("woken in time").expect("the log is there");
        ends.borrow().clone()
    });
    let appended = log.append(append(vec![(SECOND, line("wake up"))])).await.expect("append");
    let after = waiter.await.expect("waiter");
    let [(SECOND, next)] = appended.next[..] else { panic!("it went into one partition: {appended:?}") };
    assert!(next > before[1] && after[1] >= next && after[0] == before[0]);
    ends_at(&**log, SECOND, next).await;
}

async fn concurrent_appends_are_whole(log: &Arc<dyn EventLog>) {
    const WRITERS: usize = 8;
    const APPENDS: usize = 25;
    let mut starts = [0; 2];
    for (start, partition) in starts.iter_mut().zip([FIRST, SECOND]) {
        *start = all(&**log, partition).await.last().map_or(0, |(offset, _)| offset + 1);
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let log = log.clone();
        writers.spawn(async move {
            for number in 0..APPENDS {
                let both = [FIRST, SECOND];
                // Two in each partition, so that order within an append shows.
                let records = (0..4).map(|part| (both[part % 2], line(format!("{writer}/{number}/{part}"))));
                log.append(append(records.collect())).await.expect("append");
            }
        });
    }
    let reader = {
        let log = log.clone();
        tokio::spawn(async move {
            let mut seen = 0;
            while seen < WRITERS * APPENDS * 2 {
                let first = log.read(FIRST, starts[0], ALL).await.expect("read").len();
                assert!(first >= seen, "records vanished");
                seen = first;
                // What is in the first partition now is in the second before long: an append is
                // there as a whole or not at all.
                loop {
                    let second = log.read(SECOND, starts[1], ALL).await.expect("read").len();
                    assert!(first % 2 == 0 && second % 2 == 0, "half an append is visible");
                    if second >= first {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    while let Some(outcome) = writers.join_next().await {
        outcome.expect("writer");
    }
    timeout(PATIENCE, reader).await.expect("the reader sees everything").expect("reader");

    for (index, partition) in [FIRST, SECOND].into_iter().enumerate() {
        let read = log.read(partition, starts[index], ALL).await.expect("read");
        let mut next = [(0, index); WRITERS];
        let mut texts = BTreeSet::new();
        for (_, record) in &read {
            let text = std::str::from_utf8(&record.value).expect("text").to_owned();
            let parts: Vec<usize> = text.split('/').map(|part| part.parse().expect("number")).collect();
            assert_eq!((parts[1], parts[2]), next[parts[0]], "order of writer {}", parts[0]);
            next[parts[0]] = if parts[2] < 2 { (parts[1], parts[2] + 2) } else { (parts[1] + 1, index) };
            texts.insert(text);
        }
        assert_eq!((read.len(), texts.len()), (WRITERS * APPENDS * 2, WRITERS * APPENDS * 2));
        ends_at(&**log, partition, read.last().expect("not empty").0 + 1).await;
    }
}
