//! Posting events, through the whole stack.

use std::time::Duration;

use http::Method;
use tandem_model::{LogId, PartitionId, Token};

use crate::answer::Answer;
use crate::config::{ClockMode, GatewayConfig};
use crate::testing::{KEY, World, json_of, request, saying};

const ENTER: &str = r#"{"event_id":"e1","type":"enter","ts":1000,"session_id":"s","user_id":"u"}"#;
const BEAT: &str = r#"{"type":"beat","beat":5,"ts":5000}"#;

fn world(clock: ClockMode) -> World {
    World::new([saying("a"), saying("b")], clock)
}

fn token(answer: &Answer) -> Token {
    Token::decode(answer.headers()["tandem-token"].to_str().unwrap()).unwrap()
}

#[tokio::test]
async fn good_lines_are_a_200_with_a_token_of_what_was_written() {
    let world = world(ClockMode::Live);
    let answer = world.post("/v1/events", &[], &format!("{ENTER}\n\n{ENTER}\n")).await;
    assert_eq!(answer.status(), 200);
    let body = json_of(&answer);
    assert_eq!((&body["accepted"], &body["beats"], &body["malformed"]), (&2.into(), &0.into(), &0.into()));
    assert_eq!(body["meta"]["token"], answer.headers()["tandem-token"].to_str().unwrap());
    let written: Vec<u64> = token(&answer).next.into_values().collect();
    assert_eq!(written, [2]);
}

#[tokio::test]
async fn the_token_that_was_sent_is_part_of_the_answer() {
    let world = world(ClockMode::Live);
    let mut sent = Token::new(world.shared.ingest.log().id());
    sent.advance(PartitionId(0), 70);
    sent.advance(PartitionId(1), 80);
    let answer = world.post("/v1/events", &[("tandem-token", &sent.encode())], ENTER).await;
    assert_eq!(token(&answer), sent);
    assert_eq!(json_of(&answer)["meta"]["token"], sent.encode());

    let other_log = Token::new(LogId([9; 16])).encode();
    for wrong in [other_log.as_str(), "nonsense"] {
        let answer = world.post("/v1/events", &[("tandem-token", wrong)], ENTER).await;
        assert_eq!(json_of(&answer)["type"], "urn:tandem:problem:bad-token");
    }
}

