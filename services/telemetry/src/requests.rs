//! Requests of a query node, by route and status.
//!
//! The route is the template that matched (`/v1/sessions/{id}/report`), never the path: paths hold
//! ids that users choose.

use std::task::{Context, Poll};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use futures::future::BoxFuture;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};
use tandem_model::route::Chain;
use tower::{Layer, Service};

use crate::{Telemetry, catalogue};

/// Measures what passes. For [`axum::Router::layer`], so that the route is known.
#[derive(Clone)]
pub struct RequestsLayer {
    meters: Meters,
}

/// See [`RequestsLayer`].
#[derive(Clone)]
pub struct Requests<S> {
    inner: S,
    meters: Meters,
}

#[derive(Clone)]
struct Meters {
    chain: KeyValue,
    requests: Counter<u64>,
    seconds: Histogram<f64>,
    running: UpDownCounter<i64>,
}

impl RequestsLayer {
    /// For a query node of `chain`.
    pub fn new(telemetry: &Telemetry, chain: Chain) -> Self {
        let meters = Meters {
            chain: KeyValue::new("chain", chain.name()),
            requests: telemetry.counter(&catalogue::QUERY_REQUESTS),
            seconds: telemetry.histogram(&catalogue::QUERY_SECONDS),
            running: telemetry.level(&catalogue::QUERY_RUNNING),
        };
        Self { meters }
    }
}

impl<S> Layer<S> for RequestsLayer {
    type Service = Requests<S>;

    fn layer(&self, inner: S) -> Requests<S> {
        Requests { inner, meters: self.meters.clone() }
    }
}

impl<S> Service<Request> for Requests<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let matched = request.extensions().get::<MatchedPath>();
        let route = matched.map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
        let meters = self.meters.clone();
        let running = Running::new(meters.running.clone(), meters.chain.clone());
        let began = Instant::now();
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = answering.await?;
            drop(running);
            let route = KeyValue::new("route", route);
            let labels = [meters.chain, route];
            meters.seconds.record(began.elapsed().as_secs_f64(), &labels);
            let [chain, route] = labels;
            let status = KeyValue::new("status", i64::from(response.status().as_u16()));
            meters.requests.add(1, &[chain, route, status]);
            Ok(response)
        })
    }
}

/// A request under way; one that is dropped is not.
struct Running {
    level: UpDownCounter<i64>,
    chain: [KeyValue; 1],
}

impl Running {
    fn new(level: UpDownCounter<i64>, chain: KeyValue) -> Self {
        let chain = [chain];
        level.add(1, &chain);
        Self { level, chain }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.level.add(-1, &self.chain);
    }
}
