//! Kills a process that writes, at random moments, and checks what is there afterwards.
//!
//! The process is this test's own binary, started again with [`FOLDER`] set: it appends to the
//! log and fills chain a's stores, and says on its standard output what was acknowledged. Then
//! comes SIGKILL; what it said must be there, and whatever is there must be whole. `TANDEM_KILLS`
//! sets the number of rounds (default 25), `TANDEM_SEED` the moments.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_embedded::Data;
use tandem_model::catalogue::STORED;
use tandem_model::rejected::{Reason, Rejected};
use tandem_model::{PartitionId, Record};
use tandem_storage::suite::fixtures;
use tandem_storage::{Append, ChainStores, DeadLetterQuery, EventLog, Receipt, Select, Snapshot};

const FOLDER: &str = "TANDEM_KILL_FOLDER";
const PARTITIONS: u32 = 2;
const WRITERS: u64 = 4;
/// Records of one append, half of them in each partition.
const PARTS: usize = 6;
/// Keys of a session's rows; with the room's and the trend's rows that is twice as many and one.
const KEYS: u64 = 40;
const SESSIONS: [&str; 2] = ["s-0", "s-1"];

#[test]
fn nothing_acknowledged_is_lost() {
    let (rounds, seed) = (number("TANDEM_KILLS", 25), number("TANDEM_SEED", 1));
    let mut random = SmallRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("folder");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let mut said = Said::default();
    for round in 0..rounds {
        let delay = Duration::from_millis(random.random_range(1..120));
        let lines = run_and_kill(folder.path(), round, delay);
        for line in lines {
            said.take(&line);
        }
        eprintln!("round {round} of seed {seed}: killed after {delay:?}, {} appends", said.appends.len());
        let data = Data::open(folder.path(), PARTITIONS).expect("nothing is damaged");
        runtime.block_on(check(&data, &said));
    }
    assert!(
        said.appends.len() > rounds as usize && said.rows.len() == PARTITIONS as usize,
        "little was written"
    );
}

#[test]
fn killed_while_everything_is_created() {
    let mut random = SmallRng::seed_from_u64(number("TANDEM_SEED", 1));
    for round in 0..number("TANDEM_KILLS", 25) / 3 {
        let folder = tempfile::tempdir().expect("folder");
        let delay = Duration::from_millis(random.random_range(5..80));
        for _ in 0..2 {
            let mut child = start(folder.path(), round);
            std::thread::sleep(delay);
            child.kill().expect("kill");
            child.wait().expect("its end");
        }
        drop(
            Data::open(folder.path(), PARTITIONS).unwrap_or_else(|error| panic!("after {delay:?}: {error}")),
        );
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn start(folder: &Path, round: u64) -> Child {
    Command::new(std::env::current_exe().expect("our own path"))
        .args(["--exact", "writer", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env("TANDEM_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the writer starts")
}

/// Starts the writing process, lets it say its first word, kills it `delay` later.
fn run_and_kill(folder: &Path, round: u64, delay: Duration) -> Vec<String> {
    let mut child = start(folder, round);
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    while !line.starts_with("! ") {
        line.clear();
        assert!(output.read_line(&mut line).expect("its output") > 0, "the writer ended by itself");
    }
    let rest = std::thread::spawn(move || {
        let mut text = String::new();
        while output.read_line(&mut text).expect("its output") > 0 {}
        text
    });
    std::thread::sleep(delay);
    child.kill().expect("kill");
    let status = child.wait().expect("its end");
    assert!(!status.success(), "the writer ended by itself");
    line.push_str(&rest.join().expect("its output"));
    // A line without an end was cut off.
    line.split_inclusive('\n')
        .filter_map(|line| line.strip_prefix("! ")?.strip_suffix('\n').map(str::to_owned))
        .collect()
}

/// What was acknowledged, over all rounds.
#[derive(Default)]
struct Said {
    /// Appends, as in their lines, and whether with a receipt.
    appends: BTreeSet<String>,
    /// Per partition the last cut of rows.
    rows: BTreeMap<u32, u64>,
    snapshots: BTreeSet<(u32, u64)>,
    letters: BTreeSet<(u32, u64)>,
}

impl Said {
    fn take(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let place = || (words[1].parse().expect("partition"), words[2].parse().expect("offset"));
        match words[0] {
            "append" => assert!(self.appends.insert(words[1].to_owned())),
            "rows" => {
                let (partition, next) = place();
                self.rows.insert(partition, next);
            }
            // After a kill the same letter may come again.
            "letter" => self.letters.extend([place()]),
            "snapshot" => self.snapshots.extend([place()]),
            other => panic!("unknown word {other}"),
        }
    }
}

async fn check(data: &Data, said: &Said) {
    check_log(data, said).await;
    let ends = data.log.ends().borrow().clone();
    let stores = &data.chains.a;
    for partition in 0..PARTITIONS {
        let id = PartitionId(partition);
        let progress = stores.rows.progress(id).await.expect("progress").map_or(0, |cut| cut.next);
        let acknowledged = said.rows.get(&partition).copied().unwrap_or(0);
        assert!(
            progress >= acknowledged,
            "rows up to {acknowledged} were acknowledged, {progress} are there"
        );
        assert!(progress <= ends[partition as usize], "rows are ahead of the log");
        for session in SESSIONS {
            let name = format!("{session}-{partition}");
            let Some(read) = stores.rows.session(&name, &Select::All).await.expect("session") else {
                assert_eq!(progress, 0, "{name} is missing");
                continue;
            };
            assert_eq!(read.cut.next, progress, "{name} is of another change than its partition");
            assert_eq!((read.session.offset, read.rows.len() as u64), (progress, 1 + 2 * KEYS), "{name}");
            assert!(read.rows.iter().all(|row| row.values == [progress; STORED]), "{name} is torn");
        }
        for next in stores.snapshots.list(id).await.expect("list") {
            let snapshot = stores.snapshots.load(id, next).await.expect("whole").expect("listed");
            assert_eq!(snapshot.bytes, snapshot_body(next));
        }
    }
    for (partition, next) in &said.snapshots {
        let places = stores.snapshots.list(PartitionId(*partition)).await.expect("list");
        assert!(places.contains(next), "a snapshot is lost");
    }
    let query = DeadLetterQuery { limit: usize::MAX, ..DeadLetterQuery::default() };
    let letters = stores.dead_letters.list(&query).await.expect("letters");
    let places: BTreeSet<_> = letters.iter().map(|one| (one.partition.0, one.offset)).collect();
    assert!(places.is_superset(&said.letters), "a dead letter is lost");
}

/// Every append is there with all its parts in both partitions, in order, once; all that were
/// acknowledged are there; receipts are there exactly where their records are.
async fn check_log(data: &Data, said: &Said) {
    let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let records = data.log.read(PartitionId(partition), 0, usize::MAX).await.expect("read");
        assert_eq!(records.len() as u64, data.log.ends().borrow()[partition as usize]);
        for (index, (offset, record)) in records.iter().enumerate() {
            assert_eq!(*offset, index as u64);
            let text = std::str::from_utf8(&record.value).expect("text");
            let (name, part) = text.trim_end_matches('.').rsplit_once('#').expect("a line of ours");
            found.entry(name.to_owned()).or_default().push(part.parse().expect("part"));
        }
    }
    let halves = |parity| (0..PARTS).filter(move |part| part % 2 == parity);
    let whole: Vec<usize> = halves(0).chain(halves(1)).collect();
    for (name, parts) in &found {
        assert_eq!(*parts, whole, "append {name} is torn");
        // One lookup in ten is of a receipt that must not be there.
        if has_receipt(name) || name.ends_with('1') {
            let receipt = data.log.receipt("kill", name).await.expect("receipt");
            assert_eq!(receipt.is_some(), has_receipt(name), "receipt of {name}");
        }
    }
    for name in &said.appends {
        assert!(found.contains_key(name), "append {name} is lost");
    }
}

fn has_receipt(name: &str) -> bool {
    name.ends_with('0')
}

fn snapshot_body(next: u64) -> Bytes {
    vec![next as u8; 20_000 + next as usize % 5_000].into()
}

/// The process that is killed; nothing when it is run as a test.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let round = std::env::var("TANDEM_ROUND").expect("the round");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let data = Data::open(Path::new(&folder), PARTITIONS).expect("open");
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            tasks.spawn(append_forever(data.log.clone(), format!("{round}-{writer}")));
        }
        for partition in 0..PARTITIONS {
            tasks.spawn(compute_forever(data.log.clone(), data.chains.a.clone(), partition));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("goes on until it is killed");
        }
    });
}

