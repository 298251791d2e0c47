//! `POST /v1/repairs`: an operator has rows of one chain computed again from the log.
//!
//! The gateway only checks who asks and for what; whoever can reach the chain's compute carries it
//! out ([`Repairs`]). Where nobody can, it says so.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use tandem_model::SessionId;
use tandem_model::problem::Problem;
use tandem_model::route::Chain;
use tower::BoxError;

use crate::answer::{self, Answer, problem};
use crate::keys::Caller;
use crate::stack::Shared;

/// Largest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// How long the body may take, and the order.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// What is to be computed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepairRequest {
    /// The chain whose rows are wrong.
    pub chain: Chain,
    /// Only this partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Only this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Why, for people: 1 to [`REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// What was ordered: it begins at once, and goes on after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairOrdered {
    /// The chain.
    pub chain: Chain,
    /// The partitions it is about.
    pub partitions: Vec<u32>,
}

/// Why nothing was ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairRefused {
    /// There is no such partition.
    Unknown(String),
    /// The chain's row store did not take the order; again in a moment.
    Unavailable(String),
}

/// Who can have rows computed again.
#[async_trait]
pub trait Repairs: Send + Sync {
    /// Orders it. Answers once the order is kept for good.
    async fn repair(&self, request: RepairRequest) -> Result<RepairOrdered, RepairRefused>;
}

/// Takes an order in.
pub(crate) async fn post<B>(shared: &Shared, request: Request<B>) -> Answer
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    if !parts.extensions.get::<Caller>().is_some_and(|caller| caller.is_operator) {
        return problem(&Problem::forbidden("only an operator's key may order a repair"));
    }
    let Some(repairs) = shared.repairs.get() else {
        return problem(&Problem::not_found(
            "this gateway reaches no compute: order repairs at the control group",
        ));
    };
    let reading = Limited::new(body, BODY_BYTES_MAX).collect();
    let Ok(Ok(body)) = tokio::time::timeout(PATIENCE, reading).await else {
        return problem(&Problem::bad_request(format!(
            "send the order as JSON, at most {BODY_BYTES_MAX} bytes"
        )));
    };
    let order: RepairRequest = match serde_json::from_slice(&body.to_bytes()) {
        Ok(order) => order,
        Err(error) => return problem(&Problem::bad_request(format!("this is no order: {error}"))),
    };
    let chars = order.reason.trim().chars().count();
    if !(1..=REASON_CHARS_MAX).contains(&chars) {
        return problem(&Problem::bad_parameter(format!(
            "`reason` must have 1 to {REASON_CHARS_MAX} characters"
        )));
    }
    if order.partition.is_some() && order.session_id.is_some() {
        return problem(&Problem::bad_parameter("name a partition or a session, not both"));
    }
    match tokio::time::timeout(PATIENCE, repairs.repair(order)).await {
        Ok(Ok(ordered)) => answer::json(StatusCode::ACCEPTED, &ordered),
        Ok(Err(RepairRefused::Unknown(what))) => problem(&Problem::bad_parameter(what)),
        Ok(Err(RepairRefused::Unavailable(why))) => problem(&Problem::unavailable(&why)),
        Err(_) => problem(&Problem::unavailable(
            "the order may have been kept or not: giving it again does no harm",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::config::ClockMode;
    use crate::testing::{World, get, json_of, saying};

    struct Taking;

    #[async_trait]
    impl Repairs for Taking {
        async fn repair(&self, request: RepairRequest) -> Result<RepairOrdered, RepairRefused> {
            match request.partition {
                Some(partition) if partition > 1 => {
                    Err(RepairRefused::Unknown("no such partition".to_owned()))
                }
                Some(partition) => Ok(RepairOrdered { chain: request.chain, partitions: vec![partition] }),
                None => Err(RepairRefused::Unavailable("not now".to_owned())),
            }
        }
    }

    #[tokio::test]
    async fn an_operators_order_is_passed_on_and_anything_else_refused() {
        let world = World::new([saying("a"), saying("b")], ClockMode::Live);
        let good = json!({"chain": "b", "partition": 1, "reason": "wrong row"}).to_string();
        assert_eq!(world.post("/v1/repairs", &[], &good).await.status(), 404, "nobody to carry it out");
        world.gateway.allow_repairs(Arc::new(Taking));
        let answer = world.post("/v1/repairs", &[], &good).await;
        assert_eq!(answer.status(), 202);
        assert_eq!(json_of(&answer), json!({"chain": "b", "partitions": [1]}));
        let cases = [
            (json!({"chain": "b", "partition": 7, "reason": "x"}), 400),
            (json!({"chain": "b", "reason": "x"}), 503),
            (json!({"chain": "c", "reason": "x"}), 400),
            (json!({"chain": "b", "reason": " "}), 400),
            (json!({"chain": "b", "reason": "x".repeat(501)}), 400),
            (json!({"chain": "b", "partition": 1, "session_id": "s", "reason": "x"}), 400),
            (json!({"chain": "b", "session_id": "not an id", "reason": "x"}), 400),
            (json!({"chain": "b", "partitions": 1, "reason": "x"}), 400),
        ];
        for (order, status) in cases {
            assert_eq!(world.post("/v1/repairs", &[], &order.to_string()).await.status(), status, "{order}");
        }
        let mut nobody = get("/v1/repairs");
        *nobody.method_mut() = Method::POST;
        assert_eq!(world.send(nobody).await.status(), 401);
        assert_eq!(world.ask(Method::GET, "/v1/repairs", &[]).await.status(), 405);
    }
}
