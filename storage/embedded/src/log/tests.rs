//! The log beyond the suite: restarts, damage, speed.

use std::fs;
use std::time::Instant;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_model::malformed::{Malformed, Problem};
use tandem_storage::{Receipt, suite};

use super::*;

const ALL: usize = usize::MAX;

fn append(records: Vec<(PartitionId, Record)>) -> Append {
    Append { records, receipt: None }
}

fn receipt(key: &str) -> Receipt {
    Receipt {
        scope: "scope".to_owned(),
        key: key.to_owned(),
        fingerprint: 7,
        answer: Bytes::from_static(b"{}"),
        written_ms: 1_000,
    }
}

/// Small, large and refused records in two partitions, in appends of different sizes.
async fn fill(log: &Log) {
    for number in 0..30_usize {
        let mut records = Vec::new();
        for index in 0..number * 4 + 1 {
            let partition = PartitionId((index % 2) as u32);
            records.push((partition, Record::line(format!("{number}/{index}").repeat(20).into())));
        }
        if number % 10 == 3 {
            let line = Bytes::from(vec![b'z'; 40_000]);
            records.push((PartitionId(1), Record::line(line.clone())));
            let reason = Malformed { problem: Problem::NotJson, field: None, session_id: None };
            records.push((PartitionId(0), Record::refused(&line, reason)));
        }
        let receipt = (number % 7 == 0).then(|| receipt(&format!("key-{number}")));
        log.append(Append { records, receipt }).await.expect("append");
    }
}

type Content = (Vec<Vec<(u64, Record)>>, Vec<Option<StoredReceipt>>);

