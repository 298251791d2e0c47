//! What operators order at the gateway, as JSON.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use tandem_identity::Caller;
use tandem_model::problem::Problem;
use tower::BoxError;

use crate::answer::{Answer, problem};

/// Largest body that is read, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024;
/// How long the body may take, and carrying the order out.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The order in a request of an operator; `what` says what may not be done by others.
///
/// # Errors
///
/// The answer to whoever is no operator, or sends no such order.
pub(crate) async fn read<T, B>(request: Request<B>, what: &str) -> Result<T, Box<Answer>>
where
    T: DeserializeOwned,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let refused = |reason: Problem| Box::new(problem(&reason));
    let (parts, body) = request.into_parts();
    if !parts.extensions.get::<Caller>().is_some_and(|caller| caller.is_operator()) {
        return Err(refused(Problem::forbidden(format!("only an operator's key may {what}"))));
    }
    let reading = Limited::new(body, BODY_BYTES_MAX).collect();
    let Ok(Ok(body)) = tokio::time::timeout(PATIENCE, reading).await else {
        let detail = format!("send the order as JSON, at most {BODY_BYTES_MAX} bytes");
        return Err(refused(Problem::bad_request(detail)));
    };
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| refused(Problem::bad_request(format!("this is no order: {error}"))))
}
