//! The shield in the whole system: hostile traffic is met, explained, and nobody else's.

use serde_json::json;

use crate::api::{Answer, Api, Call};
use crate::contract::{enter, now_ms, send};
use crate::program::{run, run_with};
use crate::server::{Kind, Server};

/// What a scanner asks for.
const PROBES: [&str; 4] = ["/v1/.env", "/v1/wp-login.php", "/v1/.git/config", "/v1/phpmyadmin"];

async fn probe(api: &Api, path: &str) -> Answer {
    api.call(Call::get(path).without_key().header("user-agent", "sqlmap/1.8")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_is_blocked_and_an_operator_learns_why() {
    let server = Server::start_with(Kind::Live, &["--shield", "enforce"]);
    let api = server.api();
    let token = send(&api, &[enter("open", "e1", now_ms(&api).await)]).await;
    let mut last = None;
    for path in PROBES.iter().cycle().take(20) {
        last = Some(probe(&api, path).await);
    }
    let blocked = last.expect("twenty were sent");
    blocked.problem(403, "blocked");

    // From the same address.
    api.read("/v1/sessions/open/report", &token).await;
    let public = api.call(Call::get("/v1/status").without_key()).await;
    assert_eq!(public.status, 200, "what is public stays so: {public:?}");

    let id = blocked.header("tandem-request-id");
    let path = format!("/v1/shield/verdicts/{id}");
    let verdict = api.get(&path).await.ok();
    assert_eq!((&verdict["action"], &verdict["enforced"]), (&json!("deny"), &json!(true)), "{verdict}");
    assert_eq!((&verdict["caller"], &verdict["request_id"]), (&json!("nobody"), &json!(id)), "{verdict}");
    api.get("/v1/shield/verdicts/0-0").await.problem(404, "not-found");

    let url = server.url();
    let told = run(&["shield", "explain", id, "--to", &url]).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("met with: deny") && told.stdout.contains("honeypot"), "{told:?}");
    let keyless = run_with(&["shield", "explain", id, "--to", &url], &[("TANDEM_KEY", "wrong")]).await;
    assert_eq!(keyless.code, Some(1), "{keyless:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_observes_blocks_nobody_and_knows_what_it_would_have_done() {
    let server = Server::start(Kind::Live);
    let api = server.api();
    for path in PROBES.iter().cycle().take(20) {
        probe(&api, path).await.problem(401, "unauthorized");
    }
    let last = probe(&api, PROBES[0]).await;
    let path = format!("/v1/shield/verdicts/{}", last.header("tandem-request-id"));
    let verdict = api.get(&path).await.ok();
    assert_eq!((&verdict["action"], &verdict["enforced"]), (&json!("deny"), &json!(false)), "{verdict}");
    api.call(Call::get(&path).without_key()).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn the_rules_that_come_with_it_are_shown_and_one_can_check_ones_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("shield.toml");
    let name = file.to_str().expect("temporary folders have plain names");
    let shown = run(&["shield", "rules"]).await;
    std::fs::write(&file, &shown.stdout).expect("a file in our own folder");
    assert_eq!(run(&["shield", "check", name]).await.code, Some(0));
    std::fs::write(&file, "[[rules]]\nname = \"nonsense\"\npoints = 5\n").expect("a file in our own folder");
    let refused = run(&["shield", "check", name]).await;
    assert_eq!(refused.code, Some(64), "{refused:?}");
    assert!(refused.stderr.contains("nonsense"), "{refused:?}");

    std::fs::write(&file, "blocked = [\"192.0.2.0/24\"]\n").expect("a file in our own folder");
    let right = run(&["shield", "check", "--networks", name]).await;
    assert!(right.code == Some(0) && right.stdout.contains("1 blocked"), "{right:?}");
    std::fs::write(&file, "blocked = [\"here\"]\n").expect("a file in our own folder");
    let refused = run(&["shield", "check", "--networks", name]).await;
    assert!(refused.code == Some(64) && refused.stderr.contains("here"), "{refused:?}");
    assert_eq!(run(&["shield", "check"]).await.code, Some(2), "nothing to check");
}

#[tokio::test]
async fn the_shield_is_held_against_traffic_whose_truth_is_known() {
    let told = run(&["bench", "shield", "--short", "--json"]).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    let report: serde_json::Value = serde_json::from_str(&told.stdout).expect("JSON");
    let report = &report["shield"][0];
    assert!(report["requests"].as_u64() > Some(1_000), "{report}");
    assert_eq!(report["signed"]["refused"], 0, "{report}");
    assert_eq!(report["people"]["refused"], 0, "{report}");
}
