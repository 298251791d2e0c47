//! What one store holds, for whoever compares stores; and a partition that is computed again.

use std::time::Duration;

use serde_json::json;
use tandem_model::partition::partition_of;
use tandem_model::status::{self, ChainStatus};
use tandem_model::{PartitionId, SessionId, Table, repair};
use tandem_query::wire::{SessionCopy, SessionIds};
use tandem_storage::faulty::{Fault, Outcome};
use tandem_storage::{RepairOrder, RepairState, Replacement, Select, StoreError};

use crate::world::{BEGIN, BEGIN_MS, PARTITIONS, World};

async fn copy(world: &World, store: &str) -> SessionCopy {
    let answer = world.get(&format!("/internal/v1/copies/s1?store={store}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.text).unwrap()
}

fn place() -> PartitionId {
    partition_of(b"s1", PARTITIONS)
}

#[tokio::test]
async fn a_copy_is_of_the_store_that_is_named_and_of_no_other() {
    let mut world = World::with_session().await;
    // Beats go on; the session does not change with each, and yet stands for them.
    world.beat(BEGIN + 241).await;
    world.flush().await;
    let kept = world.stores.rows.session("s1", &Select::All).await.unwrap().unwrap();
    let mut wrong = kept.clone();
    wrong.rows[0].values[2] += 1;
    let sessions = vec![(kept.session_id.clone(), Some(wrong.clone()))];
    let cut = world.cut("s1").await;
    world
        .stores
        .rows
        .replace(&Replacement { partition: place(), cut, sessions, partition_row: None })
        .await
        .unwrap();

    let of_rows = copy(&world, "rows").await;
    assert_eq!((of_rows.partition, of_rows.cut), (place().0, cut));
    let dump = of_rows.session.unwrap();
    assert_eq!(dump.rows.into_iter().map(|row| row.0).collect::<Vec<_>>(), wrong.rows);
    let of_hot = copy(&world, "hot").await;
    assert_eq!(of_hot.cut, cut);
    let totals: Vec<_> = kept.rows.into_iter().filter(|row| row.key.table == Table::Total).collect();
    assert_eq!(of_hot.session.unwrap().rows.into_iter().map(|row| row.0).collect::<Vec<_>>(), totals);

    for path in
        ["/internal/v1/copies/s1", "/internal/v1/copies/s1?store=cold", "/internal/v1/copies/%20?store=hot"]
    {
        assert_eq!(world.get(path).await.status, 400, "{path}");
    }
    let unknown = world.get("/internal/v1/copies/never?store=rows").await;
    let unknown: SessionCopy = serde_json::from_str(&unknown.text).unwrap();
    assert_eq!(unknown.session, None);
}

#[tokio::test]
async fn sessions_are_listed_by_id_or_those_that_are_live() {
    let mut world = World::with_session().await;
    for number in 0..3_u64 {
        world.start(&format!("t{number}"), BEGIN_MS + 200_000 + number).await;
    }
    world.flush().await;
    let ids = async |path: &str| -> Vec<String> {
        let answer = world.get(path).await;
        let page: SessionIds = serde_json::from_str(&answer.text).unwrap();
        page.ids.iter().map(SessionId::to_string).collect()
    };
    assert_eq!(ids("/internal/v1/sessions?limit=2").await, ["s1", "t0"]);
    assert_eq!(ids("/internal/v1/sessions?after=t0").await, ["t1", "t2"]);
    assert_eq!(ids("/internal/v1/sessions?state=live").await, ["t2", "t1", "t0", "s1"]);
    assert_eq!(world.get("/internal/v1/sessions?state=final").await.status, 400);
}

#[tokio::test]
async fn readers_of_a_partition_that_is_computed_again_are_sent_elsewhere() {
    let world = World::with_session().await;
    let status = async || -> ChainStatus {
        serde_json::from_str(&world.get("/internal/v1/status").await.text).unwrap()
    };
    assert!(status().await.ready);
    let order =
        RepairOrder { partition: place(), session_id: None, reason: "test".to_owned(), ordered_ms: 1 };
    world.stores.rows.order_repair(&order).await.unwrap();
    assert!(!status().await.ready);
    let answer = world.get("/v1/sessions/s1/report").await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"), "{answer:?}");
    // Whoever compares sees it all the same.
    assert!(copy(&world, "rows").await.session.is_some());
    world.stores.rows.end_repair(&order, &RepairState::Done).await.unwrap();
    assert!(status().await.ready);
    world.ok("/v1/sessions/s1/report").await;

    // A node that nobody asks for its status finds out by itself.
    world.stores.rows.order_repair(&order).await.unwrap();
    let refused = async {
        while world.get("/v1/sessions/s1/report").await.status != 503 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.unwrap();
}

#[tokio::test]
async fn orders_to_repair_are_kept_with_the_rows_and_shown() {
    let world = World::with_session().await;
    let post = async |order: serde_json::Value| world.post(repair::PATH, &order.to_string()).await;
    let kept = async || world.stores.rows.repair_order(place()).await.unwrap();
    for refused in [
        json!({"chain": "b", "reason": "of the other chain"}),
        json!({"chain": "a", "reason": ""}),
        json!({"chain": "a", "partition": PARTITIONS, "reason": "no such partition"}),
        json!({"chain": "a", "reason": "x", "more": 1}),
    ] {
        let answer = post(refused).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert_eq!(kept().await, None);
    let answer = post(json!({"chain": "a", "session_id": "s1", "reason": "wrong row"})).await;
    assert_eq!((answer.status, answer.json()), (202, json!({"chain": "a", "partitions": [place().0]})));
    let order = kept().await.expect("an order");
    assert_eq!((order.reason.as_str(), order.session_id), ("wrong row", SessionId::new("s1")));
    assert_eq!(world.get("/v1/sessions/s1/report").await.status, 503, "its readers go elsewhere at once");
    assert_eq!(world.get(repair::PATH).await.status, 405);

    let status = async || -> ChainStatus {
        serde_json::from_str(&world.get("/internal/v1/status").await.text).unwrap()
    };
    assert_eq!(status().await.repairs[0].state, status::RepairState::Ordered);
    let order = kept().await.expect("an order");
    let failed = RepairState::Failed("because".to_owned());
    world.stores.rows.end_repair(&order, &failed).await.unwrap();
    let shown = status().await;
    assert!(shown.ready, "what failed is over");
    let repair = status::RepairStatus {
        partition: place().0,
        session_id: SessionId::new("s1"),
        reason: "wrong row".to_owned(),
        ordered_ms: order.ordered_ms,
        state: status::RepairState::Failed,
        failure: Some("because".to_owned()),
    };
    assert_eq!(shown.repairs, [repair]);

    // A store that is away takes no order.
    world.plans.rows.add(Fault::new(Outcome::FailBefore(StoreError::Unavailable("away".to_owned()))));
    let answer = post(json!({"chain": "a", "reason": "x"})).await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"));
}
