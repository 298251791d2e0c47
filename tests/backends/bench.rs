//! `tandem bench --backends`: it measures real servers, and leaves nothing behind.

use tandem_tests::program::{run, run_with};
use tandem_tests::services::Services;

#[tokio::test(flavor = "multi_thread")]
async fn real_servers_are_measured_beside_embedded_storage_and_left_as_they_were() {
    let servers = Services::shared().addresses();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tandem.toml");
    let snapshots = folder.path().join("snapshots");
    std::fs::create_dir(&snapshots).unwrap();
    let text = format!(
        r#"
[log]
brokers = ["{kafka}"]
replicas = 1
in_sync_replicas = 1

[control]
nodes = ["http://127.0.0.1:1"]

[chains.a.rows]
addresses = ["{cql}"]
replicas = 1
request_timeout_ms = 20000

[chains.a.hot]
addresses = ["{redis}"]

[chains.a.snapshots]
url = "file://{snapshots}"
"#,
        kafka = servers.kafka,
        cql = servers.cql.a,
        redis = servers.redis.a,
        snapshots = snapshots.display(),
    );
    std::fs::write(&file, text).unwrap();
    let secret = [("TANDEM__PSEUDONYMS__KEY", "000102030405060708090a0b0c0d0e0f")];
    let arguments =
        ["bench", "--backends", "both", "--events", "1000", "--seconds", "1", "--rate", "50", "--json"];
    let file = file.to_str().unwrap();
    let finished = run_with(&[&arguments[..], &["--config", file]].concat(), &secret).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);

    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    for kind in ["embedded", "real"] {
        let figures = &report["backends"][kind];
        for path in ["/through/events", "/consume/events"] {
            assert_eq!(figures.pointer(path), Some(&1_000.into()), "{kind} {path}");
        }
        for path in [
            "/rows_written",
            "/visible/from_log/samples",
            "/report_hot/per_second",
            "/report_rows/per_second",
            "/hot_store/samples",
            "/row_store/samples",
        ] {
            let figure = figures.pointer(path).and_then(serde_json::Value::as_u64);
            assert!(figure.is_some_and(|figure| figure > 0), "{kind} {path} {figure:?}");
        }
        assert_eq!(figures.pointer("/catch_up/events"), Some(&300.into()), "{kind}");
    }
    let real = &report["backends"]["real"];
    assert!(real["hot_bytes_per_session"].as_u64().is_some_and(|bytes| bytes > 0), "{real}");
    assert!(real["cql_read"]["samples"].as_u64().is_some_and(|samples| samples > 0), "{real}");

    let name =
        finished.stderr.split("real servers, as ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let keys: Vec<String> = {
        let client = redis::Client::open(format!("redis://{}/", servers.redis.a)).unwrap();
        redis::cmd("KEYS").arg(format!("{{{name}:*")).query(&mut client.get_connection().unwrap()).unwrap()
    };
    assert_eq!(keys, Vec::<String>::new());
    assert!(!finished.stderr.contains("could not be removed"), "{}", finished.stderr);
}

#[tokio::test]
async fn real_servers_need_a_configuration() {
    let finished = run_with(&["bench", "--backends", "real"], &[("TANDEM_CONFIG", "/no/such/file")]).await;
    assert_eq!(finished.code, Some(64), "{}", finished.stderr);
    assert!(finished.stderr.contains("/no/such/file"), "{}", finished.stderr);
    // What is measured and how can't be mixed up.
    assert_eq!(run(&["bench", "--rate", "100"]).await.code, Some(2));
    assert_eq!(run(&["bench", "--backends", "real", "fold"]).await.code, Some(2));
}
