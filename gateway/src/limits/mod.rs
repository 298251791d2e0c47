//! Rate limits. They stand behind authentication, so that callers are counted by who they are, and
//! before anything that costs: bodies, chains.
//!
//! Who is limited gets 429 with `Retry-After`; every answer about a limited path says in
//! `RateLimit` what is left. What is decided is decided in [`tandem_limits`].

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Request};
use tandem_identity::Caller;
use tandem_limits::{
    CallerKind, Decision, LIMIT_FIELD, Leases, Limiter, NOWHERE, POLICY_FIELD, RouteClass, Subject,
    VIOLATED_POLICIES,
};
use tandem_model::problem::Problem;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::answer::{Answer, problem};
use crate::client_address::ClientAddress;
use crate::stack::Inner;

mod class;
mod config;
mod share;

pub(crate) use class::of as class_of;
pub use config::{LimitsConfig, LimitsConfigError};
pub(crate) use share::share;

const LIMIT: HeaderName = HeaderName::from_static(LIMIT_FIELD);
const POLICY: HeaderName = HeaderName::from_static(POLICY_FIELD);

/// The limiter and its clock.
pub(crate) struct Limits {
    pub(crate) limiter: Limiter,
    started: Instant,
}

impl Limits {
    pub(crate) fn new(config: &LimitsConfig) -> Self {
        // The standard library seeds its hashers from the system, which nobody outside sees.
        let secret = [RandomState::new().hash_one(0_u8), RandomState::new().hash_one(1_u8)];
        let leases = Leases::new(config.leases);
        let limiter = Limiter::new(config.rules.clone(), config.keys, leases, secret);
        Self { limiter, started: Instant::now() }
    }

    /// Counts one more report of somebody who asks for several at once: the refusal, where that is too much.
    pub(crate) fn spend_report(&self, caller: &Caller, address: IpAddr) -> Result<(), Box<Answer>> {
        let subject = subject(Some(caller), address);
        let decision = self.limiter.decide(&subject, RouteClass::Report, self.now_ns());
        match decision.retry_after_s() {
            None => Ok(()),
            Some(retry_after_s) => Err(Box::new(refusal(&decision, retry_after_s))),
        }
    }

    /// Now, in nanoseconds of a clock that does not go back.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Lets through what the limits allow.
#[derive(Clone)]
pub(crate) struct LimitLayer(pub(crate) Arc<Limits>);

impl<S> Layer<S> for LimitLayer {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, limits: Arc::clone(&self.0) }
    }
}

/// See [`LimitLayer`].
#[derive(Clone)]
pub(crate) struct Limited<S> {
    inner: S,
    limits: Arc<Limits>,
}

impl<S: Inner<B>, B> Service<Request<B>> for Limited<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(class) = class::of(request.method(), request.uri().path()) else {
            return self.inner.call(request).boxed();
        };
        let now_ns = self.limits.now_ns();
        let decision = self.limits.limiter.decide(&subject_of(&request), class, now_ns);
        if let Some(refused) = refused(&decision) {
            return ready(Ok(refused)).boxed();
        }
        let answering = self.inner.call(request);
        async move { answering.await.map(|answer| announced(answer, &decision)) }.boxed()
    }
}

/// Who asks, for the limits: the one place that knows how authentication says it.
fn subject_of<B>(request: &Request<B>) -> Subject<'_> {
    let extensions = request.extensions();
    let address = extensions.get::<ClientAddress>().map_or(NOWHERE, |client| client.0);
    subject(extensions.get::<Caller>(), address)
}

fn subject(caller: Option<&Caller>, address: IpAddr) -> Subject<'_> {
    match caller {
        None => Subject { kind: CallerKind::Anonymous, key: None, tenant: None, address },
        Some(caller) => {
            let kind = if caller.is_operator() { CallerKind::Operator } else { CallerKind::Tenant };
            Subject { kind, key: Some(&caller.key_id), tenant: Some(&caller.tenant), address }
        }
    }
}

/// Who asks from there and has shown nothing.
pub(crate) fn nobody_at<B>(request: &Request<B>) -> Subject<'static> {
    let address = request.extensions().get::<ClientAddress>().map_or(NOWHERE, |client| client.0);
    Subject { kind: CallerKind::Anonymous, key: None, tenant: None, address }
}

/// The answer to who is limited, where he is.
pub(crate) fn refused(decision: &Decision) -> Option<Answer> {
    let retry_after_s = decision.retry_after_s()?;
    Some(announced(refusal(decision, retry_after_s), decision))
}

fn refusal(decision: &Decision, retry_after_s: u64) -> Answer {
    let rules: Vec<&str> = decision.refused_by().collect();
    let detail = format!(
        "the limit {} is used up: try again after {retry_after_s} s, and send less; \
         the headers RateLimit and RateLimit-Policy say how much",
        rules.join(", ")
    );
    let mut answer = problem(&Problem::rate_limited(detail).with(VIOLATED_POLICIES, rules));
    answer.headers_mut().insert(RETRY_AFTER, retry_after_s.into());
    answer
}

/// The answer with what is left.
fn announced(mut answer: Answer, decision: &Decision) -> Answer {
    let fields = [(POLICY, decision.policy_field()), (LIMIT, decision.limit_field())];
    for (name, field) in fields {
        // Names of rules and numbers always make a header.
        if let Some(value) = field.and_then(|field| HeaderValue::try_from(field).ok()) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

#[cfg(test)]
mod tests;
