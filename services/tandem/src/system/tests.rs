//! The commands' own ways against a system in this process: load, verify while it goes on, stop,
//! start again on the same folder.

use std::time::Duration;

use tandem_model::Token;

use super::*;
use crate::client::{Client, ServerUrl};
use crate::load::{Beats, Settings as LoadSettings, Source, load};
use crate::progress::Progress;
use crate::status::Status;
use crate::verify::{Direct, Running, verify};

const EVENTS: u64 = 400;

fn key() -> Key {
    Key::new("secret").unwrap()
}

fn client(system: &System) -> Client {
    Client::new(ServerUrl::at(system.address()), Some(key()))
}

fn source() -> Source {
    let lines = (0..EVENTS).map(|index| {
        let (ts, session, user) = (1_732_190_400_000 + index * 900, index % 5, index % 37);
        let kind = ["enter", "heartbeat", "like", "item_click", "leave"][(index / 5 % 5) as usize];
        format!(
            "{{\"event_id\":\"e{index}\",\"type\":\"{kind}\",\"ts\":{ts},\"session_id\":\"s{session}\",\
             \"user_id\":\"u{user}\",\"item_id\":\"i{}\",\"source\":\"ads\"}}\n",
            index % 3
        )
    });
    let text = lines.chain(["{\"type\":\"enter\"}\n".to_owned()]).collect::<String>();
    Source::new("test".to_owned(), std::io::Cursor::new(text), None, false).unwrap()
}

async fn until_read(client: &Client, token: &Token) {
    let reading = async {
        while !Status::read(client).await.is_ok_and(|status| status.left(token) == 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await.expect("both chains read on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_loaded_verified_and_still_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        data: Some(folder.path().to_owned()),
        partitions: Some(3),
        clock: ClockMode::Replay,
        ..Options::new(key())
    };
    let system = System::start(options.clone()).await.unwrap();
    let client_before = client(&system);
    let settings = LoadSettings { beats: Beats::Replay, events_per_s: None, wait: Duration::from_secs(10) };
    let progress = Progress::hidden();
    let summary = load(source(), client_before.clone(), settings, &progress).await.unwrap();
    assert_eq!((summary.events, summary.malformed), (EVENTS, 1));
    assert_eq!(summary.refused[0].number, Some(EVENTS + 1));
    assert!(summary.beats > EVENTS * 9 / 10 / 2, "{}", summary.beats);
    let token = summary.token.unwrap();
    until_read(&client_before, &token).await;
    let report = verify(&Running::connect(client_before).await.unwrap(), &progress).await.unwrap();
    assert!(report.holds() && report.chains[1].sessions == 5, "{}", report.text());
    system.stop().await;

    let report = verify(&Direct::open(folder.path()).await.unwrap(), &progress).await.unwrap();
    assert!(report.holds() && report.chains[0].rejected == 1, "{}", report.text());

    // The number of partitions is the log's own from now on.
    let system = System::start(Options { partitions: None, ..options }).await.unwrap();
    system.recovered().await;
    assert_eq!(system.log().partitions(), 3);
    until_read(&client(&system), &token).await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_system_is_verified_while_traffic_goes_on() {
    let system = System::start(Options { demo_seed: Some(5), ..Options::new(key()) }).await.unwrap();
    let folder = system.folder().to_owned();
    let running = Running::connect(client(&system)).await.unwrap();
    let enough = async {
        while running.records().await.unwrap() < 300 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), enough).await.expect("traffic");
    for _ in 0..3 {
        let report = verify(&running, &Progress::hidden()).await.unwrap();
        assert_eq!(report.differences, 0, "{}", report.text());
        assert!(report.chains[0].sessions >= 4 && report.records > 200, "{}", report.text());
    }
    system.stop().await;
    assert!(!folder.exists(), "a temporary folder is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_why() {
    let system = System::start(Options::new(key())).await.unwrap();
    let taken = Options { listen: system.address(), ..Options::new(key()) };
    let error = System::start(taken).await.map(|_| ()).unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains("--port"), "{error}");
    let in_use = Options { data: Some(system.folder().to_owned()), ..Options::new(key()) };
    let error = System::start(in_use).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StartError::Data(_)), "{error}");
    system.stop().await;
}

/// A page of the admin port, with its head.
async fn page(address: SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// The value of a series; 0 where there is none.
fn value(text: &str, series: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_shows_what_goes_on() {
    let admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = Options { admin, partitions: Some(2), demo_seed: Some(3), ..Options::new(key()) };
    let system = System::start(options).await.unwrap();
    let (folder, address) = (system.folder().to_owned(), system.admin_address().unwrap());
    system.recovered().await;
    let wanted = [
        r#"tandem_compute_records_total{chain="a",partition="0"}"#,
        r#"tandem_compute_clock_seconds{chain="b",partition="1"}"#,
        r#"tandem_compute_hot_store_present{chain="a",partition="1"}"#,
        r#"tandem_compute_phase{chain="b",partition="0",phase="following"}"#,
        r#"tandem_store_items_total{call="apply",chain="a",store="rows"}"#,
        r#"tandem_store_bytes_total{call="read",chain="b",store="log"}"#,
        r#"tandem_ingest_events_total"#,
        r#"tandem_metronome_beats_total"#,
        r#"tandem_gateway_chain_ready{chain="a"}"#,
        r#"tandem_parity{verdict="equal"}"#,
        r#"tandem_route_epoch"#,
        r#"tandem_query_requests_total{chain="a",route="/internal/v1/status",status="200"}"#,
        r#"tandem_health_ready{check="all"}"#,
    ];
    let shown = async {
        loop {
            let text = page(address, "/metrics").await;
            let missing: Vec<_> = wanted.iter().filter(|series| value(&text, series) == 0.0).collect();
            if missing.is_empty() {
                break;
            }
            tracing::debug!(?missing, "not there yet");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(60), shown).await.is_err() {
        panic!("not all of {wanted:?} in {}", page(address, "/metrics").await);
    }
    assert!(page(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(page(address, "/healthz").await.contains("alive"));

    let taken = Options { admin: Some(address), ..Options::new(key()) };
    let error = System::start(taken).await.map(|_| ()).unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains("admin"), "{error}");
    system.stop().await;
    assert!(!folder.exists(), "nothing that is shown holds the data");
}
