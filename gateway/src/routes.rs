//! Which path is whose.
//!
//! Only what begins with `/v1/` ever reaches a chain, and only to be read: pages that query nodes
//! keep for the gateway (`/internal/…`) can't be asked for from outside, however they are spelt.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{ALLOW, HeaderValue};
use http::{Method, Request, StatusCode};
use tandem_identity::Caller;
use tandem_model::problem::Problem;
use tower::{BoxError, Service};

use crate::answer::{Answer, problem, see_other, with_body};
use crate::auth::is_public;
use crate::stack::Shared;
use crate::{conditional, definitions, events, health, repairs, shield, status, streams, verdicts};

/// For crawlers that ask before they come: the page of documentation is for everybody, figures are nobody's to collect.
const ROBOTS: &[u8] = b"User-agent: *\nAllow: /v1/docs\nDisallow: /\n";

/// The innermost service: answers every request.
#[derive(Clone)]
pub(crate) struct Routes {
    shared: Arc<Shared>,
}

impl Routes {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl<B> Service<Request<B>> for Routes
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        async move { Ok(answer(&shared, request).await) }.boxed()
    }
}

async fn answer<B>(shared: &Shared, request: Request<B>) -> Answer
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/v1/events" if request.method() == Method::POST => events::post(shared, request).await,
        "/v1/repairs" if request.method() == Method::POST => repairs::post(shared, request).await,
        "/v1/verdicts" if request.method() == Method::POST => verdicts::post(shared, request).await,
        "/v1/definitions" if request.method() == Method::POST => definitions::post(shared, request).await,
        "/v1/events" | "/v1/repairs" | "/v1/verdicts" | "/v1/definitions" => not_allowed("POST"),
        "/" | "/robots.txt" | "/healthz" | "/readyz" | "/v1/status" if !is_read => not_allowed("GET, HEAD"),
        "/" => see_other("/v1/docs"),
        "/robots.txt" => with_body(StatusCode::OK, "text/plain; charset=utf-8", Bytes::from_static(ROBOTS)),
        "/healthz" => health::alive(),
        "/readyz" => health::ready(shared).await,
        "/v1/status" => {
            let is_operator = request.extensions().get::<Caller>().is_some_and(Caller::is_operator);
            status::answer(shared, is_operator).await
        }
        path if is_read && let Some(id) = shield::page::asked(path) => {
            shield::page::answer(&shared.guard, request.extensions().get::<Caller>(), id)
        }
        path if path.starts_with("/v1/") && is_read => {
            // A body on a read means nothing; it is not even read.
            let (parts, _) = request.into_parts();
            if let Some(caller) = parts.extensions.get::<Caller>()
                && !caller.may.read
                && !is_public(parts.uri.path())
            {
                return problem(&Problem::forbidden(
                    "this key may send events and not read: use another one",
                ));
            }
            if let Some(wanted) = streams::wanted(&parts.uri) {
                return shared.streams.open(parts, wanted).await;
            }
            conditional::answer(&parts.headers, shared.reads.answer(&parts).await)
        }
        path if path.starts_with("/v1/") => not_allowed("GET, HEAD"),
        _ => problem(&Problem::not_found("the API is below /v1; /v1/docs describes it")),
    }
}

fn not_allowed(allowed: &'static str) -> Answer {
    let detail = format!("this path takes {allowed}");
    let mut answer = problem(&Problem::method_not_allowed(detail));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

#[cfg(test)]
mod tests;
