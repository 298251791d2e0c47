//! Bodies to the server, one after the other, each counted once.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use http::HeaderValue;
use http::header::RETRY_AFTER;
use tandem_model::Token;
use uuid::Uuid;

use super::Beats;
use super::answer::Posted;
use super::bodies::Body;
use crate::client::{Answer, Client, ClientError, IDEMPOTENCY_KEY, TOKEN};
use crate::failure::Failure;
use crate::progress::Progress;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Sends bodies in order.
pub(super) struct Sender {
    client: Client,
    path: &'static str,
    /// Makes the keys of this run differ from those of any other.
    run: Uuid,
    number: u64,
    wait: Duration,
    token: Option<Token>,
}

/// What an attempt came to.
enum Attempt {
    Taken(Posted, Option<Token>),
    /// Not now; says why, and when to ask again if the server said so.
    Later(String, Option<Duration>),
}

impl Sender {
    pub(super) fn new(client: Client, beats: Beats, wait: Duration) -> Self {
        let path = match beats {
            Beats::Replay => "/v1/events?clock=replay",
            Beats::Live => "/v1/events",
        };
        Self { client, path, run: Uuid::new_v4(), number: 0, wait, token: None }
    }

    /// How far the log reaches with what was sent.
    pub(super) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Sends `body`, again and again with the same key, until it is taken or refused for good.
    pub(super) async fn send(&mut self, body: &Body, progress: &Progress) -> Result<Posted, Failure> {
        self.number += 1;
        let key = HeaderValue::from_str(&format!("\"{}-{}\"", self.run.simple(), self.number))
            .expect("digits, letters and quotes may stand in a header");
        let mut pause = PAUSE_MIN;
        let mut waiting_since = None;
        loop {
            match self.attempt(body, &key).await? {
                Attempt::Taken(posted, token) => {
                    self.note(token)?;
                    progress.going_on();
                    return Ok(posted);
                }
                Attempt::Later(reason, asked) => {
                    let since = *waiting_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.wait {
                        let waited = self.wait.as_secs();
                        return Err(Failure::failed(anyhow!(
                            "gave up after {waited} s without progress: {reason}"
                        )));
                    }
                    progress.waiting(&reason);
                    tokio::time::sleep(asked.unwrap_or(pause).min(PAUSE_MAX)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn attempt(&self, body: &Body, key: &HeaderValue) -> Result<Attempt, Failure> {
        let mut headers = vec![(IDEMPOTENCY_KEY, key.clone())];
        let token = self.token.as_ref().and_then(|token| HeaderValue::from_str(&token.encode()).ok());
        headers.extend(token.map(|token| (TOKEN, token)));
        match self.client.post(self.path, &headers, body.text.clone()).await {
            // The server refuses a token of another log before it takes anything.
            Ok(answer) if self.token.is_some() && answer.refusal().is("bad-token") => Err(log_is_gone()),
            Ok(answer) => judge(&answer).map_err(Failure::failed),
            Err(error) if error.is_retryable() => Ok(Attempt::Later(error.to_string(), None)),
            Err(error) => Err(Failure::failed(error)),
        }
    }

    /// Keeps the token.
    fn note(&mut self, token: Option<Token>) -> Result<(), Failure> {
        match (&self.token, &token) {
            (Some(known), Some(new)) if known.log != new.log => Err(log_is_gone()),
            _ => {
                self.token = token.or_else(|| self.token.take());
                Ok(())
            }
        }
    }
}

/// Another log than before means that the server lost its data on the way.
fn log_is_gone() -> Failure {
    Failure::failed(anyhow!(
        "the server came back with another log, so what was loaded before is gone: \
         start it with --data DIR, which keeps its data, and load again"
    ))
}

fn judge(answer: &Answer) -> Result<Attempt, ClientError> {
    let refusal = answer.refusal();
    if answer.status.is_success() || refusal.is("malformed-events") {
        let token = answer.header(&TOKEN).and_then(|text| Token::decode(text).ok());
        return Ok(Attempt::Taken(answer.json()?, token));
    }
    if refusal.is_retryable() {
        let asked = answer.header(&RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        return Ok(Attempt::Later(refusal.to_string(), asked.map(Duration::from_secs)));
    }
    Err(ClientError::Refused(refusal))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: HeaderMap::new(), body: Bytes::from(body.to_owned()) }
    }

    #[test]
    fn malformed_lines_are_counted_and_other_refusals_end_it() {
        let body = r#"{"type":"urn:tandem:problem:malformed-events","status":422,"accepted":3,"malformed":1,
            "errors":[{"line":2,"field":"ts","reason":"missing","detail":"`ts` is missing"}]}"#;
        let Ok(Attempt::Taken(posted, _)) = judge(&answer(422, body)) else { panic!("not taken") };
        assert_eq!((posted.events, posted.malformed, posted.errors[0].line), (3, 1, 2));
        assert!(matches!(
            judge(&answer(200, r#"{"accepted":7}"#)),
            Ok(Attempt::Taken(Posted { events: 7, .. }, None))
        ));

        let reused = r#"{"type":"urn:tandem:problem:idempotency-key-reused","detail":"d"}"#;
        for (status, body) in [(422, reused), (401, "{}"), (403, "{}"), (413, ""), (404, "")] {
            assert!(judge(&answer(status, body)).is_err(), "{status}");
        }
    }

    #[test]
    fn what_can_pass_is_tried_again() {
        for status in [409, 429, 500, 503] {
            assert!(matches!(judge(&answer(status, "")), Ok(Attempt::Later(_, None))), "{status}");
        }
        let mut busy = answer(503, "");
        busy.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        let Ok(Attempt::Later(_, Some(asked))) = judge(&busy) else { panic!("not later") };
        assert_eq!(asked, Duration::from_secs(1));
    }
}
