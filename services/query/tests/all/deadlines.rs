//! What nobody waits for any more is not worked on.

use std::time::Duration;

use tandem_storage::faulty::Fault;

use crate::world::World;

/// A node whose row store takes 40 ms for each call.
/// How often it was looked for progress and rows, beside the time before the test.
fn looks(world: &World) -> (u64, u64) {
    (world.plans.rows.calls("progress") - 1, world.plans.rows.calls("session"))
}

async fn slow() -> World {
    let world = World::with_session().await;
    world.warm().await;
    world.plans.rows.add(Fault::slow(Duration::from_millis(40)));
    world
}

#[tokio::test(start_paused = true)]
async fn once_the_time_has_passed_no_further_look_into_a_store_is_begun() {
    let path = "/v1/sessions/s1/trend";
    let world = slow().await;
    let begin = tokio::time::Instant::now();
    world.ok(path).await;
    assert_eq!(begin.elapsed(), Duration::from_millis(80), "progress, then rows");
    assert_eq!(looks(&world), (1, 1));

    let world = slow().await;
    let begin = tokio::time::Instant::now();
    let answer = world.get_with(path, &[("tandem-timeout-ms", "30")]).await;
    assert_eq!(begin.elapsed(), Duration::from_millis(30));
    assert_eq!((answer.status, answer.problem().as_str()), (504, "deadline-passed"));
    assert_eq!(answer.header("tandem-chain"), "a");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(looks(&world), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_comes_too_late_is_not_begun_and_enough_time_changes_nothing() {
    let world = slow().await;
    let answer = world.get_with("/v1/sessions/s1/trend", &[("tandem-timeout-ms", "0")]).await;
    assert_eq!(answer.status, 504);
    assert_eq!(looks(&world), (0, 0));
    for enough in ["81", "600000", "18446744073709551615", "soon", ""] {
        let answer = world.get_with("/v1/sessions/s1/trend", &[("tandem-timeout-ms", enough)]).await;
        assert_eq!(answer.status, 200, "{enough}: {answer:?}");
    }
}

#[tokio::test]
async fn an_answer_about_one_session_says_whether_it_is_on_air() {
    let world = World::with_session().await;
    for path in ["/v1/sessions/s1/report", "/v1/sessions/s1/trend"] {
        let answer = world.get(path).await;
        let state = answer.json()["meta"]["state"].as_str().unwrap().to_owned();
        assert_eq!(answer.header("tandem-state"), state);
    }
}
