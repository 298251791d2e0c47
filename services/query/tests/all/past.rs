//! Reports as they were, and why two of them differ.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use tandem_model::partition::partition_of;
use tandem_model::route::Chain;
use tandem_model::{Scope, Verdict, headers};
use tandem_query::Query;
use tandem_storage::faulty::{Fault, Faulty, Outcome, Plan};
use tandem_storage::{Append, EventLog, StoreError};
use tower::ServiceExt;

use crate::world::{Answer, BEGIN, BEGIN_MS, PARTITIONS, World, foreign_token};

async fn ok(world: &World, path: &str) -> Value {
    let answer = world.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    assert_eq!(answer.header("tandem-token"), answer.json()["meta"]["token"]);
    answer.json()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn a_report_is_what_it_was_by_token_and_by_time() {
    let mut world = World::new();
    world.beat(BEGIN).await;
    world.start("s1", BEGIN_MS).await;
    let mut reports = Vec::new();
    for step in 0..12 {
        let user = format!("u{}", step % 5);
        let enter = json!({"type": "enter", "user_id": user, "source": "billboard"});
        world.event("s1", BEGIN_MS + step * 1_000, enter).await;
        if step % 3 == 0 {
            world.append("s1", r#"{"type":"like","session_id":"s1","event_id":"x"}"#).await;
        }
        world.beat(BEGIN + 1 + step).await;
        world.flush().await;
        reports.push((BEGIN_MS + (1 + step) * 1_000, world.get("/v1/sessions/s1/report").await));
    }
    world.event("s1", BEGIN_MS + 5_000, json!({"type": "session_end"})).await;
    world.beat(BEGIN + 1_000).await;
    world.flush().await;
    assert_eq!(world.ok("/v1/sessions/s1/report").await["meta"]["state"], "final");
    for (ms, report) in reports {
        let token = report.header("tandem-token").to_owned();
        for at in [token, ms.to_string(), (ms + 999).to_string()] {
            let path = format!("/v1/sessions/s1/report?at={at}");
            let then = world.get(&path).await;
            // To the byte, and with the same tag.
            assert_eq!(
                (then.text.as_str(), then.header("etag")),
                (report.text.as_str(), report.header("etag"))
            );
        }
        let part = ok(&world, &format!("/v1/sessions/s1/report?at={ms}&metrics=views&breakdowns=")).await;
        assert_eq!(part["metrics"], json!({"views": report.json()["metrics"]["views"]}));
    }
}

#[tokio::test]
async fn what_was_not_there_yet_is_unknown_and_what_is_to_come_is_refused() {
    let world = World::with_session().await;
    let ahead = world.token("s1", 1_000_000);
    let other = (0..).map(|number| format!("x{number}"));
    let mut others =
        other.filter(|id| partition_of(id.as_bytes(), PARTITIONS) != partition_of(b"s1", PARTITIONS));
    let elsewhere = world.token(&others.next().unwrap(), 1);
    let foreign = foreign_token();
    for (at, status, kind) in [
        (BEGIN_MS.to_string(), 404, "unknown-session"),
        ("1000".to_owned(), 404, "unknown-session"),
        (world.token("s1", 1), 404, "unknown-session"),
        (ahead, 503, "behind-token"),
        (elsewhere, 400, "bad-parameter"),
        (foreign, 400, "bad-parameter"),
        (format!("{}", BEGIN_MS + 240_001), 400, "bad-parameter"),
    ] {
        for path in [format!("report?at={at}"), format!("explain?from={at}")] {
            let answer = world.get(&format!("/v1/sessions/s1/{path}")).await;
            assert_eq!((answer.status, answer.problem().as_str()), (status, kind), "{path}: {answer:?}");
        }
    }
    let answer = world.get("/v1/sessions/nobody/report?at=5").await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-session"));
}

#[tokio::test]
async fn a_difference_is_made_of_its_parts() {
    let mut world = World::with_session().await;
    let first = world.ok("/v1/sessions/s1/report").await;
    let from = text(&first["meta"]["token"]).to_owned();
    // New, late in arriving, a refund, refused twice, and a beat.
    let enter = |user: &str| json!({"type": "enter", "user_id": user});
    world.event("s1", BEGIN_MS + 241_000, enter("u7")).await;
    world.event("s1", BEGIN_MS + 100_000, enter("u8")).await;
    let refund = json!({"type": "order_refunded", "user_id": "u1", "order_id": "o1", "amount_fen": 7});
    world.event("s1", BEGIN_MS + 242_000, refund).await;
    world.event("s1", BEGIN_MS - 3_600_000, enter("u9")).await;
    world.append("s1", r#"{"type":"like","session_id":"s1","event_id":"y"}"#).await;
    world.beat(BEGIN + 245).await;
    world.flush().await;
    let second = world.ok("/v1/sessions/s1/report").await;
    let to = text(&second["meta"]["token"]).to_owned();

    let explained = ok(&world, &format!("/v1/sessions/s1/explain?from={from}")).await;
    assert_eq!(explained["meta"], second["meta"]);
    assert_eq!(explained["from"]["as_of"], first["meta"]["as_of"]);
    assert_ne!(explained["from"]["digest"], explained["to"]["digest"]);
    let differences = explained["differences"].as_array().unwrap();
    for one in differences {
        let metric = text(&one["metric"]);
        assert_eq!((&one["from"], &one["to"]), (&first["metrics"][metric], &second["metrics"][metric]));
        let Some(parts) = one["parts"].as_array() else {
            assert!(one["of"].is_array(), "{one}");
            continue;
        };
        let sum: i64 = parts.iter().map(|part| part["difference"].as_i64().unwrap()).sum();
        assert_eq!(sum, one["difference"].as_i64().unwrap(), "{one}");
    }
    let named: Vec<_> = differences.iter().map(|one| text(&one["metric"])).collect();
    for (metric, value) in first["metrics"].as_object().unwrap() {
        assert_eq!(named.contains(&metric.as_str()), *value != second["metrics"][metric], "{metric}");
    }
    let causes = |metric: &str| {
        let one = differences.iter().find(|one| one["metric"] == metric).unwrap();
        let parts = one["parts"].as_array().unwrap().iter();
        let cause = |part: &Value| (text(&part["cause"]).to_owned(), part["difference"].as_i64().unwrap());
        parts.map(cause).collect::<Vec<_>>()
    };
    let pair = |cause: &str, difference| (cause.to_owned(), difference);
    assert_eq!(causes("viewers"), [pair("new_events", 1), pair("late_arrivals", 1)]);
    assert_eq!(causes("refund_fen"), [pair("refunds", 7)]);
    assert_eq!(causes("late_events"), [pair("refused", 1)]);
    assert_eq!(causes("malformed_events"), [pair("refused", 1)]);
    assert_eq!(
        causes("online_viewers").iter().map(|(cause, _)| cause.as_str()).collect::<Vec<_>>(),
        ["beats"]
    );
    let views = differences.iter().find(|one| one["metric"] == "views").unwrap();
    let sample = &views["parts"][1]["samples"][0];
    assert_eq!(
        (&sample["what"], &sample["ts"], &sample["added"]),
        (&json!("enter"), &json!(BEGIN_MS + 100_000), &json!(1))
    );

    // Only what was asked for, and what that is computed of.
    let some = ok(&world, &format!("/v1/sessions/s1/explain?from={from}&to={to}&metrics=net_gmv_fen")).await;
    let named: Vec<_> =
        some["differences"].as_array().unwrap().iter().map(|one| text(&one["metric"])).collect();
    assert_eq!(named, ["refund_fen", "net_gmv_fen"]);
    // Nothing lies between a reading and itself; and time does not go back.
    let nothing = ok(&world, &format!("/v1/sessions/s1/explain?from={to}&to={to}")).await;
    assert_eq!((&nothing["differences"], &nothing["from"]), (&json!([]), &nothing["to"]));
    let back = world.get(&format!("/v1/sessions/s1/explain?from={to}&to={from}")).await;
    assert_eq!((back.status, back.problem().as_str()), (400, "bad-parameter"));
}

#[tokio::test]
async fn what_a_verdict_takes_away_is_its_part() {
    let mut world = World::with_session().await;
    let from = text(&world.ok("/v1/sessions/s1/report").await["meta"]["token"]).to_owned();
    let partition = partition_of(b"s1", PARTITIONS);
    let records = world.log.read(partition, 0, 1 << 20).await.unwrap();
    let is_order = |line: &[u8]| String::from_utf8_lossy(line).contains("order_paid");
    let (order, _) = records.iter().find(|(_, record)| is_order(&record.value)).unwrap();
    let verdict = Verdict::quarantine(*order, tandem_model::SessionId::new("s1"), "a test").to_record();
    world.log.append(Append { records: vec![(partition, verdict)], receipt: None }).await.unwrap();
    world.beat(BEGIN + 241).await;
    world.flush().await;
    let explained = ok(&world, &format!("/v1/sessions/s1/explain?from={from}&metrics=gmv_fen")).await;
    let one = &explained["differences"][0];
    assert_eq!((&one["from"], &one["to"]), (&json!(9_900), &json!(0)));
    let part = &one["parts"][0];
    assert_eq!((&part["cause"], &part["difference"]), (&json!("quarantine"), &json!(-9_900)));
    assert_eq!(
        (&part["samples"][0]["about"], &part["samples"][0]["what"]),
        (&json!(order), &json!("quarantine"))
    );
    // As it was then, it still is.
    let then = ok(&world, &format!("/v1/sessions/s1/report?at={from}&metrics=gmv_fen&breakdowns=")).await;
    assert_eq!(then["metrics"], json!({"gmv_fen": 9_900}));
}

/// A node on a log of which each read takes so long.
fn slow_log(world: &World, read: Duration) -> (axum::Router, Arc<Plan>) {
    let plan = Arc::new(Plan::new());
    plan.add(Fault::slow(read).on("read"));
    let inner: Arc<dyn EventLog> = world.log.clone();
    let log = Arc::new(Faulty::new(inner, plan.clone()));
    (tandem_query::router(Query::new(Chain::A, log, world.stores.clone())), plan)
}

async fn ask(router: &axum::Router, path: &str) -> Answer {
    let request = Request::get(path).header(headers::SCOPE, Scope::All.encode()).body(Body::empty()).unwrap();
    Answer::of(router.clone().oneshot(request).await.unwrap()).await
}

fn check_prepares(answer: &Answer) {
    assert_eq!((answer.status, answer.problem().as_str()), (503, "in-preparation"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_is_prepared_once_while_nobody_waits() {
    let world = World::with_session().await;
    let (node, plan) = slow_log(&world, Duration::from_secs(10));
    let path = format!("/v1/sessions/s1/report?at={}", BEGIN_MS + 240_000);
    let begin = tokio::time::Instant::now();
    check_prepares(&ask(&node, &path).await);
    assert!(begin.elapsed() < Duration::from_millis(500), "a gateway would take it for a failure");
    check_prepares(&ask(&node, &path).await);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let answer = ask(&node, &path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let reads = plan.calls("read");
    assert_eq!(ask(&node, &path).await.text, answer.text);
    assert_eq!(plan.calls("read"), reads, "it is kept");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_any_more_ends() {
    let world = World::with_session().await;
    let (node, plan) = slow_log(&world, Duration::from_secs(70));
    let path = format!("/v1/sessions/s1/explain?from={}", BEGIN_MS + 180_000);
    check_prepares(&ask(&node, &path).await);
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    assert_eq!(plan.calls("read"), 1, "it ended after the read that was under way");
    check_prepares(&ask(&node, &path).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(plan.calls("read"), 2, "and begins again when somebody asks");
}

#[tokio::test]
async fn a_log_that_can_not_be_read_is_told_apart_from_one_that_is_gone() {
    let world = World::with_session().await;
    for (error, status, kind) in [
        (StoreError::Unavailable("test".to_owned()), 503, "unavailable"),
        (StoreError::Damaged("test".to_owned()), 404, "not-found"),
    ] {
        let (node, plan) = slow_log(&world, Duration::ZERO);
        plan.clear();
        plan.add(Fault::new(Outcome::FailBefore(error)).on("read"));
        let path = format!("/v1/sessions/s1/report?at={}", BEGIN_MS + 240_000);
        let answer = ask(&node, &path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, kind), "{answer:?}");
        // It is no answer to be kept.
        plan.clear();
        assert_eq!(ask(&node, &path).await.status, 200);
    }
}
