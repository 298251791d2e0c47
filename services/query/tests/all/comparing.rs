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

/// One anchor's sessions an hour apart, each of so many viewers in its first minute and as many in its third,
/// all final but for the last; and one session of each other anchor with so many.
async fn world_of(own: &[u64], others: &[u64]) -> World {
    let mut world = World::new();
    world.beat(BEGIN - 700).await;
    let mut second = BEGIN;
    let sessions = others
        .iter()
        .enumerate()
        .map(|(index, viewers)| (format!("o{index}"), format!("peer{index}"), viewers));
    let own = own.iter().enumerate().map(|(index, viewers)| (format!("p{index}"), "a1".to_owned(), viewers));
    let sessions: Vec<_> = sessions.chain(own).collect();
    for (number, (session, anchor, viewers)) in sessions.iter().enumerate() {
        world.beat(second).await;
        world.start_of(session, second * 1_000, anchor, None).await;
        for minute in [0, 2] {
            for viewer in 0..**viewers {
                let enter = json!({"type": "enter", "user_id": format!("u{viewer}"), "source": "search"});
                world.event(session, second * 1_000 + minute * 60_000 + viewer, enter).await;
            }
        }
        if number + 1 < sessions.len() {
            world.event(session, (second + 180) * 1_000, json!({"type": "session_end"})).await;
            second += 3_600;
        }
    }
    world.beat(second + 90).await;
    world.flush().await;
    world
}

#[tokio::test]
async fn without_others_it_is_the_same_minute_last_time() {
    let world = world_of(&[3, 4, 8], &[]).await;
    let answer = world.ok("/v1/sessions/p2/compare?metrics=views,viewers,unfollows").await;
    // On air for a minute and a half: the first two minutes begin before that.
    assert_eq!(answer["at_ms"], 90_000);
    let sessions = answer["sessions"].as_array().unwrap();
    assert_eq!((&sessions[0]["session"]["id"], &sessions[1]["session"]["id"]), (&json!("p2"), &json!("p1")));
    assert_eq!((&sessions[0]["metrics"]["views"], &sessions[1]["metrics"]["views"]), (&json!(8), &json!(4)));
    assert_eq!(sessions[1]["difference"]["views"], json!({"absolute": -4, "relative": -0.5}));
    assert_eq!(
        (&sessions[0]["marks"], &sessions[1]["marks"]),
        (&json!({"views": "best"}), &json!({"views": "worst"}))
    );
    let usual = &answer["usual"];
    assert_eq!((&usual["median_of"], &usual["median"]["views"]), (&json!(2), &json!(3.5)));
    assert_eq!(usual["median"]["viewers"], json!(null));
    // One that is over stands beside the one before as a whole; the first stands alone.
    let answer = world.ok("/v1/sessions/p1/compare?metrics=views,viewers").await;
    assert_eq!(
        (&answer["at_ms"], &answer["sessions"][1]["metrics"]),
        (&json!(null), &json!({"views": 6, "viewers": 3}))
    );
    assert_eq!(answer["usual"]["median"], json!({"views": 6, "viewers": 3}));
    let answer = world.ok("/v1/sessions/p0/compare?metrics=views").await;
    assert_eq!((answer["sessions"].as_array().unwrap().len(), &answer["usual"]["median_of"]), (1, &json!(0)));
    assert_eq!(answer["usual"]["median"], json!({"views": null}));
}

#[tokio::test]
async fn peers_are_told_as_one_number_and_only_from_five_on() {
    let few = world_of(&[3, 4], &[1, 2, 3, 5]).await;
    let answer = few.ok("/v1/sessions/p0/compare?metrics=views").await;
    assert_eq!(answer["usual"]["percentile"], json!({"views": null}));
    assert_eq!(answer["usual"]["reason"], "too-few-peers");
    let enough = world_of(&[3, 4], &[1, 2, 3, 5, 7]).await;
    let answer = enough.ok("/v1/sessions/p0/compare?metrics=views,aov_fen").await;
    // Two below and one equal, of five; nobody sold anything.
    assert_eq!(answer["usual"]["percentile"], json!({"views": 0.5, "aov_fen": null}));
    assert_eq!(answer["usual"]["reason"], json!(null));
    for other in 0..5 {
        assert!(!answer.to_string().contains(&format!("\"o{other}\"")), "{answer}");
        assert!(!answer.to_string().contains(&format!("\"peer{other}\"")), "{answer}");
    }
    // At the first minute, too; but not where too many minutes would have to be read.
    let answer = enough.ok("/v1/sessions/p1/compare?metrics=views&at=60000").await;
    assert_eq!(answer["usual"]["percentile"], json!({"views": 0.6}));
    let answer = enough.ok("/v1/sessions/p1/compare?metrics=views&at=86400001").await;
    assert_eq!(answer["usual"]["reason"], "moment-too-late");
    // The session that is on air is nobody's peer.
    let five = world_of(&[], &[1, 2, 3, 5, 7, 8]).await;
    let answer = five.ok("/v1/sessions/o0/compare?metrics=views").await;
    assert_eq!(answer["usual"]["reason"], "too-few-peers");
}

#[tokio::test]
async fn sessions_side_by_side_by_their_keys() {
    let world = world().await;
    let answer = world.ok("/v1/sessions/s1/compare?with=s2&metrics=views,gmv_fen&breakdowns=source").await;
    let keys = |index: usize| {
        let rows = answer["sessions"][index]["breakdowns"]["source"].as_array().unwrap();
        rows.iter()
            .map(|row| (row["key"].as_str().unwrap(), row["metrics"]["views"].as_u64().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(0), [("follow", 1), ("recommend", 1), ("ads", 1), ("other", 1), ("unknown", 0)]);
    assert_eq!(keys(1), [("follow", 0), ("recommend", 0), ("ads", 0), ("other", 0), ("unknown", 5)]);
    let first = &answer["sessions"][1]["breakdowns"]["source"][0];
    assert_eq!(first["difference"]["views"], json!({"absolute": -1, "relative": -1.0}));
    // The keys' sums are the session's, also at a minute.
    let answer =
        world.ok("/v1/sessions/s1/compare?with=s2&metrics=views,viewers&breakdowns=source&at=120000").await;
    for session in answer["sessions"].as_array().unwrap() {
        let rows = session["breakdowns"]["source"].as_array().unwrap();
        let sum: u64 = rows.iter().map(|row| row["metrics"]["views"].as_u64().unwrap()).sum();
        assert_eq!(session["metrics"]["views"], sum);
        assert_eq!(rows[0]["metrics"]["viewers"], json!(null));
    }
}
