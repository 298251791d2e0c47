//! Whose events are taken, through the whole stack, over chains that know some sessions.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use parking_lot::Mutex;
use serde_json::Value;

use super::*;
use crate::ChainService;
use crate::answer::{Answer, problem};
use crate::config::ClockMode;
use crate::testing::{World, chain, get, json_of, tenant_key, tenant_keys};

pub(super) fn enter(session: &str) -> String {
    format!(r#"{{"event_id":"e","type":"enter","ts":1000,"session_id":"{session}","user_id":"u"}}"#)
}

pub(super) fn start(session: &str, anchor: &str) -> String {
    format!(
        r#"{{"event_id":"s","type":"session_start","ts":1000,"session_id":"{session}","anchor_id":"{anchor}","room_id":"r","title":"t","category":"c","anchor_name":"n","anchor_fans":1,"content_type":"live","region":"zj"}}"#
    )
}

type Asked = Arc<Mutex<Vec<String>>>;

/// A chain that knows `own` (of anchor a1), `foreign` (of a2) and `nameless` (started by nobody).
fn knowing(asked: &Asked) -> ChainService {
    let asked = Arc::clone(asked);
    chain(move |request: Request<Bytes>| {
        assert_eq!(request.headers()["tandem-scope"], tandem_model::Scope::All.encode());
        let session = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let anchor = match session.as_str() {
            "own" => Some(r#""a1""#),
            "foreign" => Some(r#""a2""#),
            "nameless" => Some("null"),
            _ => None,
        };
        asked.lock().push(session);
        let answer = match anchor {
            Some(anchor) => Response::new(Bytes::from(format!(r#"{{"session":{{"anchor_id":{anchor}}}}}"#))),
            None => problem(&Problem::unknown_session("no such session")),
        };
        async { Ok(answer) }
    })
}

fn world() -> (World, Asked) {
    let asked = Asked::default();
    let world = World::new([knowing(&asked), knowing(&asked)], ClockMode::Live);
    world.gateway.use_keys(tenant_keys());
    (world, asked)
}

async fn send(world: &World, lines: &[String]) -> Answer {
    let mut request = get("/v1/events");
    *request.method_mut() = Method::POST;
    *request.body_mut() = Bytes::from(lines.join("\n"));
    let key = format!("Bearer {}", tenant_key("write").to_text());
    request.headers_mut().insert("authorization", HeaderValue::try_from(key).unwrap());
    world.send(request).await
}

fn written(world: &World) -> u64 {
    world.shared.ingest.log().ends().borrow().iter().sum()
}

#[tokio::test]
async fn events_of_own_sessions_are_taken_and_others_refused_as_a_whole() {
    let cases: [(&[String], u16); 12] = [
        (&[enter("own")], 200),
        (&[enter("foreign")], 403),
        (&[enter("nobodys")], 403),
        (&[enter("nameless")], 403),
        (&[enter("own"), enter("foreign")], 403),
        (&[start("new", "a1"), enter("new")], 200),
        (&[enter("new"), start("new", "a1")], 200),
        (&[start("new", "a2"), enter("new")], 403),
        (&[start("new", "a1"), start("new", "a2")], 403),
        // Nobody takes over a session by starting it again.
        (&[start("foreign", "a1")], 403),
        (&[start("nameless", "a1")], 200),
        (&[start("own", "a2")], 403),
    ];
    for (lines, status) in cases {
        let (world, _) = world();
        let answer = send(&world, lines).await;
        assert_eq!(answer.status().as_u16(), status, "{lines:?}");
        let expected = if status == 200 { lines.len() as u64 } else { 0 };
        assert_eq!(written(&world), expected, "{lines:?}");
        assert_eq!(world.gateway.counts().callers.foreign, u64::from(status == 403));
    }
}

#[tokio::test]
async fn bad_lines_of_others_sessions_are_refused_too_and_nameless_ones_are_not() {
    let (world, _) = world();
    let bad =
        |session: &str| format!(r#"{{"event_id":"e","type":"enter","ts":"x","session_id":"{session}"}}"#);
    assert_eq!(send(&world, &[bad("foreign")]).await.status(), 403);
    assert_eq!(written(&world), 0);
    assert_eq!(send(&world, &[bad("own"), "nonsense".to_owned()]).await.status(), 422);
    assert_eq!(written(&world), 2);
}

#[tokio::test]
async fn what_is_somebody_elses_and_what_is_nobodys_are_told_alike() {
    let told = async |session: &str| {
        let (world, _) = world();
        let answer = send(&world, &[enter("own"), enter(session), enter(session)]).await;
        String::from_utf8(answer.body().to_vec()).unwrap().replace(session, "it")
    };
    let foreign = told("foreign").await;
    assert_eq!(foreign, told("nobodys").await);
    let body: Value = serde_json::from_str(&foreign).unwrap();
    let error = &body["errors"][0];
    assert_eq!((&error["line"], &error["lines"], &error["session_id"]), (&2.into(), &2.into(), &"it".into()));
    assert_eq!(body["errors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn own_sessions_are_remembered_and_others_asked_for_each_time() {
    let (world, asked) = world();
    for _ in 0..3 {
        assert_eq!(send(&world, &[enter("own"), start("new", "a1")]).await.status(), 200);
    }
    assert_eq!(asked.lock().len(), 2, "{asked:?}");
    // Started by the first body; no chain knows it yet.
    assert_eq!(send(&world, &[enter("new")]).await.status(), 200);
    asked.lock().clear();
    for session in ["foreign", "nobodys"] {
        for _ in 0..3 {
            assert_eq!(send(&world, &[enter(session)]).await.status(), 403);
        }
    }
    assert_eq!(asked.lock().len(), 6, "how fast the answer comes tells nothing: {asked:?}");
}

#[tokio::test]
async fn where_no_chain_answers_nothing_is_taken_and_operators_need_none() {
    let away = || chain(|_| async { Err("away".into()) });
    let world = World::new([away(), away()], ClockMode::Live);
    world.gateway.use_keys(tenant_keys());
    let answer = send(&world, &[enter("own")]).await;
    assert_eq!((answer.status().as_u16(), written(&world)), (503, 0));
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(json_of(&answer)["type"], "urn:tandem:problem:unavailable");
    assert_eq!(world.post("/v1/events", &[], &enter("foreign")).await.status(), 200);
}

#[tokio::test]
async fn a_body_of_too_many_sessions_is_refused() {
    let (world, asked) = world();
    let lines: Vec<String> = (0..=SESSIONS_MAX).map(|index| enter(&format!("s{index}"))).collect();
    assert_eq!(send(&world, &lines).await.status(), 413);
    assert_eq!((asked.lock().len(), written(&world)), (0, 0));
}
