//! Sessions side by side.

use serde_json::{Value, json};

use crate::world::{BEGIN, BEGIN_MS, World};

/// `s1` as ever; `s2` half a minute later, with one viewer a minute.
async fn world() -> World {
    let mut world = World::with_session().await;
    world.start("s2", BEGIN_MS + 35_000).await;
    for minute in 0..5_u64 {
        let event = json!({"type": "enter", "user_id": format!("v{minute}")});
        world.event("s2", BEGIN_MS + 40_000 + minute * 60_000, event).await;
    }
    world.beat(BEGIN + 300).await;
    world.flush().await;
    world
}

fn views(series: &Value) -> Vec<(Value, u64)> {
    let points = series["points"].as_array().unwrap();
    points.iter().map(|point| (point["minute"].clone(), point["views"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn the_present_figures_side_by_side() {
    let world = world().await;
    let answer = world.ok("/v1/sessions/s1/compare?with=s2&metrics=views,viewers,gmv_fen,aov_fen").await;
    assert_eq!(
        (&answer["align"], &answer["at_ms"], &answer["not_at"]),
        (&json!("start"), &json!(null), &json!([]))
    );
    let sessions = answer["sessions"].as_array().unwrap();
    assert_eq!(sessions[0]["session"]["id"], "s1");
    assert_eq!(sessions[0]["difference"], json!(null));
    assert_eq!(sessions[1]["metrics"], json!({"views": 5, "viewers": 5, "gmv_fen": 0, "aov_fen": null}));
    let difference = &sessions[1]["difference"];
    assert_eq!(difference["views"], json!({"absolute": 1, "relative": 0.25}));
    assert_eq!(difference["gmv_fen"], json!({"absolute": -9_900, "relative": -1.0}));
    assert_eq!(difference["aov_fen"], json!({"absolute": null, "relative": null}));
    let series = answer["series"].as_array().unwrap();
    assert_eq!((&series[0]["key"], &series[1]["key"]), (&json!("s1"), &json!("s2")));
    assert_eq!(views(&series[0]), [(json!(0), 3), (json!(1), 0), (json!(2), 0), (json!(3), 1)]);
    assert_eq!(views(&series[1]).len(), 5);
    assert!(series[0]["points"][0].get("viewers").is_some());
}

#[tokio::test]
async fn aligned_by_the_clock_points_have_no_minute() {
    let world = world().await;
    let answer = world.ok("/v1/sessions/s1/compare?with=s2&metrics=views&align=clock").await;
    assert_eq!(answer["series"][1]["points"][0], json!({"t": BEGIN_MS, "views": 1}));
}

#[tokio::test]
async fn at_a_minute_sums_are_those_so_far_and_users_are_not_told() {
    let world = world().await;
    let path =
        "/v1/sessions/s1/compare?with=s2&metrics=views,viewers,late_events,gpm_fen,conversion_rate&at=120000";
    let answer = world.ok(path).await;
    assert_eq!(answer["at_ms"], 120_000);
    assert_eq!(answer["not_at"], json!(["viewers", "late_events", "conversion_rate"]));
    // Both started within the first minute: three minutes begin before two minutes after that.
    let first =
        json!({"views": 3, "viewers": null, "late_events": null, "gpm_fen": 0.0, "conversion_rate": null});
    assert_eq!(answer["sessions"][0]["metrics"], first);
    assert_eq!(answer["sessions"][1]["metrics"]["views"], 3);
    assert_eq!(views(&answer["series"][0]).len(), 3);
    // From the end on it is the whole session.
    let whole = world.ok("/v1/sessions/s1/compare?with=s2&metrics=views,gmv_fen&at=86400000").await;
    assert_eq!(whole["sessions"][0]["metrics"], json!({"views": 4, "gmv_fen": 9_900}));
}

#[tokio::test]
async fn a_session_without_a_start_counts_from_its_first_event() {
    let mut world = world().await;
    for minute in [2_u64, 4] {
        let event = json!({"type": "enter", "user_id": "w"});
        world.event("s3", BEGIN_MS + minute * 60_000, event).await;
    }
    world.flush().await;
    let answer = world.ok("/v1/sessions/s3/compare?with=s1&metrics=views").await;
    assert_eq!(views(&answer["series"][0]), [(json!(0), 1), (json!(1), 0), (json!(2), 1)]);
    assert_eq!(answer["meta"]["state"], "live");
}

#[tokio::test]
async fn every_session_must_be_there() {
    let world = world().await;
    let answer = world.get("/v1/sessions/s1/compare?with=s2,nobody").await;
    assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-session"));
    assert!(answer.text.contains("nobody"), "{answer:?}");
}
