//! Several writers of one partition, some of them late, some of them cut short: readers see states
//! of the log only, each as a whole, and never go back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tandem_model::catalogue::Breakdown;
use tandem_model::row::SessionState;
use tandem_model::time::Window;
use tandem_model::{Calendar, LogId, Row, Table};
use tandem_scylla::{LogIdentity, ScyllaStore, Settings};
use tandem_storage::suite::fixtures::{beat, change, changes, row, session_id, started};
use tandem_storage::{Part, RowStore, Select, SessionQuery, StoreError};
use tokio::time::timeout;

use super::history::{History, PARTITION, mixed};
use super::support::{LOG, fresh, gone, open, progress, raw, refused};

/// How long anything may take before a test fails; far beyond what it does take.
const PATIENCE: Duration = Duration::from_secs(240);
const HISTORY: History = History { end: 1_500, sessions: 3, keys: 12 };

/// What writers and readers of one test share.
#[derive(Default)]
struct Shared {
    crashes: AtomicU64,
    /// Attempts to read.
    looks: AtomicU64,
    /// Answers.
    reads: AtomicU64,
    is_done: AtomicBool,
}

/// Flushes from the store's progress on, at random places, and begins again where it is cut short.
async fn write(store: ScyllaStore, seed: u64, is_clumsy: bool, shared: Arc<Shared>) {
    let mut chance = seed;
    let mut random = move |below: u64| {
        chance = chance.wrapping_add(1);
        mixed(chance) % below
    };
    let mut at = progress(&store, PARTITION.0).await;
    while at < HISTORY.end {
        // Neither side may be done before the other has begun.
        let looks = shared.looks.load(Ordering::Relaxed);
        timeout(PATIENCE, async {
            while shared.looks.load(Ordering::Relaxed) < looks + 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .expect("readers read");
        let to = (at + 1 + random(40)).min(HISTORY.end);
        let flush = HISTORY.changes(at, to);
        let apply = store.apply(&flush);
        let patience = if is_clumsy { Duration::from_micros(random(60_000)) } else { PATIENCE };
        match timeout(patience, apply).await {
            Ok(Ok(())) => at = to,
            Ok(Err(error)) => panic!("{error}"),
            // Died in the middle of it: its successor knows only what the store says.
            Err(_) => {
                shared.crashes.fetch_add(1, Ordering::Relaxed);
                at = progress(&store, PARTITION.0).await;
            }
        }
    }
}

fn selects() -> [Select; 4] {
    let part = |breakdown, buckets| Part { table: Table::Trend(Window::Minute), breakdown, buckets };
    let minute = Window::Minute.length_ms();
    [
        Select::All,
        Select::Totals,
        Select::Parts(vec![part(Breakdown::Room, 0..u64::MAX), part(Breakdown::Source, 0..minute * 6)]),
        // Nothing is there: a look that proves nothing.
        Select::Parts(vec![part(Breakdown::Room, minute..minute * 4), part(Breakdown::Device, 0..u64::MAX)]),
    ]
}

/// Reads until the end of the log is visible; every answer must be the log's state somewhere.
async fn read(store: ScyllaStore, seed: u64, shared: Arc<Shared>) {
    let mut seen = [0; HISTORY.sessions as usize];
    for turn in seed.. {
        let is_last = shared.is_done.load(Ordering::Relaxed);
        shared.looks.fetch_add(1, Ordering::Relaxed);
        let session = turn % HISTORY.sessions;
        let select = &selects()[turn as usize / 3 % 4];
        let before = progress(&store, PARTITION.0).await;
        let read = match store.session(HISTORY.id(session).as_str(), select).await {
            Ok(Some(read)) => read,
            Ok(None) => {
                assert_eq!(HISTORY.session_at(session, before), None, "a session vanished");
                continue;
            }
            Err(error) if error.is_retryable() => continue,
            Err(error) => panic!("{error}"),
        };
        shared.reads.fetch_add(1, Ordering::Relaxed);
        assert!(read.cut.next >= seen[session as usize], "went back");
        seen[session as usize] = read.cut.next;
        let at = before.max(read.cut.next);
        let rows: Vec<Row> =
            HISTORY.rows_at(session, at).into_iter().filter(|row| select.wants(&row.key)).collect();
        assert!(read.rows == rows, "{select:?} at {at} (cut {:?}): not the log's state", read.cut);
        assert_eq!(Some(read.session), HISTORY.session_at(session, at));
        if is_last && seen.iter().all(|seen| *seen > 0) {
            break;
        }
        tokio::task::yield_now().await;
    }
}

async fn writers_and_readers(name: &str, batch_bytes_max: usize) {
    let settings = Settings { batch_bytes_max, page_rows: 10, settle_ms_max: 500, ..fresh(name).await };
    let shared = Arc::new(Shared::default());
    let mut writers = Vec::new();
    for (seed, is_clumsy) in [(1_000, false), (2_000, true), (3_000, true)] {
        let store = open(&settings).await;
        writers.push(tokio::spawn(write(store, seed, is_clumsy, shared.clone())));
    }
    let reader = ScyllaStore::open(&settings).await.expect("open");
    let readers: Vec<_> =
        (0..3).map(|seed| tokio::spawn(read(reader.clone(), seed * 5, shared.clone()))).collect();
    for writer in writers {
        timeout(PATIENCE, writer).await.expect("writers come to the end").expect("writer");
    }
    shared.is_done.store(true, Ordering::Relaxed);
    for reader in readers {
        timeout(PATIENCE, reader).await.expect("readers see the end").expect("reader");
    }
    // Beyond all accidents: the state at the end, to the last cell.
    assert_eq!(progress(&reader, PARTITION.0).await, HISTORY.end);
    for session in 0..HISTORY.sessions {
        let read = reader.session(HISTORY.id(session).as_str(), &Select::All).await.expect("read");
        assert!(read.expect("there").rows == HISTORY.rows_at(session, HISTORY.end));
    }
    let told = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (crashes, looks, reads) = (told(&shared.crashes), told(&shared.looks), told(&shared.reads));
    eprintln!("{crashes} writers died, {reads} of {looks} reads answered, {:?}", reader.counts());
    assert!(crashes > 0 && reads > 0);
    gone(&settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_states_of_the_log_whoever_writes() {
    writers_and_readers("writers", 1 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_states_of_the_log_also_when_changes_are_written_in_parts() {
    writers_and_readers("split", 2_048).await;
}

/// A part without rows shows no moment. Each session here gets its first rows of some parts while
/// readers look: either all of these parts have rows, or none has.
#[tokio::test(flavor = "multi_thread")]
async fn parts_without_rows_are_of_the_same_moment() {
    const SESSIONS: u64 = 150;
    let settings = fresh("empty").await;
    let store = open(&settings).await;
    let breakdowns = [Breakdown::Item, Breakdown::Channel, Breakdown::Source, Breakdown::Fan];
    let id = |session: u64| format!("s-{session}");
    let table = Table::Trend(Window::Minute);
    let (turn, turns) = tokio::sync::watch::channel(0);
    let mut readers = Vec::new();
    for _ in 0..4 {
        let (store, mut turns) = (store.clone(), turns.clone());
        readers.push(tokio::spawn(async move {
            let part = |breakdown| Part { table, breakdown, buckets: 0..u64::MAX };
            let select = Select::Parts(breakdowns.map(part).to_vec());
            for session in 0..SESSIONS {
                turns.wait_for(|turn| *turn > session).await.expect("the writer is there");
                loop {
                    let read = store.session(&id(session), &select).await.expect("read").expect("there");
                    let expected = if read.cut.next == session * 2 + 2 { 4 } else { 0 };
                    assert_eq!(read.rows.len(), expected, "parts of different moments at {:?}", read.cut);
                    if expected > 0 {
                        break;
                    }
                }
            }
        }));
    }
    for session in 0..SESSIONS {
        let mut first = changes(0, session * 2 + 1, 1);
        first.sessions = vec![change(&id(session), session * 2, 0)];
        store.apply(&first).await.expect("apply");
        turn.send_replace(session + 1);
        let mut second = changes(0, session * 2 + 2, 1);
        second.sessions = vec![change(&id(session), session * 2 + 1, 0)];
        let rows = breakdowns.map(|breakdown| row(table, breakdown, "key", 0, session * 2 + 1));
        second.sessions[0].rows.extend(rows);
        tokio::time::sleep(Duration::from_micros(mixed(session) % 5_000)).await;
        store.apply(&second).await.expect("apply");
    }
    for reader in readers {
        timeout(PATIENCE, reader).await.expect("readers see the end").expect("reader");
    }
    gone(&settings).await;
}

#[tokio::test]
async fn a_zombie_changes_nothing() {
    let settings = fresh("zombie").await;
    let (zombie, owner) = (open(&settings).await, open(&settings).await);
    let at = |next: u64, value: u64, start: u64, state| {
        let mut all = changes(2, next, next);
        all.sessions = vec![change("s-1", value, 2)];
        all.sessions[0].session = Some(started(start, "anchor", state, value));
        all
    };
    zombie.apply(&at(100, 90, 5, SessionState::Live)).await.expect("apply");
    owner.apply(&at(200, 150, 7, SessionState::Final)).await.expect("apply");
    let expected = owner.session("s-1", &Select::All).await.expect("read");
    let live = SessionQuery { state: Some(SessionState::Live), limit: 10, ..SessionQuery::default() };
    // It wakes, and believes to be the owner. At 151 it is where the rows changed last.
    for (next, value) in [(120, 119), (150, 149), (199, 150)] {
        zombie.apply(&at(next, value, 5, SessionState::Live)).await.expect("apply");
        assert_eq!(owner.session("s-1", &Select::All).await.expect("read"), expected);
        assert_eq!(progress(&owner, 2).await, 200);
        assert!(owner.sessions(&live).await.expect("list").is_empty());
        let all = owner.sessions(&SessionQuery { limit: 10, ..SessionQuery::default() }).await.expect("list");
        assert_eq!(all.len(), 1);
    }
    gone(&settings).await;
}

#[tokio::test]
async fn a_new_generation_replaces_the_old_log() {
    let settings = fresh("generation").await;
    let old = open(&settings).await;
    let mut before = changes(1, 1_000, 9_000);
    before.sessions = vec![change("both", 900, 5), change("gone", 901, 1)];
    before.beats = vec![beat(1, 5)];
    old.apply(&before).await.expect("apply");

    // The log is created anew, and much shorter.
    let log = LogIdentity { id: LogId([9; 16]), generation: 1, ..LOG };
    let new = ScyllaStore::note_log(&settings, log, &Calendar::default()).await.expect("open");
    assert_eq!(progress(&new, 1).await, 0);
    assert!(new.beats(PARTITION, 10).await.expect("beats").is_empty());
    assert!(new.session_ids(None, 10).await.expect("ids").is_empty());
    assert_eq!(new.session("both", &Select::All).await.expect("read"), None);
    assert!(
        new.sessions(&SessionQuery { limit: 10, ..SessionQuery::default() }).await.expect("list").is_empty()
    );
    // What it has of the session is not enough.
    let mut bare = changes(1, 3, 3);
    bare.sessions = vec![change("both", 2, 0)];
    bare.sessions[0].session = None;
    assert!(refused(new.apply(&bare).await).contains("lacks its own row"));

    let mut after = changes(1, 10, 10);
    after.sessions = vec![change("both", 7, 1)];
    new.apply(&after).await.expect("apply");
    let read = new.session("both", &Select::All).await.expect("read").expect("there");
    assert_eq!((read.cut.next, read.rows), (10, after.sessions[0].rows.clone()));
    assert_eq!(progress(&new, 1).await, 10);
    assert_eq!(new.session_ids(None, 10).await.expect("ids"), [session_id("both")]);

    // Whoever still works with the old one is told so, and harms nothing.
    let mut late = changes(1, 1_100, 9_100);
    late.sessions = vec![change("both", 1_050, 5)];
    assert!(refused(old.check().await).contains("restart it"));
    assert!(refused(old.session("both", &Select::All).await).contains("restart this process"));
    assert!(refused(old.progress(tandem_model::PartitionId(1)).await).contains("restart this process"));
    assert!(refused(old.apply(&late).await).contains("restart this process"));
    let read = new.session("both", &Select::All).await.expect("read").expect("there");
    assert_eq!((read.cut.next, read.rows), (10, after.sessions[0].rows.clone()));
    gone(&settings).await;
}

#[tokio::test]
async fn what_a_store_loses_is_noticed() {
    let settings = fresh("lost").await;
    let store = open(&settings).await;
    let mut all = changes(4, 50, 50);
    all.sessions = vec![change("s-1", 40, 1)];
    store.apply(&all).await.expect("apply");
    raw(&settings)
        .await
        .query_unpaged(format!("TRUNCATE {}.progress", settings.keyspace), ())
        .await
        .expect("truncate");
    let outcome = store.apply(&changes(4, 60, 60)).await;
    assert!(
        matches!(&outcome, Err(StoreError::Lost(text)) if text.contains("reached 50, and now 0")),
        "{outcome:?}"
    );
    assert_eq!(progress(&store, 4).await, 0, "nothing claims more than is there");
    // Its writer begins again where the store is, also the same one.
    store.apply(&all).await.expect("apply");
    assert_eq!(progress(&store, 4).await, 50);
    gone(&settings).await;
}

/// A writer dies between two parts of a change. Nobody sees half of it; its successor cuts the
/// same records otherwise, and then everything is there.
#[tokio::test]
async fn half_a_change_is_not_shown() {
    let settings = Settings { settle_ms_max: 50, ..fresh("half").await };
    let store = open(&settings).await;
    let mut all = changes(4, 50, 50);
    all.sessions = vec![change("s-1", 40, 1)];
    store.apply(&all).await.expect("apply");
    let whole = store.session("s-1", &Select::All).await.expect("read");
    let half = format!(
        "INSERT INTO {}.rows (session_id, writing_next) VALUES ('s-1', 80) USING TIMESTAMP {}",
        settings.keyspace,
        80 << 4
    );
    raw(&settings).await.query_unpaged(half, ()).await.expect("half a change");
    for select in selects() {
        let outcome = store.session("s-1", &select).await;
        assert!(matches!(&outcome, Err(StoreError::Unavailable(text)) if text.contains("being written")));
    }
    // The header did not change yet.
    let header = store.session("s-1", &Select::Session).await.expect("read").expect("there");
    assert_eq!((Some(header.cut), 0), (whole.as_ref().map(|whole| whole.cut), header.rows.len()));

    let successor = open(&settings).await;
    let mut first = changes(4, 70, 70);
    first.sessions = vec![change("s-1", 65, 1)];
    successor.apply(&first).await.expect("apply");
    let outcome = store.session("s-1", &Select::All).await;
    assert!(outcome.is_err_and(|error| error.is_retryable()), "rows of 71 to 79 may be there");
    successor.apply(&changes(4, 90, 90)).await.expect("apply");
    let read = store.session("s-1", &Select::All).await.expect("read").expect("there");
    assert_eq!((read.cut.next, read.rows), (70, first.sessions[0].rows.clone()));
    gone(&settings).await;
}
