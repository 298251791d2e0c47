//! The admin port's pages. The port is served by the loop that serves every port of the system.
//!
//! | path | answers |
//! |---|---|
//! | `GET /metrics` | everything in the [`catalogue`] that this process has |
//! | `GET /healthz` | 200 as long as the process answers: for whoever restarts what hangs |
//! | `GET /readyz` | 200 if all checks hold, else 503; each check by name, with its reason |

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{StatusCode, header};
use serde::Serialize;

use crate::{Health, Telemetry, catalogue};

/// The pages, as a service.
pub fn router(telemetry: Telemetry, health: Health) -> Router {
    // What the checks last found is a metric, too, so that an alert can say which one it is.
    let checked = health.clone();
    telemetry.source_async(move || {
        let health = checked.clone();
        async move {
            let report = health.report().await;
            let mut samples = crate::Samples::default();
            let all = [("all", report.ready)];
            for (name, ready) in report.checks.iter().map(|check| (check.name, check.ready)).chain(all) {
                samples.set(&catalogue::HEALTH, &[name], f64::from(u8::from(ready)));
            }
            samples
        }
    });
    Router::new()
        .route("/metrics", get(metrics).with_state(telemetry))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready).with_state(health))
}

async fn metrics(State(telemetry): State<Telemetry>) -> Response {
    match telemetry.text().await {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "no metrics");
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

async fn alive() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "status": "alive" }))
}

async fn ready(State(health): State<Health>) -> Response {
    let report = health.report().await;
    json(if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &*report)
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("pages hold only plain data with text as keys");
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json")), no_store], body).into_response()
}
