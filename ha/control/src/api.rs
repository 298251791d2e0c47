//! The control API over HTTP: its own port, for operators and for the processes of the system.
//!
//! | call | does |
//! |---|---|
//! | `GET /control/v1/state?history=20` | route, last decisions, members, how the leader sees the chains |
//! | `GET /control/v1/state?local=true` | the same as this node knows it, which may be old |
//! | `GET /control/v1/state?after_epoch=N&wait_ms=M` | as this node knows it, but waits up to M ms while the epoch is N |
//! | `POST /control/v1/switch` `{"to":"b","reason":"…"}` | decides; waits until the rules allow it |
//! | `POST /control/v1/drain` `{"chain":"b","reason":"…"}` | and `undrain`, `freeze`, `unfreeze`, `quarantine`, `release`, `block`, `unblock`, `bounds` |
//! | `GET /control/v1/members` | who is in the group |
//! | `POST /control/v1/members` `{"action":"add","id":4,"address":"http://…"}` | and `promote`, `remove`, `hand-over` |
//! | `GET /control/v1/drills` | what can be rehearsed, with what should come of it |
//! | `POST /control/v1/observations` | what gateways and control nodes see |
//! | `POST /control/v1/raft` | what members say to each other |
//!
//! Everything needs the operator's key. Errors are `application/problem+json`. Any node takes any
//! call and passes it on to the leader where that is needed; asking twice decides once.
//!
//! A follower waits with its question rather than asking again and again: it hears of a decision
//! at once, and an idle system is quiet. An epoch *beyond* the present one is answered at once, so
//! that a follower sees that this node knows less than it does.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_failover::HISTORY_MAX;
use tandem_model::problem::{self, Problem};
use tokio::sync::{Semaphore, watch};

use crate::transport::{self, BODY_BYTES_MAX as RAFT_BYTES_MAX};
use crate::wire::{
    DRILLS_PATH, FORWARDED, HISTORY_DEFAULT, MEMBERS_PATH, MemberOrder, Members, Noted, OBSERVATIONS_PATH,
    Observations, RAFT_PATH, SIMPLE, STATE_PATH, SWITCH_PATH, Simple, Switch, WAIT_MS_MAX, WITHIN_MS_MAX,
    action,
};
use crate::{Control, ControlError, Node, OperatorKey, Order};

/// How many questions may wait for a decision at one time; one more is answered with 503.
const WAITING_MAX: usize = 4_096;
/// Largest body of an operator's call, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Largest body of observations, in bytes: those of a hundred partitions.
const OBSERVATIONS_BYTES_MAX: usize = 256 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

struct Shared {
    node: Node,
    key: OperatorKey,
    stopping: watch::Receiver<bool>,
    waiting: Semaphore,
    drills: Bytes,
}

/// The API of `node`. Questions that wait are answered at once when `stopping` becomes true, so that
/// a stop need not wait for them. `drills` is the list that is shown under [`DRILLS_PATH`].
pub fn router(
    node: Node,
    key: OperatorKey,
    stopping: watch::Receiver<bool>,
    drills: &serde_json::Value,
) -> Router {
    let drills = serde_json::json!({ "drills": drills }).to_string().into();
    let waiting = Semaphore::new(WAITING_MAX);
    let shared = Arc::new(Shared { node, key, stopping, waiting, drills });
    Router::new()
        .route(STATE_PATH, get(state))
        .route(SWITCH_PATH, post(switch))
        .route(MEMBERS_PATH, get(members).post(change))
        .route(DRILLS_PATH, get(list_drills))
        .route(OBSERVATIONS_PATH, post(observe))
        .route(RAFT_PATH, post(raft))
        .route("/control/v1/{verb}", any(decide))
        .fallback(|| async { answer(&nothing_there()) })
        .method_not_allowed_fallback(|request: Request| async move { not_allowed(request.uri().path()) })
        .layer(from_fn_with_state(Arc::clone(&shared), authenticate))
        .with_state(shared)
}

fn nothing_there() -> Problem {
    let verbs: Vec<&str> = SIMPLE.iter().map(|(verb, _)| *verb).collect();
    Problem::not_found(format!(
        "the control API has {STATE_PATH}, {SWITCH_PATH}, {MEMBERS_PATH}, {DRILLS_PATH} and /control/v1/ with {}",
        verbs.join(", ")
    ))
}

fn not_allowed(path: &str) -> Response {
    let allowed = match path {
        STATE_PATH | DRILLS_PATH => "GET, HEAD",
        MEMBERS_PATH => "GET, HEAD, POST",
        _ => "POST",
    };
    let mut refused = answer(&Problem::method_not_allowed(format!("{path} takes {allowed}")));
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    refused
}

