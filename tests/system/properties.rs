//! Property tests from the OpenAPI description: `schemathesis` from PyPI asks a running demo for everything
//! that is described, rightly and wrongly, and holds every answer against the description. Where Python or
//! the package can't be had the test says so and passes.
//!
//! What it checks: no 5xx; only described statuses, media types, headers and shapes; what the description
//! allows is taken and what it does not is refused; methods that are not described are a 405 with the right
//! `Allow`; nothing that needs a key does without. Streams are left out (they have no end); the orders of
//! operators come last and alone, since a chain whose rows are computed again says so with a 503.
//!
//! Environment: `TANDEM_SEED` (default 1), `TANDEM_CASES` (random cases a call, default 5).

use std::path::Path;
use std::process::{Command, Output};

use crate::api::{Api, Call};
use crate::program::{KEY, until};
use crate::server::{Kind, Server};
use crate::virtualenv::python;

const PACKAGES: [&str; 1] = ["schemathesis==4.32.5"];
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/system/schemathesis");
/// The calls that come last.
const ORDERS: [&str; 3] = ["post_repairs", "post_verdicts", "post_definitions"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_answers_as_it_is_described() {
    let python = match python("schemathesis-4.32.5", &PACKAGES) {
        Ok(python) => python,
        Err(why) => return println!("skipped: no schemathesis: {why}"),
    };
    let server = Server::start(Kind::Demo);
    let api = server.api();
    prepare(&api).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let document = folder.path().join("openapi.json");
    std::fs::write(&document, api.get("/v1/openapi.json").await.body).expect("written");
    for selected in ["--exclude-operation-id", "--include-operation-id"] {
        let selection = ORDERS.iter().flat_map(|name| [selected, *name]);
        let output = asked(&python, &server, folder.path(), selection.collect()).await;
        assert!(
            output.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    api.get("/v1/status").await.ok();
}

/// Waits for what the tests begin with: sessions, and more than one event that was not counted.
async fn prepare(api: &Api) {
    for event in ["late-1", "late-2"] {
        let line = format!(
            r#"{{"event_id":"{event}","type":"enter","ts":1000,"session_id":"properties","user_id":"u"}}"#
        );
        until("a beat makes it late", async || {
            let token = api.call(Call::events(line.clone())).await.token().to_owned();
            let listed = api.read("/v1/sessions/properties/rejected", &token).await;
            listed["rejected"].as_array().is_some_and(|all| !all.is_empty()).then_some(())
        })
        .await;
    }
    until("there are sessions", async || {
        let list = api.get("/v1/sessions").await.ok();
        list["sessions"].as_array().is_some_and(|sessions| sessions.len() > 3).then_some(())
    })
    .await;
    until("there are rejected events", async || {
        let list = api.get("/v1/deadletters?limit=1").await.ok();
        list["next_cursor"].is_string().then_some(())
    })
    .await;
}

/// Runs it to its end; it is bounded by its number of cases.
async fn asked(python: &Path, server: &Server, folder: &Path, selection: Vec<&str>) -> Output {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command
        .args(["--config-file", &format!("{SETTINGS}/schemathesis.toml"), "run", "openapi.json"])
        .args(["--url", &server.url(), "--phases", "examples,coverage,fuzzing"])
        .args(["--seed", &variable("TANDEM_SEED", "1"), "--max-examples", &variable("TANDEM_CASES", "5")])
        .args(["--request-timeout", "60"])
        .args(selection)
        .current_dir(folder)
        .env("PYTHONPATH", SETTINGS)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("TANDEM_URL", server.url())
        .env("TANDEM_KEY", KEY);
    tokio::task::spawn_blocking(move || command.output().expect("it can be run")).await.expect("it ends")
}
