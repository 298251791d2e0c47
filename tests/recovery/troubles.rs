//! What goes wrong on the way is said where operators look, and nothing is lost by it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tandem_model::route::Chain;
use tandem_tests::api::{Api, Call};
use tandem_tests::cluster::{Cluster, Metrics, Node};
use tandem_tests::program::until;

use crate::alone;
use crate::refusals::{cluster, gone, shared};

/// What a snapshot store holds that is soon full.
const DISK: &str = "size=4m";
/// Items that are clicked in one body: what changes is far more than one mutation may be.
const ITEMS: u64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_store_that_is_full_stops_nothing() {
    let _alone = alone().await;
    let mut cluster = cluster(shared().addresses());
    let disk = cluster.folder().join("snapshots");
    if !can_mount() {
        println!("skipped: only root may mount a small disk");
        return;
    }
    cluster.computes[0].1.wrap(&mounting(&disk));
    cluster.start().await;
    let api = cluster.api();
    let mut clicks = Clicks::default();
    let compute = &mut cluster.computes[0].1;
    let began = snapshots_kept(&metrics(compute).await);
    more(compute, "snapshots are kept", began, snapshots_kept).await;

    let filler = inside(compute, &disk).join("filler");
    fill(&filler);
    let failed = snapshots_failed(&metrics(compute).await);
    clicks.send(&api, "before", 10).await;
    more(compute, "snapshots fail", failed, snapshots_failed).await;
    compute.says("the snapshot was not kept").await;
    compute.ready().await;
    clicks.send(&api, "before", 10).await;
    clicks.check(&api, Chain::A).await;

    // Room again: it goes on by itself.
    fs::remove_file(&filler).expect("our own file");
    let kept = snapshots_kept(&metrics(compute).await);
    more(compute, "snapshots are kept again", kept, snapshots_kept).await;

    // The disk goes with the process: the log has everything.
    compute.kill();
    clicks.send(&api, "after", 10).await;
    compute.start();
    compute.ready().await;
    clicks.check(&api, Chain::A).await;
    verify(&mut cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_the_store_does_not_take() {
    let _alone = alone().await;
    let services = shared();
    if services.addresses().engine != "packages" {
        println!(
            "skipped: this needs a store that takes small mutations only, as `tandem-services` sets it up"
        );
        return;
    }
    let mut cluster = cluster(services.addresses());
    // More than this store takes, long enough between two flushes for that to come together, and the
    // patience to hear the refusal: a small server reads such a batch for seconds, and one that is sent
    // again meanwhile keeps it from ever answering.
    let compute = &mut cluster.computes[0].1;
    compute.set("TANDEM__CHAINS__A__ROWS__BATCH_BYTES_MAX", "8388608");
    compute.set("TANDEM__CHAINS__A__COMPUTE__FLUSH_INTERVAL_MS", "3000");
    compute.set("TANDEM__CHAINS__A__ROWS__REQUEST_TIMEOUT_MS", "60000");
    compute.set("TANDEM__CHAINS__A__COMPUTE__BATCH_BYTES", "8388608");
    cluster.start().await;
    let api = cluster.api();
    let mut clicks = Clicks::default();
    clicks.send(&api, "large", ITEMS).await;
    // The other chain, and so every reader, is not concerned.
    clicks.check(&api, Chain::B).await;
    let compute = &mut cluster.computes[0].1;
    let why = until("compute says that it can't go on", async || {
        compute
            .page("/readyz")
            .await
            .filter(|(status, why)| *status == 503 && why.contains("batch_bytes_max"))
    })
    .await;
    assert!(why.1.contains("lower `batch_bytes_max`"), "{why:?}");
    compute.says("batch_bytes_max").await;
    assert!(compute.is_running(), "it waits for somebody rather than dying again and again");

    compute.stop().await;
    compute.set("TANDEM__CHAINS__A__ROWS__BATCH_BYTES_MAX", "1048576");
    compute.start();
    compute.ready().await;
    clicks.check(&api, Chain::A).await;
    verify(&mut cluster).await;
}

/// Both chains hold what the log says.
async fn verify(cluster: &mut Cluster) {
    cluster.ready().await;
    cluster.stop().await;
    let verified = cluster.command(&["verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    gone(cluster).await;
}

/// Clicks on items, each on another one.
#[derive(Default)]
struct Clicks {
    count: u64,
    token: String,
}

impl Clicks {
    async fn send(&mut self, api: &Api, key: &str, count: u64) {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).expect("we live after 1970").as_millis() as u64;
        let line = |number: u64| {
            json!({
                "event_id": format!("e{number}"), "type": "item_click", "ts": now, "session_id": "s",
                "user_id": format!("u{}", number % 100), "item_id": format!("item-{number:059}"), "source": "search",
            })
            .to_string()
        };
        let lines: Vec<String> = (self.count..self.count + count).map(line).collect();
        let call =
            Call::events(lines.join("\n")).header("idempotency-key", format!("\"{key}-{}\"", self.count));
        let answer = until("the events are taken", async || {
            let answer = api.call(call.clone()).await;
            (answer.status != 503 && answer.status != 409).then_some(answer)
        })
        .await;
        assert_eq!(answer.ok()["accepted"], count);
        self.count += count;
        self.token = answer.token().to_owned();
    }

    /// Waits until the chain has read them, and counts.
    async fn check(&self, api: &Api, chain: Chain) {
        let path = "/v1/sessions/s/report?breakdowns=&metrics=item_clicks,duplicate_events";
        let report = until("the chain has read it", async || {
            let call = Call::get(path).chain(chain).token(&self.token).header("prefer", "fresh");
            let answer = api.call(call).await;
            (answer.status != 503).then(|| answer.ok())
        })
        .await;
        assert_eq!(report["metrics"], json!({"item_clicks": self.count, "duplicate_events": 0}));
    }
}

async fn metrics(compute: &Node) -> Metrics {
    until("the admin port answers", async || compute.metrics().await).await
}

/// Waits until a count is larger than it was.
async fn more(compute: &Node, what: &str, before: f64, count: fn(&Metrics) -> f64) {
    until(what, async || (count(&compute.metrics().await?) > before).then_some(())).await;
}

fn snapshots_kept(metrics: &Metrics) -> f64 {
    let labels = [r#"store="snapshots""#, r#"call="put""#];
    metrics.sum("tandem_store_call_duration_seconds_count", &labels) - snapshots_failed(metrics)
}

fn snapshots_failed(metrics: &Metrics) -> f64 {
    metrics.sum("tandem_store_errors_total", &[r#"store="snapshots""#, r#"call="put""#])
}

/// Whether a process can be given a disk of its own.
fn can_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["--mount", "mount", "-t", "tmpfs", "-o", DISK, "tandem", "/mnt"])
        .status();
    tried.is_ok_and(|status| status.success())
}

/// Gives a process a small disk of its own in place of `folder`; it goes with the process.
fn mounting(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().expect("temporary folders have plain names");
    let script = format!("mount -t tmpfs -o {DISK} tandem '{folder}' && exec \"$0\" \"$@\"");
    ["unshare", "--mount", "sh", "-c", &script].map(str::to_owned).to_vec()
}

/// A folder as that process sees it.
fn inside(compute: &mut Node, folder: &Path) -> PathBuf {
    let relative = folder.strip_prefix("/").expect("an absolute path");
    Path::new("/proc").join(compute.id().to_string()).join("root").join(relative)
}

fn fill(file: &Path) {
    let mut file = File::create(file).expect("a disk of our own");
    let block = [0; 4_096];
    while file.write_all(&block).is_ok() {}
}
