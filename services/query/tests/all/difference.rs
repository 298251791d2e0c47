//! Two definitions of a metric side by side: for whom what would change, and for whose eyes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tandem_model::scope::Grants;
use tandem_model::{Scope, headers};

use crate::world::{BEGIN, BEGIN_MS, World};

const PATH: &str = "/v1/catalog/difference";
/// Net of refunds, by order.
const NET: &str = "metric=aov_fen&formula=(gmv_fen-refund_fen)/orders";

/// Orders of `s-1` (one refunded), of `s-2` (none), none at all in `s-3`.
async fn shop() -> World {
    let mut world = World::new();
    world.beat(BEGIN).await;
    world.start_of("s-1", BEGIN_MS + 1_000, "a1", Some("m1")).await;
    world.start_of("s-2", BEGIN_MS + 2_000, "a2", Some("m1")).await;
    world.start_of("s-3", BEGIN_MS + 3_000, "a1", None).await;
    let order = |kind: &str, order: &str, amount: u64| {
        let mut event = json!({"type": kind, "user_id": "u", "order_id": order, "item_id": "i",
            "amount_fen": amount});
        if kind == "order_paid" {
            event["quantity"] = json!(1);
        }
        event
    };
    for (session, name, amount) in [("s-1", "o1", 3_000), ("s-1", "o2", 1_000), ("s-2", "o3", 500)] {
        world.event(session, BEGIN_MS + 4_000, order("order_paid", name, amount)).await;
    }
    world.event("s-1", BEGIN_MS + 5_000, order("order_refunded", "o2", 1_000)).await;
    world.flush().await;
    world
}

fn row(answer: &Value, id: &str) -> [Value; 4] {
    let sessions = answer["sessions"].as_array().unwrap();
    let found = sessions.iter().find(|row| row["session"]["id"] == id).unwrap();
    let difference = &found["difference"];
    [&found["in_force"], &found["candidate"], &difference["absolute"], &difference["relative"]]
        .map(Value::clone)
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["sessions"].as_array().unwrap().iter().map(|row| row["session"]["id"].as_str().unwrap()).collect()
}

fn granted(anchors: &[&str], merchants: &[&str]) -> Scope {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    Scope::Granted(Grants { anchors: set(anchors), merchants: set(merchants), ..Grants::default() })
}

#[tokio::test]
async fn both_definitions_are_told_of_the_same_rows() {
    let world = shop().await;
    let answer = world.ok(&format!("{PATH}?{NET}")).await;
    assert_eq!(
        (&answer["metric"], &answer["unit"], &answer["definition"]),
        (&json!("aov_fen"), &json!("fen"), &json!(1))
    );
    assert_eq!(
        (&answer["in_force"], &answer["candidate"]),
        (&json!("gmv_fen/orders"), &json!("(gmv_fen-refund_fen)/orders"))
    );
    assert_eq!(ids(&answer), ["s-3", "s-2", "s-1"], "newest first, those without a change too");
    assert_eq!(row(&answer, "s-1"), [json!(2_000.0), json!(1_500.0), json!(-500.0), json!(-0.25)]);
    assert_eq!(row(&answer, "s-2"), [json!(500.0), json!(500.0), json!(0.0), json!(0.0)]);
    assert_eq!(row(&answer, "s-3"), [Value::Null, Value::Null, Value::Null, Value::Null]);
    // By the definition in force it is what reports say.
    for id in ids(&answer) {
        let report = world.ok(&format!("/v1/sessions/{id}/report?metrics=aov_fen&breakdowns=")).await;
        assert_eq!(row(&answer, id)[0], report["metrics"]["aov_fen"], "{id}");
    }
    // Differences stay whole where both are.
    let net = world.ok(&format!("{PATH}?metric=net_gmv_fen&formula=gmv_fen%2Bgift_fen")).await;
    assert_eq!(row(&net, "s-1"), [json!(3_000), json!(4_000), json!(1_000), json!(1_000.0 / 3_000.0)]);
    assert_eq!(row(&net, "s-3"), [json!(0), json!(0), json!(0), Value::Null]);
}

#[tokio::test]
async fn pages_follow_each_other_and_ranges_narrow_them() {
    let world = shop().await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.ok(&format!("{PATH}?{NET}&limit=1{cursor}")).await;
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["s-3", "s-2", "s-1"]);
    assert_eq!(ids(&world.ok(&format!("{PATH}?{NET}&anchor_id=a1")).await), ["s-3", "s-1"]);
    let (from, to) = (BEGIN_MS + 2_000, BEGIN_MS + 3_000);
    assert_eq!(ids(&world.ok(&format!("{PATH}?{NET}&from={from}&to={to}")).await), ["s-2"]);
}

#[tokio::test]
async fn a_key_is_told_only_of_sessions_that_it_sees_as_a_whole() {
    let world = shop().await;
    let cases = [
        (Scope::All, &["s-3", "s-2", "s-1"][..]),
        (granted(&["a1"], &[]), &["s-3", "s-1"]),
        // A merchant sees the items of its sessions, not what they come to.
        (granted(&[], &["m1"]), &[]),
        (granted(&["a2"], &["m1"]), &["s-2"]),
        (granted(&["a7"], &[]), &[]),
    ];
    for (scope, expected) in cases {
        let answer = world.get_as(&scope, &format!("{PATH}?{NET}")).await;
        assert_eq!((answer.status, ids(&answer.json())), (200, expected.to_vec()), "{scope:?}");
    }
}

#[tokio::test]
async fn what_is_no_definition_is_a_bad_parameter() {
    let world = shop().await;
    for query in [
        "",
        "metric=aov_fen",
        "formula=gmv_fen/orders",
        "metric=views&formula=views",
        "metric=aov_fen&formula=orders/viewers",
        "metric=aov_fen&formula=gmv_fen",
        "metric=aov_fen&formula=gmv_fen/nothing",
        "metric=aov_fen&formula=gmv_fen/orders&limit=501",
        "metric=aov_fen&formula=gmv_fen/orders&cursor=!",
        "metric=aov_fen&formula=gmv_fen/orders&at=1",
    ] {
        let answer = world.get(&format!("{PATH}?{query}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-parameter"), "{query}");
    }
    let ahead = world.token("s-1", 1_000_000);
    let behind = world.get_with(&format!("{PATH}?{NET}"), &[(headers::TOKEN, ahead.as_str())]).await;
    assert_eq!((behind.status, behind.problem().as_str()), (503, "behind-token"));
}
