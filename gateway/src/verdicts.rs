//! `POST /v1/verdicts`: an operator says what is to happen with an event that stands in the log.
//!
//! The verdict is written into the log, behind the event, and both chains heed it: an event that was
//! released counts at its own place, one that was put into quarantine does not.

use bytes::Bytes;
use http::{Request, StatusCode};
use tandem_model::problem::Problem;
use tandem_model::verdict::{REASON_CHARS_MAX, Ruling, VerdictRequest, VerdictSpoken};
use tandem_model::{PartitionId, Verdict};
use tower::BoxError;

use crate::answer::{self, Answer, problem};
use crate::orders::{self, PATIENCE};
use crate::stack::Shared;

/// Takes a verdict in.
pub(crate) async fn post<B>(shared: &Shared, request: Request<B>) -> Answer
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let order: VerdictRequest = match orders::read(request, "say what counts").await {
        Ok(order) => order,
        Err(refused) => return *refused,
    };
    let chars = order.reason.trim().chars().count();
    if !(1..=REASON_CHARS_MAX).contains(&chars) {
        let detail = format!("`reason` must have 1 to {REASON_CHARS_MAX} characters");
        return problem(&Problem::bad_parameter(detail));
    }
    let VerdictRequest { partition, offset, ruling, reason } = order;
    let verdict = match ruling {
        Ruling::Quarantine => Verdict::quarantine(offset, None, &reason),
        Ruling::Release => Verdict::release(offset, &reason),
    };
    tracing::warn!(partition, offset, ?ruling, reason, "an operator's verdict about an event");
    let ruled = shared.ingest.rule(PartitionId(partition), &verdict);
    match tokio::time::timeout(PATIENCE, ruled).await {
        Ok(Ok(Some(at))) => {
            answer::json(StatusCode::ACCEPTED, &VerdictSpoken { partition, offset, ruling, at })
        }
        Ok(Ok(None)) => problem(&Problem::bad_parameter(format!(
            "there is no event at offset {offset} of partition {partition}"
        ))),
        Ok(Err(error)) => problem(&error.problem()),
        Err(_) => problem(&Problem::unavailable(
            "the verdict may stand in the log or not: giving it again does no harm",
        )),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use crate::config::ClockMode;
    use crate::testing::{World, get, json_of, saying};

    #[tokio::test]
    async fn an_operators_verdict_goes_into_the_log_and_anything_else_is_refused() {
        let world = World::new([saying("a"), saying("b")], ClockMode::Live);
        let release = json!({"partition": 0, "offset": 0, "ruling": "release", "reason": "mended"});
        assert_eq!(
            world.post("/v1/verdicts", &[], &release.to_string()).await.status(),
            400,
            "no record yet"
        );
        let line = r#"{"event_id":"e1","type":"session_end","ts":1,"session_id":"s1"}"#;
        let partition = tandem_model::partition::partition_of(b"s1", 2).0;
        assert_eq!(world.post("/v1/events", &[], line).await.status(), 200);
        let good =
            |ruling: &str| json!({"partition": partition, "offset": 0, "ruling": ruling, "reason": "x"});
        for (at, ruling) in (1..).zip(["quarantine", "release"]) {
            let answer = world.post("/v1/verdicts", &[], &good(ruling).to_string()).await;
            assert_eq!(answer.status(), 202);
            let said = json!({"partition": partition, "offset": 0, "ruling": ruling, "at": at});
            assert_eq!(json_of(&answer), said);
        }
        let cases = [
            json!({"partition": partition, "offset": 9, "ruling": "release", "reason": "x"}),
            // A verdict.
            json!({"partition": partition, "offset": 1, "ruling": "release", "reason": "x"}),
            json!({"partition": 999, "offset": 0, "ruling": "release", "reason": "x"}),
            json!({"partition": partition, "offset": 0, "ruling": "release", "reason": " "}),
            json!({"partition": partition, "offset": 0, "ruling": "forget", "reason": "x"}),
            json!({"partition": partition, "offset": 0, "reason": "x"}),
        ];
        for order in cases {
            assert_eq!(world.post("/v1/verdicts", &[], &order.to_string()).await.status(), 400, "{order}");
        }
        let mut nobody = get("/v1/verdicts");
        *nobody.method_mut() = Method::POST;
        assert_eq!(world.send(nobody).await.status(), 401);
        assert_eq!(world.ask(Method::GET, "/v1/verdicts", &[]).await.status(), 405);
    }
}
