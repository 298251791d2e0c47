//! `tandem up` as a newcomer starts it: rooms appear, both chains agree, Ctrl-C ends it, and a
//! second start goes on with what is there.

use serde_json::Value;

use crate::api::Api;
use crate::program::{run, until};
use crate::server::{Kind, Server, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_fills_rooms_and_goes_on_after_a_restart() {
    let mut server = Server::start(Kind::Demo);
    let first = settled(&server.api()).await;
    until("`tandem status` says that they agree", async || {
        let shown = run(&["status", "--to", &server.url()]).await;
        assert_eq!(shown.code, Some(0), "{shown:?}");
        shown.stdout.contains("the same rows").then_some(())
    })
    .await;
    let shown = run(&["status", "--json", "--to", &server.url()]).await;
    let status: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(status["clock"], "live");
    let verified = run(&["verify", "--to", &server.url()]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");

    assert_eq!(server.stop().await, Some(0));
    let verified = run(&["verify", "--data", text(&server.data())]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");

    server.start_again();
    let api = server.api();
    let second = settled(&api).await;
    assert_eq!(first["log"], second["log"]);
    let epoch = |status: &Value| status["route"]["epoch"].as_u64().expect("an epoch");
    assert!(epoch(&second) >= epoch(&first), "{} after {}", second["route"], first["route"]);
    for session in first["sessions"].as_array().expect("a list") {
        let id = session["id"].as_str().expect("an id");
        let views = |report: &Value| report["metrics"]["views"].as_u64().expect("a count");
        let report = api.get(&format!("/v1/sessions/{id}/report")).await.ok();
        assert!(views(&report) >= views(&session["report"]), "{id}: {report}");
    }
    assert_eq!(server.stop().await, Some(0));
}

/// The status once there are sessions with viewers and both chains were found to be equal, with
/// those sessions and their reports beside it.
async fn settled(api: &Api) -> Value {
    until("sessions are there and the chains are equal", async || {
        let mut status = api.get("/v1/status").await.ok();
        assert_ne!(status["parity"]["verdict"], "different", "{status}");
        let list = api.get("/v1/sessions").await.ok();
        let mut sessions = list["sessions"].as_array().cloned().unwrap_or_default();
        if sessions.len() < 2 || status["parity"]["verdict"] != "equal" {
            return None;
        }
        for session in &mut sessions {
            let id = session["id"].as_str().expect("an id");
            let report = api.get(&format!("/v1/sessions/{id}/report")).await.ok();
            session["report"] = report;
        }
        status["sessions"] = Value::Array(sessions);
        Some(status)
    })
    .await
}
