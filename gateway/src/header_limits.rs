//! Limits on the header that hold for HTTP/1.1 and HTTP/2 alike. Hyper has limits of its own, a
//! little wider: they keep memory bounded while a header is read, and answer without a word. Here
//! the client hears what was too large.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use http::{HeaderMap, Request, Uri};
use tandem_model::problem::Problem;
use tower::{Layer, Service};

use crate::answer::{Answer, problem};
use crate::stack::Inner;

/// Most header fields.
pub(crate) const FIELDS_MAX: usize = 64;
/// Longest header, names and values together, in bytes. A token alone may take 16 KiB.
pub(crate) const BYTES_MAX: usize = 24 * 1024;
/// Longest path with its query, in bytes.
pub(crate) const TARGET_BYTES_MAX: usize = 8 * 1024;

/// Refuses requests whose header is too large.
#[derive(Clone, Copy)]
pub(crate) struct HeaderLimitLayer;

impl<S> Layer<S> for HeaderLimitLayer {
    type Service = HeaderLimits<S>;

    fn layer(&self, inner: S) -> HeaderLimits<S> {
        HeaderLimits { inner }
    }
}

/// See [`HeaderLimitLayer`].
#[derive(Clone)]
pub(crate) struct HeaderLimits<S> {
    inner: S,
}

impl<S: Inner<B>, B> Service<Request<B>> for HeaderLimits<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Answer, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match too_large(request.uri(), request.headers()) {
            None => Either::Left(self.inner.call(request)),
            Some(detail) => Either::Right(ready(Ok(problem(&Problem::header_too_large(detail))))),
        }
    }
}

fn too_large(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let target_bytes = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let (what, max) = match () {
        () if target_bytes > TARGET_BYTES_MAX => ("bytes in path and query", TARGET_BYTES_MAX),
        () if headers.len() > FIELDS_MAX => ("header fields", FIELDS_MAX),
        () if bytes > BYTES_MAX => ("bytes of header", BYTES_MAX),
        () => return None,
    };
    Some(format!("at most {max} {what} are taken: send less"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Response};
    use tower::ServiceExt;

    use super::*;
    use crate::testing::{answering, get};

    async fn status(request: Request<bytes::Bytes>) -> u16 {
        let service = HeaderLimitLayer.layer(answering(|_| Response::default()));
        service.oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn fields_bytes_and_target_are_limited() {
        assert_eq!(status(get("/")).await, 200);
        let with_fields = |count: usize| {
            let mut request = get("/");
            for index in 0..count {
                let name = HeaderName::try_from(format!("x-{index}")).unwrap();
                request.headers_mut().insert(name, HeaderValue::from_static("v"));
            }
            request
        };
        assert_eq!(status(with_fields(FIELDS_MAX)).await, 200);
        assert_eq!(status(with_fields(FIELDS_MAX + 1)).await, 431);
        let with_bytes = |bytes: usize| {
            let mut request = get("/");
            request.headers_mut().insert("tandem-token", HeaderValue::try_from("x".repeat(bytes)).unwrap());
            request
        };
        assert_eq!(status(with_bytes(16 * 1024)).await, 200);
        assert_eq!(status(with_bytes(BYTES_MAX)).await, 431);
        assert_eq!(status(get(&format!("/{}", "x".repeat(TARGET_BYTES_MAX)))).await, 431);
    }
}
