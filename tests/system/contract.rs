//! What reads answer, good and bad: keys, paths, methods, parameters, tokens, chains.

use http::Method;
use serde_json::Value;
use tandem_model::route::Chain;
use tandem_model::{LogId, PartitionId, Token};

use crate::api::{Api, Call};
use crate::program::until;
use crate::server::{Kind, Shared};

/// Shared with `events.rs`; every test there and here has sessions of its own.
pub(crate) static LIVE: Shared = Shared::new(Kind::Live);

/// The server's idea of now, in milliseconds: events must not be late.
pub(crate) async fn now_ms(api: &Api) -> u64 {
    until("there was a beat", async || api.get("/v1/status").await.ok()["chains"][0]["as_of"].as_u64()).await
}

/// An `enter` of this session.
pub(crate) fn enter(session: &str, event: &str, ts: u64) -> String {
    format!(
        r#"{{"event_id":"{event}","type":"enter","ts":{ts},"session_id":"{session}","user_id":"u-{event}"}}"#
    )
}

/// Sends events; returns the token with which to read them.
pub(crate) async fn send(api: &Api, lines: &[String]) -> String {
    let answer = api.call(Call::events(lines.join("\n"))).await;
    let json = answer.ok();
    assert_eq!(json["accepted"], lines.len(), "{json}");
    assert_eq!(json["meta"]["token"], answer.token());
    answer.token().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_without_the_key() {
    let server = LIVE.server();
    let api = server.api();
    for path in
        ["/v1/sessions", "/v1/sessions/s/report", "/v1/deadletters", "/v1/rows", "/v1/log/0", "/v1/none"]
    {
        for key in [None, Some("Bearer "), Some("Bearer other"), Some("Basic dTpw"), Some("nonsense")] {
            let call = Call::get(path).without_key();
            let call = key.into_iter().fold(call, |call, key| call.header("authorization", key));
            let answer = api.call(call).await;
            assert_eq!(answer.status, 401, "{key:?}: {answer:?}");
            let offered = answer.header("www-authenticate");
            assert!(
                offered.starts_with("Bearer ") && offered.contains(", Tandem-HMAC-SHA256 "),
                "{answer:?}"
            );
            answer.problem(401, "unauthorized");
        }
    }
    let refused = api.call(Call::events("{}").without_key()).await;
    refused.problem(401, "unauthorized");
    for path in ["/v1/status", "/v1/openapi.json", "/v1/asyncapi.json", "/v1/docs", "/healthz", "/readyz"] {
        let answer = api.call(Call::get(path).without_key()).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_named() {
    let server = LIVE.server();
    let api = server.api();
    for path in ["", "/report", "/trend", "/rejected", "/compare?with=other"] {
        let problem = api.get(&format!("/v1/sessions/nobody{path}")).await.problem(404, "unknown-session");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("nobody")), "{problem}");
    }
    api.get("/v1/log/99").await.problem(404, "not-found");
    for path in ["/v1/nothing", "/v1/sessions/s/nothing", "/v2/sessions", "/sessions", "/internal/v1/status"]
    {
        api.get(path).await.problem(404, "not-found");
    }
    // What has two readings is refused as a whole.
    for (path, status) in [
        ("/internal/v1/rows", 404),
        ("/v1/../internal/v1/status", 400),
        ("/v1/%2e%2e/internal/v1/status", 400),
        ("//internal/v1/status", 400),
    ] {
        let answer = api.call(Call::get(path)).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_has_its_methods() {
    let server = LIVE.server();
    let api = server.api();
    let token = send(&api, &[enter("methods", "e1", now_ms(&api).await)]).await;
    api.read("/v1/sessions/methods", &token).await;
    for path in ["/v1/sessions", "/v1/sessions/methods/report", "/v1/status", "/v1/docs", "/v1/openapi.json"]
    {
        let head = api.call(Call::new(Method::HEAD, path).token(&token)).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{head:?}");
        assert!(head.header("content-length").parse::<u64>().is_ok_and(|length| length > 0), "{head:?}");
        for method in
            [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE]
        {
            let answer = api.call(Call::new(method, path)).await;
            answer.problem(405, "method-not-allowed");
            assert_eq!(answer.header("allow"), "GET, HEAD", "{answer:?}");
        }
    }
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = api.call(Call::new(method, "/v1/events")).await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), "POST", "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_parameter_is_named_with_what_is_allowed() {
    let server = LIVE.server();
    let api = server.api();
    let token = send(&api, &[enter("parameters", "e1", now_ms(&api).await)]).await;
    let cases: &[(&str, &str, &[&str])] = &[
        ("/v1/sessions?status=open", "status", &["live", "final", "corrected"]),
        ("/v1/sessions?limit=0", "limit", &["1", "1000"]),
        ("/v1/sessions?limit=ten", "limit", &["1", "1000"]),
        ("/v1/sessions?from=yesterday", "from", &["whole number"]),
        ("/v1/sessions?cursor=abc", "cursor", &["next_cursor"]),
        ("/v1/sessions?anchor_id=a%20b", "anchor_id", &["A-Z a-z 0-9"]),
        ("/v1/sessions?anchor=x", "anchor", &["anchor_id", "status"]),
        ("/v1/sessions/parameters?x=1", "x", &[]),
        ("/v1/sessions/parameters/report?breakdowns=colour", "breakdowns", &["source", "item", "device"]),
        (
            "/v1/sessions/parameters/report?metrics=views,likeness",
            "metrics",
            &["likes", "gmv_fen", "aov_fen"],
        ),
        ("/v1/sessions/parameters/trend?step=2m", "step", &["10s", "1m", "5m"]),
        ("/v1/sessions/parameters/trend?by=room", "by", &["source", "channel"]),
        ("/v1/sessions/parameters/trend?from=5&to=5", "from", &["to"]),
        ("/v1/sessions/parameters/trend?metrics=late_events", "metrics", &["views"]),
        (
            "/v1/sessions/parameters/rejected?reason=bored",
            "reason",
            &["late", "future", "duplicate", "malformed"],
        ),
        ("/v1/sessions/parameters/compare?with=parameters", "with", &[]),
        ("/v1/sessions/parameters/compare?with=parameters&align=end", "align", &["start", "clock"]),
    ];
    for (path, parameter, allowed) in cases {
        let problem = api.call(Call::get(*path).token(&token)).await.problem(400, "bad-parameter");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(&format!("`{parameter}`")), "{path}: {detail}");
        for value in *allowed {
            assert!(detail.contains(value), "{path}: {value} in {detail}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_a_bad_request() {
    let server = LIVE.server();
    let api = server.api();
    let good = send(&api, &[enter("wrong-token", "e1", now_ms(&api).await)]).await;
    let of_another_log = {
        let mut token = Token::new(LogId([1; 16]));
        token.advance(PartitionId(0), 1);
        token.encode()
    };
    let (half, _) = good.split_at(good.len() / 2);
    let mut changed = good.clone().into_bytes();
    changed[5] = if changed[5] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("letters");
    let long = "A".repeat(17_000);
    for wrong in ["", "x", "AAAA", "!!!", half, &changed, &format!("{good}A"), &long, &of_another_log] {
        for path in ["/v1/sessions", "/v1/sessions/wrong-token/report", "/v1/sessions/nobody"] {
            api.call(Call::get(path).token(wrong)).await.problem(400, "bad-token");
        }
        api.call(Call::events(enter("wrong-token", "e2", 0)).token(wrong)).await.problem(400, "bad-token");
    }
    // Nothing of it was taken.
    let report = api.read("/v1/sessions/wrong-token/report?breakdowns=", &good).await;
    assert_eq!((&report["metrics"]["views"], &report["metrics"]["late_events"]), (&1.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_may_choose_the_chain() {
    let server = LIVE.server();
    let api = server.api();
    let token = send(&api, &[enter("chains", "e1", now_ms(&api).await)]).await;
    let mut bodies = Vec::new();
    for chain in Chain::ALL {
        // A chain that is asked on purpose may need a moment to get there.
        let answer = until("the chain has read it", async || {
            let answer = api.call(Call::get("/v1/sessions/chains/report").chain(chain).token(&token)).await;
            (answer.status == 200 && answer.json()["meta"]["stale"] == false).then_some(answer)
        })
        .await;
        assert_eq!(answer.header("tandem-chain"), chain.name());
        let mut json = answer.ok();
        assert_eq!(json["meta"]["chain"], chain.name());
        assert_eq!(json["meta"]["token"], answer.token());
        json["meta"] = Value::Null;
        bodies.push(json);
    }
    assert_eq!(bodies[0], bodies[1]);
    for wrong in ["c", "", "A", "a,b"] {
        let answer = api.call(Call::get("/v1/sessions").header("tandem-chain", wrong)).await;
        answer.problem(400, "bad-parameter");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_paged_by_place() {
    let server = LIVE.server();
    let api = server.api();
    let now = now_ms(&api).await;
    let lines: Vec<_> =
        (0..7).map(|number| start(&format!("paged-{number}"), now - number * 1_000)).collect();
    let token = send(&api, &lines).await;
    let mut seen = Vec::new();
    let mut path = "/v1/sessions?anchor_id=paged&limit=3".to_owned();
    loop {
        let page = api.read(&path, &token).await;
        let sessions = page["sessions"].as_array().expect("a list").clone();
        assert!(sessions.len() <= 3, "{page}");
        seen.extend(sessions.iter().map(|session| session["id"].as_str().expect("an id").to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/sessions?anchor_id=paged&limit=3&cursor={cursor}");
    }
    assert_eq!(seen, (0..7).map(|number| format!("paged-{number}")).collect::<Vec<_>>());
}

fn start(session: &str, ts: u64) -> String {
    format!(
        r#"{{"event_id":"start","type":"session_start","ts":{ts},"session_id":"{session}","anchor_id":"paged","room_id":"r","title":"t","category":"c","anchor_name":"n","anchor_fans":1,"content_type":"x","region":"y"}}"#
    )
}
