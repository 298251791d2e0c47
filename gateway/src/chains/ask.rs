//! One question to one chain, and what came of it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri};
use serde::Deserialize;
use tandem_identity::Caller;
use tandem_model::problem::{CONTENT_TYPE, Problem};
use tandem_model::route::Signpost;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::ChainService;
use crate::admission::remaining_ms;
use crate::answer::Answer;
use crate::headers::{self, ROUTE, SCOPE, STALE, TIMEOUT_MS, TOKEN, WAIT_MS};
use crate::panics;

/// What every chain is asked for one read.
#[derive(Clone)]
pub(crate) struct Ask {
    uri: Uri,
    headers: HeaderMap,
    /// Until when the client wants the answer.
    deadline: Option<Instant>,
}

/// What a chain may do when it is behind the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Say so at once.
    None,
    /// Wait this long first.
    Wait(Duration),
    /// Answer with what it has.
    Stale,
}

/// What came of a question.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An answer below 500: final, whatever it says. And one that says that it is being prepared: the
    /// chain is well, and the other one would say the same.
    Good(Answer),
    /// The chain has not read as far as the token.
    Behind(Answer),
    /// The chain answered that it can't.
    Refused(Answer),
    /// No answer in time.
    TimedOut,
    /// No answer at all.
    Broken,
}

/// What came of a question, and the newest route that the chain named with it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) outcome: Outcome,
    pub(crate) signpost: Option<Signpost>,
}

impl Ask {
    /// The read in `parts`; chains are told the newest route that is known here, and what the caller
    /// may see. Every question that comes of the read says the same: the first, the one that is asked
    /// after it, and copies.
    pub(crate) fn new(parts: &Parts, newest: Option<Signpost>, deadline: Option<Instant>) -> Self {
        let mut headers = headers::to_chain(&parts.headers);
        // Without it a query node shows what is public.
        if let Some(caller) = parts.extensions.get::<Caller>() {
            headers.insert(SCOPE, caller.scope_header.clone());
        }
        if let Some(newest) = newest {
            let value = HeaderValue::try_from(newest.to_string());
            headers.insert(ROUTE, value.expect("digits, a colon and a letter are visible ASCII"));
        }
        Self { uri: parts.uri.clone(), headers, deadline }
    }

    /// The same of any age: for an answer that nobody reads.
    pub(crate) fn without_token(&self) -> Self {
        let mut ask = self.clone();
        ask.headers.remove(TOKEN);
        ask.deadline = None;
        ask
    }

    fn request(&self, leave: Leave, timeout: Duration) -> Request<Bytes> {
        let mut request = Request::new(Bytes::new());
        // HEAD is asked as GET: its answer has the same header, and the server leaves out the body.
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        // Each question anew: the second chain has what the first has left.
        headers.insert(TIMEOUT_MS, remaining_ms(timeout, self.deadline).into());
        match leave {
            Leave::None => {}
            Leave::Wait(wait) => _ = headers.insert(WAIT_MS, (wait.as_millis() as u64).into()),
            Leave::Stale => _ = headers.insert(STALE, HeaderValue::from_static("1")),
        }
        request
    }

    /// Asks one chain.
    pub(crate) async fn of(&self, chain: ChainService, leave: Leave, timeout: Duration) -> Answered {
        let timeout = match leave {
            Leave::Wait(wait) => timeout + wait,
            Leave::None | Leave::Stale => timeout,
        };
        put(chain, self.request(leave, timeout), timeout).await
    }
}

async fn put(chain: ChainService, request: Request<Bytes>, timeout: Duration) -> Answered {
    // A chain in our own process may panic; that is its failure, not the request's.
    let answering = AssertUnwindSafe(chain.oneshot(request)).catch_unwind();
    let outcome = match tokio::time::timeout(timeout, answering).await {
        Err(_) => Outcome::TimedOut,
        Ok(Err(panic)) => {
            tracing::error!(panic = panics::message(&*panic), "a chain panicked");
            Outcome::Broken
        }
        Ok(Ok(Err(error))) => {
            tracing::warn!(error, "a chain did not answer");
            Outcome::Broken
        }
        Ok(Ok(Ok(answer))) => return judge(answer),
    };
    Answered { outcome, signpost: None }
}

/// Asks a chain for a page that clients never get.
pub(crate) async fn internal(chain: ChainService, path: &'static str, timeout: Duration) -> Option<Answer> {
    let ask = Ask { uri: Uri::from_static(path), headers: HeaderMap::new(), deadline: None };
    match ask.of(chain, Leave::None, timeout).await.outcome {
        Outcome::Good(answer) if answer.status() == StatusCode::OK => Some(answer),
        _ => None,
    }
}

/// Puts an order to a chain; what it answers, whatever that is.
pub(crate) async fn post_internal(
    chain: ChainService,
    path: &'static str,
    body: Bytes,
    timeout: Duration,
) -> Option<Answer> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(path);
    match put(chain, request, timeout).await.outcome {
        Outcome::Good(answer) | Outcome::Behind(answer) | Outcome::Refused(answer) => Some(answer),
        Outcome::TimedOut | Outcome::Broken => None,
    }
}

fn judge(mut answer: Answer) -> Answered {
    let named = answer.headers().get(ROUTE).and_then(|value| value.to_str().ok());
    let signpost = named.and_then(Signpost::parse);
    *answer.headers_mut() = headers::to_client(std::mem::take(answer.headers_mut()));
    let outcome = match answer.status() {
        status if status.as_u16() < 500 => Outcome::Good(answer),
        StatusCode::SERVICE_UNAVAILABLE if is(&answer, &Problem::behind_token("")) => Outcome::Behind(answer),
        StatusCode::SERVICE_UNAVAILABLE if is(&answer, &Problem::in_preparation("")) => Outcome::Good(answer),
        _ => Outcome::Refused(answer),
    };
    Answered { outcome, signpost }
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

/// Whether the answer is a problem of this kind.
fn is(answer: &Answer, problem: &Problem) -> bool {
    let content_type = answer.headers().get(http::header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_some_and(|value| value.starts_with(CONTENT_TYPE.as_bytes()))
        && serde_json::from_slice::<Kind>(answer.body()).is_ok_and(|found| found.kind == problem.kind)
}
