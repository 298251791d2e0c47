//! Who asks: a key, a token or a signature in the Authorization header. It stands before anything that
//! costs something, a body above all. A few pages are public.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::{Method, Request};
use tandem_identity::Head;
use tower::{Layer, Service};

use crate::answer::{Answer, problem};
use crate::callers::Callers;
use crate::stack::Inner;

/// What everybody may read.
const PUBLIC: [&str; 7] =
    ["/", "/healthz", "/readyz", "/v1/status", "/v1/openapi.json", "/v1/asyncapi.json", "/v1/docs"];

/// Lets in who shows who he is, and notes the [`Caller`](tandem_identity::Caller) in the request's
/// extensions; of a signed request also the [`SignedBody`](crate::callers::SignedBody).
#[derive(Clone)]
pub(crate) struct AuthLayer(pub(crate) Arc<Callers>);

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth { inner, callers: Arc::clone(&self.0) }
    }
}

/// See [`AuthLayer`].
#[derive(Clone)]
pub(crate) struct Auth<S> {
    inner: S,
    callers: Arc<Callers>,
}

impl<S: Inner<B>, B> Service<Request<B>> for Auth<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let head = Head { method: request.method(), uri: request.uri(), headers: request.headers() };
        match self.callers.identify(head) {
            Ok((caller, signed_body)) => {
                request.extensions_mut().insert(caller);
                if let Some(signed_body) = signed_body {
                    request.extensions_mut().insert(signed_body);
                }
            }
            Err(_) if is_public_read(&request) => {}
            Err(refused) => return ready(Ok(problem(&refused))).boxed(),
        }
        self.inner.call(request).boxed()
    }
}

fn is_public_read<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && is_public(request.uri().path())
}

/// Whether everybody may read this page.
pub(crate) fn is_public(path: &str) -> bool {
    PUBLIC.contains(&path)
}

#[cfg(test)]
mod tests;
