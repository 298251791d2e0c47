//! Outermost: every request gets an id, which stands in the answer and in every line logged about
//! it. An id from outside is not taken over: it could be anybody's, or a forged log line.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderValue, Request};
use tower::{Layer, Service};
use tracing::Instrument;

use crate::answer::Answer;
use crate::headers::REQUEST_ID;
use crate::stack::Inner;

/// Digits of the largest count.
const COUNT_DIGITS_MAX: usize = 20;

/// The id of a request. In its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

/// Gives out ids: a random number of this process, and a count.
#[derive(Clone)]
pub(crate) struct RequestIdLayer {
    process: u64,
    count: Arc<AtomicU64>,
}

impl RequestIdLayer {
    pub(crate) fn new() -> Self {
        // The standard library seeds its hashers from the system: random enough to tell processes
        // apart, which is all that is asked of it.
        Self { process: RandomState::new().hash_one(0_u8), count: Arc::default() }
    }

    /// By hand: every request pays for it.
    fn next(&self) -> HeaderValue {
        const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 16 + 1 + COUNT_DIGITS_MAX];
        for (place, digit) in text[..16].iter_mut().enumerate() {
            *digit = HEXADECIMAL[(self.process >> (60 - 4 * place)) as usize & 15];
        }
        let mut count = self.count.fetch_add(1, Ordering::Relaxed);
        let digits = count.checked_ilog10().unwrap_or(0) as usize + 1;
        for digit in text[17..17 + digits].iter_mut().rev() {
            *digit = b'0' + (count % 10) as u8;
            count /= 10;
        }
        HeaderValue::from_bytes(&text[..17 + digits]).expect("digits and letters make a header")
    }
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = Identifying<S>;

    fn layer(&self, inner: S) -> Identifying<S> {
        Identifying { inner, ids: self.clone() }
    }
}

/// See [`RequestIdLayer`].
#[derive(Clone)]
pub(crate) struct Identifying<S> {
    inner: S,
    ids: RequestIdLayer,
}

impl<S: Inner<B>, B> Service<Request<B>> for Identifying<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let value = self.ids.next();
        request.headers_mut().remove(REQUEST_ID);
        request.extensions_mut().insert(RequestId(value.clone()));
        let id = value.to_str().unwrap_or_default();
        let span =
            tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
        let answering = self.inner.call(request).instrument(span);
        async move {
            let mut answer = answering.await?;
            answer.headers_mut().insert(REQUEST_ID, value);
            Ok(answer)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;
    use crate::testing::{answering, get};

    #[test]
    fn an_id_is_the_process_and_a_count() {
        for count in [0, 1, 9, 10, 99, 100, 1_234_567_890, u64::MAX] {
            let ids = RequestIdLayer { process: 0x00ab_0123_4567_89ef, count: Arc::new(count.into()) };
            assert_eq!(ids.next(), format!("00ab0123456789ef-{count}"));
        }
    }

    #[tokio::test]
    async fn ids_are_ours_and_differ() {
        let service = RequestIdLayer::new().layer(answering(|request| {
            assert_eq!(request.headers().get(REQUEST_ID), None);
            http::Response::default()
        }));
        let mut ids = Vec::new();
        for _ in 0..2 {
            let mut request = get("/");
            request.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("forged"));
            let answer = service.clone().oneshot(request).await.unwrap();
            ids.push(answer.headers()[REQUEST_ID].to_str().unwrap().to_owned());
        }
        assert_ne!(ids[0], ids[1]);
        assert!(!ids.contains(&"forged".to_owned()));
    }
}
