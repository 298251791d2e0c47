//! A figure that changes behind a chain's back, on real servers: found, named, left, computed again.
//!
//! Both chains have their turn, each while it serves: chain a's Redis, then chain b's CQL store. Last
//! comes what can't be mended: a cell of CQL that was written by hand at the server's own clock.

use scylla::client::session_builder::SessionBuilder;
use serde_json::{Value, json};
use tandem_model::partition::partition_of;
use tandem_model::route::Chain;
use tandem_model::{Breakdown, SessionId, Stored, Table};
use tandem_scylla::ScyllaStore;
use tandem_storage::{Replacement, RowStore, Select, codec};
use tandem_tests::api::{Api, Call};
use tandem_tests::cluster::{Cluster, status};
use tandem_tests::program::{run, until};
use tandem_tests::services::PerChain;

use crate::alone;
use crate::refusals::{cluster, gone, shared};

const SESSIONS: [&str; 4] = ["one", "two", "three", "four"];
/// Orders of a session, each of this amount.
const ORDERS: u64 = 3;
const AMOUNT_FEN: u64 = 1_000;
const GMV_FEN: u64 = ORDERS * AMOUNT_FEN;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_figure_changed_behind_a_chains_back_is_found_left_and_computed_again() {
    let _alone = alone().await;
    let mut cluster = cluster(shared().addresses());
    cluster.start().await;
    let api = cluster.api();
    let mut token = orders(&api, 0).await;
    for chain in Chain::ALL {
        assert_eq!(gmv(&api, chain, "one", &token).await, GMV_FEN);
    }
    equal(&api).await;

    let first = served(&api).await;
    change_redis(&cluster, first, "one").await;
    wrong(&api, first, "hot", "one").await;
    left(&api, first).await;
    assert_eq!(
        api.read(&report("one"), &token).await["metrics"]["gmv_fen"],
        GMV_FEN,
        "readers see the right one"
    );
    repaired(&api, first, json!({"chain": first, "session_id": "one", "reason": "Redis"})).await;
    assert_eq!(served(&api).await, first.other(), "nobody goes back by himself");
    release(&cluster, first).await;

    let second = first.other();
    change_cql(&cluster, second, "two").await;
    wrong(&api, second, "rows", "two").await;
    left(&api, second).await;
    let partition = partition_of(b"two", cluster.configuration.partitions()).0;
    repaired(&api, second, json!({"chain": second, "partition": partition, "reason": "CQL"})).await;
    assert_eq!(served(&api).await, first);
    release(&cluster, second).await;

    // Both hold what the log gives, and go on.
    token = orders(&api, 1).await;
    for chain in Chain::ALL {
        for session in SESSIONS {
            assert_eq!(gmv(&api, chain, session, &token).await, 2 * GMV_FEN, "{session} on {chain}");
        }
    }
    equal(&api).await;
    // Without beats the log ends somewhere.
    cluster.metronome.stop().await;
    let verified = run(&["verify", "--to", &cluster.url()]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    cluster.metronome.start();
    cluster.metronome.ready().await;
    let metrics = cluster.gateway.metrics().await.expect("the gateway says how it is");
    assert_eq!(metrics.sum("tandem_gateway_repairs_ordered_total", &[]), 2.0, "{metrics:?}");
    assert_eq!(metrics.sum("tandem_parity_findings", &[]), 0.0, "{metrics:?}");
    assert!(metrics.sum("tandem_parity_votes_total", &[]) >= 2.0, "{metrics:?}");

    a_cell_that_no_repair_wins_over(&mut cluster, &api, second).await;
    cluster.stop().await;
    gone(&cluster).await;
}

/// The order ends, and says why; the chain goes on, and is still known to be wrong.
async fn a_cell_that_no_repair_wins_over(cluster: &mut Cluster, api: &Api, chain: Chain) {
    let text = "UPDATE {k}.rows SET gmv_fen = 7 WHERE session_id = 'three' AND table_name = 'total' AND \
                breakdown = 'room' AND bucket = 0 AND key = 'room'";
    by_hand(cluster, chain, text).await;
    wrong(api, chain, "rows", "three").await;
    ordered(api, &json!({"chain": chain, "session_id": "three", "reason": "by hand"})).await;
    let failure = until("the repair fails", async || {
        let repair = latest_repair(api, chain, "by hand").await?;
        assert_ne!(repair["state"], "done", "{repair}");
        (repair["state"] == "failed").then(|| repair["failure"].as_str().unwrap_or_default().to_owned())
    })
    .await;
    assert!(failure.contains("session three") && failure.contains("by hand"), "{failure}");
    let shown = run(&["status", "--to", &cluster.url()]).await;
    assert!(shown.stdout.contains("is not tried again"), "{shown:?}");
    let (_, compute) = cluster.computes.iter_mut().find(|(of, _)| *of == chain).expect("each chain has one");
    compute.ready().await;
    let metrics = compute.metrics().await.expect("compute says how it is");
    assert_eq!(metrics.sum("tandem_compute_repairs_total", &[r#"outcome="failed""#]), 1.0, "{metrics:?}");
    let token = orders(api, 2).await;
    assert_eq!(gmv(api, chain, "four", &token).await, 3 * GMV_FEN, "the partition goes on");
    wrong(api, chain, "rows", "three").await;
    assert_eq!(served(api).await, chain.other());
}

/// Orders of every session; returns the token of having written them.
async fn orders(api: &Api, round: u64) -> String {
    let ts = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let ts = ts.as_millis();
    let lines = SESSIONS.iter().flat_map(|session| {
        (0..ORDERS).map(move |number| {
            let order = format!("{session}-{round}-{number}");
            json!({"event_id": order, "type": "order_paid", "ts": ts, "session_id": session,
                "user_id": format!("u{number}"), "order_id": order, "item_id": "i1",
                "amount_fen": AMOUNT_FEN, "quantity": 1})
            .to_string()
        })
    });
    let answer = api.call(Call::events(lines.collect::<Vec<_>>().join("\n"))).await;
    assert_eq!(answer.ok()["accepted"], SESSIONS.len() as u64 * ORDERS, "{answer:?}");
    answer.token().to_owned()
}

fn report(session: &str) -> String {
    format!("/v1/sessions/{session}/report?breakdowns=&metrics=gmv_fen")
}

async fn gmv(api: &Api, chain: Chain, session: &str, token: &str) -> u64 {
    let report = api.read_from(chain, &report(session), token).await;
    report["metrics"]["gmv_fen"].as_u64().expect("a figure")
}

/// The chain that the gateway's route names.
async fn served(api: &Api) -> Chain {
    let status = api.get("/v1/status").await.ok();
    status["route"]["active"].as_str().and_then(Chain::from_name).expect("a chain")
}

/// Waits until the chains say the same, after another whole round through what their stores hold.
async fn equal(api: &Api) {
    let rounds = async || status(api).await?["parity"]["scan"]["rounds"].as_u64();
    let before = until("somebody scans", rounds).await;
    until("the chains are equal", async || {
        let parity = status(api).await?["parity"].take();
        let is_equal = parity["verdict"] == "equal" && parity["findings"] == json!([]);
        (is_equal && parity["scan"]["rounds"].as_u64()? > before + 1).then_some(())
    })
    .await;
}

/// Waits until the chain, the store, the session and the column are named, and nobody else is.
async fn wrong(api: &Api, chain: Chain, store: &str, session: &str) {
    let parity = until("what is wrong is named", async || {
        let parity = status(api).await?["parity"].take();
        parity["findings"].as_array().is_some_and(|findings| !findings.is_empty()).then_some(parity)
    })
    .await;
    assert_eq!((&parity["verdict"], &parity["wrong"]), (&json!("different"), &json!(chain)), "{parity:#}");
    let found = &parity["findings"][0];
    let place = json!({"wrong": chain, "level": "stored", "store": store, "session_id": session,
        "table": "total", "breakdown": "room", "column": "gmv_fen"});
    for (name, value) in place.as_object().expect("an object") {
        assert_eq!(&found[name], value, "{name}: {found:#}");
    }
    // The other one has what the log gives.
    assert_eq!(found[chain.other().name()], found["log"], "{found:#}");
    assert_ne!(found[chain.name()], found["log"], "{found:#}");
    // Figures are not everybody's.
    let public = api.call(Call::get("/v1/status").without_key()).await.ok();
    assert_eq!(public["parity"]["findings"][0]["session_id"], Value::Null, "{public:#}");
}

/// Waits until the group has left a chain. It never goes to it meanwhile.
async fn left(api: &Api, chain: Chain) {
    until("the group leaves the chain that is wrong", async || (served(api).await != chain).then_some(()))
        .await;
}

async fn ordered(api: &Api, order: &Value) {
    let answer = api.call(Call::order("/v1/repairs", order)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json()["partitions"].as_array().map(Vec::len), Some(1), "{answer:?}");
}

/// How the latest repair of a chain that was ordered with this reason stands.
async fn latest_repair(api: &Api, chain: Chain, reason: &str) -> Option<Value> {
    let status = status(api).await?;
    let repairs = status["chains"][chain as usize]["repairs"].as_array()?;
    repairs.iter().find(|repair| repair["reason"] == reason).cloned()
}

/// Orders a repair at the gateway, and waits until it is done and nothing is wrong any more.
async fn repaired(api: &Api, chain: Chain, order: Value) {
    ordered(api, &order).await;
    let reason = order["reason"].as_str().expect("a reason");
    until("the repair is done", async || {
        let repair = latest_repair(api, chain, reason).await?;
        assert_ne!(repair["state"], "failed", "{repair}");
        (repair["state"] == "done").then_some(())
    })
    .await;
    equal(api).await;
}

/// An operator trusts a chain again.
async fn release(cluster: &Cluster, chain: Chain) {
    let released = cluster.command(&["release", chain.name(), "--reason", "computed again"]).await;
    assert_eq!(released.code, Some(0), "{released:?}");
}

fn of(addresses: &PerChain, chain: Chain) -> &str {
    if chain == Chain::A { &addresses.a } else { &addresses.b }
}

/// Takes something off a figure in Redis, behind compute's back.
async fn change_redis(cluster: &Cluster, chain: Chain, session: &str) {
    let name = &cluster.configuration.name;
    let partition = partition_of(session.as_bytes(), cluster.configuration.partitions());
    let key = format!("{{{name}:{chain}:{partition}}}:s:{session}");
    let field = [&[Breakdown::Room as u8], "room".as_bytes()].concat();
    let address = of(&shared().addresses().redis, chain);
    let client = redis::Client::open(format!("redis://{address}")).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis");
    let mut ask = async |command: &redis::Cmd| command.query_async(&mut connection).await.expect("Redis");
    let value: redis::Value = ask(redis::cmd("HGET").arg(&key).arg(&field)).await;
    let redis::Value::BulkString(bytes) = value else { panic!("{key} is not there: {value:?}") };
    let (mut values, offset) = codec::decode_values(&bytes).expect("a row");
    values[Stored::GmvFen as usize] -= 1;
    let mut wrong = Vec::new();
    codec::encode_values(&values, offset, &mut wrong);
    ask(redis::cmd("HSET").arg(&key).arg(&field).arg(&wrong)).await;
}

/// Takes something off a figure in CQL, at a place in the log as if it were computed there.
async fn change_cql(cluster: &Cluster, chain: Chain, session: &str) {
    let settings = tandem_scylla::Settings {
        addresses: vec![of(&shared().addresses().cql, chain).to_owned()],
        keyspace: format!("{}_{chain}", cluster.configuration.name),
        replicas: 1,
        ..tandem_scylla::Settings::default()
    };
    let rows = Box::pin(ScyllaStore::open(&settings)).await.expect("the row store");
    let id = SessionId::new(session).expect("an id");
    let partition = partition_of(session.as_bytes(), cluster.configuration.partitions());
    let mut wrong = rows.session(session, &Select::All).await.expect("rows").expect("a session");
    let row = wrong.rows.iter_mut();
    let row =
        row.into_iter().find(|row| (row.key.table, row.key.breakdown) == (Table::Total, Breakdown::Room));
    row.expect("a row").values[Stored::GmvFen as usize] -= 1;
    let cut = rows.progress(partition).await.expect("progress").expect("begun");
    let sessions = vec![(id, Some(wrong))];
    rows.replace(&Replacement { partition, cut, sessions, partition_row: None }).await.expect("replaced");
}

/// Writes to CQL at the server's own clock.
async fn by_hand(cluster: &Cluster, chain: Chain, text: &str) {
    let address = of(&shared().addresses().cql, chain);
    let session = SessionBuilder::new().known_node(address).build().await.expect("the CQL store");
    let text = text.replace("{k}", &format!("{}_{chain}", cluster.configuration.name));
    session.query_unpaged(text, ()).await.expect("it can be written");
}