async fn authenticate(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if is_operator(&shared.key, request.headers()) {
        return next.run(request).await;
    }
    answer(&Problem::unauthorized(
        "the control API is for operators: send the operator's key in the header `Authorization: Bearer <key>`",
    ))
}

fn is_operator(key: &OperatorKey, headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (all.next(), all.next()) else { return false };
    let Some((scheme, presented)) = header.as_bytes().split_at_checked(b"Bearer ".len()) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"Bearer ") && key.matches(presented.trim_ascii())
}

async fn state(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let asked = match StateParameters::of(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(refused) => return answer(&refused),
    };
    if let Some(after_epoch) = asked.after_epoch
        && asked.wait_ms > 0
    {
        let Ok(_waiting) = shared.waiting.try_acquire() else {
            return answer(&Problem::unavailable(
                "more questions wait for a decision than there is room for: ask without wait_ms",
            ));
        };
        let (mut route, mut stopping) = (shared.node.route(), shared.stopping.clone());
        tokio::select! {
            _ = route.wait_for(|route| route.epoch != after_epoch) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = tokio::time::sleep(Duration::from_millis(asked.wait_ms)) => {}
        }
    }
    // A follower takes what it can get; whoever asks for the state gets that of now, or nothing.
    let is_local = asked.is_local || asked.after_epoch.is_some();
    if !is_local && let Err(error) = shared.node.read().await {
        return answer(&problem_of(&error));
    }
    json(&shared.node.state(asked.history, !is_local))
}

struct StateParameters {
    after_epoch: Option<u64>,
    wait_ms: u64,
    history: usize,
    is_local: bool,
}

impl StateParameters {
    fn of(query: &str) -> Result<Self, Problem> {
        let mut asked = Self { after_epoch: None, wait_ms: 0, history: HISTORY_DEFAULT, is_local: false };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let number = |max: u64| {
                value.parse().ok().filter(|number| *number <= max).ok_or_else(|| {
                    Problem::bad_parameter(format!("`{name}` takes a whole number from 0 to {max}"))
                })
            };
            match name {
                "after_epoch" => asked.after_epoch = Some(number(u64::MAX)?),
                "wait_ms" => asked.wait_ms = number(WAIT_MS_MAX)?,
                "history" => asked.history = number(HISTORY_MAX as u64)? as usize,
                "local" => {
                    asked.is_local =
                        value.parse().map_err(|_| Problem::bad_parameter("`local` takes true or false"))?;
                }
                _ => {
                    return Err(Problem::bad_parameter(format!(
                        "`{name}` is not known: there are `after_epoch`, `wait_ms`, `history` and `local`"
                    )));
                }
            }
        }
        Ok(asked)
    }
}

async fn switch(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let is_forwarded = request.headers().contains_key(FORWARDED);
    let what = "{\"to\":\"a\" or \"b\",\"reason\":\"why, for people\"}, and `by`, `break_glass`, `within_ms` \
                where wanted";
    let asked: Switch = match parsed(request.into_body(), BODY_BYTES_MAX, what).await {
        Ok(asked) => asked,
        Err(refused) => return answer(&refused),
    };
    if asked.within_ms > WITHIN_MS_MAX {
        return answer(&Problem::bad_request(format!("`within_ms` takes 0 to {WITHIN_MS_MAX}")));
    }
    reply(shared.node.ordered(Order::Switch(asked), is_forwarded).await)
}

async fn decide(State(shared): State<Arc<Shared>>, Path(verb): Path<String>, request: Request) -> Response {
    let Some((_, needs)) = SIMPLE.iter().find(|(known, _)| *known == verb) else {
        return answer(&nothing_there());
    };
    if request.method() != Method::POST {
        return not_allowed(request.uri().path());
    }
    let is_forwarded = request.headers().contains_key(FORWARDED);
    let what = match *needs {
        "chain" => "{\"chain\":\"a\" or \"b\",\"reason\":\"why, for people\"}",
        "window" => {
            "{\"window\":{\"from_ms\":…,\"to_ms\":…},\"reason\":\"why, for people\"}, in milliseconds since the epoch"
        }
        "bounds" => {
            "{\"bounds\":{…},\"reason\":\"why, for people\"}, all bounds as /control/v1/state has them"
        }
        _ => "{\"reason\":\"why, for people\"}",
    };
    let asked: Simple = match parsed(request.into_body(), BODY_BYTES_MAX, what).await {
        Ok(asked) => asked,
        Err(refused) => return answer(&refused),
    };
    let Some(action) = action(&verb, &asked) else {
        return answer(&Problem::bad_request(format!("the body must be {what}")));
    };
    reply(
        shared.node.ordered(Order::Decide { by: asked.by, reason: asked.reason, action }, is_forwarded).await,
    )
}