async fn content(log: &Log) -> Result<Content> {
    let mut records = Vec::new();
    for partition in 0..log.partitions() {
        records.push(log.read(PartitionId(partition), 0, ALL).await?);
    }
    let mut receipts = Vec::new();
    for number in (0..30).step_by(7) {
        receipts.push(log.receipt("scope", &format!("key-{number}")).await?);
    }
    Ok((records, receipts))
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite() {
    let folder = tempfile::tempdir().expect("folder");
    suite::event_log(Arc::new(Log::open(folder.path(), 3).expect("open"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().expect("folder");
    let log = Log::open(folder.path(), 2).expect("open");
    fill(&log).await;
    let (id, ends, before) = (log.id(), log.ends().borrow().clone(), content(&log).await.expect("content"));
    assert!(before.1.iter().all(Option::is_some));
    drop(log);
    for _ in 0..2 {
        let log = Log::open(folder.path(), 2).expect("open again");
        assert_eq!((log.id(), &*log.ends().borrow()), (id, &ends));
        assert!(content(&log).await.expect("content") == before);
    }
    let refused = Log::open(folder.path(), 3).map(|_| ()).expect_err("another number of partitions");
    assert!(matches!(refused, StoreError::Refused(_)), "{refused}");
    // Offsets go on where they ended.
    let log = Log::open_existing(folder.path()).expect("open again");
    let appended = log.append(append(vec![(PartitionId(1), Record::beat(1))])).await.expect("append");
    assert_eq!(appended.next, [(PartitionId(1), ends[1] + 1)]);
}

#[test]
fn what_is_no_log_is_refused_or_damaged() {
    let folder = tempfile::tempdir().expect("folder");
    let kind = || match Log::open_existing(folder.path()).map(|_| ()) {
        Err(StoreError::Refused(text)) => format!("refused {text}"),
        Err(StoreError::Damaged(text)) => format!("damaged {text}"),
        other => panic!("{other:?}"),
    };
    assert!(kind().starts_with("refused"));
    assert!(!folder.path().join(FILE).exists(), "asking creates nothing");
    fs::write(folder.path().join(FILE), vec![7; 10_000]).expect("write");
    let text = kind();
    assert!(text.starts_with("damaged") && text.contains(FILE), "{text}");
    for partitions in [0, u32::MAX] {
        assert!(matches!(Log::open(folder.path(), partitions).map(|_| ()), Err(StoreError::Refused(_))));
    }
}

/// A log as it lies on disk, once closed and once as a killed process leaves it.
async fn images() -> [(Vec<u8>, Vec<u8>, Content); 2] {
    let folder = tempfile::tempdir().expect("folder");
    let files = || {
        let read = |name: &str| fs::read(folder.path().join(name)).expect("file");
        (read(FILE), read(mark::FILE))
    };
    let log = Log::open(folder.path(), 2).expect("open");
    fill(&log).await;
    let content = content(&log).await.expect("content");
    // What the process has handed to the system is what a killed one leaves behind.
    let (killed, killed_mark) = files();
    drop(log);
    let (closed, closed_mark) = files();
    assert!(killed != closed);
    [(closed, closed_mark, content.clone()), (killed, killed_mark, content)]
}

/// Opens a log with this on disk: nothing is lost, or it says what is damaged.
async fn check_image(database: &[u8], mark: &[u8], content: &Content, what: &str) -> bool {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join(FILE), database).expect("write");
    fs::write(folder.path().join(mark::FILE), mark).expect("write");
    let outcome = match Log::open(folder.path(), 2) {
        Ok(log) => self::content(&log).await.map(|read| (read, log)),
        Err(error) => Err(error),
    };
    match outcome {
        Ok((read, log)) => {
            assert!(read == *content, "{what}: something is lost, and nobody says so");
            // It can also be written to.
            log.append(append(vec![(PartitionId(0), Record::beat(1))])).await.expect("append");
            true
        }
        Err(StoreError::Damaged(text)) => {
            assert!(text.contains("log."), "{what}: {text}");
            false
        }
        Err(other) => panic!("{what}: {other}"),
    }
}

/// Flips single bits all over the file: in redb's head, in the framing of pages, in batches, and in
/// what is not used.
#[tokio::test(flavor = "multi_thread")]
async fn no_damaged_byte_is_passed_over() {
    let seed = std::env::var("TANDEM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let count: usize = std::env::var("TANDEM_FLIPS").ok().and_then(|count| count.parse().ok()).unwrap_or(150);
    let mut random = SmallRng::seed_from_u64(seed);
    for (image, (database, mark, content)) in images().await.into_iter().enumerate() {
        assert!(check_image(&database, &mark, &content, "the image itself").await);
        let head = 0..512_usize;
        let used: Vec<usize> = (0..database.len()).filter(|index| database[*index] != 0).collect();
        let mut found = 0;
        for number in 0..count {
            let position = match number % 3 {
                0 => random.random_range(head.clone()),
                1 => random.random_range(0..database.len()),
                _ => used[random.random_range(0..used.len())],
            };
            let mut bad = database.clone();
            bad[position] ^= 1 << random.random_range(0..8);
            let what = format!("seed {seed}, image {image}, byte {position}");
            found += usize::from(!check_image(&bad, &mark, &content, &what).await);
        }
        assert!(found > count / 10, "only {found} of {count} were found damaged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_ends_too_early_is_damaged() {
    for (image, (database, mark, content)) in images().await.into_iter().enumerate() {
        for part in 0..20 {
            let cut = database.len() * part / 20;
            let whole =
                check_image(&database[..cut], &mark, &content, &format!("image {image}, cut at {cut}")).await;
            assert!(!whole || database[cut..].iter().all(|byte| *byte == 0));
        }
    }
}

/// The newest commit is damaged, which redb alone would answer by going back to the one before.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_commit_is_not_cut_off() {
    let folder = tempfile::tempdir().expect("folder");
    let log = Log::open(folder.path(), 2).expect("open");
    for number in 0..5 {
        let line = format!("append number {number}");
        log.append(append(vec![(PartitionId(0), Record::line(line.into()))])).await.expect("append");
    }
    let mut database = fs::read(folder.path().join(FILE)).expect("file");
    let mark = fs::read(folder.path().join(mark::FILE)).expect("file");
    let content = content(&log).await.expect("content");
    drop(log);
    assert!(check_image(&database, &mark, &content, "whole").await);
    let last = b"append number 4";
    let places: Vec<_> = (0..database.len()).filter(|at| database[*at..].starts_with(last)).collect();
    assert!(!places.is_empty());
    for at in places {
        database[at] ^= 1;
    }
    assert!(!check_image(&database, &mark, &content, "the last append is damaged").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mark_guards_and_is_guarded() {
    let [_, (database, mark, content)] = images().await;
    // One slot is enough.
    for position in [0, 10, 30, 4096, 4100, 4130] {
        let mut bad = mark.clone();
        bad[position] ^= 1;
        assert!(check_image(&database, &bad, &content, &format!("byte {position} of the mark")).await);
    }
    assert!(!check_image(&database, b"", &content, "an empty mark").await);
    // A file that is gone is not taken for a new log.
    assert!(!check_image(b"", &mark, &content, "an empty file").await);
    // A mark that is behind is what the death of a machine leaves.
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join(FILE), &database).expect("write");
    let mark::Found::Reached(id, reached) = ({
        fs::write(folder.path().join(mark::FILE), &mark).expect("write");
        mark::read(folder.path()).expect("mark")
    }) else {
        panic!("the mark is whole")
    };
    for (sequence, whole) in [(reached - 1, true), (reached, true), (reached + 1, false)] {
        mark::Mark::create(folder.path(), id, sequence).expect("mark");
        let mark = fs::read(folder.path().join(mark::FILE)).expect("file");
        assert_eq!(check_image(&database, &mark, &content, "another mark").await, whole);
    }
    mark::Mark::create(folder.path(), LogId([9; 16]), 0).expect("mark");
    let mark = fs::read(folder.path().join(mark::FILE)).expect("file");
    assert!(!check_image(&database, &mark, &content, "another log's mark").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_larger_than_what_may_wait_passes() {
    let folder = tempfile::tempdir().expect("folder");
    let log = Log::open(folder.path(), 1).expect("open");
    let line = Bytes::from(vec![b'x'; 60_000]);
    let count = WAITING_BYTES_MAX / line.len() + 10;
    let records = (0..count).map(|_| (PartitionId(0), Record::line(line.clone()))).collect();
    let appended = log.append(append(records)).await.expect("append");
    assert_eq!(appended.next, [(PartitionId(0), count as u64)]);
}

/// Prints how long appends, reads and opening take.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn speed() {
    let folder = tempfile::tempdir().expect("folder");
    let log = Arc::new(Log::open(folder.path(), 8).expect("open"));
    let line = Bytes::from(vec![b'x'; 160]);
    let body = || {
        let records = (0..50_000_u32).map(|number| (PartitionId(number % 8), Record::line(line.clone())));
        append(records.collect())
    };
    for _ in 0..5 {
        let body = body();
        let start = Instant::now();
        log.append(body).await.expect("append");
        eprintln!("append of 50,000 lines: {:?}", start.elapsed());
    }
    for _ in 0..60 {
        log.append(body()).await.expect("append");
    }
    let start = Instant::now();
    for number in 0..500 {
        log.append(append(vec![(PartitionId(number % 8), Record::line(line.clone()))]))
            .await
            .expect("append");
    }
    eprintln!("append of 1 line: {:?}", start.elapsed() / 500);
    let start = Instant::now();
    let tasks = (0..64).map(|_| {
        let (log, line) = (log.clone(), line.clone());
        tokio::spawn(async move {
            for number in 0..50 {
                log.append(append(vec![(PartitionId(number % 8), Record::line(line.clone()))]))
                    .await
                    .expect("append");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("task");
    }
    eprintln!("64 at once, 1 line each: {:?} per append", start.elapsed() / 3_200);
    let (start, mut from, mut bytes) = (Instant::now(), 0, 0);
    loop {
        let read = log.read(PartitionId(0), from, 1 << 20).await.expect("read");
        let Some((last, _)) = read.last() else { break };
        from = last + 1;
        bytes += read.iter().map(|(_, record)| record.value.len()).sum::<usize>();
    }
    eprintln!("read of {} MB: {:?}", bytes >> 20, start.elapsed());
    drop(log);
    let file = fs::metadata(folder.path().join(FILE)).expect("file").len();
    let start = Instant::now();
    Log::open_existing(folder.path()).expect("open");
    eprintln!("opening {} MB: {:?}", file >> 20, start.elapsed());
}
