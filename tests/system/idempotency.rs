//! A body that is sent again counts once and gets its first answer again, also after the server
//! was killed in between.

use crate::api::{Answer, Api, Call};
use crate::contract::{enter, now_ms};
use crate::server::{Kind, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_counts_once_however_often_it_is_sent() {
    let mut server = Server::start(Kind::Live);
    let api = server.api();
    let now = now_ms(&api).await;
    let good = enter("once", "e1", now);
    let mixed = format!("{}\nno json\n", enter("once", "e2", now));
    let send = async |api: &Api, key: &str, body: &str| {
        api.call(Call::events(body.to_owned()).header("idempotency-key", key)).await
    };

    let first = send(&api, "\"good\"", &good).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (200, ""), "{first:?}");
    let first_mixed = send(&api, "mixed", &mixed).await;
    first_mixed.problem(422, "malformed-events");
    check(&api, &first, &first_mixed, &good, &mixed).await;

    server.kill();
    server.start_again();
    let api = server.api();
    check(&api, &first, &first_mixed, &good, &mixed).await;

    assert_eq!(server.stop().await, Some(0));
    server.start_again();
    let api = server.api();
    check(&api, &first, &first_mixed, &good, &mixed).await;

    let report = api.read("/v1/sessions/once/report", first_mixed.token()).await;
    for (metric, count) in [("views", 2), ("events", 2), ("duplicate_events", 0)] {
        assert_eq!(report["metrics"][metric], count, "{metric}");
    }
    // Without a key the same events are sent twice, and say so.
    let again = api.call(Call::events(good)).await;
    let report = api.read("/v1/sessions/once/report", again.token()).await;
    assert_eq!((&report["metrics"]["views"], &report["metrics"]["duplicate_events"]), (&2.into(), &1.into()));

    for wrong in ["", "\"\"", "a b", "\"open", &"x".repeat(256)] {
        send(&api, wrong, "").await.problem(400, "bad-request");
    }
}

/// Both bodies get their first answers, and another body under their keys is refused.
async fn check(api: &Api, first: &Answer, first_mixed: &Answer, good: &str, mixed: &str) {
    for (key, body, before) in [("good", good, first), ("\"mixed\"", mixed, first_mixed)] {
        let again = api.call(Call::events(body.to_owned()).header("idempotency-key", key)).await;
        assert_eq!((again.status, &again.body), (before.status, &before.body), "{key}");
        assert_eq!(again.header("idempotency-replayed"), "true", "{key}: {again:?}");
        let other = format!("{body}\n");
        let other = api.call(Call::events(other).header("idempotency-key", key)).await;
        other.problem(422, "idempotency-key-reused");
    }
}
