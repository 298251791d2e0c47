//! What an operator can get wrong, and servers that are away, frozen or full: each says what to
//! do, in bounded time, and nothing is lost by it.

use tandem_storage::suite::fixtures;
use tokio::time::{Instant, timeout};

use super::*;

async fn refusal(settings: Settings) -> String {
    match Hot::open(settings, Chain::A, LOG, 0).await.map(drop) {
        Err(StoreError::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn credentials_that_are_wrong_are_told_from_a_server_that_is_away() {
    let (_services, address) = one_server();
    // As the crate's docs have it.
    let users = [
        "writer on >right ~{tandem:* +hmget +hgetall +fcall +function|load +info +hset +hlen +expire +unlink +rename",
        "reader on >right ~{tandem:* +hmget +hgetall +info",
        "half on >right ~{tandem:* +hmget +hgetall +fcall +function|load",
        "other on >right ~other* +@all",
    ];
    for user in users {
        let rule: Vec<&str> = ["ACL", "SETUSER"].into_iter().chain(user.split(' ')).collect();
        ask(&address, &rule).unwrap();
    }
    let login = |user: &str, password: &str| Settings {
        user: user.to_owned(),
        password: Some(password.to_owned()),
        ..single(&address)
    };
    assert!(refusal(login("writer", "wrong")).await.contains("user and password"));
    assert!(refusal(login("nobody", "right")).await.contains("user and password"));
    assert!(refusal(login("other", "right")).await.contains("does not allow"));
    // A reader's user may not load functions, and need not.
    assert!(refusal(login("reader", "right")).await.contains("does not allow"));
    let reader = Hot::new(login("reader", "right"), Chain::A, LOG, 0).unwrap();
    reader.check(Access::Read).await.unwrap();
    let half = open(login("half", "right")).await;
    let error = half.begin(PARTITION, cut(1)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused(text) if text.contains("does not allow")), "{error}");

    // Those few rights are enough for everything, the largest session included.
    let hot = open(login("writer", "right")).await;
    let incarnation = hot.begin(PARTITION, cut(1)).await.unwrap().unwrap();
    let whole = sizes::session("s", 1, 2_000);
    hot.put(incarnation, whole.clone()).await.unwrap();
    let mut changes = fixtures::changes(PARTITION.0, 2, 20);
    changes.sessions.push(fixtures::change("s", 2, 3));
    assert_eq!(hot.apply(incarnation, cut(1), &changes).await.unwrap(), Applied::Done { absent: vec![] });
    assert_eq!(reader.session(PARTITION, "s").await.unwrap().session.unwrap().cut, changes.cut);

    ask(&address, &["CONFIG", "SET", "requirepass", "secret"]).unwrap();
    assert!(refusal(single(&address)).await.contains("password"));
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_by_name() {
    let default = Settings::default;
    let wrong = [
        ("addresses", Settings { addresses: vec![], ..default() }),
        ("addresses", Settings { addresses: vec!["localhost".to_owned()], ..default() }),
        ("addresses", Settings { addresses: vec!["h:1".to_owned(), "h:2".to_owned()], ..default() }),
        ("service_name", Settings { mode: Mode::Sentinel, service_name: String::new(), ..default() }),
        ("database", Settings { mode: Mode::Cluster, database: 1, ..default() }),
        ("key_prefix", Settings { key_prefix: "a{b".to_owned(), ..default() }),
        ("call_timeout_ms", Settings { call_timeout_ms: 0, ..default() }),
        ("session_expiry_s", Settings { session_expiry_s: 1, ..default() }),
        ("connections", Settings { connections: 0, ..default() }),
        ("calls_max", Settings { calls_max: 0, ..default() }),
    ];
    for (name, settings) in wrong {
        let error = Hot::new(settings, Chain::A, LOG, 0).map(drop).unwrap_err();
        assert!(matches!(&error, StoreError::Refused(text) if text.starts_with(name)), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_or_frozen_costs_bounded_time() {
    let (services, address) = one_server();
    let hot = open(Settings { call_timeout_ms: 300, connect_timeout_ms: 300, ..single(&address) }).await;
    let incarnation = hot.begin(PARTITION, cut(1)).await.unwrap().unwrap();
    services.pause("redis-a").unwrap();
    let frozen = timeout(PATIENCE, hot.progress(PARTITION)).await.expect("it ends by itself").unwrap_err();
    assert!(frozen.is_retryable(), "{frozen}");
    // Many readers at once: they hear of it, and wait in no line.
    let calls = (0..200).map(|_| hot.progress(PARTITION));
    for outcome in timeout(PATIENCE, futures_join(calls)).await.expect("they end by themselves") {
        assert!(outcome.unwrap_err().is_retryable());
    }
    services.resume("redis-a").unwrap();
    let progress = persistently(async || hot.progress(PARTITION).await).await;
    assert_eq!(progress, Some(cut(1)), "a frozen server forgets nothing");
    let changes = fixtures::changes(PARTITION.0, 2, 20);
    let applied = persistently(async || hot.apply(incarnation, cut(1), &changes).await).await;
    assert_eq!(applied, Applied::Done { absent: vec![] });

    services.stop("redis-a").unwrap();
    let away = hot.progress(PARTITION).await.unwrap_err();
    assert!(matches!(away, StoreError::Unavailable(_)), "{away}");
    services.start_again("redis-a").unwrap();
    assert_eq!(persistently(async || hot.progress(PARTITION).await).await, None);
}

async fn futures_join<T>(calls: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut done = Vec::new();
    // Polled together: each gets its turn before the first is done.
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    while !calls.is_empty() {
        let (outcome, index) = std::future::poll_fn(|context| {
            for (index, call) in calls.iter_mut().enumerate() {
                if let std::task::Poll::Ready(outcome) = call.as_mut().poll(context) {
                    return std::task::Poll::Ready((outcome, index));
                }
            }
            std::task::Poll::Pending
        })
        .await;
        done.push(outcome);
        drop(calls.swap_remove(index));
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_forgets_sessions_and_never_the_state() {
    let (_services, address) = one_server();
    ask(&address, &["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]).unwrap();
    let hot = open(single(&address)).await;
    let incarnation = hot.begin(PARTITION, cut(1)).await.unwrap().unwrap();
    ask(&address, &["CONFIG", "SET", "maxmemory", "12mb"]).unwrap();
    let count = 400;
    for index in 0..count {
        let session = sizes::session(&format!("s-{index}"), 1, 700);
        hot.put(incarnation, session).await.unwrap();
    }
    let mut present = 0;
    for index in 0..count {
        let seen = look(&hot, &format!("s-{index}")).await;
        assert_eq!(seen.progress, Some(cut(1)), "the state was forgotten");
        if let Some(session) = seen.session {
            assert_eq!(*session, sizes::session(&format!("s-{index}"), 1, 700));
            present += 1;
        }
    }
    assert!(present > 10 && present < count, "{present} of {count}: nothing was forgotten, or all");
    // Those that are gone are told to the writer.
    let mut changes = fixtures::changes(PARTITION.0, 2, 20);
    changes.sessions = (0..count).map(|index| fixtures::change(&format!("s-{index}"), 2, 1)).collect();
    changes.sessions.sort_by(|left, right| left.session_id.cmp(&right.session_id));
    let Applied::Done { absent } = hot.apply(incarnation, cut(1), &changes).await.unwrap() else {
        panic!("lost")
    };
    assert!(absent.len() >= count - present);

    // One that may forget nothing says so, and holds what it has.
    ask(&address, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).unwrap();
    ask(&address, &["CONFIG", "SET", "maxmemory", "1mb"]).unwrap();
    let full = hot.put(incarnation, sizes::session("late", 2, 5)).await.unwrap_err();
    assert!(full.is_retryable() && full.to_string().contains("maxmemory"), "{full}");
    assert_eq!(hot.progress(PARTITION).await.unwrap(), Some(changes.cut));
    let next = fixtures::changes(PARTITION.0, 3, 30);
    assert!(hot.apply(incarnation, changes.cut, &next).await.unwrap_err().is_retryable());
    ask(&address, &["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    assert_eq!(hot.apply(incarnation, changes.cut, &next).await.unwrap(), Applied::Done { absent: vec![] });
}

#[tokio::test]
async fn what_others_wrote_under_our_keys_is_damage_and_no_panic() {
    let (_services, address) = one_server();
    let hot = open(single(&address)).await;
    let incarnation = hot.begin(PARTITION, cut(1)).await.unwrap().unwrap();
    let key = "{tandem:a:3}:s:s";
    ask(&address, &["SET", key, "what"]).unwrap();
    assert!(matches!(hot.session(PARTITION, "s").await, Err(StoreError::Damaged(_))));
    ask(&address, &["DEL", key]).unwrap();
    ask(&address, &["HSET", key, "i", &incarnation.0.to_string(), "n", "1", "c", "1"]).unwrap();
    let error = hot.session(PARTITION, "s").await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged(text) if text.contains("key prefix")), "{error}");
    ask(&address, &["SET", "{tandem:a:4}:state", "what"]).unwrap();
    assert!(matches!(hot.progress(PartitionId(4)).await, Err(StoreError::Damaged(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_waits_for_leaves_the_others_alone() {
    let (_services, address) = one_server();
    let hot = open(Settings { connections: 1, calls_max: 4, ..single(&address) }).await;
    let incarnation = hot.begin(PARTITION, cut(1)).await.unwrap().unwrap();
    hot.put(incarnation, sizes::session("s", 1, 50)).await.unwrap();
    let deadline = Instant::now() + Duration::from_millis(500);
    while Instant::now() < deadline {
        // Given up at once, in whatever state it is.
        let _ = timeout(Duration::from_micros(50), hot.session(PARTITION, "s")).await;
        assert_eq!(*look(&hot, "s").await.session.unwrap(), sizes::session("s", 1, 50));
    }
}
