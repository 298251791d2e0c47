//! A second opinion: boards and comparisons worked out by DuckDB from the events themselves are what both chains
//! answer, also after a kill. Over made-up events of every kind, recorded broadcasts, and six years of ten sellers.
//! Where Python or DuckDB can't be had, the test says so.
//!
//! Environment: `TANDEM_BOARDS_EACH` and `TANDEM_BOARDS_MOST`, instead of [`EACH`] and [`MOST`].

use std::path::Path;
use std::process::Command;

use crate::duckdb::python;
use crate::input::Input;
use crate::program::{KEY, run};
use crate::server::{Kind, Server, text};

const BOARDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/system/sql_boards.py");
const COMPARISONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/system/sql_comparisons.py");
const LIVE_SELLERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/live-sellers");

/// So many comments, shares and reactions of the live sellers are one event.
const EACH: &str = "50";
/// So many hours, days, weeks, months and sessions each are asked for before the kill.
const MOST: &str = "6";
/// And after it.
const MOST_AFTERWARDS: &str = "2";

/// The zone of a server's boards, and how many minutes it is ahead of UTC all the year round.
struct Zone(&'static str, &'static str);

const SHANGHAI: Zone = Zone("Asia/Shanghai", "480");
const BANGKOK: Zone = Zone("Asia/Bangkok", "420");
/// Its hours begin in the middle of other people's.
const KOLKATA: Zone = Zone("Asia/Kolkata", "330");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_every_kind_come_to_what_sql_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let events = folder.path().join("events.ndjson");
    match python() {
        Ok(python) => {
            run_script(&python, &[BOARDS, "make", text(&events)]);
            check(&python, &events, SHANGHAI).await;
        }
        Err(why) => println!("left out: no DuckDB: {why}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_live_sellers_come_to_what_sql_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let events = folder.path().join("events.ndjson");
    let of = |name| format!("{LIVE_SELLERS}/{name}");
    match python() {
        Ok(python) => {
            let each = variable("TANDEM_BOARDS_EACH", EACH);
            run_script(&python, &[&of("events.py"), &of("posts.csv.zst"), text(&events), &each]);
            check(&python, &events, BANGKOK).await;
        }
        Err(why) => println!("left out: no DuckDB: {why}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_broadcasts_come_to_what_sql_says() {
    let Some(events) = Input::recorded() else { return println!("left out: they are not there") };
    match python() {
        Ok(python) => check(&python, &events, KOLKATA).await,
        Err(why) => println!("left out: no DuckDB: {why}"),
    }
}

async fn check(python: &Path, events: &Path, zone: Zone) {
    let mut server = Server::start_with(Kind::Replay, &["--time-zone", zone.0]);
    let loaded = run(&["ingest", text(events), "--replay", "--to", &server.url()]).await;
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    check_once(python, events, &server, &zone, &variable("TANDEM_BOARDS_MOST", MOST));
    server.kill();
    server.start_again();
    server.api().newest_token().await;
    check_once(python, events, &server, &zone, MOST_AFTERWARDS);
    // Every row, those of the zone's hours and days among them.
    let verified = run(&["verify", "--to", &server.url()]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

fn check_once(python: &Path, events: &Path, server: &Server, zone: &Zone, most: &str) {
    run_script(python, &[BOARDS, "check", text(events), &server.url(), KEY, most, zone.1]);
    run_script(python, &[COMPARISONS, text(events), &server.url(), KEY, most]);
}

fn run_script(python: &Path, arguments: &[&str]) {
    // -B: nothing is left beside the scripts.
    let output = Command::new(python).arg("-B").args(arguments).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
