//! A registry with everything in it, scraped, and read as Prometheus reads it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tandem_model::route::{Chain, Route};
use tandem_model::{Cut, PartitionId, Record};
use tandem_storage::faulty::{Fault, Faulty, Plan};
use tandem_storage::memory::{self, MemoryEventLog};
use tandem_storage::{Append, EventLog};
use tower::ServiceExt;

use super::*;
use crate::parts::*;

fn telemetry() -> Telemetry {
    Telemetry::new("test", "1.2.3").expect("telemetry")
}

fn partition(number: u32) -> ComputePartition {
    ComputePartition {
        partition: PartitionId(number),
        phase: ComputePhase::Following,
        cut: Cut { next: 90, clock: 1_000_500 },
        reached: 95,
        log_end: 100,
        hot: Some((Cut { next: 80, clock: 1_000_000 }, 3)),
        records: 50,
        rows: 70,
        restored_from: 40,
        repairs: [3, 1],
        quarantined: 2,
        usage: Usage { live_sessions: 2, viewers: 9, ..Usage::default() },
    }
}

/// All there is, of both chains in one process.
fn everything() -> (Telemetry, Health) {
    let telemetry = telemetry();
    for chain in Chain::ALL {
        compute(&telemetry, chain, true, || vec![partition(0), partition(1)]);
        publisher(&telemetry, chain, || {
            vec![PublisherPartition {
                partition: PartitionId(0),
                state: PublisherState::Publishing,
                epoch: 3,
                beat: 1_000_000,
                next: 80,
                transactions: 7,
                messages: 60,
                fenced: 1,
                begun: 2,
            }]
        });
        let node = NodeReads { node: "127.0.0.1:9".to_owned(), ..NodeReads::default() };
        gateway_nodes(&telemetry, chain, move || vec![node.clone()]);
    }
    gateway(&telemetry, || {
        let mut callers = Callers::default();
        callers.refused[0] = ("unknown", 2);
        Reads { requests: 12, callers, ..Reads::default() }
    });
    gateway_violations(&telemetry, || [("bare-lf", 2), ("host", 0)]);
    gateway_limits(&telemetry, || Limits {
        rules: vec![LimitRule { name: "key".to_owned(), limited: 3, ..LimitRule::default() }],
        ..Limits::default()
    });
    gateway_shield(&telemetry, || Shield {
        actions: vec![("deny", 2)],
        would_be: vec![("deny", 3)],
        rules: vec![("honeypot", 2, 1)],
        ..Shield::default()
    });
    gateway_crawlers(&telemetry, || Crawlers { claims: [2, 1, 1], networks: [5, 6], fetches_failed: 1 });
    gateway_door(&telemetry, || Door { configurations: [2, 1], ..Door::default() });
    gateway_admission(&telemetry, || Admission {
        reads: [64, 3, 0],
        admitted: vec![("live", 9)],
        shed: vec![("export", "class", 2)],
        deadlines_expired: 1,
    });
    route(&telemetry, || Route { active: Chain::B, epoch: 4, reason: "test".to_owned() });
    agreement(&telemetry, || async {
        Agreement { verdict: Verdict::Equal, beat: Some(5_000), is_ready: [true, false] }
    });
    parity(&telemetry, || ParityState {
        findings: vec![("a", "stored", 2), ("both", "computed", 0)],
        rounds: 8,
        last_round_ms: Some(9_500),
        sessions: 70,
        votes: 5,
    });
    ingest(&telemetry, || IngestCounts { events: 3, ..IngestCounts::default() });
    metronome(&telemetry, || MetronomeState {
        last_ms: Some(1_000),
        clock_offset_ms: Some(-40),
        ..MetronomeState::default()
    });
    control(&telemetry, || ControlState {
        active: Chain::B,
        epoch: 4,
        leads: true,
        term: 6,
        members: [3, 1],
        decisions: 1,
        committed: 12,
        applied: 11,
    });
    let health = Health::new();
    health.check("log", || async { Ok(()) });
    (telemetry, health)
}

