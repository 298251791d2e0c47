//! `tandem verify` is not content with anything: a single figure that was changed behind a
//! chain's back is found, and named.

use serde_json::Value;
use tandem_embedded::Data;
use tandem_model::route::Chain;
use tandem_model::{Breakdown, Changes, RowKey, SessionChange, Stored, Table};
use tandem_storage::{ChainStores, Select};

use crate::api::Call;
use crate::program::run;
use crate::server::{Kind, Server, text};

const SESSION: &str = "honest";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_row_is_found_and_named() {
    let mut server = Server::start(Kind::Replay);
    let api = server.api();
    let lines: Vec<String> = (0..20).map(event).collect();
    api.call(Call::replay(lines.join("\n"))).await.ok();
    // Beats after the session's last event: its rows stand at an earlier cut than the partition.
    for second in 1_001..1_004 {
        let beat = format!(r#"{{"type":"beat","beat":{second},"ts":{}}}"#, second * 1_000);
        let answer = api.call(Call::replay(beat)).await;
        for chain in Chain::ALL {
            api.read_from(chain, "/v1/partitions", answer.token()).await;
        }
    }
    assert_eq!(server.stop().await, Some(0));
    let data = server.data();
    let verified = run(&["verify", "--data", text(&data)]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");

    falsify(&Data::open_existing(&data).expect("the data of a server that has stopped").chains.b).await;

    let verified = run(&["verify", "--data", text(&data)]).await;
    assert_eq!(verified.code, Some(1), "{verified:?}");
    let named = "chain b, session honest, table total, breakdown source, key search, metric views: expected 7, found 8";
    assert!(verified.stdout.contains(named), "{verified:?}");
    assert!(!verified.stdout.contains("chain a, "), "{verified:?}");

    // So it does of a running system, which serves the false row without knowing.
    server.start_again();
    let api = server.api();
    let report =
        api.read_from(Chain::B, &format!("/v1/sessions/{SESSION}/report"), &api.newest_token().await).await;
    assert_eq!(views(&report, "search"), 8);
    let verified = run(&["verify", "--to", &server.url()]).await;
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(verified.stdout.contains(named), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_verified_says_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let absent = folder.path().join("absent");
    let verified = run(&["verify", "--data", text(&absent)]).await;
    assert_eq!(verified.code, Some(64), "{verified:?}");
    assert!(!absent.exists());
    let verified = run(&["verify", "--data", "x", "--to", "http://127.0.0.1:1"]).await;
    assert_eq!(verified.code, Some(2), "{verified:?}");
    let verified = run(&["verify", "--to", "http://127.0.0.1:1"]).await;
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(!verified.stderr.is_empty());
}

fn event(number: u64) -> String {
    let source = ["search", "shop", "ads"][(number % 3) as usize];
    let ts = 1_000_000 + number;
    format!(
        r#"{{"event_id":"e{number}","type":"enter","ts":{ts},"session_id":"{SESSION}","user_id":"u","source":"{source}"}}"#
    )
}

fn views(report: &Value, source: &str) -> u64 {
    let rows = report["breakdowns"]["source"].as_array().expect("a list");
    let row = rows.iter().find(|row| row["key"] == source).expect("a row");
    row["metrics"]["views"].as_u64().expect("a count")
}

/// One more view from search, in the total only, with the row's version left as it is.
async fn falsify(chain: &ChainStores) {
    let stored = chain.rows.session(SESSION, &Select::All).await.expect("rows").expect("the session");
    let key = RowKey { table: Table::Total, breakdown: Breakdown::Source, key: "search".into(), bucket: 0 };
    let mut row = stored.rows.into_iter().find(|row| row.key == key).expect("the row");
    row.values[Stored::Views as usize] += 1;
    let cut = chain.rows.progress(stored.partition).await.expect("progress").expect("it has begun");
    assert!(cut.next > stored.cut.next, "a store ignores what is not newer");
    let partition_row = chain.rows.partition_row(stored.partition).await.expect("row").expect("it has begun");
    let change = SessionChange { session_id: stored.session_id, session: None, rows: vec![row] };
    let changes = Changes {
        partition: stored.partition,
        cut,
        partition_row,
        sessions: vec![change],
        rejected: Vec::new(),
        beats: Vec::new(),
        editions: Vec::new(),
    };
    chain.rows.apply(&changes).await.expect("applied");
    chain.rows.durable(stored.partition).await.expect("durable");
}
