//! The switches do what they say, and are back whatever happens.

use std::time::Duration;

use tandem_chaos::load::Api;

use super::*;

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_begins_and_ends_with_its_guard() {
    let stand = Embedded::start(1).await.unwrap();
    let api = Api::new(&stand.gateways()[0], &stand.key());
    let is_ready = async |chain: usize| {
        let answer = api.get("/v1/status", &[]).await;
        answer.is_some_and(|answer| {
            answer.json["chains"][chain]["ready"] == true && answer.json["parity"]["verdict"] == "equal"
        })
    };
    until("both are ready", async || is_ready(0).await && is_ready(1).await).await;

    let guard = stand.inject(Fault::Crash, Some(Chain::B)).await.unwrap();
    until("b is away", async || !is_ready(1).await).await;
    until("its compute has noticed", async || guard.struck() > Some(1)).await;
    drop(guard);
    until("b is back", async || is_ready(1).await && is_ready(0).await).await;

    let mut guard = stand.inject(Fault::GatewayCutOff, None).await.unwrap();
    let route = stand.switch(Chain::B, "test".to_owned()).await.unwrap();
    until("a decision is not heard", async || guard.struck() == Some(1)).await;
    let active =
        async || api.get("/v1/status", &[]).await.map(|answer| answer.json["route"]["active"].clone());
    assert_eq!(active().await.unwrap(), "a", "the last route is kept");
    guard.heal();
    until("it is heard", async || active().await.is_some_and(|active| active == "b")).await;
    assert_eq!(stand.decisions().await.unwrap()[0].route, route);

    let leader = async || stand.system.control_leader().map(|node| node.id());
    let first = leader().await.expect("it decided a moment ago");
    let guard = stand.inject(Fault::ControlLeaderLost, None).await.unwrap();
    until("somebody else leads", async || leader().await.is_some_and(|leader| leader != first)).await;
    until("the old leader has noticed", async || guard.struck() == Some(1)).await;
    drop(guard);
    assert!(stand.inject(Fault::Crash, None).await.is_err(), "of which chain?");
    // A fault in force does not hold up the end.
    let _guard = stand.inject(Fault::Pause, Some(Chain::A)).await.unwrap();
    stand.stop().await;
}
