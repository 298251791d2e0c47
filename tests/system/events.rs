//! `POST /v1/events`: what is taken, what is refused, and what the sender hears of it.

use serde_json::json;

use crate::api::{Api, Call};
use crate::contract::{LIVE, enter, now_ms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_malformed_line_is_named_and_the_good_ones_are_kept() {
    let server = LIVE.server();
    let api = server.api();
    let now = now_ms(&api).await;
    let good = |event: &str| enter("malformed", event, now);
    let lines = [
        (good("e1"), None),
        ("".to_owned(), None),
        ("no json".to_owned(), Some((None, "not_json"))),
        ("[1]".to_owned(), Some((None, "not_an_object"))),
        (good("e2") + "\r", None),
        (good("e 3"), Some((Some("event_id"), "bad_id"))),
        (good("e4").replace("\"ts\"", "\"tss\""), Some((Some("ts"), "missing"))),
        (good("e5").replace(&now.to_string(), "1.5"), Some((Some("ts"), "not_an_integer"))),
        (good("e6").replace("\"enter\"", "\"entered\""), Some((Some("type"), "unknown_type"))),
        (good("e7").replace("user_id\":", "user_id\":null,\"was\":"), Some((Some("user_id"), "missing"))),
        (good("e8").replace('}', ",\"is_fan\":1}"), Some((Some("is_fan"), "not_a_boolean"))),
        (good("e9").replace('}', ",\"source\":\"\"}"), Some((Some("source"), "bad_label"))),
        (
            good("e10").replace('}', &format!(",\"x\":\"{}\"}}", "y".repeat(70_000))),
            Some((None, "line_too_long")),
        ),
        // Only metronome and replay move time.
        (r#"{"type":"beat","beat":5,"ts":5000}"#.to_owned(), Some((None, "beat_not_allowed"))),
        (good("e11"), None),
    ];
    let body: Vec<&str> = lines.iter().map(|(line, _)| line.as_str()).collect();
    let answer = api.call(Call::events(body.join("\n"))).await;
    let problem = answer.problem(422, "malformed-events");
    let bad: Vec<_> =
        (1..).zip(&lines).filter_map(|(number, (_, why))| why.map(|why| (number, why))).collect();
    assert_eq!((&problem["accepted"], &problem["malformed"]), (&json!(3), &json!(bad.len())), "{problem}");
    let errors = problem["errors"].as_array().expect("a list");
    assert_eq!(errors.len(), bad.len(), "{problem}");
    for (error, (number, (field, reason))) in errors.iter().zip(bad) {
        assert_eq!((&error["line"], &error["reason"]), (&json!(number), &json!(reason)), "{error}");
        if reason != "beat_not_allowed" {
            assert_eq!(error["field"], json!(field), "{error}");
        }
        assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{error}");
    }

    let read = async |path: &str| api.read(path, answer.token()).await;
    let report = read("/v1/sessions/malformed/report?breakdowns=").await;
    assert_eq!(report["metrics"]["views"], 3);
    // All that name the session, in whatever way they are malformed.
    let named = 8;
    assert_eq!(report["metrics"]["malformed_events"], named);
    let listed = read("/v1/sessions/malformed/rejected?reason=malformed").await;
    assert_eq!(listed["rejected"].as_array().map(Vec::len), Some(named), "{listed}");
    let letters = read("/v1/deadletters?reason=malformed&limit=1000").await;
    let letters = letters["rejected"].as_array().expect("a list");
    assert!(letters.iter().any(|letter| letter["session_id"].is_null()), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_future_and_duplicate_events_are_counted_and_listed() {
    let server = LIVE.server();
    let api = server.api();
    let now = now_ms(&api).await;
    let minute = 60_000;
    let lines = [
        enter("quality", "e1", now),
        enter("quality", "e1", now),
        enter("quality", "e1", now),
        enter("quality", "e2", now - 11 * minute),
        enter("quality", "e3", now + 10 * minute),
    ];
    let token = crate::contract::send(&api, &lines).await;
    let read = async |path: &str| api.read(path, &token).await;
    let report = read("/v1/sessions/quality/report?breakdowns=").await;
    for (metric, count) in
        [("views", 1), ("events", 1), ("duplicate_events", 2), ("late_events", 1), ("future_events", 1)]
    {
        assert_eq!(report["metrics"][metric], count, "{metric}");
    }
    for (reason, count) in [("duplicate", 2), ("late", 1), ("future", 1), ("malformed", 0)] {
        let listed = read(&format!("/v1/sessions/quality/rejected?reason={reason}")).await;
        let listed = listed["rejected"].as_array().expect("a list");
        assert_eq!(listed.len(), count, "{reason}");
        for event in listed {
            assert_eq!(
                (&event["reason"], &event["would_add"]["views"]),
                (&json!(reason), &json!(1)),
                "{event}"
            );
            assert!(event["user"].as_str().is_some_and(|user| !user.contains("u-e")), "{event}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_have_their_limits() {
    let server = LIVE.server();
    let api = server.api();
    let now = now_ms(&api).await;
    let line = enter("limits", "e1", now);

    let many = vec![line.as_str(); 50_001].join("\n");
    assert!(many.len() < 8 << 20);
    api.call(Call::events(many)).await.problem(413, "too-large");
    let large = line.clone() + &"\n".repeat((8 << 20) + 1 - line.len());
    api.call(Call::events(large)).await.problem(413, "too-large");
    // Nothing of either was taken; a body at both limits is.
    api.get("/v1/sessions/limits").await.problem(404, "unknown-session");
    let mut full = vec![line.as_str(); 50_000].join("\n");
    full += &"\n".repeat((8 << 20) - full.len());
    let answer = api.call(Call::events(full)).await;
    assert_eq!(answer.ok()["accepted"], 50_000);
    let report = api.read("/v1/sessions/limits/report?breakdowns=", answer.token()).await;
    assert_eq!(report["metrics"]["duplicate_events"], 49_999);

    for (body, accepted) in [("", 0), ("\n\r\n \n", 0)] {
        let answer = api.call(Call::events(body)).await.ok();
        assert_eq!(answer["accepted"], accepted, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_replay_server_takes_beats_from_outside() {
    let server = LIVE.server();
    let api = server.api();
    api.call(Call::replay("")).await.problem(409, "conflict");
    api.call(Call::replay(r#"{"type":"beat","beat":5,"ts":5000}"#)).await.problem(409, "conflict");
    for query in ["clock=live", "clock=", "clock=replay&clock=replay", "clok=replay"] {
        let path = format!("/v1/events?{query}");
        let problem = api.call(Call::new(http::Method::POST, path)).await.problem(400, "bad-parameter");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("`clock`")), "{problem}");
    }
    assert_clean(&api).await;
}

/// The chains agree, whatever was sent to this server.
async fn assert_clean(api: &Api) {
    crate::program::until("both chains are found to be equal", async || {
        let parity = api.get("/v1/status").await.ok()["parity"].clone();
        assert_ne!(parity["verdict"], "different", "{parity}");
        (parity["verdict"] == "equal").then_some(())
    })
    .await;
}
