//! Poison in a running system: seen through its API, as operators see it.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tandem_model::route::Chain;
use tandem_model::time::MINUTE_MS;
use tandem_query::Query;
use tower::ServiceExt;

use crate::world::{BEGIN_MS, World, partition};

/// An order of session `s3`, in the fourth minute.
const POISON: &str = r#""event_id":"e221""#;

async fn quarantined(world: &World) -> Vec<(u64, u64)> {
    let path = "/v1/deadletters?reason=malformed&limit=1000";
    let page: Value = world.client().get_json(path, &[]).await.expect("dead letters");
    let letters = page["rejected"].as_array().expect("a list").iter();
    let letters = letters.filter(|letter| letter["detail"]["problem"] == "quarantined");
    letters
        .map(|letter| (letter["partition"].as_u64().expect("it"), letter["offset"].as_u64().expect("it")))
        .collect()
}

async fn orders(world: &World) -> u64 {
    let report: Value = world.client().get_json("/v1/sessions/s3/report", &[]).await.expect("a report");
    report["metrics"]["orders"].as_u64().expect("a figure")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_on_one_build_counts_nowhere_until_it_is_released() {
    for faulty in Chain::ALL {
        let mut world = World::with_fault(faulty, POISON).await;
        assert_eq!(orders(&world).await, 18);
        world.minute().await;
        world.until_equal().await;
        let found = quarantined(&world).await;
        assert_eq!(found.len(), 1, "on chain {faulty}: {found:?}");
        assert_eq!(found[0].0, u64::from(partition("s3").0));
        assert_eq!(orders(&world).await, 23, "one of six does not count");
        world.minute().await;
        world.until_equal().await;
        let report = world.system.parity().borrow().clone();
        assert!(report.findings.iter().next().is_none(), "nobody is wrong: {report:?}");

        // A build that can take it, on both chains; then a person lets it count.
        let mut world = world.without_faults().await;
        world.until_equal().await;
        let order =
            json!({"partition": found[0].0, "offset": found[0].1, "ruling": "release", "reason": "mended"});
        let answer =
            world.client().post("/v1/verdicts", &[], order.to_string().into()).await.expect("an answer");
        answer.successful().expect("spoken");
        world.minute().await;
        world.until_equal().await;
        assert_eq!(quarantined(&world).await, []);
        assert_eq!(orders(&world).await, 36);
        world.end().await;
    }
}

/// Query nodes of both chains, as they stand beside the system's own.
struct Nodes(Vec<axum::Router>);

impl Nodes {
    fn of(world: &World) -> Self {
        let node = |chain| Query::new(chain, world.system.log(), world.system.stores(chain).clone());
        Self(Chain::ALL.map(|chain| tandem_query::router(node(chain))).into())
    }

    /// What all of them say, which is the same; without `meta`.
    async fn say(&self, path: &str) -> Value {
        let mut said = Vec::new();
        for node in &self.0 {
            loop {
                let request = Request::get(path).body(axum::body::Body::empty()).expect("a request");
                let answer = node.clone().oneshot(request).await.expect("an answer");
                let status = answer.status();
                let body = answer.into_body().collect().await.expect("a body").to_bytes();
                let mut body: Value = serde_json::from_slice(&body).expect("JSON");
                if status == http::StatusCode::SERVICE_UNAVAILABLE {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                assert_eq!(status, http::StatusCode::OK, "{path}: {body}");
                body["meta"].take();
                said.push(body);
                break;
            }
        }
        assert_eq!(said[0], said[1], "{path}");
        said.swap_remove(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_after_the_close_corrects_boards_alike_on_both_chains() {
    let mut world = World::with_fault(Chain::A, POISON).await;
    world.minute().await;
    // So that the quarantine is spoken before the hour is closed.
    world.until_equal().await;
    world.skip_to_minute(71).await;
    world.until_equal().await;
    let [(partition, offset)] = quarantined(&world).await[..] else { panic!("one is in quarantine") };
    let mut world = world.without_faults().await;
    let nodes = Nodes::of(&world);
    let path = format!("/v1/rankings/session.gmv?period=hour&at={BEGIN_MS}");
    let closed = nodes.say(&path).await;
    let closes_at = BEGIN_MS + 70 * MINUTE_MS;
    assert_eq!(closed["edition"], json!({"at": closes_at, "state": "closed"}));
    let last = json!({"rank": 6, "score": 23 * 10_900, "parts": {"gmv_fen": 23 * 10_900}});
    assert_eq!(
        (&closed["rows"][5]["subject"]["id"], &closed["rows"][5]["score"]),
        (&json!("s3"), &last["score"])
    );
    let shown: Value = world.client().get_json(&path, &[]).await.expect("a board");
    assert_eq!(shown["rows"], closed["rows"]);

    let order = json!({"partition": partition, "offset": offset, "ruling": "release", "reason": "mended"});
    let answer = world.client().post("/v1/verdicts", &[], order.to_string().into()).await.expect("an answer");
    answer.successful().expect("spoken");
    for _ in 0..6 {
        world.beat().await;
    }
    world.until_equal().await;
    let corrected = nodes.say(&path).await;
    assert_eq!(corrected["edition"], json!({"at": closes_at + MINUTE_MS + 5_000, "state": "corrected"}));
    let first = json!({"rank": 1, "score": 24 * 10_900, "parts": {"gmv_fen": 24 * 10_900}});
    let subject = json!({"id": "s3", "name": "s3"});
    assert_eq!(corrected["moved"], json!([{"subject": subject, "before": last, "after": first}]));
    let ranks: Vec<_> = corrected["rows"].as_array().expect("rows").iter().map(|row| &row["rank"]).collect();
    assert_eq!(ranks, [&json!(1); 6]);
    // What was closed stays as it was; and what nodes of the system had taken before is not what they say now.
    let then = nodes.say(&format!("{path}&edition={closes_at}")).await;
    assert_eq!((&then["edition"], &then["rows"]), (&closed["edition"], &closed["rows"]));
    let shown: Value = world.client().get_json(&path, &[]).await.expect("a board");
    assert_eq!((&shown["edition"], &shown["rows"]), (&corrected["edition"], &corrected["rows"]));
    drop(nodes);
    world.end().await;
}
