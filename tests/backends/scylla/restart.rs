//! A server that stops, is frozen, or dies with what it acknowledged in its last moment.

use std::time::Duration;

use tandem_model::Calendar;
use tandem_scylla::{ScyllaStore, Settings, schema};
use tandem_storage::{RowStore, Select, StoreError};
use tandem_tests::services::Services;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::history::{History, PARTITION, mixed};
use super::support::{LOG, settings};

const PATIENCE: Duration = Duration::from_secs(240);
const HISTORY: History = History { end: 60_000, sessions: 2, keys: 6 };
const SERVER: &str = "cql-a";

/// How far the store is, once it says so.
async fn reached(store: &ScyllaStore) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match store.progress(PARTITION).await {
            Ok(cut) => return cut.map_or(0, |cut| cut.next),
            Err(error) if error.is_retryable() && Instant::now() < deadline => {
                sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Opens a store and looks how far it is, as a process that was restarted does.
async fn begin(settings: &Settings) -> (ScyllaStore, u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let outcome = async {
            let store = ScyllaStore::note_log(settings, LOG, &Calendar::default()).await?;
            let at = store.progress(PARTITION).await?.map_or(0, |cut| cut.next);
            Ok((store, at))
        };
        match outcome.await {
            Ok(begun) => return begun,
            Err(StoreError::Unavailable(_) | StoreError::Timeout(_)) if Instant::now() < deadline => {
                sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes until told to end, beginning again where the store lost something. Answers how far it
/// came.
async fn write(settings: Settings, mut is_done: watch::Receiver<bool>, place: watch::Sender<u64>) -> u64 {
    let (mut store, mut at) = begin(&settings).await;
    loop {
        let to = at + 1 + mixed(at) % 5;
        match store.apply(&HISTORY.changes(at, to)).await {
            Ok(()) => {
                at = to;
                place.send_replace(at);
                if *is_done.borrow_and_update() {
                    return at;
                }
            }
            Err(error) if error.is_retryable() => sleep(Duration::from_millis(20)).await,
            // As a partition that starts anew does, in the same process or another one.
            Err(StoreError::Lost(_)) if mixed(at).is_multiple_of(2) => (store, at) = begin(&settings).await,
            Err(StoreError::Lost(_)) => at = reached(&store).await,
            Err(error) => panic!("{error}"),
        }
        assert!(at + 10 < HISTORY.end, "the history is too short");
    }
}

async fn read(store: ScyllaStore, is_done: watch::Receiver<bool>) -> u64 {
    let mut failures = 0;
    for turn in 0.. {
        let session = turn % HISTORY.sessions;
        match store.session(HISTORY.id(session).as_str(), &Select::All).await {
            Ok(Some(read)) => {
                assert!(read.rows == HISTORY.rows_at(session, read.cut.next), "not the log's state")
            }
            Ok(None) => {}
            Err(error) if error.is_retryable() => failures += 1,
            Err(error) => panic!("{error}"),
        }
        if *is_done.borrow() {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    failures
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_go_on_when_the_server_is_back() {
    let services = tokio::task::spawn_blocking(|| Services::start_only(&[SERVER]).expect("server"));
    let services = services.await.expect("server");
    let settings = Settings {
        addresses: vec![services.addresses().cql.a.clone()],
        request_timeout_ms: 1_000,
        settle_ms_max: 500,
        ..settings("restart")
    };
    schema::apply(&settings).await.expect("schema");
    let (done, is_done) = watch::channel(false);
    let (place, mut places) = watch::channel(0);
    let writer = tokio::spawn(write(settings.clone(), is_done.clone(), place));
    places.wait_for(|at| *at > 20).await.expect("the writer writes");
    let store = ScyllaStore::open(&settings).await.expect("open");
    let reader = tokio::spawn(read(store.clone(), is_done));

    for outage in ["stop", "pause", "kill"] {
        services_do(&services, outage);
        sleep(Duration::from_millis(1_500)).await;
        services_do(&services, if outage == "pause" { "resume" } else { "start" });
        // What was lost is written again, and more.
        let before = *places.borrow_and_update();
        let later = places.wait_for(|at| *at > before + 20);
        timeout(PATIENCE, later).await.expect("the writer goes on").expect("writer");
    }
    done.send_replace(true);
    let end = timeout(PATIENCE, writer).await.expect("the writer ends").expect("writer");
    let failures = timeout(PATIENCE, reader).await.expect("the reader ends").expect("reader");
    eprintln!("{end} records, {failures} reads failed");
    let deadline = Instant::now() + PATIENCE;
    for session in 0..HISTORY.sessions {
        let read = loop {
            match store.session(HISTORY.id(session).as_str(), &Select::All).await {
                Err(error) if error.is_retryable() && Instant::now() < deadline => continue,
                read => break read.expect("read").expect("there"),
            }
        };
        assert!(read.rows == HISTORY.rows_at(session, end), "rows are missing");
    }
}

fn services_do(services: &Services, what: &str) {
    let outcome = tokio::task::block_in_place(|| match what {
        "stop" => services.stop(SERVER),
        "kill" => services.kill(SERVER),
        "pause" => services.pause(SERVER),
        "resume" => services.resume(SERVER),
        _ => services.start_again(SERVER),
    });
    outcome.expect(what);
}
