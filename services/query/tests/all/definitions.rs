//! A metric that is defined anew: from when on answers are computed by it, which ones, and what explains it.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_model::definition::PARTITION;
use tandem_model::{Definition, Step};
use tandem_storage::faulty::Fault;
use tandem_storage::{Append, EventLog};

use crate::world::{BEGIN, BEGIN_MS, World};

const REPORT: &str = "/v1/sessions/s-1/report?breakdowns=item";
/// The second from which on the new definition holds.
const FROM: u64 = BEGIN + 100;

fn net(version: u32, formula: &str, from: u64) -> Definition {
    let reason = "what is given back was not sold".to_owned();
    Definition { metric: "aov_fen".to_owned(), version, formula: formula.to_owned(), from, reason }
}

async fn define(world: &mut World, definition: &Definition) {
    let records = vec![(PARTITION, definition.to_record())];
    world.log.append(Append { records, receipt: None }).await.unwrap();
}

/// Two orders, one of them refunded; the average order is to be net of refunds from [`FROM`] on.
async fn shop() -> World {
    let mut world = World::new();
    world.beat(BEGIN).await;
    world.start_of("s-1", BEGIN_MS + 1_000, "a1", None).await;
    for (order, amount) in [("o1", 3_000), ("o2", 1_000)] {
        let paid = json!({"type": "order_paid", "user_id": "u", "order_id": order, "item_id": "i",
            "amount_fen": amount, "quantity": 1});
        world.event("s-1", BEGIN_MS + 2_000, paid).await;
    }
    let refunded = json!({"type": "order_refunded", "user_id": "u", "order_id": "o2", "item_id": "i",
        "amount_fen": 1_000});
    world.event("s-1", BEGIN_MS + 3_000, refunded).await;
    define(&mut world, &net(2, "(gmv_fen-refund_fen)/orders", FROM * 1_000)).await;
    world.beat(BEGIN + 5).await;
    world.flush().await;
    world
}

async fn pass(world: &mut World, second: u64) {
    world.beat(second).await;
    world.flush().await;
}

fn aov(answer: &Value) -> [&Value; 2] {
    [&answer["metrics"]["aov_fen"], &answer["meta"]["definitions"]]
}

#[tokio::test]
async fn a_definition_holds_from_its_beat_on_and_not_before() {
    let mut world = shop().await;
    let was = [json!(2_000.0), json!(1)];
    let is = [json!(1_500.0), json!(2)];
    pass(&mut world, FROM - 1).await;
    let before = world.ok(REPORT).await;
    assert_eq!(aov(&before), was.each_ref());
    assert_eq!(before["meta"]["degraded"], json!([]));
    pass(&mut world, FROM).await;
    let after = world.ok(REPORT).await;
    assert_eq!(aov(&after), is.each_ref());
    let items = after["breakdowns"]["item"].as_array().unwrap();
    assert_eq!(items[0]["metrics"]["aov_fen"], 1_500.0);
    // Nothing else is another.
    let (mut before, mut after) = (before["metrics"].clone(), after["metrics"].clone());
    for metrics in [&mut before, &mut after] {
        metrics.as_object_mut().unwrap().remove("aov_fen");
    }
    assert_eq!(before, after);

    // What was read before is what it was.
    pass(&mut world, FROM + 500).await;
    let then = world.ok(&format!("{REPORT}&at={}", (FROM - 1) * 1_000)).await;
    assert_eq!(aov(&then), was.each_ref());
    let then = world.ok(&format!("{REPORT}&at={}", FROM * 1_000)).await;
    assert_eq!(aov(&then), is.each_ref());
}

#[tokio::test]
async fn every_call_computes_by_it() {
    let mut world = shop().await;
    pass(&mut world, FROM + 1).await;
    let trend = world.ok("/v1/sessions/s-1/trend?metrics=aov_fen").await;
    assert_eq!(trend["series"][0]["points"][0]["aov_fen"], 1_500.0);
    let compared = world.ok("/v1/sessions/s-1/compare?metrics=aov_fen&at=60000").await;
    assert_eq!(compared["sessions"][0]["metrics"]["aov_fen"], 1_500.0);
    let anchor = world.ok("/v1/anchors/a1?metrics=aov_fen").await;
    assert_eq!(anchor["totals"]["aov_fen"], 1_500.0);
    let sessions = world.ok("/v1/anchors/a1/sessions?metrics=aov_fen").await;
    assert_eq!(sessions["sessions"][0]["metrics"]["aov_fen"], 1_500.0);
    let difference = world.ok("/v1/catalog/difference?metric=aov_fen&formula=gmv_fen/orders").await;
    assert_eq!(
        (&difference["definition"], &difference["in_force"]),
        (&json!(2), &json!("(gmv_fen-refund_fen)/orders"))
    );
    assert_eq!(difference["sessions"][0]["in_force"], 1_500.0);
    for answer in [trend, compared, anchor, sessions, difference] {
        assert_eq!(answer["meta"]["definitions"], 2, "{answer}");
    }
}