#[tokio::test]
async fn bad_lines_are_a_422_that_names_them_and_keeps_the_good_ones() {
    let world = world(ClockMode::Live);
    let answer = world.post("/v1/events", &[], &format!("{ENTER}\r\n\r\nnonsense\n{BEAT}\n")).await;
    assert_eq!(answer.status(), 422);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body = json_of(&answer);
    assert_eq!(body["type"], "urn:tandem:problem:malformed-events");
    assert_eq!((&body["accepted"], &body["malformed"]), (&1.into(), &2.into()));
    let errors: Vec<(u64, &str)> = (body["errors"].as_array().unwrap().iter())
        .map(|error| (error["line"].as_u64().unwrap(), error["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(errors, [(3, "not_json"), (4, "beat_not_allowed")]);
    assert!(body["errors"][0]["detail"].is_string());
    assert!(body["detail"].as_str().unwrap().contains("are kept"));
    assert!(body["meta"]["token"].is_string());
}

#[tokio::test]
async fn a_repeated_body_gets_its_first_answer_to_the_last_byte() {
    let world = world(ClockMode::Live);
    for (key, body) in [("good", ENTER.to_owned()), ("\"bad one\"", format!("{ENTER}\nnonsense"))] {
        let headers = [("idempotency-key", key)];
        let first = world.post("/v1/events", &headers, &body).await;
        world.post("/v1/events", &[], ENTER).await;
        let mut later = Token::new(world.shared.ingest.log().id());
        later.advance(PartitionId(0), 1_000);
        let again = [("idempotency-key", key), ("tandem-token", &*later.encode())];
        let second = world.post("/v1/events", &again, &body).await;
        assert_eq!(first.status(), second.status());
        assert_eq!(first.body(), second.body());
        assert_eq!(first.headers().get("idempotency-replayed"), None);
        assert_eq!(second.headers()["idempotency-replayed"], "true");
        let mut joined = token(&first);
        joined.join(&later);
        assert_eq!(token(&second), joined);

        let other = world.post("/v1/events", &headers, "{}").await;
        assert_eq!(json_of(&other)["type"], "urn:tandem:problem:idempotency-key-reused");
    }
    for bad in ["", "\"open", "a b"] {
        let answer = world.post("/v1/events", &[("idempotency-key", bad)], ENTER).await;
        assert_eq!(answer.status(), 400, "{bad}");
    }
    let twice = [("idempotency-key", "x"), ("idempotency-key", "x")];
    assert_eq!(world.post("/v1/events", &twice, ENTER).await.status(), 400);
}

#[tokio::test]
async fn only_a_server_without_a_metronome_takes_beats() {
    let live = world(ClockMode::Live).post("/v1/events?clock=replay", &[], BEAT).await;
    assert_eq!(json_of(&live)["type"], "urn:tandem:problem:conflict");
    assert!(json_of(&live)["detail"].as_str().unwrap().contains("metronome"));

    let world = world(ClockMode::Replay);
    let replay = world.post("/v1/events?clock=replay", &[], &format!("{BEAT}\n{ENTER}")).await;
    assert_eq!((&json_of(&replay)["beats"], &json_of(&replay)["accepted"]), (&1.into(), &1.into()));
    let mut written: Vec<u64> = token(&replay).next.into_values().collect();
    written.sort_unstable();
    assert_eq!(written, [1, 2]);
    assert_eq!(world.post("/v1/events", &[], BEAT).await.status(), 422);
}

#[tokio::test]
async fn other_parameters_are_refused() {
    let world = world(ClockMode::Replay);
    for query in ["clock=live", "clock", "clock=replay&clock=replay", "cl0ck=replay", "clock=replay&x=1", "a"]
    {
        let answer = world.post(&format!("/v1/events?{query}"), &[], ENTER).await;
        assert_eq!(json_of(&answer)["type"], "urn:tandem:problem:bad-parameter", "{query}");
    }
    assert_eq!(world.post("/v1/events?", &[], ENTER).await.status(), 200);
    let zipped = world.post("/v1/events", &[("content-encoding", "gzip")], ENTER).await;
    assert_eq!(zipped.status(), 415);
}

#[tokio::test]
async fn too_much_is_a_413_and_nothing_of_it_is_kept() {
    let config = GatewayConfig { body_bytes_max: 1_000, ..GatewayConfig::new(KEY) };
    let world = World::with(config, [saying("a"), saying("b")], ClockMode::Live);
    let large = format!("{ENTER}\n{}", " ".repeat(1_000));
    // Announced, announced by one who waits for leave, and found out while reading.
    let length = large.len().to_string();
    for headers in [
        &[("content-length", &*length)][..],
        &[("content-length", &*length), ("expect", "100-continue")],
        &[],
    ] {
        let answer = world.post("/v1/events", headers, &large).await;
        assert_eq!(answer.status(), 413);
        assert_eq!(json_of(&answer)["type"], "urn:tandem:problem:too-large");
        assert_eq!(answer.headers()["connection"], "close");
    }
    let lines = world.shared.ingest.log().ends().borrow().iter().sum::<u64>();
    assert_eq!(lines, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_in_is_given_up() {
    let world = world(ClockMode::Live);
    let endless = futures::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>(hyper::body::Frame::data(bytes::Bytes::from_static(b" "))), ()))
    });
    let body = http_body_util::StreamBody::new(endless);
    let request = request(Method::POST, "/v1/events", &[], "").map(|_| body);
    let stack = crate::stack::stack(std::sync::Arc::clone(&world.shared));
    let answer = tower::ServiceExt::oneshot(stack, request).await.unwrap();
    assert_eq!(answer.status(), 408);
}

#[tokio::test]
async fn one_body_too_many_is_answered_at_once() {
    let config = GatewayConfig { bodies_max: 1, ..GatewayConfig::new(KEY) };
    let world = World::with(config, [saying("a"), saying("b")], ClockMode::Live);
    let slot = world.shared.bodies.enter().unwrap();
    let answer = world.post("/v1/events", &[], ENTER).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    drop(slot);
    assert_eq!(world.post("/v1/events", &[], ENTER).await.status(), 200);
}
