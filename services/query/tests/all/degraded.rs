//! One store is away, hangs, has lost everything, or stands still: the other one answers.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_model::status::ChainStatus;
use tandem_storage::Applied;
use tandem_storage::faulty::Fault;
use tandem_storage::memory::MemoryHotStore;

use crate::world::{BEGIN_MS, World};

const REPORT: &str = "/v1/sessions/s1/report";
/// Longer than a store is left alone, or may be behind.
const A_WHILE: Duration = Duration::from_millis(700);

fn hang() -> Fault {
    Fault::slow(Duration::from_secs(86_400))
}

fn degraded(answer: &Value) -> &Value {
    &answer["meta"]["degraded"]
}

async fn like(world: &mut World) {
    world.event("s1", BEGIN_MS + 200_000, json!({"type": "like", "user_id": "u1"})).await;
}

#[tokio::test(start_paused = true)]
async fn a_hot_store_that_hangs_costs_one_read_and_not_every_one() {
    let world = World::with_session().await;
    world.plans.hot.add(hang());
    for _ in 0..20 {
        assert_eq!(degraded(&world.ok(REPORT).await), &json!(["hot"]));
    }
    assert_eq!(world.plans.hot.calls("session"), 1, "it is left alone for a moment");
    tokio::time::sleep(A_WHILE).await;
    world.ok(REPORT).await;
    assert_eq!(world.plans.hot.calls("session"), 2, "and then asked again");
    world.plans.hot.clear();
    tokio::time::sleep(A_WHILE).await;
    let reads = world.plans.rows.calls("session");
    assert_eq!(degraded(&world.ok(REPORT).await), &json!([]));
    assert_eq!(world.plans.rows.calls("session"), reads, "the hot store answers again");
}

#[tokio::test(start_paused = true)]
async fn a_row_store_that_hangs_does_not_hold_up_what_the_hot_store_can_answer() {
    let world = World::with_session().await;
    world.warm().await;
    world.plans.rows.add(hang());
    let reads = world.plans.rows.calls("session");
    assert_eq!(degraded(&world.ok(REPORT).await), &json!([]));
    assert_eq!(world.plans.rows.calls("session"), reads);
    // Older than the token, but all there is.
    let token = world.token("s1", world.cut("s1").await.next + 1);
    for _ in 0..3 {
        let headers = [("tandem-token", token.as_str()), ("tandem-stale", "1")];
        let stale = world.get_with(REPORT, &headers).await.json();
        assert_eq!((degraded(&stale), &stale["meta"]["stale"]), (&json!(["rows"]), &json!(true)));
    }
}

#[tokio::test]
async fn a_hot_store_that_lost_everything_is_named() {
    let world = World::with_session().await;
    let empty = World::new();
    assert_eq!(empty.get(REPORT).await.problem(), "unknown-session");
    // As a restarted Redis: no progress, no sessions.
    let lost = World::reading(&world, std::sync::Arc::new(MemoryHotStore::new(10)));
    let answer = lost.ok(REPORT).await;
    assert_eq!((degraded(&answer), &answer["metrics"]["views"]), (&json!(["hot"]), &json!(4)));
    let status: ChainStatus = serde_json::from_str(&lost.get("/internal/v1/status").await.text).unwrap();
    assert_eq!((status.ready, status.degraded), (true, vec!["hot".to_owned()]));
    assert!(status.partitions.iter().all(|part| part.hot_next.is_none() && part.lag_records == 0));
}

/// It can be read but not written: its sessions are right, but stay where they are.
#[tokio::test(start_paused = true)]
async fn a_hot_store_that_stands_still_is_noticed() {
    let mut world = World::with_session().await;
    assert_eq!(world.ok(REPORT).await["metrics"]["likes"], 0);
    like(&mut world).await;
    for changes in world.fold().await {
        world.write_rows(&changes).await;
    }
    let mut answers = Vec::new();
    for _ in 0..5 {
        let answer = world.ok(REPORT).await;
        answers.push((answer["metrics"]["likes"].clone(), degraded(&answer).clone()));
        tokio::time::sleep(A_WHILE).await;
    }
    assert_eq!(answers[0], (json!(0), json!([])), "a moment behind is nothing");
    assert_eq!(answers[4], (json!(1), json!(["hot"])));
    let status: ChainStatus = serde_json::from_str(&world.get("/internal/v1/status").await.text).unwrap();
    assert!(status.degraded == ["hot"] && status.partitions.iter().all(|part| part.lag_records == 0));

    // Better than nothing.
    world.plans.rows.add(Fault::unavailable());
    let answer = world.ok(REPORT).await;
    assert_eq!((&answer["metrics"]["likes"], degraded(&answer)), (&json!(0), &json!(["hot", "rows"])));
    assert_eq!(answer["meta"]["stale"], false, "nobody has seen more");
    world.plans.rows.clear();

    // Written again.
    tokio::time::sleep(A_WHILE).await;
    like(&mut world).await;
    for changes in world.fold().await {
        world.write_rows(&changes).await;
        let cut = changes.cut;
        let begun = world.stores.hot.begin(changes.partition, cut).await.unwrap().unwrap();
        assert_eq!(
            world.stores.hot.apply(begun, cut, &changes).await.unwrap(),
            Applied::Done {
                absent: changes.sessions.iter().map(|change| change.session_id.clone()).collect()
            }
        );
    }
    let answer = world.ok(REPORT).await;
    assert_eq!((&answer["metrics"]["likes"], degraded(&answer)), (&json!(2), &json!([])));
}

#[tokio::test(start_paused = true)]
async fn status_waits_for_no_hot_store() {
    let world = World::with_session().await;
    world.plans.hot.add(hang());
    for _ in 0..2 {
        let status: ChainStatus = serde_json::from_str(&world.get("/internal/v1/status").await.text).unwrap();
        assert!(status.ready && status.degraded == ["hot"]);
        assert!(status.partitions.iter().all(|part| part.hot_next.is_none() && part.next > 0));
    }
}
