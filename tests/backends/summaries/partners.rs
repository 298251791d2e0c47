//! The samples for partner teams against a chain: their reports are those of the API.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::Value;
use tandem_compute::{Compute, Settings as ComputeSettings};
use tandem_kafka::KafkaSummaries;
use tandem_model::route::Chain;
use tandem_model::{Calendar, Scope, headers};
use tandem_query::{Cql, CqlTable, Partners, Query};
use tandem_scylla::{LogIdentity, ScyllaStore};
use tandem_storage::memory::{self, MemoryEventLog};
use tandem_storage::{All, ChainStores, EventLog};
use tandem_tests::services::Services;
use tower::ServiceExt;

use super::chaos::records;
use super::python::run_sample;
use super::topic::{PATIENCE, TopicReader, prepared};
use super::world::{KEY, PARTITIONS, World, settings};

/// Computes the whole log into `stores`.
async fn computed(log: &Arc<MemoryEventLog>, stores: &ChainStores) {
    let log: Arc<dyn EventLog> = log.clone();
    let ownership = Arc::new(All::of(PARTITIONS));
    let settings = ComputeSettings::of(Chain::A);
    let compute = Compute::start(settings, log.clone(), stores.clone(), KEY, ownership).expect("threads");
    let ends = log.ends().borrow().clone();
    for (status, end) in compute.statuses().iter().zip(ends.iter()) {
        let mut status = status.clone();
        let reached = status.wait_for(|status| status.cut.next >= *end);
        tokio::time::timeout(PATIENCE, reached).await.expect("it computes").expect("it goes on");
    }
    compute.stop().await;
}

async fn get(router: &axum::Router, path: &str) -> Value {
    let request = http::Request::get(path).header(headers::SCOPE, Scope::All.encode());
    let request = request.body(axum::body::Body::empty()).expect("a request");
    let response = router.clone().oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), 200, "{path}");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&body).expect("JSON")
}

/// The report over HTTP, but for what a partner can't know.
async fn report(router: &axum::Router, session: &str) -> Value {
    let mut report = get(router, &format!("/v1/sessions/{session}/report")).await;
    report.as_object_mut().expect("an object").remove("meta");
    for key in report["breakdowns"]["source"].as_array_mut().expect("keys") {
        key.as_object_mut().expect("a key").remove("raw");
    }
    report
}