async fn page(router: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).expect("request");
    let response = router.clone().oneshot(request).await.expect("answers");
    let status = response.status();
    let body = response.into_body().collect().await.expect("body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

/// The value of one series, as it stands in the text.
fn value(text: &str, series: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    rest.parse().ok()
}

async fn use_every_port(telemetry: &Telemetry) {
    let log = measured::log(telemetry, None, Arc::new(MemoryEventLog::new(1)));
    let append = Append { records: vec![(PartitionId(0), Record::beat(1))], receipt: None };
    log.append(append).await.expect("append");
    assert_eq!(log.read(PartitionId(0), 0, 100).await.expect("read").len(), 1);
    let stores = measured::stores(telemetry, Chain::A, memory::chain_stores());
    stores.rows.progress(PartitionId(0)).await.expect("progress");
    stores.hot.progress(PartitionId(0)).await.expect("progress");
    stores.snapshots.list(PartitionId(0)).await.expect("list");
    let letters = tandem_storage::DeadLetterQuery { limit: 1, ..Default::default() };
    stores.dead_letters.list(&letters).await.expect("list");
}

#[tokio::test]
async fn a_scrape_has_what_the_parts_say() {
    let (telemetry, health) = everything();
    use_every_port(&telemetry).await;
    let router = admin::router(telemetry, health);
    for _ in 0..2 {
        let (status, text) = page(&router, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        for (series, expected) in [
            (r#"tandem_build_info{role="test",version="1.2.3"}"#, 1.0),
            (r#"tandem_compute_next_offset{chain="a",partition="1"}"#, 90.0),
            (r#"tandem_compute_lag_records{chain="b",partition="0"}"#, 5.0),
            (r#"tandem_compute_clock_seconds{chain="a",partition="0"}"#, 1_000.5),
            (r#"tandem_compute_phase{chain="a",partition="0",phase="following"}"#, 1.0),
            (r#"tandem_compute_phase{chain="a",partition="0",phase="stalled"}"#, 0.0),
            (r#"tandem_compute_hot_next_offset{chain="a",partition="0"}"#, 80.0),
            (r#"tandem_fold_sessions{chain="a",partition="0",state="live"}"#, 2.0),
            (r#"tandem_dws_beat_seconds{chain="a",partition="0"}"#, 1_000.0),
            (r#"tandem_gateway_reads_total"#, 12.0),
            (r#"tandem_gateway_node_out{chain="b",node="127.0.0.1:9"}"#, 0.0),
            (r#"tandem_route_active{chain="b"}"#, 1.0),
            (r#"tandem_parity{verdict="equal"}"#, 1.0),
            (r#"tandem_parity_findings{level="stored",wrong="a"}"#, 2.0),
            (r#"tandem_parity_scan_last_round_seconds"#, 9.5),
            (r#"tandem_parity_votes_total"#, 5.0),
            (r#"tandem_compute_repairs_total{chain="a",outcome="failed",partition="1"}"#, 1.0),
            (r#"tandem_compute_quarantined_events{chain="a",partition="1"}"#, 2.0),
            (r#"tandem_control_leads"#, 1.0),
            (r#"tandem_control_term"#, 6.0),
            (r#"tandem_control_members{kind="learner"}"#, 1.0),
            (r#"tandem_control_committed_index"#, 12.0),
            (r#"tandem_control_applied_index"#, 11.0),
            (r#"tandem_gateway_chain_ready{chain="a"}"#, 1.0),
            (r#"tandem_ingest_events_total"#, 3.0),
            (r#"tandem_metronome_clock_offset_seconds"#, -0.04),
            (r#"tandem_store_call_duration_seconds_count{call="append",chain="",store="log"}"#, 1.0),
            (r#"tandem_store_items_total{call="read",chain="",store="log"}"#, 1.0),
            (r#"tandem_store_calls_running{call="read",chain="",store="log"}"#, 0.0),
            (r#"tandem_health_ready{check="log"}"#, 1.0),
            (r#"tandem_health_ready{check="all"}"#, 0.0),
        ] {
            assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");
        }
        assert!(value(&text, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6), "{text}");
        assert!(!text.contains("otel_scope"), "{text}");
    }
}

#[tokio::test]
async fn what_is_gone_is_not_shown_any_more() {
    let telemetry = telemetry();
    let moved = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&moved);
    compute(&telemetry, Chain::A, true, move || {
        let phase = match seen.load(Ordering::Relaxed) {
            0 => ComputePhase::Following,
            _ => ComputePhase::Elsewhere,
        };
        vec![ComputePartition { phase, ..partition(0) }]
    });
    let lag = r#"tandem_compute_lag_records{chain="a",partition="0"}"#;
    assert_eq!(value(&telemetry.text().await.expect("text"), lag), Some(5.0));
    moved.store(1, Ordering::Relaxed);
    let text = telemetry.text().await.expect("text");
    assert_eq!(value(&text, lag), None, "another process tells");
    assert!(!text.contains("tandem_compute_records_total"), "{text}");
    let phase = r#"tandem_compute_phase{chain="a",partition="0",phase="elsewhere"}"#;
    assert_eq!(value(&text, phase), Some(1.0));
}

/// Every family in the text is declared, with its type and help; returns their names.
fn families(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("help");
            let metric = catalogue::ALL.iter().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{name} is not declared"));
            assert_eq!(help, metric.help);
            assert!(text.contains(&format!("# TYPE {name} {}\n", metric.kind.exposed())), "{name}");
            names.insert(name);
        }
    }
    names
}

#[tokio::test]
async fn prometheus_finds_nothing_to_criticise() {
    let (telemetry, health) = everything();
    use_every_port(&telemetry).await;
    let layer = requests::RequestsLayer::new(&telemetry, Chain::A);
    let queries = Router::new().route("/v1/sessions/{id}", get(|| async { "ok" })).layer(layer);
    page(&queries, "/v1/sessions/5").await;
    // An error of a port, so that its series exists.
    let plan = Arc::new(Plan::new());
    plan.add(Fault::unavailable());
    let log: Arc<dyn EventLog> = Arc::new(MemoryEventLog::new(1));
    let log = measured::log(&telemetry, None, Arc::new(Faulty::new(log, plan)));
    log.receipt("scope", "key").await.expect_err("it is away");

    let (_, text) = page(&admin::router(telemetry, health), "/metrics").await;
    let expected: BTreeSet<&str> = catalogue::ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(families(&text), expected, "every metric has a series in this test");
    let Some(outcome) = promtool(&["check", "metrics"], &text) else { return };
    assert_eq!(outcome, (true, String::new()));
}

/// Runs promtool with `input`, if it is there: whether it is content, and what it says.
fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let spawned = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = spawned else {
        println!("skipped: promtool is not there (Debian package prometheus)");
        return None;
    };
    promtool.stdin.take().expect("piped").write_all(input.as_bytes()).expect("write");
    let output = promtool.wait_with_output().expect("promtool ends");
    Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn the_table_is_in_step() {
    let path = repository("docs/metrics.md");
    let table = catalogue::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &table).expect("write");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == table, "docs/metrics.md is out of step: run this test with UPDATE_DOCS=1");
}

#[test]
fn the_definitions_keep_to_the_rules() {
    let mut names = BTreeSet::new();
    for metric in catalogue::ALL {
        let Metric { name, kind, labels, help, .. } = metric;
        assert!(names.insert(*name), "{name} is declared twice");
        assert!(name.starts_with("tandem_") || name.starts_with("process_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind.exposed() == "counter", "{name}");
        assert!(help.ends_with('.') && !help.contains('|') && help.len() > 15, "{name}: {help}");
        assert!(labels.iter().all(|label| !["session", "user", "key", "path"].contains(label)), "{name}");
    }
}

#[test]
fn the_alerts_are_rules_about_metrics_that_exist() {
    let path = repository("deploy/prometheus/rules.yaml");
    let rules = std::fs::read_to_string(&path).expect("the rules are there");
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let expressions = rules.lines().filter(|line| line.trim_start().starts_with("expr:"));
    let mut alerts = 0;
    for expression in expressions {
        alerts += 1;
        let words = expression.split(|letter| !is_part(letter));
        for word in words.filter(|word| word.starts_with("tandem_") || word.starts_with("process_")) {
            let name = word.trim_end_matches("_bucket").trim_end_matches("_count").trim_end_matches("_sum");
            assert!(catalogue::ALL.iter().any(|metric| metric.name == name), "{word} in {expression}");
        }
    }
    assert!(alerts >= 6, "expressions stand on the line of their `expr:`");
    let tests = repository("deploy/prometheus/rules_test.yaml");
    for (command, path) in [("check", &path), ("test", &tests)] {
        let Some((holds, said)) = promtool(&[command, "rules", &path.display().to_string()], "") else {
            return;
        };
        assert!(holds, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn measuring_changes_nothing() {
    let telemetry = telemetry();
    let hot = Arc::new(memory::MemoryHotStore::new(100));
    let stores = tandem_storage::ChainStores { hot: hot.clone(), ..memory::chain_stores() };
    let stores = measured::stores(&telemetry, Chain::A, stores);
    tandem_storage::suite::row_store(stores.rows).await;
    tandem_storage::suite::hot_store(stores.hot, async || hot.clear()).await;
    tandem_storage::suite::snapshot_store(&*stores.snapshots).await;
    tandem_storage::suite::dead_letters(&*stores.dead_letters).await;
    tandem_storage::suite::editions(&*stores.editions).await;
    let log: Arc<dyn EventLog> = Arc::new(MemoryEventLog::new(2));
    tandem_storage::suite::event_log(measured::log(&telemetry, Some(Chain::A), log)).await;
    let topic = Arc::new(memory::MemorySummaryTopic::new(3));
    let read = async |partition| topic.messages(partition);
    tandem_storage::suite::summaries(measured::summaries(&telemetry, Chain::A, topic.clone()), read).await;
}

#[tokio::test(start_paused = true)]
async fn errors_are_counted_by_kind_and_calls_that_nobody_waits_for_too() {
    let telemetry = telemetry();
    let plan = Arc::new(Plan::new());
    let log: Arc<dyn EventLog> = Arc::new(MemoryEventLog::new(1));
    let log = measured::log(&telemetry, Some(Chain::A), Arc::new(Faulty::new(log, plan.clone())));
    plan.add(Fault::unavailable().times(2));
    plan.add(Fault::timeout().times(1));
    plan.add(Fault::slow(Duration::from_secs(3_600)));
    for _ in 0..3 {
        log.read(PartitionId(0), 0, 1).await.expect_err("away");
    }
    let nobody_waits = tokio::time::timeout(Duration::from_millis(5), log.read(PartitionId(0), 0, 1)).await;
    assert!(nobody_waits.is_err());
    let text = telemetry.text().await.expect("text");
    for (kind, expected) in
        [("unavailable", Some(2.0)), ("timeout", Some(1.0)), ("dropped", Some(1.0)), ("damaged", None)]
    {
        let series =
            format!(r#"tandem_store_errors_total{{call="read",chain="a",kind="{kind}",store="log"}}"#);
        assert_eq!(value(&text, &series), expected, "{kind} in\n{text}");
    }
    let ended = r#"tandem_store_call_duration_seconds_count{call="read",chain="a",store="log"}"#;
    assert_eq!(value(&text, ended), Some(3.0));
    let running = r#"tandem_store_calls_running{call="read",chain="a",store="log"}"#;
    assert_eq!(value(&text, running), Some(0.0));
}

#[tokio::test]
async fn requests_are_told_apart_by_template_and_status() {
    let telemetry = telemetry();
    let queries = Router::new()
        .route("/v1/sessions/{id}", get(|| async { "ok" }))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(requests::RequestsLayer::new(&telemetry, Chain::B));
    for path in ["/v1/sessions/1", "/v1/sessions/2", "/no/such/path", "/another"] {
        page(&queries, path).await;
    }
    let text = telemetry.text().await.expect("text");
    let requests = |route: &str, status: u16| {
        value(
            &text,
            &format!(r#"tandem_query_requests_total{{chain="b",route="{route}",status="{status}"}}"#),
        )
    };
    assert_eq!(requests("/v1/sessions/{id}", 200), Some(2.0), "{text}");
    assert_eq!(requests("other", 404), Some(2.0), "{text}");
    assert_eq!(value(&text, r#"tandem_query_requests_running{chain="b"}"#), Some(0.0));
    assert!(!text.contains("/no/such/path"));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_costs_its_own_values_only() {
    let telemetry = telemetry();
    agreement(&telemetry, std::future::pending);
    gateway(&telemetry, || Reads { requests: 5, ..Reads::default() });
    let text = telemetry.text().await.expect("text");
    assert_eq!(value(&text, "tandem_gateway_reads_total"), Some(5.0));
    assert!(!text.contains("tandem_parity"), "{text}");
}

#[tokio::test]
async fn more_series_than_a_metric_has_room_for_are_summed_up() {
    let telemetry = telemetry();
    gateway_nodes(&telemetry, Chain::A, || {
        (0..1_000)
            .map(|node| NodeReads { node: format!("node-{node}"), asked: 1, ..NodeReads::default() })
            .collect()
    });
    let text = telemetry.text().await.expect("text");
    let series = text.lines().filter(|line| line.starts_with("tandem_gateway_node_asked_total{")).count();
    assert!((100..=129).contains(&series), "{series}");
    assert!(text.contains(r#"tandem_gateway_node_asked_total{otel_metric_overflow="true"}"#), "{text}");
}

mod readiness {
    use super::*;

    fn report(text: &str) -> serde_json::Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[tokio::test(start_paused = true)]
    async fn each_check_is_named_with_its_reason() {
        let health = Health::new();
        health.check("log", || async { Ok(()) });
        health.check("rows", || async { Err("the row store is away".to_owned()) });
        health.check("hot", std::future::pending);
        let router = admin::router(telemetry(), health.clone());
        health.open();
        let (status, text) = page(&router, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let report = report(&text);
        assert_eq!(report["ready"], false);
        assert_eq!(
            report["checks"][0],
            serde_json::json!({ "name": "log", "ready": true, "required": true })
        );
        assert_eq!(report["checks"][1]["reason"], "the row store is away");
        assert!(report["checks"][2]["reason"].as_str().is_some_and(|reason| reason.contains("800 ms")));
        assert_eq!(page(&router, "/healthz").await, (StatusCode::OK, r#"{"status":"alive"}"#.to_owned()));
    }

    #[tokio::test]
    async fn what_is_only_mentioned_does_not_decide() {
        let health = Health::new();
        health.mention("log", || async { Err("it is away".to_owned()) });
        let router = admin::router(telemetry(), health.clone());
        health.open();
        let (status, text) = page(&router, "/readyz").await;
        assert_eq!((status, &report(&text)["ready"]), (StatusCode::OK, &serde_json::json!(true)));
        let told =
            serde_json::json!({ "name": "log", "ready": false, "required": false, "reason": "it is away" });
        assert_eq!(report(&text)["checks"][0], told);
    }

    #[tokio::test]
    async fn a_process_is_ready_between_its_start_and_its_end() {
        let health = Health::new();
        let router = admin::router(telemetry(), health.clone());
        for (step, life, expected) in [
            (None, "starting", StatusCode::SERVICE_UNAVAILABLE),
            (Some(Health::open as fn(&Health)), "serving", StatusCode::OK),
            (Some(Health::drain), "stopping", StatusCode::SERVICE_UNAVAILABLE),
            (Some(Health::open), "stopping", StatusCode::SERVICE_UNAVAILABLE),
        ] {
            if let Some(step) = step {
                step(&health);
            }
            let (status, text) = page(&router, "/readyz").await;
            assert_eq!((status, report(&text)["life"].as_str()), (expected, Some(life)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_probes_is_one_question() {
        let health = Health::new();
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        health.check("slow", move || {
            let count = Arc::clone(&count);
            async move {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(())
            }
        });
        health.open();
        let reports = futures::future::join_all((0..100).map(|_| health.report())).await;
        assert!(reports.iter().all(|report| report.ready));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::sleep(Duration::from_millis(300)).await;
        health.report().await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
