//! Status and readiness over fake chains.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::*;
use crate::ChainService;
use crate::testing::{LOG, World, chain, get, json_of};

fn reporting(report: Value) -> ChainService {
    chain(move |request| {
        let body = Bytes::from(report.to_string());
        async move {
            assert_eq!(request.uri().path(), PATH);
            Ok(Response::new(body))
        }
    })
}

fn hanging() -> ChainService {
    chain(|_| std::future::pending())
}

/// What a chain says that follows the log of `World`.
fn report(chain: Chain, ready: bool, digest: &str, clock: u64) -> Value {
    let beat = |partition| Beat {
        partition,
        ts: 5_000,
        offset: 9,
        digests: [("total".to_owned(), digest.to_owned())].into(),
    };
    let first = PartitionStatus {
        partition: 0,
        next: 10,
        clock,
        log_end: 14,
        lag_records: 2,
        hot_next: Some(10),
        late_events: 1,
        malformed_events: 2,
        ignored_beats: 3,
    };
    let second = PartitionStatus { partition: 1, clock: clock + 1_000, lag_records: 0, ..first };
    let status = ChainStatus {
        chain,
        ready,
        degraded: vec!["hot".to_owned()],
        log: LOG.to_string(),
        time_zone: tandem_model::calendar::DEFAULT_ZONE.to_owned(),
        partitions: vec![first, second],
        beats: vec![beat(0), beat(1)],
        repairs: vec![RepairStatus {
            partition: 1,
            session_id: SessionId::new("s1"),
            reason: "wrong row".to_owned(),
            ordered_ms: 5,
            state: RepairState::Failed,
            failure: Some("a cell of s1".to_owned()),
        }],
    };
    let mut report = serde_json::to_value(status).unwrap();
    report["more"] = json!("than we know");
    report
}

#[tokio::test]
async fn both_chains_and_their_agreement_are_shown() {
    let chains =
        [reporting(report(Chain::A, true, "ff", 5_000)), reporting(report(Chain::B, true, "ff", 5_000))];
    let world = World::new(chains, ClockMode::Live);
    let status = json_of(&world.send(get("/v1/status")).await);
    assert_eq!(status["route"], json!({"active": "a", "epoch": 7, "reason": "test"}));
    assert_eq!(status["clock"], "live");
    assert_eq!(status["log"]["partitions"], 2);
    assert_eq!(status["parity"]["verdict"], "equal");
    assert_eq!(status["parity"]["beat"], 5_000);
    let a = &status["chains"][0];
    assert_eq!((&a["chain"], &a["ready"], &a["as_of"]), (&json!("a"), &json!(true), &json!(5_000)));
    assert!(a["freshness_ms"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(a["partitions"][0]["lag_records"], 2);
    assert_eq!(a["degraded"], json!(["hot"]));
    assert_eq!(a["partitions"][0]["ignored_beats"], 3);
    assert_eq!(a["repairs"], json!([{"partition": 1, "state": "failed", "ordered_ms": 5}]));
    let whole = json_of(&world.ask(http::Method::GET, "/v1/status", &[]).await);
    assert_eq!(
        whole["chains"][1]["repairs"],
        json!([{"partition": 1, "state": "failed", "ordered_ms": 5, "session_id": "s1",
            "reason": "wrong row", "failure": "a cell of s1"}])
    );
    assert!(status["gateway"]["chains"]["b"]["asked"].is_u64());
    assert_eq!(status["gateway"]["route_source"], "control");
    assert_eq!(status["gateway"]["health"]["b"]["breaker"], "closed");
    assert_eq!(status["gateway"]["health"]["a"]["hedge_delay_us"], 50_000);
}

#[tokio::test]
async fn a_difference_is_named() {
    let chains =
        [reporting(report(Chain::A, true, "ff", 5_000)), reporting(report(Chain::B, true, "fe", 5_000))];
    let world = World::new(chains, ClockMode::Replay);
    let status = json_of(&world.send(get("/v1/status")).await);
    assert_eq!(status["parity"]["verdict"], "different");
    assert_eq!(status["parity"]["partitions"][0]["tables"], json!(["total"]));
    assert_eq!(status["chains"][0]["freshness_ms"], Value::Null);
    let agreement = agreement(&world.shared).await;
    assert_eq!((agreement.verdict, agreement.is_ready), (Verdict::Different, [true, true]));
}

#[tokio::test]
async fn digests_of_another_log_are_not_compared() {
    let mut foreign = report(Chain::B, true, "fe", 5_000);
    foreign["log"] = json!("00");
    let world =
        World::new([reporting(report(Chain::A, true, "ff", 5_000)), reporting(foreign)], ClockMode::Live);
    assert_eq!(json_of(&world.send(get("/v1/status")).await)["parity"]["verdict"], "indeterminate");
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_does_not_answer_is_not_ready() {
    for broken in [hanging(), reporting(json!("nonsense")), chain(|_| async { Err("gone".into()) })] {
        let world = World::new([broken, reporting(report(Chain::B, true, "ff", 0))], ClockMode::Live);
        let status = json_of(&world.send(get("/v1/status")).await);
        assert_eq!(status["chains"][0]["ready"], false);
        assert_eq!(
            (&status["chains"][1]["ready"], &status["chains"][1]["as_of"]),
            (&json!(true), &Value::Null)
        );
        assert_eq!(status["parity"]["verdict"], "indeterminate");
        assert_eq!(world.send(get("/readyz")).await.status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_ready_chain_we_are_not_ready_but_alive() {
    let world = World::new([hanging(), reporting(report(Chain::B, false, "ff", 0))], ClockMode::Live);
    let answer = world.send(get("/readyz")).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(world.send(get("/healthz")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_in_front_of_the_page_asks_the_chains_once() {
    let chains =
        [reporting(report(Chain::A, true, "ff", 5_000)), reporting(report(Chain::B, true, "ff", 5_000))];
    let world = World::new(chains, ClockMode::Live);
    let answers = futures::future::join_all((0..50).map(|_| world.send(get("/v1/status")))).await;
    assert!(answers.windows(2).all(|pair| pair[0].body() == pair[1].body()));
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(world.send(get("/v1/status")).await.status(), 200);
}
