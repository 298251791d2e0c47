//! Reports and trends.

use serde_json::{Value, json};
use tandem_model::{Breakdown, Metric};

use crate::world::{BEGIN, BEGIN_MS, World};

#[tokio::test]
async fn a_report_has_the_contract_s_shape() {
    let world = World::with_session().await;
    let report = world.ok("/v1/sessions/s1/report").await;
    let session = json!({"id": "s1", "anchor_id": "anchor-of-s1", "room_id": "r1", "title": "冬装 \"winter\"",
        "category": "clothing", "started_at": BEGIN_MS + 5_000, "ended_at": null, "status": "live",
        "anchor_name": "Lin", "anchor_fans": 12_000, "content_type": "sale", "region": "浙江",
        "merchant_id": null, "brand": "b1"});
    assert_eq!(report["session"], session);

    let metrics = &report["metrics"];
    assert_eq!(metrics.as_object().unwrap().len(), Metric::all().count());
    let check = |id: &str, expected: Value| assert_eq!(metrics[id], expected, "{id}");
    check("views", json!(4));
    check("viewers", json!(3));
    check("gmv_fen", json!(9_900));
    check("net_gmv_fen", json!(-10_100));
    check("aov_fen", json!(9_900.0));
    check("gpm_fen", json!(2_475_000.0));
    check("enter_rate", json!(null));
    check("late_events", json!(1));
    check("malformed_events", json!(1));
    check("events", json!(7));
    check("late_share", json!(0.125));
    assert_eq!(report["distinct"]["viewers"], json!({"value": 3, "exact": true}));
    assert_eq!(report["distinct"].as_object().unwrap().len(), tandem_model::catalogue::DISTINCT.len());

    let breakdowns = report["breakdowns"].as_object().unwrap();
    assert_eq!(breakdowns.len(), Breakdown::PUBLIC.len());
    let sources = report["breakdowns"]["source"].as_array().unwrap();
    let keys: Vec<_> = sources.iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["follow", "recommend", "ads", "other"]);
    assert_eq!(sources[3]["raw"], json!([{"value": "billboard", "events": 1}]));
    assert!(sources[0].get("raw").is_none());
    assert_eq!(sources[1]["metrics"]["gmv_fen"], 9_900);
    assert_eq!(sources[1]["distinct"]["viewers"], json!({"value": 1, "exact": true}));
    for room_only in ["online_viewers", "events", "late_share"] {
        assert!(sources[0]["metrics"].get(room_only).is_none(), "{room_only}");
    }
    let fans: Vec<_> =
        report["breakdowns"]["fan"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
    assert_eq!(fans, ["fan", "guest"]);

    let meta = &report["meta"];
    assert_eq!(meta["chain"], "a");
    assert_eq!(meta["as_of"], (BEGIN + 240) * 1_000);
    assert_eq!(meta["state"], "live");
    assert_eq!((&meta["stale"], &meta["degraded"]), (&json!(false), &json!([])));
}

#[tokio::test]
async fn a_report_holds_what_was_asked_for() {
    let world = World::with_session().await;
    let report = world.ok("/v1/sessions/s1/report?breakdowns=item,source&metrics=viewers,events,views").await;
    assert_eq!(report["metrics"], json!({"views": 4, "viewers": 3, "events": 7}));
    assert_eq!(report["distinct"], json!({"viewers": {"value": 3, "exact": true}}));
    let names: Vec<_> = report["breakdowns"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["item", "source"]);
    assert_eq!(report["breakdowns"]["item"][0]["key"], "i1");
    assert_eq!(report["breakdowns"]["item"][0]["metrics"], json!({"views": 0, "viewers": 0}));
    assert_eq!(world.ok("/v1/sessions/s1/report?breakdowns=").await["breakdowns"], json!({}));
    let nothing_distinct = world.ok("/v1/sessions/s1/report?breakdowns=&metrics=views").await;
    assert_eq!(nothing_distinct["distinct"], json!({}));
}

