//! In a folder. What only a server can show is in `tests/backends/objects.rs`.

use std::path::{Path as FilePath, PathBuf};

use super::*;

const LOG: LogId = LogId([7; 16]);

fn in_folder(folder: &FilePath) -> Settings {
    Settings::of(format!("file://{}", folder.display()))
}

fn open(folder: &FilePath) -> Objects {
    Objects::open(&in_folder(folder), Chain::A, LOG).expect("open")
}

/// Where the file of a snapshot is.
fn file(folder: &FilePath, partition: u32, next: u64) -> PathBuf {
    folder.join(format!("a/{LOG}/{partition}/{next:020}"))
}

fn snapshot(next: u64) -> Snapshot {
    Snapshot { next, bytes: Bytes::from_static(b"the fold's state") }
}

#[tokio::test]
async fn passes_the_suite() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    store.check().await.expect("check");
    tandem_storage::suite::snapshot_store(&store).await;
}

#[tokio::test]
async fn any_damaged_byte_and_any_missing_end_is_found() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let partition = PartitionId(2);
    store.put(partition, snapshot(7)).await.expect("put");
    let path = file(folder.path(), 2, 7);
    let good = std::fs::read(&path).expect("file");
    for index in 0..good.len() {
        let mut bad = good.clone();
        bad[index] ^= 1 << (index % 8);
        for bad in [&bad[..], &good[..index]] {
            std::fs::write(&path, bad).expect("write");
            let outcome = store.load(partition, 7).await;
            let Err(StoreError::Damaged(text)) = &outcome else { panic!("byte {index}: {outcome:?}") };
            assert!(text.contains("/2/00000000000000000007"), "{text}");
        }
    }
    // It is still listed, and can be replaced.
    assert_eq!(store.list(partition).await.expect("list"), [7]);
    store.put(partition, snapshot(7)).await.expect("put");
    assert_eq!(store.load(partition, 7).await.expect("load"), Some(snapshot(7)));
}

#[tokio::test]
async fn a_snapshot_in_the_place_of_another_is_not_taken() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    for (partition, next) in [(0, 7), (1, 8)] {
        store.put(PartitionId(partition), snapshot(next)).await.expect("put");
    }
    for (partition, next) in [(0, 8), (1, 7)] {
        std::fs::copy(file(folder.path(), 0, 7), file(folder.path(), partition, next)).expect("copy");
        let outcome = store.load(PartitionId(partition), next).await;
        assert!(matches!(&outcome, Err(StoreError::Damaged(text)) if text.contains("place")), "{outcome:?}");
    }
}

#[tokio::test]
async fn chains_and_logs_stand_apart() {
    let folder = tempfile::tempdir().expect("folder");
    let settings = in_folder(folder.path());
    let partition = PartitionId(0);
    open(folder.path()).put(partition, snapshot(7)).await.expect("put");
    for (chain, log) in [(Chain::B, LOG), (Chain::A, LogId([8; 16]))] {
        let other = Objects::open(&settings, chain, log).expect("open");
        assert!(other.list(partition).await.expect("list").is_empty());
        assert_eq!(other.load(partition, 7).await.expect("load"), None);
        other.put(partition, snapshot(9)).await.expect("put");
        other.prune(partition, 0, None).await.expect("prune");
    }
    assert_eq!(open(folder.path()).list(partition).await.expect("list"), [7]);
}

#[tokio::test]
async fn what_was_not_finished_is_not_there_and_goes_away() {
    let folder = tempfile::tempdir().expect("folder");
    let partition = PartitionId(0);
    open(folder.path()).put(partition, snapshot(7)).await.expect("put");
    let [fresh, old] = ["00000000000000000008#1", "00000000000000000009#12"].map(|name| {
        let path = file(folder.path(), 0, 7).with_file_name(name);
        std::fs::write(&path, b"half").expect("write");
        path
    });
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(7_200);
    std::fs::File::options().write(true).open(&old).expect("open").set_modified(long_ago).expect("age");
    let store = open(folder.path());
    assert_eq!(store.list(partition).await.expect("list"), [7]);
    assert!(fresh.exists(), "somebody may be writing it");
    assert!(!old.exists());
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    store.put(PartitionId(0), snapshot(7)).await.expect("put");
    let theirs = ["readme.txt", "7", "99999999999999999999", "000000000000000000071"]
        .map(|name| file(folder.path(), 0, 7).with_file_name(name));
    for path in &theirs {
        std::fs::write(path, b"theirs").expect("write");
    }
    assert_eq!(store.list(PartitionId(0)).await.expect("list"), [7]);
    store.prune(PartitionId(0), 0, None).await.expect("prune");
    assert!(theirs.iter().all(|path| path.exists()));
}