async fn append_forever(log: Arc<impl EventLog>, writer: String) {
    for number in 0_u64.. {
        let name = format!("{writer}-{number}");
        let records = (0..PARTS).map(|part| {
            let filling = ".".repeat(number as usize * 37 % 900);
            (PartitionId((part % 2) as u32), Record::line(format!("{name}#{part}{filling}").into()))
        });
        let receipt = has_receipt(&name).then(|| Receipt {
            scope: "kill".to_owned(),
            key: name.clone(),
            fingerprint: u128::from(number),
            answer: Bytes::new(),
            written_ms: number,
        });
        log.append(Append { records: records.collect(), receipt }).await.expect("append");
        say(&format!("append {name}"));
    }
}

/// Fills the stores of a chain, as the compute service would.
async fn compute_forever(log: Arc<impl EventLog>, stores: ChainStores, partition: u32) {
    let id = PartitionId(partition);
    let mut ends = log.ends();
    let mut last = stores.rows.progress(id).await.expect("progress").map_or(0, |cut| cut.next);
    for number in 0_u64.. {
        let next = ends.borrow_and_update()[partition as usize];
        if next <= last {
            ends.changed().await.expect("the log is there");
            continue;
        }
        let letter = Rejected {
            partition: id,
            offset: next - 1,
            clock: 0,
            session_id: None,
            reason: Reason::Late,
            event: None,
        };
        stores.dead_letters.append(&[letter]).await.expect("letter");
        say(&format!("letter {partition} {}", next - 1));
        let mut changes = fixtures::changes(partition, next, next);
        for session in SESSIONS {
            changes.sessions.push(fixtures::change(&format!("{session}-{partition}"), next, KEYS));
        }
        stores.rows.apply(&changes).await.expect("apply");
        say(&format!("rows {partition} {next}"));
        last = next;
        if number % 8 == 7 {
            let durable = stores.rows.durable(id).await.expect("durable").expect("some");
            assert!(durable.next >= next);
            stores.snapshots.put(id, Snapshot { next, bytes: snapshot_body(next) }).await.expect("put");
            say(&format!("snapshot {partition} {next}"));
        }
    }
}

/// One line, in one piece.
fn say(what: &str) {
    let line = format!("! {what}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).expect("somebody listens");
}
