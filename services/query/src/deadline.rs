//! Until when an answer is waited for.
//!
//! The gateway says with each question how long it still waits. Once that has passed nobody reads the
//! answer, so the work for it ends where it stands: no further look into a store is begun, and the
//! capacity goes to those who still wait. The answer then is 504, for a gateway whose clock is a
//! little slower. (A gateway that hangs up has the same effect at once: the server drops the work.)
//! Without the header there is no deadline: what isn't a number is passed over, as a read must not
//! fail over it.

use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tandem_model::headers;
use tandem_model::problem::Problem;
use tokio::time::timeout;

use crate::answer::Failure;

/// Around every call.
pub(crate) async fn within(request: Request, next: Next) -> Response {
    let text = request.headers().get(headers::TIMEOUT_MS).and_then(|value| value.to_str().ok());
    let Some(ms) = text.and_then(|text| text.parse().ok()) else { return next.run(request).await };
    // With 0 it is not even begun: a handler that never waits would come to its end all the same.
    if ms > 0
        && let Ok(response) = timeout(Duration::from_millis(ms), next.run(request)).await
    {
        return response;
    }
    let detail = "the time for this answer has passed: nothing more was done for it";
    Failure::from(Problem::deadline(detail)).into_response()
}
