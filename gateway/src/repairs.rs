//! `POST /v1/repairs`: an operator has rows of one chain computed again from the log.
//!
//! The gateway checks who asks and for what, and passes the order on to a query node of the chain,
//! which keeps it with the rows; compute finds it there. So a gateway needs no row store.

use bytes::Bytes;
use http::{Request, StatusCode};
use tandem_model::problem::{CONTENT_TYPE, Problem};
use tandem_model::repair::{PATH, RepairRequest};
use tower::BoxError;

use crate::answer::{self, Answer, problem};
use crate::orders::{self, PATIENCE};
use crate::stack::Shared;

/// Takes an order in.
pub(crate) async fn post<B>(shared: &Shared, request: Request<B>) -> Answer
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let order: RepairRequest = match orders::read(request, "order a repair").await {
        Ok(order) => order,
        Err(refused) => return *refused,
    };
    if let Err(why) = order.check() {
        return problem(&Problem::bad_parameter(why));
    }
    let chain = order.chain;
    tracing::warn!(
        %chain, partition = ?order.partition, session = ?order.session_id, reason = order.reason,
        "an operator orders a repair"
    );
    let order = Bytes::from(serde_json::to_vec(&order).expect("an order holds only plain data"));
    match shared.chains.post_internal(chain, PATH, order, PATIENCE).await {
        Some(answer) if answer.status() == StatusCode::ACCEPTED => {
            shared.counters.repairs_ordered.add_one();
            answer::with_body(StatusCode::ACCEPTED, "application/json", answer.into_body())
        }
        // What is wrong with the order, as the chain sees it.
        Some(answer) if answer.status() == StatusCode::BAD_REQUEST => {
            answer::with_body(StatusCode::BAD_REQUEST, CONTENT_TYPE, answer.into_body())
        }
        Some(answer) => {
            tracing::warn!(%chain, status = %answer.status(), "a repair was not ordered");
            problem(&Problem::unavailable(format!("chain {chain} does not take the order right now")))
        }
        None => problem(&Problem::unavailable(format!(
            "chain {chain} did not answer, and may have kept the order or not: giving it again does no harm"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Method, Response};
    use parking_lot::Mutex;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::ClockMode;
    use crate::orders::BODY_BYTES_MAX;
    use crate::testing::{World, chain, get, json_of, saying};

    #[tokio::test]
    async fn an_operators_order_is_passed_on_and_anything_else_refused() {
        let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
        let taking = chain({
            let heard = Arc::clone(&heard);
            move |request| {
                assert_eq!((request.method(), request.uri().path()), (&Method::POST, PATH));
                let order: Value = serde_json::from_slice(request.body()).unwrap();
                let status = match order["partition"].as_u64() {
                    Some(0..2) => 202,
                    Some(2..8) => 400,
                    Some(_) => 500,
                    None => 503,
                };
                heard.lock().push(order);
                let body = Bytes::from_static(br#"{"chain":"b","partitions":[1]}"#);
                async move { Ok(Response::builder().status(status).body(body).unwrap()) }
            }
        });
        let world = World::new([saying("a"), taking], ClockMode::Live);
        let good = json!({"chain": "b", "partition": 1, "reason": "wrong row"});
        let answer = world.post("/v1/repairs", &[], &good.to_string()).await;
        assert_eq!(answer.status(), 202);
        assert_eq!(json_of(&answer), json!({"chain": "b", "partitions": [1]}));
        assert_eq!(world.gateway.counts().repairs_ordered, 1);
        let cases = [
            (json!({"chain": "b", "partition": 7, "reason": "x"}), 400),
            (json!({"chain": "b", "partition": 9, "reason": "x"}), 503),
            (json!({"chain": "b", "reason": "x"}), 503),
            // What a chain says that does not know of repairs.
            (json!({"chain": "a", "reason": "x"}), 503),
        ];
        for (order, status) in &cases {
            assert_eq!(world.post("/v1/repairs", &[], &order.to_string()).await.status(), *status, "{order}");
        }
        let passed_on = [good, cases[0].0.clone(), cases[1].0.clone(), cases[2].0.clone()];
        assert_eq!(*heard.lock(), passed_on);
        let refused = [
            json!({"chain": "c", "reason": "x"}),
            json!({"chain": "b", "reason": " "}),
            json!({"chain": "b", "reason": "x".repeat(501)}),
            json!({"chain": "b", "partition": 1, "session_id": "s", "reason": "x"}),
            json!({"chain": "b", "session_id": "not an id", "reason": "x"}),
            json!({"chain": "b", "partitions": 1, "reason": "x"}),
            json!({"chain": "b", "reason": "x".repeat(BODY_BYTES_MAX)}),
        ];
        for order in refused {
            assert_eq!(world.post("/v1/repairs", &[], &order.to_string()).await.status(), 400, "{order}");
        }
        let mut nobody = get("/v1/repairs");
        *nobody.method_mut() = Method::POST;
        assert_eq!(world.send(nobody).await.status(), 401);
        assert_eq!(world.ask(Method::GET, "/v1/repairs", &[]).await.status(), 405);
        assert_eq!(heard.lock().len(), passed_on.len(), "no chain hears of what is refused");
        assert_eq!(world.gateway.counts().repairs_ordered, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_chain_that_does_not_answer_may_have_kept_the_order() {
        let world = World::new([saying("a"), chain(|_| std::future::pending())], ClockMode::Live);
        let order = json!({"chain": "b", "reason": "x"}).to_string();
        let answer = world.post("/v1/repairs", &[], &order).await;
        assert_eq!(answer.status(), 503);
        assert!(json_of(&answer)["detail"].as_str().unwrap().contains("does no harm"));
    }
}