async fn members(State(shared): State<Arc<Shared>>) -> Response {
    // Also without a majority: then above all somebody wants to know who is missing.
    let is_linearizable = shared.node.read().await.is_ok();
    let state = shared.node.state(0, is_linearizable);
    json(&Members { members: state.members, node: state.node })
}

async fn list_drills(State(shared): State<Arc<Shared>>) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (StatusCode::OK, headers, shared.drills.clone()).into_response()
}

async fn change(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let is_forwarded = request.headers().contains_key(FORWARDED);
    let what = "{\"action\":\"add\",\"id\":4,\"address\":\"http://host:port\"}, or `promote`, `remove` or `hand-over` \
                with an `id`";
    let asked: MemberOrder = match parsed(request.into_body(), BODY_BYTES_MAX, what).await {
        Ok(asked) => asked,
        Err(refused) => return answer(&refused),
    };
    if let MemberOrder::Add { address, .. } = &asked
        && !is_address(address)
    {
        return answer(&Problem::bad_request("`address` must look like http://host:port"));
    }
    match shared.node.change(asked, is_forwarded).await {
        Ok(()) => {
            let state = shared.node.state(0, false);
            json(&Members { members: state.members, node: state.node })
        }
        Err(error) => answer(&problem_of(&error)),
    }
}

fn is_address(address: &str) -> bool {
    let parsed: Result<http::Uri, _> = address.parse();
    parsed.is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some() && uri.path() == "/")
}

async fn observe(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let what = "a list of observations";
    match parsed::<Observations>(request.into_body(), OBSERVATIONS_BYTES_MAX, what).await {
        Ok(Observations(seen)) => {
            shared.node.observe(seen);
            let route = shared.node.route().borrow().clone();
            json(&Noted { route, shunned: shared.node.shunned() })
        }
        Err(refused) => answer(&refused),
    }
}

async fn raft(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let body = match read(request.into_body(), RAFT_BYTES_MAX).await {
        Ok(body) => body,
        Err(refused) => return answer(&refused),
    };
    match transport::messages(body) {
        Some(messages) => {
            shared.node.receive(messages);
            StatusCode::NO_CONTENT.into_response()
        }
        None => answer(&Problem::bad_request("this is for control nodes among themselves")),
    }
}

async fn parsed<T: DeserializeOwned>(body: Body, bytes_max: usize, what: &str) -> Result<T, Problem> {
    let bytes = read(body, bytes_max).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request(format!("the body must be {what}: {error}")))
}

async fn read(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(_)) => Err(Problem::bad_request(format!("send a whole body of {bytes_max} bytes at most"))),
        Err(_) => Err(Problem::request_timeout("the body did not arrive in time: send it again")),
    }
}

fn reply(outcome: Result<impl Serialize, ControlError>) -> Response {
    match outcome {
        Ok(ordered) => json(&ordered),
        Err(error) => answer(&problem_of(&error)),
    }
}

fn problem_of(error: &ControlError) -> Problem {
    match error {
        ControlError::Malformed(why) => Problem::bad_request(why.clone()),
        ControlError::Ruled(why) => Problem::conflict(why.clone()),
        ControlError::Unreachable { .. } | ControlError::Held { .. } => {
            Problem::unavailable(error.to_string())
        }
        ControlError::Refused { status: 409, why, .. } => Problem::conflict(why.clone()),
        ControlError::Refused { status: 400, why, .. } => Problem::bad_request(why.clone()),
        ControlError::Disk(_) | ControlError::Unsafe(_) | ControlError::Refused { .. } => {
            tracing::error!(error = error as &dyn std::error::Error, "control failed");
            Problem::internal("see the log of the control node")
        }
    }
}

fn json(value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("answers hold only plain data");
    (StatusCode::OK, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

fn answer(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [(CONTENT_TYPE, problem::CONTENT_TYPE), (CACHE_CONTROL, "no-store")];
    let mut response = (status, headers, problem.to_json()).into_response();
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        StatusCode::UNAUTHORIZED => {
            let how = HeaderValue::from_static("Bearer realm=\"tandem control\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, how);
        }
        _ => {}
    }
    response
}
