//! Snapshots in a bucket, against a server that speaks S3 and checks who asks: `moto` from PyPI, in
//! a virtualenv that the first run makes and later ones use again. Where Python or the package
//! can't be had these tests say so and pass.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;
use tandem_model::route::Chain;
use tandem_model::{LogId, PartitionId};
use tandem_objects::{Objects, Settings};
use tandem_storage::{Snapshot, SnapshotStore, StoreError};

use crate::virtualenv::python;

const PACKAGES: [&str; 3] = ["moto[s3,iam]==5.2.5", "flask==3.*", "flask-cors==6.*"];
const LOG: LogId = LogId([9; 16]);

/// What the server says of itself.
#[derive(Debug, Deserialize)]
struct Server {
    endpoint: String,
    bucket: String,
    keys: Keys,
    #[serde(skip)]
    _process: Option<Child>,
}

/// Access keys: id and secret.
#[derive(Debug, Deserialize)]
struct Keys {
    /// May do everything with snapshots.
    writer: (String, String),
    /// May list the bucket only.
    lister: (String, String),
}

impl Server {
    /// The server all tests share. It ends with this process, whose pipe is its standard input.
    fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
        let server = SHARED.get_or_init(|| Ok(Self::start(&python("moto-5.2.5", &PACKAGES)?)));
        server.as_ref().inspect_err(|why| println!("skipped: no server that speaks S3: {why}")).ok()
    }

    /// Starts it with this Python, which has all that it takes.
    fn start(python: &Path) -> Self {
        let mut process = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/backends/objects_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the S3 server starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("the S3 server says where it is");
        let server: Self = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        Self { _process: Some(process), ..server }
    }

    /// Settings below a prefix that is nobody else's.
    fn settings(&self) -> Settings {
        static TESTS: AtomicU32 = AtomicU32::new(0);
        let prefix = TESTS.fetch_add(1, Ordering::Relaxed);
        let (id, secret) = self.keys.writer.clone();
        Settings {
            endpoint: Some(self.endpoint.clone()),
            allow_http: true,
            access_key_id: Some(id),
            secret_access_key: Some(secret),
            ..Settings::of(format!("s3://{}/tests/{prefix}", self.bucket))
        }
    }
}

fn open(settings: &Settings) -> Objects {
    Objects::open(settings, Chain::A, LOG).expect("settings that work")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_passes_the_suite() {
    let Some(server) = Server::shared() else { return };
    let store = open(&server.settings());
    store.check().await.expect("the bucket can be used");
    tandem_storage::suite::snapshot_store(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_snapshot_goes_up_in_parts_and_comes_back_whole() {
    let Some(server) = Server::shared() else { return };
    let store = open(&server.settings());
    let partition = PartitionId(3);
    // Around the size of a part with its head, and several parts.
    for len in [(16 << 20) - 60, (16 << 20) - 59, 16 << 20, (32 << 20) - 60, (40 << 20) + 1] {
        let bytes: Vec<u8> = (0..len).map(|index: usize| ((index * 31) >> 7) as u8).collect();
        let snapshot = Snapshot { next: 5, bytes: bytes.into() };
        store.put(partition, snapshot.clone()).await.expect("put");
        assert!(store.load(partition, 5).await.expect("load") == Some(snapshot), "{len} bytes");
    }
    assert_eq!(store.list(partition).await.expect("list"), [5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bucket_refuses_says_what_to_do() {
    let Some(server) = Server::shared() else { return };
    let good = server.settings();
    let snapshot = Snapshot { next: 5, bytes: vec![1; 100].into() };
    let key = |(id, secret): (&str, &str)| Settings {
        access_key_id: Some(id.to_owned()),
        secret_access_key: Some(secret.to_owned()),
        ..good.clone()
    };
    let (id, secret) = &server.keys.writer;
    let (lister, lister_secret) = &server.keys.lister;
    let missing = Settings { url: "s3://no-such-bucket/x".to_owned(), ..good.clone() };
    let cases = [
        ("wrong secret", key((id, "wrong")), "credentials are wrong"),
        ("unknown key", key(("AKIAUNKNOWNUNKNOWN12", secret)), "credentials are wrong"),
        ("no rights", key((lister, lister_secret)), "s3:PutObject"),
        ("no bucket", missing, "create it"),
    ];
    for (name, settings, advice) in cases {
        let store = open(&settings);
        for outcome in [
            store.check().await.map(drop),
            store.put(PartitionId(0), snapshot.clone()).await,
            store.load(PartitionId(0), 5).await.map(drop),
        ] {
            let Err(StoreError::Refused(text)) = &outcome else { panic!("{name}: {outcome:?}") };
            assert!(text.contains(advice) && !text.contains(secret.as_str()), "{name}: {text}");
        }
    }
    let store = open(&good);
    assert_eq!(store.load(PartitionId(0), 5).await.expect("load"), None, "nothing was written");
}
