//! One reading of every request, whichever version it came by.
//!
//! HTTP/1 is judged byte by byte before hyper sees it ([`server`](crate::server)); here the verdict
//! becomes an answer. Of HTTP/2, whose frames leave no doubt where a request ends, hyper has checked
//! the rest (names in lower case, no fields of a connection, as much data as was announced); what is
//! left are the path and the host, which follow the same rules as for HTTP/1.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::header::{CONNECTION, HOST, HeaderValue};
use http::{Method, Request, StatusCode, Version};
use tandem_model::problem::Problem;
use tandem_strict::{Violation, check_host, check_path};
use tower::{BoxError, Layer, Service};

use crate::answer::{Answer, problem};
use crate::counters::Counters;
use crate::server::Arrival;
use crate::stack::Inner;

/// Refuses what is malformed or ambiguous.
#[derive(Clone)]
pub(crate) struct StrictLayer(pub(crate) Arc<Counters>);

impl<S> Layer<S> for StrictLayer {
    type Service = Strict<S>;

    fn layer(&self, inner: S) -> Strict<S> {
        Strict { inner, counters: Arc::clone(&self.0) }
    }
}

/// See [`StrictLayer`].
#[derive(Clone)]
pub(crate) struct Strict<S> {
    inner: S,
    counters: Arc<Counters>,
}

impl<S, B> Service<Request<B>> for Strict<S>
where
    S: Inner<B>,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let arrival = request.extensions().get::<Arrival>().filter(|arrival| arrival.is_guarded).cloned();
        let Some(arrival) = arrival else {
            return match check(&request) {
                Ok(()) => self.inner.call(request).boxed(),
                Err(violation) => {
                    self.counters.violations.of(violation).add_one();
                    ready(Ok(refused(violation))).boxed()
                }
            };
        };
        if let Some(refusal) = arrival.edge.refusal(arrival.request) {
            return ready(Ok(closing(refusal.violation))).boxed();
        }
        let has_body = !request.body().is_end_stream();
        let answering = self.inner.call(request);
        async move {
            let answer = if has_body {
                tokio::select! {
                    biased;
                    // The body breaks the rules: whatever was begun with it is dropped.
                    refusal = arrival.edge.until_refused(arrival.request) => Ok(closing(refusal.violation)),
                    answer = answering => answer,
                }
            } else {
                answering.await
            };
            if matches!(&answer, Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS) {
                arrival.edge.upgrade();
            }
            answer
        }
        .boxed()
    }
}

/// Checks what the guard has not seen.
fn check<B>(request: &Request<B>) -> Result<(), Violation> {
    if request.method() == Method::CONNECT {
        return Err(Violation::MethodNotImplemented);
    }
    let uri = request.uri();
    match uri.path_and_query().map(|target| target.as_str()) {
        Some("*") if request.method() == Method::OPTIONS => {}
        Some(target) => check_path(target.as_bytes())?,
        None => return Err(Violation::TargetForm),
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().map(|value| check_host(value.as_bytes())).transpose()?;
    if hosts.next().is_some() {
        return Err(Violation::HostRepeated);
    }
    let target = uri.authority().map(|authority| check_host(authority.as_str().as_bytes())).transpose()?;
    let port_default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    match (target, host) {
        (Some(target), Some(host)) if !host.means(&target, port_default) => Err(Violation::HostDisagrees),
        (None, None) if request.version() == Version::HTTP_2 => Err(Violation::HostMissing),
        _ => Ok(()),
    }
}

fn refused(violation: Violation) -> Answer {
    let detail = violation.sentence();
    let reason = match violation.status() {
        414 => Problem::target_too_long(detail),
        431 => Problem::header_too_large(detail),
        501 => Problem::not_implemented(detail),
        505 => Problem::version_not_supported(detail),
        _ => Problem::bad_request(detail),
    };
    problem(&reason.with("violation", violation.name()))
}

/// Where the next request begins is not known after such a one.
fn closing(violation: Violation) -> Answer {
    let mut answer = refused(violation);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

#[cfg(test)]
mod tests {
    use http::Response;
    use http_body_util::Full;
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::testing::{get, json_of};

    async fn ask(request: Request<Bytes>) -> Answer {
        let inner =
            service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Bytes::from("in"))));
        StrictLayer(Arc::default()).layer(inner).oneshot(request.map(Full::new)).await.unwrap()
    }

    fn http_2(uri: &str, hosts: &[&'static str]) -> Request<Bytes> {
        let mut request = get(uri);
        *request.version_mut() = Version::HTTP_2;
        for host in hosts {
            request.headers_mut().append(HOST, HeaderValue::from_static(host));
        }
        request
    }

    #[tokio::test]
    async fn paths_and_hosts_are_judged_as_those_of_http_1() {
        for good in [
            http_2("http://x/v1/sessions?a=%2F", &[]),
            http_2("http://x/", &["X:80"]),
            http_2("https://x:443/", &["x"]),
            http_2("/v1", &["x"]),
            get("/"),
        ] {
            assert_eq!(ask(good).await.body(), "in");
        }
        for (bad, status, name) in [
            (http_2("http://x/v1/../internal", &[]), 400, "dot-segment"),
            (http_2("http://x/v1/%2e%2e/internal", &[]), 400, "dot-segment"),
            (http_2("http://x//", &[]), 400, "empty-segment"),
            (http_2("http://x/%zz", &[]), 400, "percent-encoding"),
            (http_2("http://x/%2f", &[]), 400, "encoded-separator"),
            (http_2("http://me@x/", &[]), 400, "host-user"),
            (http_2("http://x/", &["y"]), 400, "host-disagrees"),
            (http_2("http://x/", &["x", "x"]), 400, "host-repeated"),
            (http_2("http://x/", &["a b"]), 400, "host"),
            (http_2("/v1", &[]), 400, "host-missing"),
            (http_2("*", &["x"]), 400, "target-form"),
        ] {
            let uri = bad.uri().clone();
            let answer = ask(bad).await;
            let problem = json_of(&answer);
            assert_eq!((answer.status().as_u16(), &problem["violation"]), (status, &name.into()), "{uri}");
            // A stream is refused, not its connection.
            assert!(!answer.headers().contains_key(CONNECTION));
        }
        let mut connect = http_2("http://x/", &[]);
        *connect.method_mut() = Method::CONNECT;
        assert_eq!(ask(connect).await.status(), 501);
    }

    #[test]
    fn every_violation_has_a_problem_of_its_status() {
        for violation in Violation::ALL {
            assert_eq!(refused(*violation).status().as_u16(), violation.status(), "{violation:?}");
        }
    }
}