#[tokio::test]
async fn the_catalogue_tells_all_definitions_of_a_metric() {
    let mut world = shop().await;
    let entry = async |world: &World| {
        let catalogue = world.ok("/v1/catalog/metrics").await;
        let metrics = catalogue["metrics"].as_array().unwrap();
        assert_eq!(metrics.iter().filter(|metric| metric.get("history").is_some()).count(), 1);
        assert_eq!(catalogue["definitions"], catalogue["meta"]["definitions"]);
        let found = metrics.iter().find(|metric| metric["id"] == "aov_fen").unwrap();
        [&found["formula"], &found["definition"], &catalogue["definitions"], &found["history"]]
            .map(Value::clone)
    };
    let history = json!([
        {"definition": 1, "formula": "gmv_fen/orders", "from": 0, "reason": null},
        {"definition": 2, "formula": "(gmv_fen-refund_fen)/orders", "from": FROM * 1_000,
            "reason": "what is given back was not sold"},
    ]);
    let before = [json!("gmv_fen/orders"), json!(1), json!(1), history.clone()];
    assert_eq!(entry(&world).await, before, "it is announced");
    pass(&mut world, FROM).await;
    let after = [json!("(gmv_fen-refund_fen)/orders"), json!(2), json!(2), history];
    assert_eq!(entry(&world).await, after);
    // As it was again: that is a third definition.
    define(&mut world, &net(3, "gmv_fen/orders", (FROM + 200) * 1_000)).await;
    pass(&mut world, FROM + 200).await;
    let [formula, definition, definitions, history] = entry(&world).await;
    assert_eq!([formula, definition, definitions], [json!("gmv_fen/orders"), json!(3), json!(3)]);
    assert_eq!(history.as_array().unwrap().len(), 3);
    assert_eq!(aov(&world.ok(REPORT).await), [&json!(2_000.0), &json!(3)]);
}

#[tokio::test]
async fn what_comes_of_a_definition_alone_is_told_apart() {
    let mut world = shop().await;
    let paid = json!({"type": "order_paid", "user_id": "u", "order_id": "o3", "item_id": "i",
        "amount_fen": 5_000, "quantity": 1});
    world.event("s-1", BEGIN_MS + 10_000, paid).await;
    pass(&mut world, FROM).await;
    let path = format!("/v1/sessions/s-1/explain?from={}&metrics=aov_fen", BEGIN_MS + 5_000);
    let explained = world.ok(&path).await;
    assert_eq!((&explained["from"]["definitions"], &explained["to"]["definitions"]), (&json!(1), &json!(2)));
    let differences = explained["differences"].as_array().unwrap();
    let ids: Vec<_> = differences.iter().map(|one| one["metric"].as_str().unwrap()).collect();
    assert_eq!(ids, ["orders", "gmv_fen", "aov_fen"], "of what both definitions need, what differs");
    let found = &differences[2];
    let (unchanged, now) = (9_000.0 / 3.0, 8_000.0 / 3.0);
    assert_eq!([&found["from"], &found["to"]], [&json!(2_000.0), &json!(now)]);
    assert_eq!(found["of"], json!(["orders", "gmv_fen", "refund_fen"]));
    assert_eq!(
        found["definition_change"],
        json!({"from": 1, "to": 2, "from_formula": "gmv_fen/orders",
            "to_formula": "(gmv_fen-refund_fen)/orders", "unchanged": unchanged,
            "difference": now - unchanged})
    );
    // Between two readings by the same definition there is none.
    pass(&mut world, FROM + 9).await;
    let quiet = world.ok(&format!("/v1/sessions/s-1/explain?from={}&metrics=aov_fen", FROM * 1_000)).await;
    assert_eq!(quiet["differences"], json!([]));
}

/// The partition where definitions stand is a minute behind: another one may hold by now.
#[tokio::test]
async fn who_can_not_know_says_so() {
    let mut world = shop().await;
    assert_eq!(world.ok(REPORT).await["meta"]["degraded"], json!([]));
    let session = tandem_model::partition::partition_of(b"s-1", crate::world::PARTITIONS);
    assert_ne!(session, PARTITION, "or this would tell nothing");
    world.beat(FROM).await;
    let late: Vec<_> = world.fold().await;
    let (behind, ahead): (Vec<_>, Vec<_>) = late.into_iter().partition(|one| one.partition == PARTITION);
    for changes in &ahead {
        world.write_rows(changes).await;
        world.write_hot(changes).await;
    }
    let answer = world.ok(REPORT).await;
    assert_eq!(answer["meta"]["degraded"], json!(["definitions"]));
    for changes in &behind {
        world.write_rows(changes).await;
        world.write_hot(changes).await;
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    let answer = world.ok(REPORT).await;
    assert_eq!(aov(&answer), [&json!(1_500.0), &json!(2)]);
    assert_eq!(answer["meta"]["degraded"], json!([]));
}

#[tokio::test]
async fn a_node_without_its_row_store_knows_no_definitions_at_first() {
    let world = shop().await;
    world.plans.rows.add(Fault::unavailable());
    assert_eq!(world.ok(REPORT).await["meta"]["degraded"], json!(["definitions"]));
    assert_eq!(world.ok("/v1/catalog/metrics").await["meta"]["degraded"], json!(["definitions"]));
    world.plans.rows.clear();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.ok(REPORT).await["meta"]["degraded"], json!([]));
}

/// They are in the stores once, in the place where nodes look.
#[tokio::test]
async fn definitions_come_through_the_stores() {
    let world = shop().await;
    let parts = world.stores.editions.parts(PARTITION, Step::Defined, 0, 10).await.unwrap();
    let told: Vec<_> = parts.iter().flat_map(|part| &part.definitions).collect();
    assert_eq!(told, [&net(2, "(gmv_fen-refund_fen)/orders", FROM * 1_000)]);
}
