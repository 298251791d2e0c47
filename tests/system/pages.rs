//! The pages about keys and signatures, walked through by a stranger: a client in Python that knows
//! nothing but what stands there, against the real program. Where there is no Python the test says so and
//! passes.

use std::process::{Command, Output};

use crate::api::Call;
use crate::program::{run, until};
use crate::server::{Kind, Server, text};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/system/stranger.py");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/signing.md");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_gets_along_with_the_pages() {
    if let Err(why) = Command::new("python3").arg("--version").output() {
        return println!("skipped: no Python: {why}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let keys = folder.path().join("keys.toml");
    let keys = text(&keys);
    // As docs/keys.md has it.
    let create = async |more: &[&str]| {
        let begin = ["key", "create", "--tenant", "mcn-one", "--file", keys];
        let made = run(&[&begin, more].concat()).await;
        assert_eq!(made.code, Some(0), "{made:?}");
        made.stdout.trim().to_owned()
    };
    let reading = create(&["--application", "screen", "--anchors", "a17,a18"]).await;
    let signing = create(&["--application", "uploader", "--write", "--signing", "--expires-in", "90d"]).await;
    let server = Server::start_with(Kind::Live, &["--keys", keys]);
    let output = client(&server.url(), &reading, &signing);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // Taken away while it runs.
    let id = reading.split('_').nth(1).expect("tdm_<id>_<secret>");
    let revoked = run(&["key", "revoke", id, "--file", keys, "--yes"]).await;
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    let api = server.api();
    until("the key opens nothing any more", async || {
        let shown = format!("Bearer {reading}");
        let answer = api.call(Call::get("/v1/sessions").without_key().header("authorization", shown)).await;
        (answer.status == 401).then_some(())
    })
    .await;
    // It is a client that looks: with another key it has something to say.
    let output = client(&server.url(), &reading, &reading);
    assert!(!output.status.success());
}

fn client(url: &str, reading: &str, signing: &str) -> Output {
    Command::new("python3").args([CLIENT, url, reading, signing, PAGE]).output().expect("it can be run")
}
