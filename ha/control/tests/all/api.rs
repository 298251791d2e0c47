use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tandem_control::{Control, Founders, MemberId, Node, NodeOptions, OperatorKey, api};
use tandem_model::route::Chain;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::node::{KEY, switch};

struct Api {
    member: Node,
    router: Router,
    stopping: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Api {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let member = Node::start(NodeOptions {
            id: MemberId(1),
            folder: folder.path().to_owned(),
            addresses: [(MemberId(1), "http://127.0.0.1:1".parse().unwrap())].into(),
            founders: Founders::Configured,
            key: OperatorKey::new(KEY),
            settings: tandem_group::Settings::default(),
            judging: tandem_failover::Settings::default(),
        })
        .unwrap();
        let (stopping, stopped) = watch::channel(false);
        let router = api::router(member.clone(), OperatorKey::new(KEY), stopped, &serde_json::json!([]));
        Self { member, router, stopping, _folder: folder }
    }

    async fn ask(&self, method: Method, path: &str, key: Option<&str>, body: &str) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("authorization", key);
        }
        self.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        json_of(self.ask(Method::GET, path, Some(&bearer()), "").await).await
    }

    async fn switch(&self, body: &str) -> (u16, Value) {
        json_of(self.ask(Method::POST, "/control/v1/switch", Some(&bearer()), body).await).await
    }
}

async fn json_of(answer: Response<Body>) -> (u16, Value) {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_switch_is_decided_once_and_shows_in_the_state() {
    let api = Api::new();
    let (status, state) = api.get("/control/v1/state").await;
    assert_eq!((status, &state["route"]["active"], &state["route"]["epoch"]), (200, &json!("a"), &json!(1)));
    assert!(state["now_ms"].as_u64().unwrap() > 1_700_000_000_000, "{state}");
    for _ in 0..2 {
        let (status, switched) = api.switch(r#"{"to":"b","reason":"planned work","break_glass":true}"#).await;
        assert_eq!((status, &switched["route"]["epoch"]), (200, &json!(2)), "{switched}");
    }
    let (_, state) = api.get("/control/v1/state?history=1").await;
    assert_eq!(state["route"], json!({"active": "b", "epoch": 2, "reason": "planned work"}));
    assert_eq!(state["history"].as_array().unwrap().len(), 1);
    assert_eq!(state["history"][0]["epoch"], 2);
}

#[tokio::test]
async fn only_operators_get_anything() {
    let api = Api::new();
    for key in [None, Some("Bearer wrong"), Some("operator-key"), Some("Basic operator-key"), Some("Bearer")]
    {
        for path in ["/control/v1/state", "/control/v1/switch", "/anything"] {
            let answer = api.ask(Method::GET, path, key, "").await;
            assert_eq!(answer.status(), 401, "{key:?} {path}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            assert!(answer.headers().contains_key("www-authenticate"));
        }
    }
    assert_eq!(api.member.current().await.unwrap().epoch, 1);
}

#[tokio::test]
async fn bad_questions_are_told_what_is_wrong() {
    let api = Api::new();
    let cases = [
        ("/control/v1/state?wait_ms=30001&after_epoch=1", 400, "0 to 30000"),
        ("/control/v1/state?after_epoch=x", 400, "`after_epoch` takes"),
        ("/control/v1/state?history=257", 400, "0 to 256"),
        ("/control/v1/state?wait=5", 400, "`wait` is not known"),
        ("/control/v1/nothing", 404, "/control/v1/state"),
        ("/control/v1/switch", 405, "takes POST"),
    ];
    for (path, expected, words) in cases {
        let (status, problem) = api.get(path).await;
        assert_eq!(status, expected, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    let long = format!(r#"{{"to":"b","reason":"{}","within_ms":0}}"#, "x".repeat(501));
    let huge = format!(r#"{{"to":"b","reason":"{}"}}"#, "x".repeat(20_000));
    let bodies = [
        ("", "the body must be"),
        (r#"{"to":"c","reason":"r"}"#, "unknown variant `c`"),
        (r#"{"to":"b"}"#, "missing field `reason`"),
        (r#"{"to":"b","reason":"r","force":true}"#, "unknown field `force`"),
        (r#"{"to":"b","reason":"r","within_ms":300001}"#, "0 to 300000"),
        (r#"{"to":"b","reason":" ","within_ms":0}"#, "1 to 500 characters"),
        (&long, "1 to 500 characters"),
        (&huge, "16384 bytes at most"),
    ];
    for (body, words) in bodies {
        let (status, problem) = api.switch(body).await;
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    assert_eq!(api.member.current().await.unwrap().epoch, 1);
}

#[tokio::test]
async fn a_question_waits_for_the_next_decision_and_no_longer() {
    let api = Api::new();
    // An epoch that is not the present one, on either side, is answered at once.
    for epoch in [0, 7] {
        let (_, state) = api.get(&format!("/control/v1/state?after_epoch={epoch}&wait_ms=30000")).await;
        assert_eq!(state["route"]["epoch"], 1);
    }
    let (_, state) = api.get("/control/v1/state?after_epoch=1&wait_ms=1").await;
    assert_eq!(state["route"]["epoch"], 1);

    let waiting = api.get("/control/v1/state?after_epoch=1&wait_ms=30000");
    let deciding = async {
        tokio::task::yield_now().await;
        switch(&api.member, Chain::B).await;
    };
    let ((_, state), ()) = tokio::join!(waiting, deciding);
    assert_eq!(state["route"]["epoch"], 2);

    let waiting = api.get("/control/v1/state?after_epoch=2&wait_ms=30000");
    let stopping = async {
        tokio::task::yield_now().await;
        api.stopping.send_replace(true);
    };
    let ((status, state), ()) = tokio::join!(waiting, stopping);
    assert_eq!((status, &state["route"]["epoch"]), (200, &json!(2)));
}

fn bearer() -> String {
    format!("Bearer {KEY}")
}