#[tokio::test]
async fn the_row_store_gives_the_same_report_as_the_hot_store() {
    let world = World::with_session().await;
    let hot = world.get("/v1/sessions/s1/report").await;
    assert_eq!(world.plans.rows.calls("session"), 0, "the hot store answers alone");
    world.plans.hot.add(tandem_storage::faulty::Fault::unavailable());
    let cold = world.get("/v1/sessions/s1/report").await;
    assert_eq!(cold.text, hot.text.replace("\"degraded\":[]", "\"degraded\":[\"hot\"]"));
}

#[tokio::test]
async fn a_session_without_its_start_is_there_with_nulls() {
    let mut world = World::new();
    world.event("s2", BEGIN_MS, json!({"type": "enter", "user_id": "u1"})).await;
    world.flush().await;
    let report = world.ok("/v1/sessions/s2/report").await;
    assert_eq!(report["session"]["anchor_id"], json!(null));
    assert_eq!(report["session"]["started_at"], json!(null));
    assert_eq!(report["metrics"]["views"], 1);
    assert_eq!(report["meta"]["as_of"], 0, "no beat yet");
}

#[tokio::test]
async fn a_trend_has_every_bucket_zeros_included() {
    let world = World::with_session().await;
    let trend = world.ok("/v1/sessions/s1/trend?metrics=views,gmv_fen").await;
    assert_eq!(trend["session_id"], "s1");
    assert_eq!(trend["step_ms"], 60_000);
    let point = |minute: u64, views: u64, gmv_fen: u64| json!({"t": BEGIN_MS + minute * 60_000, "views": views, "gmv_fen": gmv_fen});
    let points = json!([point(0, 3, 0), point(1, 0, 0), point(2, 0, 0), point(3, 1, 9_900)]);
    // The beat in the minute after sampled who is online; that is no event.
    assert_eq!(trend["series"], json!([{"key": "room", "points": points}]));

    let coarse = world.ok("/v1/sessions/s1/trend?step=5m&metrics=views").await;
    assert_eq!(coarse["series"][0]["points"], json!([{"t": BEGIN_MS, "views": 4}]));
    let fine = world.ok("/v1/sessions/s1/trend?step=10s&metrics=views").await;
    let fine = fine["series"][0]["points"].as_array().unwrap().clone();
    assert_eq!(fine.len(), 19);
    assert_eq!(fine.iter().map(|point| point["views"].as_u64().unwrap()).sum::<u64>(), 4);
    let all = world.ok("/v1/sessions/s1/trend").await;
    let trended = Metric::all().filter(|metric| metric.has_trend()).count();
    assert_eq!(all["series"][0]["points"][1].as_object().unwrap().len(), trended + 1);
    assert_eq!(all["series"][0]["points"][1]["aov_fen"], json!(null));
}

