//! The control API over HTTP: its own port, for operators and for the processes of the system.
//!
//! | call | does |
//! |---|---|
//! | `GET /control/v1/state?history=20` | route, last decisions, the node's clock |
//! | `GET /control/v1/state?after_epoch=N&wait_ms=M` | the same, but waits up to M ms while the epoch is N |
//! | `POST /control/v1/switch` `{"to":"b","reason":"…"}` | decides; asking twice decides once |
//!
//! Everything needs the operator's key. Errors are `application/problem+json`.
//!
//! A follower waits with its question rather than asking again and again: it hears of a decision
//! at once, and an idle system is quiet. An epoch *beyond* the present one is answered at once, so
//! that a follower sees that this node knows less than it does.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use tandem_model::problem::{self, Problem};
use tokio::sync::{Semaphore, watch};

use crate::local::wall_ms;
use crate::wire::{HISTORY_DEFAULT, STATE_PATH, SWITCH_PATH, Switch, Switched, WAIT_MS_MAX};
use crate::{Control, ControlError, HISTORY_MAX, OperatorKey, wire};

/// How many questions may wait for a decision at one time; one more is answered with 503.
const WAITING_MAX: usize = 4_096;
/// Largest body, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

struct Shared {
    control: Arc<dyn Control>,
    key: OperatorKey,
    stopping: watch::Receiver<bool>,
    waiting: Semaphore,
}

/// The API over `control`. Questions that wait are answered at once when `stopping` becomes true,
/// so that a stop need not wait for them.
pub fn router(control: Arc<dyn Control>, key: OperatorKey, stopping: watch::Receiver<bool>) -> Router {
    let shared = Arc::new(Shared { control, key, stopping, waiting: Semaphore::new(WAITING_MAX) });
    Router::new()
        .route(STATE_PATH, get(state))
        .route(SWITCH_PATH, post(switch))
        .fallback(|| async {
            answer(&Problem::not_found(format!("the control API has {STATE_PATH} and {SWITCH_PATH}")))
        })
        .method_not_allowed_fallback(|request: Request| async move {
            let allowed = if request.uri().path() == SWITCH_PATH { "POST" } else { "GET, HEAD" };
            let mut refused =
                answer(&Problem::method_not_allowed(format!("{} takes {allowed}", request.uri().path())));
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            refused
        })
        .layer(from_fn_with_state(Arc::clone(&shared), authenticate))
        .with_state(shared)
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
        let (mut route, mut stopping) = (shared.control.route(), shared.stopping.clone());
        tokio::select! {
            _ = route.wait_for(|route| route.epoch != after_epoch) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = tokio::time::sleep(Duration::from_millis(asked.wait_ms)) => {}
        }
    }
    let read = async {
        let route = shared.control.current().await?;
        let history = match asked.history {
            0 => Vec::new(),
            limit => shared.control.history(limit).await?,
        };
        Ok::<_, ControlError>(wire::State { route, history, now_ms: wall_ms() })
    };
    match read.await {
        Ok(state) => json(&state),
        Err(error) => answer(&problem_of(&error)),
    }
}

struct StateParameters {
    after_epoch: Option<u64>,
    wait_ms: u64,
    history: usize,
}

impl StateParameters {
    fn of(query: &str) -> Result<Self, Problem> {
        let mut asked = Self { after_epoch: None, wait_ms: 0, history: HISTORY_DEFAULT };
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
                _ => {
                    return Err(Problem::bad_parameter(format!(
                        "`{name}` is not known: there are `after_epoch`, `wait_ms` and `history`"
                    )));
                }
            }
        }
        Ok(asked)
    }
}

async fn switch(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let asked = match body(request.into_body()).await {
        Ok(asked) => asked,
        Err(refused) => return answer(&refused),
    };
    match shared.control.switch(asked.to, asked.reason).await {
        Ok(route) => json(&Switched { route }),
        Err(error) => answer(&problem_of(&error)),
    }
}

async fn body(body: Body) -> Result<Switch, Problem> {
    let reading = Limited::new(body, BODY_BYTES_MAX).collect();
    let bytes = match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(_)) => {
            return Err(Problem::bad_request(format!("send a whole body of {BODY_BYTES_MAX} bytes at most")));
        }
        Err(_) => return Err(Problem::request_timeout("the body did not arrive in time: send it again")),
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::bad_request(format!(
            "the body must be {{\"to\":\"a\" or \"b\",\"reason\":\"why, for people\"}}: {error}"
        ))
    })
}

fn problem_of(error: &ControlError) -> Problem {
    match error {
        ControlError::BadReason => Problem::bad_request(error.to_string()),
        ControlError::Unreachable { .. } | ControlError::Held { .. } => {
            Problem::unavailable(error.to_string())
        }
        ControlError::Store { .. } => {
            tracing::error!(error = error as &dyn std::error::Error, "a decision could not be kept");
            Problem::unavailable("the decision could not be kept: see the log of the control node")
        }
        ControlError::Damaged { .. } | ControlError::Refused { .. } => {
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
