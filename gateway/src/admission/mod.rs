//! Load shedding: who goes first when there is more to do than the chains can, and who is sent away.
//!
//! The layer stands behind the rate limits, so that who asks is known and abuse is gone, and before
//! everything that costs. It says what a read is worth ([`priority`]), how long its client waits for it
//! ([`deadline`]), and notes from answers which sessions are on air. The decision itself falls where a
//! question to the chains begins ([`Gate`]): an answer from memory, or a seat at a question that is
//! under way, costs nothing behind the gateway, and is nobody's to refuse. What is decided is decided
//! in [`tandem_admission`].
//!
//! Events are not reads: they have a bound of their own (`bodies_max`), and neither can push the other
//! out. Whoever watches over us, and operators, always pass.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, StatusCode};
use tandem_model::problem::Problem;
use tower::{Layer, Service};

use crate::answer::{Answer, problem};
use crate::headers::STATE;
use crate::stack::Inner;

mod config;
mod deadline;
mod gate;
mod priority;

pub use config::AdmissionConfig;
pub(crate) use deadline::remaining_ms;
pub(crate) use gate::{Gate, Shed};
pub(crate) use priority::{Priority, priority_of};

/// Says what each read is worth, and until when it is.
#[derive(Clone)]
pub(crate) struct AdmissionLayer(pub(crate) Arc<Gate>);

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        Admission { inner, gate: Arc::clone(&self.0) }
    }
}

/// See [`AdmissionLayer`].
#[derive(Clone)]
pub(crate) struct Admission<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S: Inner<B>, B> Service<Request<B>> for Admission<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(worth) = priority::of(&request, &self.gate) else {
            return self.inner.call(request).boxed();
        };
        let deadline = match deadline::of(request.headers()) {
            Ok(deadline) => deadline,
            Err(reason) => return ready(Ok(problem(&reason))).boxed(),
        };
        let (class, pair) = (worth.class, worth.pair);
        request.extensions_mut().insert(Priority { class, tenant: worth.tenant, deadline });
        let gate = Arc::clone(&self.gate);
        let answering = self.inner.call(request);
        async move {
            let answered = match deadline {
                None => answering.await,
                Some(deadline) => match tokio::time::timeout_at(deadline, answering).await {
                    Ok(answered) => answered,
                    Err(_) => {
                        gate.note_expired();
                        return Ok(problem(&too_late()));
                    }
                },
            };
            answered.map(|mut answer| {
                let state = answer.headers_mut().remove(STATE);
                if let Some(pair) = pair
                    && answer.status().is_success()
                {
                    gate.note_screen(pair, state.is_some_and(|state| state == "live"));
                }
                // Many may have been told the same together; they shall not come back together.
                if answer.status() == StatusCode::SERVICE_UNAVAILABLE
                    && answer.extensions().get::<Shed>().is_some()
                {
                    answer.headers_mut().insert(RETRY_AFTER, gate.retry_after_s(class).into());
                }
                answer
            })
        }
        .boxed()
    }
}

fn too_late() -> Problem {
    Problem::deadline(
        "there was no answer within the time of your Tandem-Timeout-Ms: allow more, or try again",
    )
}

/// The answer to one that was sent away.
pub(crate) fn shed(shed: Shed) -> Answer {
    let detail = match shed.is_cap() {
        true => "more reads are under way than there is room for: try again in a moment",
        false => {
            "more is asked for than can be answered in time, and others go first: try again after Retry-After"
        }
    };
    let mut answer = problem(&Problem::unavailable(detail));
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer.extensions_mut().insert(shed);
    answer
}

#[cfg(test)]
mod tests;