#[tokio::test]
async fn a_trend_by_key_gives_each_key_all_buckets() {
    let world = World::with_session().await;
    let trend = world.ok("/v1/sessions/s1/trend?by=source&metrics=views").await;
    let series = trend["series"].as_array().unwrap();
    let keys: Vec<_> = series.iter().map(|series| series["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["follow", "recommend", "ads", "other"]);
    for one in series {
        assert_eq!(one["points"].as_array().unwrap().len(), 4, "{one}");
    }
    assert_eq!(series[2]["points"][3], json!({"t": BEGIN_MS + 180_000, "views": 1}));
}

#[tokio::test]
async fn a_trend_is_cut_to_the_buckets_that_overlap() {
    let world = World::with_session().await;
    let from = BEGIN_MS + 119_999;
    let to = BEGIN_MS + 180_001;
    for (query, minutes) in [
        (format!("from={from}"), 1..4),
        (format!("to={to}"), 0..4),
        (format!("to={}", to - 1), 0..3),
        (format!("from={from}&to={to}"), 1..4),
        (format!("from={}", BEGIN_MS + 240_000), 0..0),
        (format!("from={from}&to={to}&by=source"), 1..4),
    ] {
        let trend = world.ok(&format!("/v1/sessions/s1/trend?metrics=views&{query}")).await;
        let points = trend["series"][0]["points"].as_array().unwrap();
        let found: Vec<_> = points.iter().map(|point| point["t"].as_u64().unwrap()).collect();
        let expected: Vec<_> = minutes.map(|minute| BEGIN_MS + minute * 60_000).collect();
        assert_eq!(found, expected, "{query}");
    }
    // Keys without anything in the range have no series there.
    let trend = world.ok(&format!("/v1/sessions/s1/trend?by=source&from={}", BEGIN_MS + 180_000)).await;
    let keys: Vec<_> = trend["series"].as_array().unwrap().iter().map(|series| &series["key"]).collect();
    assert_eq!(keys, ["recommend", "ads"]);
}

#[tokio::test]
async fn a_trend_without_bound_is_refused() {
    let mut world = World::new();
    // Before the first beat nothing is late: one stray timestamp makes a span of decades.
    world.event("s3", 1_000, json!({"type": "enter", "user_id": "u1"})).await;
    world.event("s3", BEGIN_MS, json!({"type": "enter", "user_id": "u2"})).await;
    world.flush().await;
    let answer = world.get("/v1/sessions/s3/trend").await;
    assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-parameter"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("`from`"), "{answer:?}");
    let narrow = world.ok(&format!("/v1/sessions/s3/trend?from={}", BEGIN_MS - 60_000)).await;
    assert_eq!(narrow["series"][0]["points"].as_array().unwrap().len(), 2);
    // The same for a comparison, unless it looks at the beginning only.
    world.event("s4", BEGIN_MS, json!({"type": "enter", "user_id": "u1"})).await;
    world.flush().await;
    assert_eq!(world.get("/v1/sessions/s4/compare?with=s3").await.problem(), "bad-parameter");
    let early = world.ok("/v1/sessions/s4/compare?with=s3&metrics=views&at=60000").await;
    assert_eq!(early["sessions"][1]["metrics"], json!({"views": 1}));
}

#[tokio::test]
async fn a_session_of_refused_lines_only_has_an_empty_trend() {
    let mut world = World::new();
    world.append("s5", r#"{"type":"like","session_id":"s5"}"#).await;
    world.flush().await;
    assert_eq!(world.ok("/v1/sessions/s5/report").await["metrics"]["malformed_events"], 1);
    let trend = world.ok("/v1/sessions/s5/trend").await;
    assert_eq!(trend["series"], json!([{"key": "room", "points": []}]));
    assert_eq!(world.ok("/v1/sessions/s5/trend?by=source").await["series"], json!([]));
}

#[tokio::test]
async fn a_trend_ends_when_the_log_s_clock_says_so() {
    let mut world = World::with_session().await;
    let points = async |world: &World, step: &str| {
        let trend = world.ok(&format!("/v1/sessions/s1/trend?metrics=views&step={step}")).await;
        trend["series"][0]["points"].as_array().unwrap().len()
    };
    let whole = points(&world, "10s").await;
    assert!(whole > 10);
    // Two days on: the first bucket's end is farther back than that, the last's is not.
    world.beat(BEGIN + 2 * 86_400 + 60).await;
    world.flush().await;
    let tail = points(&world, "10s").await;
    assert!(0 < tail && tail < whole, "{tail} of {whole}");
    let trend = world.ok("/v1/sessions/s1/trend?step=10s").await;
    assert_eq!(trend["kept_from"], BEGIN_MS + 50_000);
    assert!(world.ok("/v1/sessions/s1/trend").await.get("kept_from").is_none());
    assert_eq!(points(&world, "1m").await, 4);
    world.start("s2", (BEGIN + 2 * 86_400 + 60) * 1_000).await;
    world.flush().await;
    world.ok("/v1/sessions/s1/compare?with=s2&at=60000").await;
    world.beat(BEGIN + 91 * 86_400).await;
    world.flush().await;
    assert_eq!((points(&world, "1m").await, points(&world, "5m").await), (0, 1));
    let refused = world.get("/v1/sessions/s1/compare?with=s2&at=60000").await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-parameter"));
    assert_eq!(world.ok("/v1/sessions/s1/report").await["metrics"]["views"], 4);
}
