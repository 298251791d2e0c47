//! The master dies and its replica takes over, which had not got the last writes.

use super::model::{FIRST, Readers, SESSIONS, Writer, check, name};
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lost_writes_of_a_failover_are_noticed() {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let sentinel = services.redis_sentinel().unwrap();
    let settings = Settings {
        service_name: sentinel.service.clone(),
        call_timeout_ms: 1_000,
        ..settings(Mode::Sentinel, &sentinel.sentinels)
    };
    let hot = open(settings.clone()).await;
    let reader = open(settings.clone()).await;
    let readers = Readers::start(vec![hot.clone(), reader.clone()]);
    let mut writer = Writer::new(hot.clone());
    for _ in 0..20 {
        writer.step().await;
    }
    let known = writer.next - 1;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let state = ask(&sentinel.replica, &["HGET", "{tandem:a:3}:state", "next"]).unwrap();
        if state == redis::Value::BulkString(known.to_string().into_bytes()) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the replica follows");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // From here on the replica gets nothing: it is thrown out, and its password is wrong now.
    // Connections that are there already stay.
    ask(&sentinel.replica, &["CONFIG", "SET", "masterauth", "wrong"]).unwrap();
    ask(&sentinel.replica, &["CONFIG", "SET", "masteruser", "nobody"]).unwrap();
    ask(&sentinel.primary, &["CLIENT", "KILL", "TYPE", "replica"]).unwrap();
    let begun = writer.begun;
    for _ in 0..20 {
        writer.step().await;
    }
    assert_eq!(writer.begun, begun);
    let answered = reader.progress(PARTITION).await.unwrap();
    assert_eq!(answered, Some(cut(writer.next - 1)));
    services.kill("redis-primary").unwrap();

    // What the new master has is a prefix: older, whole, and said to be so.
    let older = persistently(async || reader.progress(PARTITION).await).await;
    assert!(older <= Some(cut(writer.next - 1)));
    writer.step().await;
    assert_eq!(writer.begun, begun + 1, "the loss was not noticed");
    let master = ask(&sentinel.replica, &["ROLE"]).unwrap();
    assert!(format!("{master:?}").contains("master"), "{master:?}");
    for _ in 0..6 {
        writer.step().await;
    }
    for session in 0..SESSIONS {
        // Its other connections may still have to learn who the master is.
        let seen = persistently(async || reader.session(PARTITION, &name(session)).await).await;
        assert!(check(session, &seen), "{}", name(session));
    }
    assert!(readers.found() > 0 && writer.next > FIRST + 40);
    readers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_no_sentinel_knows_is_refused() {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let sentinel = services.redis_sentinel().unwrap();
    let settings =
        Settings { service_name: "other".to_owned(), ..settings(Mode::Sentinel, &sentinel.sentinels) };
    let error = Hot::open(settings, Chain::A, LOG, 0).await.map(drop).unwrap_err();
    assert!(matches!(&error, StoreError::Refused(text) if text.contains("service_name")), "{error}");
}
