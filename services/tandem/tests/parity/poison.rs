//! Poison in a running system: seen through its API, as operators see it.

use serde_json::{Value, json};
use tandem_model::route::Chain;

use crate::world::{World, partition};

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
