//! `POST /v1/definitions`: an operator defines a computed metric anew, from a moment to come.
//!
//! The definition is written into the log, where both chains find it, and whoever reads the past. What can
//! be told from the order alone is told at once; whether its version follows the newest one is decided where
//! it stands in the log, and `GET /v1/catalog/metrics` shows it.

use bytes::Bytes;
use http::{Request, StatusCode};
use tandem_ingest::wall_ms;
use tandem_model::Definition;
use tandem_model::definition::{DefinitionSpoken, NOTICE_MS, PARTITION};
use tandem_model::problem::Problem;
use tower::BoxError;

use crate::answer::{self, Answer, problem};

use crate::config::ClockMode;
use crate::orders::{self, PATIENCE};
use crate::stack::Shared;

/// How much earlier than it could the gateway takes a definition, in milliseconds: on its way into the log
/// time goes on.
const ON_THE_WAY_MS: u64 = 5_000;

/// Takes a definition in.
pub(crate) async fn post<B>(shared: &Shared, request: Request<B>) -> Answer
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let order: Definition = match orders::read(request, "define metrics").await {
        Ok(order) => order,
        Err(refused) => return *refused,
    };
    let formula = match order.read() {
        Ok((_, formula)) => formula.to_string(),
        Err(reason) => return problem(&Problem::bad_parameter(reason)),
    };
    let earliest = wall_ms() + NOTICE_MS + ON_THE_WAY_MS;
    if shared.clock == ClockMode::Live && order.from < earliest {
        let seconds = (NOTICE_MS + ON_THE_WAY_MS) / 1_000;
        let detail = format!("`from` lies at least {seconds} seconds ahead: {earliest} or later");
        return problem(&Problem::bad_parameter(detail));
    }
    let order = Definition { formula, ..order };
    tracing::warn!(
        metric = order.metric,
        version = order.version,
        from = order.from,
        "a metric is defined anew"
    );
    match tokio::time::timeout(PATIENCE, shared.ingest.define(&order)).await {
        Ok(Ok(at)) => {
            let Definition { metric, version, formula, from, .. } = order;
            let partition = PARTITION.0;
            let spoken = DefinitionSpoken { metric, version, formula, from, partition, at };
            answer::json(StatusCode::ACCEPTED, &spoken)
        }
        Ok(Err(error)) => problem(&error.problem()),
        Err(_) => problem(&Problem::unavailable(
            "the definition may stand in the log or not: look in /v1/catalog/metrics; giving it again does no harm",
        )),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::testing::{World, get, json_of, saying};

    #[tokio::test]
    async fn a_definition_goes_into_the_log_and_what_can_not_hold_is_refused() {
        let world = World::new([saying("a"), saying("b")], ClockMode::Live);
        let from = wall_ms() + 3_600_000;
        let good = json!({"metric": "aov_fen", "version": 2, "formula": "(gmv_fen - refund_fen) / orders",
            "from": from, "reason": "what is given back was not sold"});
        for at in 0..2 {
            let answer = world.post("/v1/definitions", &[], &good.to_string()).await;
            assert_eq!(answer.status(), 202);
            let said = json!({"metric": "aov_fen", "version": 2, "formula": "(gmv_fen-refund_fen)/orders",
                "from": from, "partition": 0, "at": at});
            assert_eq!(json_of(&answer), said);
        }
        for (field, wrong) in [
            ("metric", json!("gmv_fen")),
            ("metric", json!("nothing")),
            ("formula", json!("gmv_fen")),
            ("formula", json!("gmv_fen/nothing")),
            ("from", json!(wall_ms() + NOTICE_MS)),
            ("from", json!(-1)),
            ("reason", json!(" ")),
            ("version", json!("2")),
            ("more", json!(1)),
        ] {
            let mut order = good.clone();
            order[field] = wrong;
            let status = world.post("/v1/definitions", &[], &order.to_string()).await.status();
            assert_eq!(status, 400, "{order}");
        }
        let mut nobody = get("/v1/definitions");
        *nobody.method_mut() = Method::POST;
        assert_eq!(world.send(nobody).await.status(), 401);
        assert_eq!(world.ask(Method::GET, "/v1/definitions", &[]).await.status(), 405);
    }

    /// Where time is replayed, the log alone knows what time it is.
    #[tokio::test]
    async fn who_replays_names_moments_of_the_log() {
        let world = World::new([saying("a"), saying("b")], ClockMode::Replay);
        let order = json!({"metric": "fan_rate", "version": 2, "formula": "new_fans/views", "from": 1,
            "reason": "x"});
        assert_eq!(world.post("/v1/definitions", &[], &order.to_string()).await.status(), 202);
    }
}
