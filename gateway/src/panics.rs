//! A panic below becomes a 500: one request is lost, not the connection with all its streams.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use tandem_model::problem::Problem;
use tower::{Layer, Service};

use crate::answer::{Answer, problem};
use crate::stack::Inner;

/// Catches panics.
#[derive(Clone, Copy)]
pub(crate) struct PanicLayer;

impl<S> Layer<S> for PanicLayer {
    type Service = Panics<S>;

    fn layer(&self, inner: S) -> Panics<S> {
        Panics { inner }
    }
}

/// See [`PanicLayer`].
#[derive(Clone)]
pub(crate) struct Panics<S> {
    inner: S,
}

impl<S: Inner<B>, B> Service<Request<B>> for Panics<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Nothing is looked at again after a panic but what is shared, and that is atomics and
        // locks which don't stay poisoned.
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(answering) => AssertUnwindSafe(answering)
                .catch_unwind()
                .map(|outcome| outcome.unwrap_or_else(|panic| Ok(caught(&*panic))))
                .boxed(),
            Err(panic) => {
                let answer = caught(&*panic);
                async move { Ok(answer) }.boxed()
            }
        }
    }
}

fn caught(panic: &(dyn Any + Send)) -> Answer {
    tracing::error!(panic = message(panic), "a request panicked");
    problem(&Problem::internal(
        "this is a fault of ours and has been logged; name the Tandem-Request-Id when you report it",
    ))
}

/// What a panic says.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::testing::{answering, get, json_of};

    #[tokio::test]
    async fn a_panic_before_and_after_an_await_is_a_500() {
        let before = PanicLayer.layer(answering(|_| panic!("at once")));
        let answer = before.oneshot(get("/")).await.unwrap();
        assert_eq!(answer.status(), 500);
        assert_eq!(json_of(&answer)["type"], "urn:tandem:problem:internal");

        let after = PanicLayer.layer(service_fn(async |_: Request<Bytes>| -> Result<Answer, Infallible> {
            tokio::task::yield_now().await;
            panic!("{}", "later")
        }));
        assert_eq!(after.oneshot(get("/")).await.unwrap().status(), 500);
    }

    #[tokio::test]
    async fn what_does_not_panic_passes() {
        let calm = PanicLayer.layer(answering(|_| Response::new(Bytes::from_static(b"fine"))));
        assert_eq!(calm.oneshot(get("/")).await.unwrap().body(), "fine");
    }
}
