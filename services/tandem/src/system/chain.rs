//! A query node in this process, as the gateway sees it.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use tandem_gateway::ChainService;
use tower::{BoxError, Service, ServiceExt, service_fn};

/// Makes a query node's router answer with whole bodies. The node is asked in the caller's own
/// task: dropping the future stops the work.
pub(super) fn service<R, B>(router: R) -> ChainService
where
    R: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    R::Error: Into<BoxError>,
    R::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    ChainService::new(service_fn(move |request: Request<Bytes>| {
        let router = router.clone();
        async move {
            let response = router.oneshot(request.map(Full::new)).await.map_err(Into::into)?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(Into::into)?.to_bytes();
            Ok::<_, BoxError>(Response::from_parts(head, body))
        }
    }))
}
