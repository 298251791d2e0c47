//! A second opinion: boards worked out by DuckDB from the events themselves are what both chains answer, also
//! after a kill. Over made-up events of every kind, recorded broadcasts, and six years of ten sellers. Where Python or DuckDB can't be had, the test says so.

use std::path::Path;
use std::process::Command;

use crate::duckdb::python;
use crate::input::Input;
use crate::program::{KEY, run};
use crate::server::{Kind, Server, text};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/system/boards_sql.py");
const LIVE_SELLERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/live-sellers");

/// So many comments, shares and reactions of the live sellers are one event, where `TANDEM_BOARDS_EACH` does not say.
const EACH: &str = "50";
/// So many hours, days, weeks and months each are asked for before a kill, where `TANDEM_BOARDS_MOST` does not say.
const MOST: &str = "6";
/// And after it.
const MOST_AFTERWARDS: &str = "2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boards_over_events_of_every_kind_are_what_sql_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let events = folder.path().join("events.ndjson");
    match python() {
        Ok(python) => {
            run_script(&python, &[SCRIPT, "make", text(&events)]);
            check(&python, &events).await;
        }
        Err(why) => println!("left out: no DuckDB: {why}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boards_over_ten_live_sellers_are_what_sql_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let events = folder.path().join("events.ndjson");
    let of = |name| format!("{LIVE_SELLERS}/{name}");
    match python() {
        Ok(python) => {
            run_script(
                &python,
                &[
                    &of("events.py"),
                    &of("posts.csv.zst"),
                    text(&events),
                    &variable("TANDEM_BOARDS_EACH", EACH),
                ],
            );
            check(&python, &events).await;
        }
        Err(why) => println!("left out: no DuckDB: {why}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boards_over_recorded_broadcasts_are_what_sql_says() {
    let Some(events) = Input::recorded() else { return println!("left out: they are not there") };
    match python() {
        Ok(python) => check(&python, &events).await,
        Err(why) => println!("left out: no DuckDB: {why}"),
    }
}

async fn check(python: &Path, events: &Path) {
    let mut server = Server::start(Kind::Replay);
    let loaded = run(&["ingest", text(events), "--replay", "--to", &server.url()]).await;
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    run_script(
        python,
        &[SCRIPT, "check", text(events), &server.url(), KEY, &variable("TANDEM_BOARDS_MOST", MOST)],
    );
    server.kill();
    server.start_again();
    server.api().newest_token().await;
    run_script(python, &[SCRIPT, "check", text(events), &server.url(), KEY, MOST_AFTERWARDS]);
}

fn run_script(python: &Path, arguments: &[&str]) {
    let output = Command::new(python).args(arguments).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