#[tokio::test]
async fn a_folder_in_the_way_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    std::fs::write(folder.path().join("a"), b"a file where the chain's folder should be").expect("write");
    let outcome = store.put(PartitionId(0), snapshot(7)).await;
    assert!(matches!(&outcome, Err(StoreError::Refused(text)) if text.contains("choose")), "{outcome:?}");
    let below_a_file = in_folder(&folder.path().join("a/b"));
    let error = Objects::open(&below_a_file, Chain::A, LOG).err().expect("refused");
    assert!(matches!(&error, SettingsError::Folder { .. }), "{error}");
}

/// A file system of one page, for root only.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("folder");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tandem-test"])
            .arg(folder.path())
            .output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self(folder))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        _ = std::process::Command::new("umount").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_says_so_and_loses_nothing() {
    let Some(disk) = TinyDisk::mount() else {
        println!("skipped: a full disk needs a small file system, which only root can mount");
        return;
    };
    let store = open(disk.0.path());
    let partition = PartitionId(0);
    store.put(partition, snapshot(7)).await.expect("a small one fits");
    let large = Snapshot { next: 8, bytes: vec![1; 200_000].into() };
    for _ in 0..3 {
        let outcome = store.put(partition, large.clone()).await;
        let Err(StoreError::Unavailable(text)) = &outcome else { panic!("{outcome:?}") };
        assert!(text.contains("the disk is full: make room"), "{text}");
    }
    assert_eq!(store.list(partition).await.expect("list"), [7]);
    assert_eq!(store.load(partition, 7).await.expect("load"), Some(snapshot(7)));
    let files = std::fs::read_dir(file(disk.0.path(), 0, 7).parent().expect("parent")).expect("folder");
    assert_eq!(files.count(), 1, "what did not fit leaves nothing behind");
    store.put(partition, snapshot(9)).await.expect("a small one still fits");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let open =
        |settings: Settings| Objects::open(&settings, Chain::A, LOG).err().map(|error| error.to_string());
    for url in [
        "",
        "folder",
        "file:///",
        "file://folder",
        "http://host/x",
        "s3://",
        "s3:///x",
        "s3://a b",
        "s3://b/x//y",
    ] {
        let error = open(Settings::of(url)).unwrap_or_else(|| panic!("{url} is taken"));
        assert!(error.contains("`url`"), "{error}");
    }
    let key = |settings: Settings| Settings {
        access_key_id: Some("id".to_owned()),
        secret_access_key: Some("the-secret".to_owned()),
        ..settings
    };
    let at = |endpoint: &str| Settings { endpoint: Some(endpoint.to_owned()), ..key(Settings::of("s3://b")) };
    for (settings, word) in [
        (Settings { timeout_ms: 0, ..Settings::of("s3://b") }, "timeout_ms"),
        (at("http://127.0.0.1:9"), "allow_http"),
        (at("127.0.0.1:9"), "endpoint"),
        (at("https://"), "endpoint"),
        (Settings { secret_access_key: None, ..at("https://host") }, "secret"),
    ] {
        let error = open(settings.clone()).unwrap_or_else(|| panic!("{settings:?} is taken"));
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(open(at("https://host:9")), None);
    assert_eq!(open(Settings { allow_http: true, ..at("http://host:9/") }), None);
    assert!(!format!("{:?}", at("https://host")).contains("the-secret"));
}

#[test]
fn settings_of_a_file_have_no_secrets_and_no_unknown_words() {
    let settings: Settings = toml::from_str("url = \"s3://b/p\"\nallow_http = true").expect("settings");
    assert!(settings.allow_http && settings.timeout_ms == 15_000 && settings.access_key_id.is_none());
    for wrong in ["", "url = \"s3://b\"\nsecret_access_key = \"x\"", "url = \"s3://b\"\nretries = 3"] {
        assert!(toml::from_str::<Settings>(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_within_the_time() {
    let mut settings = Settings::of("s3://bucket/prefix");
    // Nobody listens there.
    settings.endpoint = Some("http://127.0.0.1:1".to_owned());
    settings.allow_http = true;
    settings.access_key_id = Some("id".to_owned());
    settings.secret_access_key = Some("secret".to_owned());
    let store = Objects::open(&settings, Chain::A, LOG).expect("open");
    let error = store.check().await.expect_err("nobody is there");
    assert!(error.is_retryable() && error.to_string().contains("endpoint"), "{error}");

    // Somebody takes the connection and says nothing.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("port");
    settings.endpoint = Some(format!("http://{}", silent.local_addr().expect("address")));
    settings.timeout_ms = 200;
    let store = Objects::open(&settings, Chain::A, LOG).expect("open");
    let error = store.put(PartitionId(0), snapshot(7)).await.expect_err("no answer");
    assert!(matches!(&error, StoreError::Timeout(text) if text.contains("timeout_ms")), "{error}");
}
