//! A metric is defined anew while the platform runs: from the stated beat on both chains compute by it, what
//! was read before stays what it was, and all that survives a kill.

use serde_json::{Value, json};
use tandem_model::route::Chain;

use crate::api::{Answer, Api, CHAINS, Call};
use crate::program::{Running, run, until};
use crate::server::{Kind, Server, text};

const BEGIN: u64 = 1_760_000_000;
/// The second from which on the new definition holds.
const FROM: u64 = BEGIN + 3_600;
const NET: &str = "(gmv_fen-refund_fen)/orders";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metric_is_defined_anew_at_a_beat() {
    let mut server = Server::start(Kind::Replay);
    let api = server.api();
    let event = |id: u64, kind: &str, order: &str, amount: u64| {
        let mut event = json!({"event_id": format!("e{id}"), "type": kind, "ts": BEGIN * 1_000 + id, "session_id": "s",
            "user_id": "u", "order_id": order, "item_id": "i", "amount_fen": amount});
        if kind == "order_paid" {
            event["quantity"] = json!(1);
        }
        event.to_string()
    };
    let events = [
        event(1, "order_paid", "o1", 3_000),
        event(2, "order_paid", "o2", 1_000),
        event(3, "order_refunded", "o2", 1_000),
    ];
    api.call(Call::replay(events.join("\n"))).await.ok();
    let token = beat(&api, BEGIN).await;

    let url = server.url();
    let from = (FROM * 1_000).to_string();
    let diff = run(&["definition", "diff", "aov_fen", NET, "--to", &url]).await;
    assert!(diff.stdout.contains("1 of 1 session would change"), "{diff:?}");
    let arguments = [
        "definition",
        "set",
        "aov_fen",
        NET,
        "--from",
        &from,
        "--reason",
        "net of refunds",
        "--yes",
        "--to",
        &url,
    ];
    let mut setting = Running::start(&arguments);
    // It is known at the first cut behind it.
    let mut second = BEGIN;
    while setting.is_running() {
        second += 1;
        assert!(second < FROM, "the program has waited for an hour of beats");
        beat(&api, second).await;
    }
    let set = setting.finished().await;
    assert_eq!(set.code, Some(0), "{set:?}");
    assert!(set.stdout.contains("definition 2"), "{set:?}");
    let mut wrong = arguments;
    wrong[3] = "gmv_fen";
    let wrong = run(&wrong).await;
    assert_ne!(wrong.code, Some(0), "{wrong:?}");
    assert!(wrong.stderr.contains("aov_fen is a quotient"), "{wrong:?}");

    let before = beat(&api, FROM - 1).await;
    let read_before = told(&api, "/v1/sessions/s/report", &before, &json!(2_000.0), 1).await;
    let after = beat(&api, FROM).await;
    told(&api, "/v1/sessions/s/report", &after, &json!(1_500.0), 2).await;

    for restarts in 0..2 {
        let api = server.api();
        let then = format!("/v1/sessions/s/report?at={}", read_before.token());
        told(&api, &then, &after, &json!(2_000.0), 1).await;
        let path = format!("/v1/sessions/s/explain?from={token}&metrics=aov_fen");
        for chain in CHAINS {
            let answer = prepared(&api, &path, &after, chain).await.json();
            let found = &answer["differences"][0];
            assert_eq!(found["metric"], "aov_fen", "{answer}");
            assert_eq!(found["definition_change"]["difference"], -500.0, "{answer}");
            assert_eq!(found["difference"], -500.0, "{answer}");
            let catalogue = api.call(Call::get("/v1/catalog/metrics").token(&after).chain(chain)).await.ok();
            let metrics = catalogue["metrics"].as_array().expect("a list");
            let metric =
                metrics.iter().find(|metric| metric["id"] == "aov_fen").expect("it is in the catalogue");
            assert_eq!((&metric["formula"], &metric["definition"]), (&json!(NET), &json!(2)));
        }
        if restarts == 0 {
            server.kill();
            server.start_again();
        }
    }
    assert_eq!(server.stop().await, Some(0));
    let verified = run(&["verify", "--data", text(&server.data())]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

/// Moves time, and answers the token of it.
async fn beat(api: &Api, second: u64) -> String {
    let beat = format!(r#"{{"type":"beat","beat":{second},"ts":{}}}"#, second * 1_000);
    let answer = api.call(Call::replay(beat)).await;
    answer.ok();
    answer.token().to_owned()
}

/// Both chains say the same.
async fn told(api: &Api, path: &str, token: &str, expected: &Value, definitions: u32) -> Answer {
    let mut last = None;
    for chain in CHAINS {
        let answer = prepared(api, path, token, chain).await;
        let report = answer.json();
        assert_eq!(&report["metrics"]["aov_fen"], expected, "{chain:?}: {report}");
        assert_eq!(report["meta"]["definitions"], definitions, "{chain:?}: {report}");
        assert_eq!(report["meta"]["degraded"], json!([]), "{chain:?}: {report}");
        last = Some(answer);
    }
    last.expect("there are chains")
}

/// Asks until the chain is as far as the token, and the session is replayed.
async fn prepared(api: &Api, path: &str, token: &str, chain: Chain) -> Answer {
    until("the chain can answer", async || {
        let answer = api.call(Call::get(path).token(token).chain(chain).header("prefer", "fresh")).await;
        (answer.status != 503).then(|| {
            answer.ok();
            answer
        })
    })
    .await
}
