//! Who asks: a key, a token or a signature in the Authorization header. It stands before anything that
//! costs something, a body above all. A few pages are public.
//!
//! # Guessing
//! What is not taken counts for the address it comes from, dearer than a request ([`RouteClass::Failure`]),
//! and whoever has no such units left is answered 429. Two kinds of credential differ there:
//!
//! - Keys of tenants and signatures are checked all the same. Their secrets can't be guessed, to check one
//!   costs a microsecond, and behind the address of one guesser there may be thousands of honest users. So
//!   a good one is let in, and a bad one is told 429, whether its key exists or not.
//! - Tokens, which are dear to check, and the operator's key, which somebody may have chosen badly, are not
//!   looked at then; except those that were good here not long ago ([`Known`]).
//!
//! Who shows nothing counts like everybody else without a key.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use http::Request;
use http::header::AUTHORIZATION;
use tandem_identity::{Caller, Head, is_strong};
use tandem_limits::RouteClass;
use tandem_model::problem::Problem;
use tandem_shield::Who;
use tower::{Layer, Service};

use crate::answer::{Answer, problem};
use crate::callers::{Callers, NotLetIn};
use crate::limits::{self, Limits};
use crate::shield::Guard;
use crate::stack::Inner;

pub(crate) use known::Known;

mod known;
mod protocol;

/// What everybody may read.
const PUBLIC: [&str; 8] = [
    "/",
    "/robots.txt",
    "/healthz",
    "/readyz",
    "/v1/status",
    "/v1/openapi.json",
    "/v1/asyncapi.json",
    "/v1/docs",
];

/// Lets in who shows who he is, and notes the [`Caller`] in the request's
/// extensions; of a signed request also the [`SignedBody`](crate::callers::SignedBody).
#[derive(Clone)]
pub(crate) struct AuthLayer {
    pub(crate) callers: Arc<Callers>,
    pub(crate) limits: Arc<Limits>,
    /// It is told of those who are not let in.
    pub(crate) guard: Arc<Guard>,
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        let Self { callers, limits, guard } = self;
        let (callers, limits, guard) = (Arc::clone(callers), Arc::clone(limits), Arc::clone(guard));
        Auth { inner, door: Arc::new(Door { callers, limits, guard }) }
    }
}

/// See [`AuthLayer`].
#[derive(Clone)]
pub(crate) struct Auth<S> {
    inner: S,
    door: Arc<Door>,
}

struct Door {
    callers: Arc<Callers>,
    limits: Arc<Limits>,
    guard: Arc<Guard>,
}

impl<S: Inner<B>, B> Service<Request<B>> for Auth<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Answer, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Pages in browsers can't set the header where they open a stream.
        protocol::move_key(&mut request);
        match self.door.admit(&mut request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            // With another method than to read it, it is told so like everybody.
            Err(_) if is_public(request.uri().path()) => Either::Left(self.inner.call(request)),
            Err(TurnedAway { answer, replayed }) => {
                let is_shown = request.headers().contains_key(AUTHORIZATION);
                let answer = match (&replayed, is_shown) {
                    (Some(caller), _) => self.door.guard.replayed(&request, caller, answer),
                    (None, true) => self.door.guard.at_the_door(&request, Who::Failed, answer),
                    (None, false) => self.door.guard.at_the_door(&request, Who::Nobody, answer),
                };
                Either::Right(ready(Ok(*answer)))
            }
        }
    }
}

/// Who is not let in.
struct TurnedAway {
    answer: Box<Answer>,
    /// Whose signature it was that came a second time.
    replayed: Option<Box<Caller>>,
}

impl From<Answer> for TurnedAway {
    fn from(answer: Answer) -> Self {
        Self { answer: Box::new(answer), replayed: None }
    }
}

impl Door {
    /// Notes in the request who sent it.
    fn admit<B>(&self, request: &mut Request<B>) -> Result<(), TurnedAway> {
        let mut shown = request.headers().get_all(AUTHORIZATION).iter();
        let shown = match (shown.next(), shown.next()) {
            (None, _) => return Err(self.shows_nothing(request).into()),
            (Some(shown), None) => Some(shown.as_bytes()),
            // Several are never taken.
            (Some(_), Some(_)) => None,
        };
        let nobody = limits::nobody_at(request);
        let now_ns = self.limits.now_ns();
        let weak = shown.filter(|shown| !is_strong(shown)).map(|shown| self.callers.known().name(shown));
        if let Some(weak) = weak
            && !self.callers.known().has(weak)
            && let Some(decision) = self.limits.limiter.would_refuse(&nobody, RouteClass::Failure, now_ns)
            && let Some(refused) = limits::refused(&decision)
        {
            return Err(refused.into());
        }
        let head = Head { method: request.method(), uri: request.uri(), headers: request.headers() };
        match self.callers.identify(head) {
            Ok((caller, shown_to_go_on, signed_body)) => {
                if let Some(weak) = weak {
                    self.callers.known().add(weak, now_ns);
                }
                request.extensions_mut().insert(caller);
                request.extensions_mut().insert(shown_to_go_on);
                if let Some(signed_body) = signed_body {
                    request.extensions_mut().insert(signed_body);
                }
                Ok(())
            }
            Err(NotLetIn { reason, replayed }) if reason.status == 401 => {
                if let Some(weak) = weak {
                    self.callers.known().remove(weak);
                }
                let decision = self.limits.limiter.decide(&nobody, RouteClass::Failure, now_ns);
                let answer = limits::refused(&decision).unwrap_or_else(|| problem(&reason));
                Err(TurnedAway { answer: Box::new(answer), replayed })
            }
            // Not his fault.
            Err(refused) => Err(problem(&refused.reason).into()),
        }
    }

    /// Of public pages the limits count behind this layer.
    fn shows_nothing<B>(&self, request: &Request<B>) -> Answer {
        let head = Head { method: request.method(), uri: request.uri(), headers: request.headers() };
        let answer = match self.callers.identify(head) {
            Err(refused) => problem(&refused.reason),
            // There was nothing to take.
            Ok(_) => problem(&Problem::unauthorized("send your key")),
        };
        if is_public(request.uri().path()) {
            return answer;
        }
        let class = limits::class_of(request.method(), request.uri().path());
        let nobody = limits::nobody_at(request);
        let decision = class.map(|class| self.limits.limiter.decide(&nobody, class, self.limits.now_ns()));
        decision.and_then(|decision| limits::refused(&decision)).unwrap_or(answer)
    }
}

/// Whether everybody may read this page.
pub(crate) fn is_public(path: &str) -> bool {
    PUBLIC.contains(&path)
}

#[cfg(test)]
mod tests;