/// Compares, and names the first place that differs: a report is long.
fn assert_same(found: &Value, expected: &Value, place: &str) {
    match (found, expected) {
        (Value::Object(one), Value::Object(other)) => {
            assert!(one.keys().eq(other.keys()), "{place}: {:?}, {:?}", one.keys(), other.keys());
            one.iter()
                .for_each(|(name, member)| assert_same(member, &other[name], &format!("{place}/{name}")));
        }
        (Value::Array(one), Value::Array(other)) => {
            assert_eq!(one.len(), other.len(), "{place}");
            let both = one.iter().zip(other).enumerate();
            both.for_each(|(index, (one, other))| assert_same(one, other, &format!("{place}/{index}")));
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}

/// What a sample prints; none where it can't be run here.
async fn printed(name: &'static str, arguments: Vec<String>) -> Option<Value> {
    let run = tokio::task::spawn_blocking(move || {
        run_sample(name, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let output = run.await.expect("it runs")?;
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("a report"))
}

/// Appends the log of a seed, computes all of the log into `stores`, and answers who reads them and
/// which sessions there are.
async fn history(world: &World, seed: u64, stores: &ChainStores) -> (axum::Router, Vec<String>) {
    world.append(records(seed)).await;
    // A last beat, so that nothing is left to be published.
    let beats = (0..PARTITIONS).map(tandem_model::PartitionId);
    let last = beats.map(|partition| (partition, tandem_model::Record::beat(8_000_000_000 + seed)));
    world.append(last.collect()).await;
    computed(&world.log, stores).await;
    let query = Query::new(Chain::A, world.log.clone(), stores.clone());
    let ids = stores.rows.session_ids(None, 100).await.expect("ids");
    let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
    assert!(!ids.is_empty());
    (tandem_query::router(query), ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sample_consumer_reproduces_reports() {
    let kafka = prepared(&Services::shared().addresses().kafka, PARTITIONS).await;
    let topic = KafkaSummaries::new(kafka.clone()).expect("settings that work");
    let world = World::on(1, Arc::new(topic), Arc::new(TopicReader(kafka.clone())));
    // Both chains have published some of it.
    let publishers = Chain::ALL.map(|chain| world.start(chain, &settings()));
    world.group.tell_all();
    drop(history(&world, 41, &memory::chain_stores()).await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.group.switch();
    world.group.tell_all();
    let (router, sessions) = history(&world, 42, &memory::chain_stores()).await;
    world.published().await;
    for session in &sessions {
        let arguments =
            ["--brokers", &kafka.brokers[0], "--topic", &kafka.summaries_topic, "--session", session];
        let Some(found) = printed("dws_consumer.py", arguments.map(str::to_owned).into()).await else {
            break;
        };
        assert_same(&found, &report(&router, session).await, session);
    }
    for process in publishers {
        process.publisher.stop().await;
    }
}

/// A keyspace that nobody else has, on the store of chain a.
fn keyspace() -> tandem_scylla::Settings {
    tandem_scylla::Settings {
        addresses: vec![Services::shared().addresses().cql.a.clone()],
        keyspace: format!("t_partners_{}", std::process::id()),
        replicas: 1,
        // Servers of tests share two cores with everything else.
        request_timeout_ms: 20_000,
        turn_timeout_ms: 20_000,
        settle_ms_max: 10_000,
        ..tandem_scylla::Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sample_reads_reports_from_the_tables() {
    let settings = keyspace();
    tandem_scylla::schema::apply(&settings).await.expect("the tables");
    let world = World::new(1);
    let log = LogIdentity { id: world.log.id(), generation: 0, partitions: PARTITIONS };
    let store =
        Arc::new(ScyllaStore::note_log(&settings, log, &Calendar::default()).await.expect("the store"));
    let stores = ChainStores {
        rows: store.clone(),
        dead_letters: store.clone(),
        editions: store,
        ..memory::chain_stores()
    };
    let (router, sessions) = history(&world, 42, &stores).await;
    let (host, port) = settings.addresses[0].rsplit_once(':').expect("host:port");
    for session in &sessions {
        let arguments =
            ["--hosts", host, "--port", port, "--keyspace", &settings.keyspace, "--session", session];
        let Some(found) = printed("read_tables.py", arguments.map(str::to_owned).into()).await else { break };
        assert_same(&found, &report(&router, session).await, session);
    }
}

/// The adapter's own description of its tables is what the API shows.
#[tokio::test]
async fn the_tables_of_the_adapter_are_listed() {
    let settings = tandem_scylla::Settings::default();
    let described = serde_json::to_value(tandem_scylla::describe(&settings)).expect("plain data");
    let tables: Vec<CqlTable> = serde_json::from_value(described.clone()).expect("the same form");
    let world = World::new(0);
    let query = Query::new(Chain::B, world.log.clone(), memory::chain_stores());
    let cql = Cql { keyspace: settings.keyspace, tables };
    let router = tandem_query::router(query.offering(Partners { topic: None, cql: Some(cql) }));
    let listed = get(&router, "/v1/catalog/tables").await["cql"]["tables"].clone();
    let public = described.as_array().expect("tables").iter().filter(|table| table["is_public"] == true);
    let public: Vec<Value> = public
        .cloned()
        .map(|mut table| {
            table.as_object_mut().expect("a table").remove("is_public");
            table
        })
        .collect();
    assert!(public.len() > 3);
    assert_eq!(listed, Value::Array(public));
}
