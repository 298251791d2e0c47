//! Who asks: `Authorization: Bearer <key>`. It stands before anything that costs something, a
//! body above all. A few pages are public.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request};
use tandem_model::problem::Problem;
use tower::{Layer, Service};

use crate::answer::{Answer, problem};
use crate::keys::{Caller, Keys};
use crate::stack::Inner;

/// What everybody may read.
const PUBLIC: [&str; 7] =
    ["/", "/healthz", "/readyz", "/v1/status", "/v1/openapi.json", "/v1/asyncapi.json", "/v1/docs"];

/// Lets in who has a key, and notes the [`Caller`] in the request's extensions.
#[derive(Clone)]
pub(crate) struct AuthLayer(pub(crate) Arc<Keys>);

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth { inner, keys: Arc::clone(&self.0) }
    }
}

/// See [`AuthLayer`].
#[derive(Clone)]
pub(crate) struct Auth<S> {
    inner: S,
    keys: Arc<Keys>,
}

impl<S: Inner<B>, B> Service<Request<B>> for Auth<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match identify(&self.keys, request.headers()) {
            Ok(caller) => _ = request.extensions_mut().insert(caller),
            Err(_) if is_public(&request) => {}
            Err(detail) => return ready(Ok(problem(&Problem::unauthorized(detail)))).boxed(),
        }
        self.inner.call(request).boxed()
    }
}

fn is_public<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && PUBLIC.contains(&request.uri().path())
}

fn identify(keys: &Keys, headers: &HeaderMap) -> Result<Caller, &'static str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(header) = all.next() else {
        return Err("send your key in the header `Authorization: Bearer <key>`");
    };
    if all.next().is_some() {
        return Err("send one Authorization header, not several");
    }
    let Some((scheme, key)) = header.as_bytes().split_at_checked(b"Bearer ".len()) else {
        return Err("the Authorization header must be `Bearer <key>`");
    };
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err("the Authorization header must be `Bearer <key>`");
    }
    keys.caller(key.trim_ascii()).ok_or("this key is not known: check it, or ask the operator for one")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderValue, Response};
    use tower::ServiceExt;

    use super::*;
    use crate::testing::{answering, get, json_of};

    async fn ask(method: Method, path: &str, authorization: &[&'static str]) -> Answer {
        let service = AuthLayer(Arc::new(Keys::new("k3y"))).layer(answering(|request| {
            let caller = request.extensions().get::<Caller>().map_or("nobody", |caller| caller.id);
            Response::new(Bytes::from(caller))
        }));
        let mut request = get(path);
        *request.method_mut() = method;
        for value in authorization {
            request.headers_mut().append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        service.oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_key_opens_and_nothing_else_does() {
        for good in ["Bearer k3y", "bearer k3y", "BEARER  k3y"] {
            assert_eq!(ask(Method::GET, "/v1/sessions", &[good]).await.body(), "operator", "{good}");
        }
        for bad in [&[][..], &["k3y"], &["Basic k3y"], &["Bearer"], &["Bearer "], &["Bearer k3"]] {
            let answer = ask(Method::GET, "/v1/sessions", bad).await;
            assert_eq!(answer.status(), 401, "{bad:?}");
            assert_eq!(json_of(&answer)["type"], "urn:tandem:problem:unauthorized");
            assert!(answer.headers().contains_key("www-authenticate"));
        }
        assert_eq!(ask(Method::GET, "/v1/sessions", &["Bearer k3y", "Bearer k3y"]).await.status(), 401);
    }

    #[tokio::test]
    async fn public_pages_need_no_key_but_only_to_be_read() {
        for path in PUBLIC {
            assert_eq!(ask(Method::GET, path, &[]).await.body(), "nobody", "{path}");
            assert_eq!(ask(Method::HEAD, path, &["Bearer wrong"]).await.body(), "nobody", "{path}");
            assert_eq!(ask(Method::POST, path, &[]).await.status(), 401, "{path}");
        }
        for path in ["/v1/status/", "/v1/events", "/internal/v1/status", "//healthz"] {
            assert_eq!(ask(Method::GET, path, &[]).await.status(), 401, "{path}");
        }
    }
}
