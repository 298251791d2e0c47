//! Streams: a report that keeps itself up to date.
//!
//! `GET /v1/sessions/{id}/stream` answers as `…/report` would, with the same parameters, and goes on:
//! first the whole report, then what changes ([`changes`]), as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>). Each event's id is a token; whoever
//! comes back with the last one in `Last-Event-ID` goes on there: with the changes since, where this
//! gateway still has that report, else with the whole one. A `Tandem-Token` says how far the client has
//! read, but not that it has the report: it gets the whole, and not before that. All this on either chain, through any
//! gateway, and never with less than was seen.
//!
//! - Nobody queues. A client that reads slowly gets the newest report's changes against what it was
//!   told last, however much lies between.
//! - A chain that fails does not end a stream, nor does a switch: they are behind the reads that the
//!   feed makes ([`feed`]).
//! - A stream ends after an hour, with a goodbye: whoever comes back shows a key that still holds.
//! - A gateway that drains says goodbye: with the token to go on with, and a pause of its own for each
//!   client, so that not all come back at once.

mod changes;
mod feed;
mod sse;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::request::Parts;
use http::{StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use parking_lot::Mutex;
use tandem_identity::Caller;
use tandem_model::Token;
use tandem_model::problem::Problem;
use tokio::sync::watch;

use self::feed::{Feeds, Reading};
use self::sse::Events;
use crate::answer::{self, Answer, problem};
use crate::headers::{CHAIN, LAST_EVENT_ID, TOKEN};
use crate::sharing::Sharing;

/// The body of an answer that goes on; stands among the answer's extensions until it is sent.
#[derive(Clone)]
pub(crate) struct Body(Arc<Mutex<Option<StreamBody>>>);

/// What such a body sends.
pub(crate) type StreamBody = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// All streams of a gateway.
pub(crate) struct Streams {
    reads: Arc<Sharing>,
    feeds: Arc<Feeds>,
    open: Arc<Open>,
    /// Whether the gateway ends.
    is_draining: watch::Sender<bool>,
}

/// How many are open, and how many may be.
struct Open {
    max: usize,
    of_one_max: usize,
    all: AtomicUsize,
    by_tenant: Mutex<HashMap<Arc<str>, usize>>,
}

/// Leave for one stream. Dropping it gives it back.
struct Leave {
    open: Arc<Open>,
    tenant: Arc<str>,
}

impl Streams {
    /// At most `max` at one time, `of_one_max` of them of one tenant.
    pub(crate) fn new(reads: Arc<Sharing>, max: usize, of_one_max: usize) -> Self {
        let open = Open { max, of_one_max, all: AtomicUsize::new(0), by_tenant: Mutex::default() };
        Self { reads, feeds: Arc::default(), open: Arc::new(open), is_draining: watch::Sender::new(false) }
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open.all.load(Ordering::Relaxed)
    }

    /// Ends all streams in good order.
    pub(crate) fn drain(&self) {
        self.is_draining.send_replace(true);
    }

    /// Answers a request for a stream of the report at `target`.
    pub(crate) async fn open(&self, parts: &Parts, target: Uri) -> Answer {
        self.opened(parts, target).await.unwrap_or_else(|refused| *refused)
    }

    async fn opened(&self, parts: &Parts, target: Uri) -> Result<Answer, Box<Answer>> {
        let refused = |reason: Problem| Box::new(problem(&reason));
        let Some(caller) = parts.extensions.get::<Caller>() else {
            return Err(refused(Problem::unauthorized("streams need a key")));
        };
        if parts.headers.contains_key(CHAIN) {
            let detail =
                "streams stay through every switch, so no chain can be named: leave out Tandem-Chain";
            return Err(refused(Problem::bad_parameter(detail)));
        }
        let (last, token) = seen(parts).map_err(refused)?;
        if *self.is_draining.borrow() {
            return Err(refused(Problem::unavailable("this gateway is closing: try again in a moment")));
        }
        let leave = Open::enter(&self.open, &caller.tenant).ok_or_else(|| {
            refused(Problem::unavailable(
                "more streams are open than there is room for: try again in a moment",
            ))
        })?;
        // Whatever is wrong with the request, the chains say it as they would of a report.
        let mut first = parts.clone();
        first.uri = target.clone();
        first.headers.remove(TOKEN);
        let mut answer = self.reads.answer(&first).await;
        if let Some(token) = token.as_ref().filter(|_| answer.status() == StatusCode::NOT_FOUND) {
            // Its beginning may be what the caller has just sent: then it is worth waiting for.
            let mut own = first.clone();
            let text = HeaderValue::try_from(token.encode()).expect("base64url makes a header");
            own.headers.insert(TOKEN, text);
            answer = self.reads.answer(&own).await;
            if answer.status() == StatusCode::OK {
                answer = self.reads.answer(&first).await;
            }
        }
        if answer.status() != StatusCode::OK {
            return Err(Box::new(answer));
        }
        let reading = Reading::of(&answer, None).ok_or_else(|| {
            refused(Problem::unavailable("the figures can't be read right now: try again in a moment"))
        })?;
        if token.as_ref().is_some_and(|token| token.log != reading.token.log) {
            let detail =
                "the log was created anew since this token was given out: start again without a token";
            return Err(refused(Problem::bad_token(detail)));
        }
        let followed = self.feeds.follow(&self.reads, &target, caller, reading);
        let events = Events::new(followed, self.is_draining.subscribe(), last, token, leave);
        let mut answer = answer::with_body(StatusCode::OK, "text/event-stream", Bytes::new());
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // For proxies that would wait until they have more.
        answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        answer.extensions_mut().insert(Body(Arc::new(Mutex::new(Some(events.into_body())))));
        Ok(answer)
    }
}

impl Body {
    /// The body, once.
    pub(crate) fn take(answer: &mut Answer) -> Option<StreamBody> {
        answer.extensions_mut().remove::<Self>()?.0.lock().take()
    }
}

/// The report that a path's stream is about, with its parameters; nothing where the path names none.
pub(crate) fn report_of(uri: &Uri) -> Option<Uri> {
    let session = uri.path().strip_suffix("/stream")?.strip_prefix("/v1/sessions/")?;
    if session.is_empty() || session.contains('/') {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("/v1/sessions/{session}/report{query}").parse().ok()
}

/// The last event of a stream that the client got, and how far it has read, that included.
fn seen(parts: &Parts) -> Result<(Option<Token>, Option<Token>), Problem> {
    let last = single(parts, &LAST_EVENT_ID)?;
    let token = single(parts, &TOKEN)?;
    let joined = match (&last, token) {
        (Some(last), Some(mut token)) if last.log == token.log => {
            token.join(last);
            Some(token)
        }
        (Some(_), Some(_)) => {
            return Err(Problem::bad_token("these tokens are of two event logs: send the last one only"));
        }
        (last, token) => token.or_else(|| last.clone()),
    };
    Ok((last, joined))
}

fn single(parts: &Parts, name: &HeaderName) -> Result<Option<Token>, Problem> {
    let mut values = parts.headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_token(format!("send the header {name} once")));
    }
    let token = Token::decode(value.to_str().unwrap_or_default());
    token.map(Some).map_err(|error| Problem::bad_token(error.to_string()))
}

impl Open {
    fn enter(open: &Arc<Self>, tenant: &Arc<str>) -> Option<Leave> {
        let mut by_tenant = open.by_tenant.lock();
        let of_one = by_tenant.get(tenant).copied().unwrap_or(0);
        if of_one >= open.of_one_max || open.all.load(Ordering::Relaxed) >= open.max {
            return None;
        }
        by_tenant.insert(Arc::clone(tenant), of_one + 1);
        open.all.fetch_add(1, Ordering::Relaxed);
        Some(Leave { open: Arc::clone(open), tenant: Arc::clone(tenant) })
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut by_tenant = self.open.by_tenant.lock();
        self.open.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(of_one) = by_tenant.get_mut(&self.tenant) {
            *of_one -= 1;
            if *of_one == 0 {
                by_tenant.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests;
