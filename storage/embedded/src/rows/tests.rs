//! The row store beyond the suite: restarts, damage, speed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_model::catalogue::STORED;

use tandem_storage::suite::fixtures;
use tandem_storage::{StoreError, suite};

use super::*;

const LOG: LogId = LogId([7; 16]);

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite() {
    let folder = tempfile::tempdir().expect("folder");
    suite::row_store(Arc::new(Rows::open(folder.path(), LOG).expect("open"))).await;
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().expect("folder");
    let mut changes = fixtures::changes(3, 50, 9_000);
    changes.sessions = vec![fixtures::change("s-1", 42, 30), fixtures::change("s-2", 43, 0)];
    changes.beats =
        (0..tandem_storage::BEATS_KEPT as u64 + 10).map(|second| fixtures::beat(3, second)).collect();
    {
        let rows = Rows::open(folder.path(), LOG).expect("open");
        rows.apply(&changes).await.expect("apply");
    }
    let rows = Rows::open(folder.path(), LOG).expect("open again");
    let read = rows.session("s-1", &Select::All).await.expect("session").expect("present");
    assert_eq!(read.rows, changes.sessions[0].rows);
    assert_eq!(rows.progress(PartitionId(3)).await.expect("progress"), Some(changes.cut));
    let beats = rows.beats(PartitionId(3), usize::MAX).await.expect("beats");
    assert_eq!(beats, changes.beats[10..]);
    // The list of kept beats is read back, and goes on.
    let mut next = fixtures::changes(3, 51, 9_001);
    next.beats = vec![fixtures::beat(3, 10_000)];
    rows.apply(&next).await.expect("apply");
    let beats = rows.beats(PartitionId(3), usize::MAX).await.expect("beats");
    assert_eq!((beats.len(), beats[0]), (tandem_storage::BEATS_KEPT, changes.beats[11]));
}

#[tokio::test]
async fn rows_of_another_log_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    drop(Rows::open(folder.path(), LOG).expect("open"));
    let outcome = Rows::open(folder.path(), LogId([8; 16])).map(|_| ());
    let Err(StoreError::Refused(text)) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("belongs to another log"), "{text}");
}

/// A database's files as a killed process leaves them, without the zeros at their ends.
type Image = BTreeMap<PathBuf, (Vec<u8>, u64)>;

fn image(folder: &Path) -> Image {
    let mut image = Image::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(one) = folders.pop() {
        for entry in fs::read_dir(one).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = fs::read(&path).expect("file");
            let length = bytes.len() as u64;
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(used);
            image.insert(path.strip_prefix(folder).expect("inside").to_owned(), (bytes, length));
        }
    }
    image
}

fn lay_out(image: &Image, folder: &Path) {
    for (path, (bytes, length)) in image {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("inside")).expect("folder");
        fs::write(&path, bytes).expect("write");
        fs::File::options().write(true).open(&path).and_then(|file| file.set_len(*length)).expect("length");
    }
}

/// Bits flipped in fjall's files. It may go back to an older state, which is then computed again
/// from the log; but what it says must be whole, and of one moment.
#[tokio::test]
async fn damage_is_an_error_or_an_older_whole_state() {
    let folder = tempfile::tempdir().expect("folder");
    let rows = Rows::open(folder.path(), LOG).expect("open");
    for next in 1..=40 {
        let mut changes = fixtures::changes(0, next, next);
        changes.sessions = vec![fixtures::change("s-1", next, 20), fixtures::change("s-2", next, 20)];
        rows.apply(&changes).await.expect("apply");
        if next == 20 {
            rows.0.rows.rotate_memtable_and_wait().expect("a table is written");
        }
    }
    let image = image(folder.path());
    let mut random = SmallRng::seed_from_u64(1);
    let (mut damaged, mut older) = (0, 0);
    for number in 0..60 {
        let mut bad = image.clone();
        let paths: Vec<_> =
            bad.iter().filter(|(_, (bytes, _))| !bytes.is_empty()).map(|(path, _)| path.clone()).collect();
        let path = &paths[if number % 2 == 0 { number / 2 % paths.len() } else { paths.len() - 1 }];
        let bytes = &mut bad.get_mut(path).expect("listed").0;
        let position = random.random_range(0..bytes.len());
        bytes[position] ^= 1 << random.random_range(0..8);
        let folder = tempfile::tempdir().expect("folder");
        lay_out(&bad, folder.path());
        match state(folder.path()).await {
            Ok(40) => {}
            Ok(_) => older += 1,
            Err(StoreError::Damaged(_)) => damaged += 1,
            Err(StoreError::Refused(text)) if text.contains("remove the chain's folder") => damaged += 1,
            Err(other) => panic!("{}, byte {position}: {other}", path.display()),
        }
    }
    eprintln!("{damaged} damaged, {older} older of 60");
    assert!(damaged > 10);
}

/// The cut of everything in the store, all of which must be of that cut.
async fn state(folder: &Path) -> Result<u64> {
    let rows = Rows::open(folder, LOG)?;
    let progress = rows.progress(PartitionId(0)).await?.map_or(0, |cut| cut.next);
    for id in ["s-1", "s-2"] {
        let Some(read) = rows.session(id, &Select::All).await? else {
            assert_eq!(progress, 0);
            continue;
        };
        assert_eq!((read.cut.next, read.session.offset, read.rows.len()), (progress, progress, 41));
        assert!(read.rows.iter().all(|row| row.values == [progress; STORED]), "torn");
    }
    Ok(progress)
}

/// A change of 5,000 rows in 100 sessions, many times; prints how long one takes.
#[tokio::test]
#[ignore = "a measurement"]
async fn speed_of_apply() {
    let folder = tempfile::tempdir().expect("folder");
    let rows = Rows::open(folder.path(), LOG).expect("open");
    let mut times = Vec::new();
    for round in 1..=60 {
        let mut changes = fixtures::changes(0, round, round);
        for session in 0..100 {
            changes.sessions.push(fixtures::change(&format!("session-{session:03}"), round << 20, 25));
        }
        let start = std::time::Instant::now();
        rows.apply(&changes).await.expect("apply");
        times.push(start.elapsed());
    }
    times.sort();
    let start = std::time::Instant::now();
    for session in 0..100 {
        let id = format!("session-{session:03}");
        rows.session(&id, &Select::Totals).await.expect("session").expect("present");
    }
    eprintln!("apply: median {:?}, worst {:?}; read: {:?}", times[30], times[59], start.elapsed() / 100);
}

/// One session whose rows change all the time, as a live one's do; prints how long reading it
/// takes while the old versions pile up.
#[tokio::test]
#[ignore = "a measurement"]
async fn speed_of_reading_what_changes() {
    let folder = tempfile::tempdir().expect("folder");
    let rows = Rows::open(folder.path(), LOG).expect("open");
    let (mut reads, mut applies) = (Vec::new(), Vec::new());
    for round in 1..=4_000 {
        let mut changes = fixtures::changes(0, round, round);
        changes.sessions = vec![fixtures::change("hot", round << 20, 100)];
        let start = std::time::Instant::now();
        rows.apply(&changes).await.expect("apply");
        applies.push(start.elapsed());
        if round % 50 == 0 {
            let start = std::time::Instant::now();
            rows.session("hot", &Select::Totals).await.expect("session").expect("present");
            reads.push(start.elapsed());
        }
    }
    applies.sort();
    reads.sort();
    eprintln!("apply: median {:?}, 99 % {:?}, worst {:?}", applies[2_000], applies[3_960], applies[3_999]);
    eprintln!("read: median {:?}, worst {:?}", reads[40], reads[79]);
}
